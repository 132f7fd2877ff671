import { defaultSettings } from "./defaults.ts";
import { partAt, positionText, printable } from "./problems.ts";
import { countsInProfile, type Profile } from "./profiles.ts";
import { relations } from "./relations.ts";
import { isSettingName, settingErrors, settingNames, settingSchema } from "./schema.ts";
import type { Configuration, Origin, SettingName, SettingProblem, Settings, SettingValues } from "./types.ts";
import { canonical, valueFaults } from "./value-faults.ts";

/** Overrides as the state keeps them, by setting name. */
export type Overrides = Readonly<Record<string, { readonly value: unknown; readonly setAtMs: number }>>;

/**
 * The settings that hold: a default, unless a profile of the fleet says otherwise, unless the file does, unless an override
 * does. `profiles` are the node's own, those that count less first. Never throws: an override or a value of a profile that
 * this version does not know or allow has no effect, and `overrideProblems` and `profileProblems` name it.
 */
export function effectiveSettings(
  configuration: Configuration | undefined,
  overrides: Overrides,
  profiles: readonly Profile[] = [],
): Settings {
  const own = (name: SettingName): readonly [unknown, Origin] | undefined => {
    const override = ownOverride(overrides, name);
    if (override !== undefined)
      return [canonical(name, override.value), { kind: "override", setAtMs: override.setAtMs }];
    const value = configuration?.values[name];
    const place = configuration?.places[name];
    return value !== undefined && place !== undefined ? [value, { kind: "file", place }] : undefined;
  };
  const [ranges = defaultSettings.podCIDRs] = own("podCIDRs") ?? [];
  const hasRanges = Array.isArray(ranges) && ranges.length > 0;
  const entries = settingNames.map((name): [SettingName, unknown, Origin] => {
    // What a profile says of EC2 is for the nodes there; one fleet may have both kinds.
    const others = hasRanges && isOfEc2(name) ? [] : profiles;
    const [value, origin] = own(name) ?? ofProfiles(others, name) ?? [defaultSettings[name], { kind: "default" }];
    return [name, value, origin];
  });
  return {
    // Each value passed the schema of its name, or is the default of it.
    values: Object.fromEntries(entries.map(([name, value]) => [name, value])) as unknown as SettingValues,
    origins: Object.fromEntries(entries.map(([name, , origin]) => [name, origin])) as Record<SettingName, Origin>,
  };
}

function ofProfiles(profiles: readonly Profile[], name: SettingName): readonly [unknown, Origin] | undefined {
  const profile = profiles.findLast(({ values }) => Object.hasOwn(values, name) && countsInProfile(name, values[name]));
  if (profile === undefined) return undefined;
  return [canonical(name, profile.values[name]), { kind: "fleet", profile: profile.name }];
}

function ownOverride(overrides: Overrides, name: SettingName): Overrides[string] | undefined {
  if (!Object.hasOwn(overrides, name)) return undefined;
  const override = overrides[name];
  return override !== undefined && isAllowed(name, override.value) ? override : undefined;
}

function isAllowed(name: SettingName, value: unknown): boolean {
  return settingErrors(name, value).length === 0 && valueFaults(name, value).length === 0;
}

/** Stored overrides that have no effect, because this version of enid does not know the setting or allow the value. */
export function overrideProblems(overrides: Overrides): SettingProblem[] {
  return Object.keys(overrides).flatMap((name): SettingProblem[] => {
    if (!isSettingName(name)) {
      return [{ names: [name], message: `override ${name} has no effect: no setting is called so` }];
    }
    if (ownOverride(overrides, name) !== undefined) return [];
    const value = printable(JSON.stringify(overrides[name]?.value) ?? "");
    return [{ names: [name], message: `override ${name}=${value} has no effect: the value is not allowed` }];
  });
}

/** Conflicts between settings, wherever they come from; none means that they can be applied together. */
export function checkSettings(settings: Settings): SettingProblem[] {
  return [
    ...allocateConflict(settings),
    ...prefixConflict(settings),
    ...rangeConflicts(settings),
    ...relationConflicts(settings),
  ];
}

function allocateConflict({ values, origins }: Settings): SettingProblem[] {
  const max = values["max-allocate"];
  const min = values["min-allocate"];
  if (max <= 0 || max >= min) return [];
  return [
    {
      names: ["max-allocate", "min-allocate"],
      message: `max-allocate ${max} (${originText(origins["max-allocate"])}) is below min-allocate ${min} (${originText(origins["min-allocate"])}); allowed is 0 (no limit) or at least min-allocate`,
    },
  ];
}

function prefixConflict({ values, origins }: Settings): SettingProblem[] {
  const mode = values["prefix-delegation"];
  if (mode === "off" || !values["disable-prefix-delegation"]) return [];
  const asks = origins["prefix-delegation"];
  const forbids = origins["disable-prefix-delegation"];
  return [
    {
      names: ["prefix-delegation", "disable-prefix-delegation"],
      message: `prefix-delegation ${mode} (${originText(asks)}) asks for the prefixes that disable-prefix-delegation true (${originText(forbids)}) forbids; allowed is one of the two${wayOut(asks.kind, forbids.kind)}`,
    },
  ];
}

/** An override stands above the file, so that correcting the file is not the only way. */
function wayOut(asks: Origin["kind"], forbids: Origin["kind"]): string {
  if (asks === "override" && forbids === "override") return ": `enid unset` one of them";
  if (asks === "override") return ": `enid unset prefix-delegation`, or `enid set disable-prefix-delegation=false`";
  if (forbids === "override") return ": `enid unset disable-prefix-delegation`, or `enid set prefix-delegation=off`";
  return "";
}

function rangeConflicts({ values, origins }: Settings): SettingProblem[] {
  if (values.podCIDRs.length === 0) return [];
  const problems: SettingProblem[] = [];
  const ranges = `podCIDRs (${originText(origins.podCIDRs)})`;
  const ec2 = settingNames.filter(
    (name) => isOfEc2(name) && origins[name].kind !== "default" && !isEmpty(values[name]),
  );
  if (ec2.length > 0) {
    const named = ec2.map((name) => `${name} (${originText(origins[name])})`).join(", ");
    problems.push({
      names: ["podCIDRs", ...ec2],
      message: `${ranges} gives the node ranges of its own, while ${named} takes addresses from EC2; allowed is one of the two`,
    });
  }
  return problems;
}

function relationConflicts({ values, origins }: Settings): SettingProblem[] {
  return relations(values, (name) => origins[name].kind !== "default").map(({ name, at, other, what }) => {
    const value = partAt(values[name], at);
    const shown = typeof value === "string" ? value : printable(JSON.stringify(value));
    const where = other === undefined ? "" : `${other} (${originText(origins[other])})`;
    return {
      names: other === undefined ? [name] : [name, other],
      message: `${name} ${shown} (${originText(origins[name])}) ${what(where)}`,
    };
  });
}

/** What stands in `eni` is for nodes that take their addresses from EC2. */
function isOfEc2(name: SettingName): boolean {
  return settingSchema(name).section === "eni";
}

function isEmpty(value: unknown): boolean {
  return value === "" || (typeof value === "object" && value !== null && Object.keys(value).length === 0);
}

/** "default", "fleet profile web", "file /etc/…:3:14" or "override". */
export function originText(origin: Origin): string {
  if (origin.kind === "fleet") return `fleet profile ${origin.profile}`;
  return origin.kind === "file" ? `file ${positionText(origin.place)}` : origin.kind;
}

/** Where a node's addresses come from; the name of the provider. */
export type Environment = "aws" | "node-cidr";

/** From EC2, unless the settings name ranges that are the node's own. */
export function environmentOf({ values }: Settings): Environment {
  return values.podCIDRs.length > 0 ? "node-cidr" : "aws";
}

/** What the settings say about subnets, security groups and interfaces: the fields of a provider's selection. */
export interface SettingsSelection {
  readonly subnetIds: readonly string[];
  readonly subnetTags: Readonly<Record<string, string>>;
  readonly securityGroups: readonly string[];
  readonly securityGroupTags: Readonly<Record<string, string>>;
  readonly excludeInterfaceTags: Readonly<Record<string, string>>;
  readonly deleteOnTermination: boolean;
  readonly adoptInterfacesOf: readonly ("vpc-cni" | "cilium")[];
}

export function selectionOf({ values }: Settings): SettingsSelection {
  return {
    subnetIds: values["subnet-ids"],
    subnetTags: values["subnet-tags"],
    securityGroups: values["security-groups"],
    securityGroupTags: values["security-group-tags"],
    excludeInterfaceTags: values["exclude-interface-tags"],
    deleteOnTermination: values["delete-on-termination"],
    adoptInterfacesOf: values["adopt-interfaces-of"],
  };
}

/** Whether blocks are prefixes, from the two settings that say so: the prohibition wins. */
export function prefixModeOf({ values }: Settings): SettingValues["prefix-delegation"] {
  return values["disable-prefix-delegation"] ? "off" : values["prefix-delegation"];
}
