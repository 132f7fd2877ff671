import { printable } from "./problems.ts";
import { isSettingName, settingErrors, settingNames, settingSchema } from "./schema.ts";
import type { SettingName, SettingProblem } from "./types.ts";
import { valueFaults } from "./value-faults.ts";

/** Settings for all nodes of a fleet, or for those that it matches. */
export interface Profile {
  readonly name: string;
  /** All of it must fit; empty = every node. */
  readonly match: {
    /** `*` stands for any characters; one of them must fit. */
    readonly instanceTypes?: readonly string[];
    readonly labels?: Readonly<Record<string, string>>;
  };
  readonly values: Readonly<Record<string, unknown>>;
}

/** The profile that is for every node and stands below all others. */
export const DEFAULT_PROFILE = "default";

/** What a node has that profiles match. */
export interface ProfileSubject {
  /** Empty = none, or not known yet. */
  readonly instanceType: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** Settings that say something of one machine, or of the files on it: nobody else can know them. */
const OF_ONE_NODE: readonly SettingName[] = [
  "podCIDRs",
  "excluded-addresses",
  "router-id",
  "bird-include-file",
  "bird-control-socket",
];

/** Why the setting cannot stand in a profile; undefined = it can. */
export function whyNotInProfile(name: SettingName): string | undefined {
  if (settingSchema(name).section === "fleet") return "it says how the node reaches its fleet";
  if (settingSchema(name).section === "kubernetes") return "it says how the node reaches Kubernetes";
  return OF_ONE_NODE.includes(name) ? "it is each node's own" : undefined;
}

/** Names of the settings that profiles can have. */
export const profileSettingNames = (): SettingName[] =>
  settingNames.filter((name) => whyNotInProfile(name) === undefined);

/**
 * The profiles of the node, those that count less first: "default", then those with fewer conditions (instance types are one,
 * each label is one), and of equally many in the order of their names.
 */
export function profilesFor<Kind extends Profile>(profiles: readonly Kind[], subject: ProfileSubject): Kind[] {
  return profiles
    .filter((profile) => fits(profile, subject))
    .sort((one, other) => rank(one) - rank(other) || (one.name < other.name ? -1 : 1));
}

function fits({ name, match: { instanceTypes, labels = {} } }: Profile, subject: ProfileSubject): boolean {
  if (name === DEFAULT_PROFILE) return true;
  if (instanceTypes !== undefined && !instanceTypes.some((pattern) => matches(pattern, subject.instanceType))) {
    return false;
  }
  return Object.entries(labels).every(
    ([key, value]) => Object.hasOwn(subject.labels, key) && subject.labels[key] === value,
  );
}

function rank({ name, match: { instanceTypes, labels = {} } }: Profile): number {
  if (name === DEFAULT_PROFILE) return -1;
  return (instanceTypes === undefined ? 0 : 1) + Object.keys(labels).length;
}

/** `*` stands for any characters, also none. Linear: the parts are looked for one after the other. */
function matches(pattern: string, text: string): boolean {
  const [first = "", ...rest] = pattern.split("*");
  const last = rest.pop();
  if (last === undefined) return text === pattern;
  if (text.length < first.length + last.length || !text.startsWith(first) || !text.endsWith(last)) return false;
  const end = text.length - last.length;
  let at = first.length;
  for (const part of rest) {
    const found = text.indexOf(part, at);
    if (found === -1 || found + part.length > end) return false;
    at = found + part.length;
  }
  return true;
}

/** Whether the value of the profile counts in this version of enid. */
export function countsInProfile(name: SettingName, value: unknown): boolean {
  return (
    whyNotInProfile(name) === undefined &&
    settingErrors(name, value).length === 0 &&
    valueFaults(name, value).length === 0
  );
}

/** What in the profiles has no effect, because this version of enid does not know the setting or allow the value. */
export function profileProblems(profiles: readonly Profile[]): SettingProblem[] {
  return profiles.flatMap(({ name: profile, values }) =>
    Object.entries(values).flatMap(([name, value]): SettingProblem[] => {
      const what = `${printable(name)} of the fleet's profile ${profile} has no effect`;
      if (!isSettingName(name)) return [{ names: [name], message: `${what}: no setting is called so` }];
      const why = whyNotInProfile(name);
      if (why !== undefined) return [{ names: [name], message: `${what}: ${why}` }];
      if (countsInProfile(name, value)) return [];
      return [{ names: [name], message: `${what}: ${printable(JSON.stringify(value) ?? "")} is not an allowed value` }];
    }),
  );
}
