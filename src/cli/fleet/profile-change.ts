import {
  checkSettings,
  DEFAULT_PROFILE,
  defaultSettings,
  effectiveSettings,
  type Overrides,
  parseOverride,
  type SettingName,
  type SettingValues,
  settingName,
  settingNames,
  settingSchema,
  whyNotInProfile,
} from "../../configuration/index.ts";
import { EnidError } from "../../errors.ts";
import {
  PROFILE_LIMIT_BYTES,
  PROFILE_NAME,
  PROFILES_LIMIT,
  type ProfileList,
  type ProfileStore,
} from "../../fleet/index.ts";
import type { FleetProfile } from "../../manager/ports/index.ts";
import { parseLabels } from "../node-labels.ts";

export type ProfilePut = Omit<FleetProfile, "setAtMs">;

/** What `enid fleet set` wants of a profile. */
export interface ProfileWish {
  readonly profile: string;
  readonly assignments: readonly string[];
  /** "m5.*,c5.large"; undefined = as it is. */
  readonly instanceTypes: string | undefined;
  /** "k=v,k2=v2"; undefined = as it is. */
  readonly labels: string | undefined;
}

const TRIES = 5;

/**
 * Changes the profile by compare-and-set; `changed` answers what is to be put in its place, or undefined when it is to go.
 *
 * @throws EnidError ENID_FLEET_AWAY, ENID_FLEET_FAILED, and what `changed` throws.
 */
export async function changeProfile(
  store: ProfileStore,
  name: string,
  changed: (before: ProfilePut | undefined, list: ProfileList) => ProfilePut | undefined,
): Promise<{ readonly profile: ProfilePut | undefined; readonly revision: number }> {
  for (let tries = 0; tries < TRIES; tries++) {
    const list = await store.list();
    const profile = changed(
      list.profiles.find((one) => one.name === name),
      list,
    );
    const answer =
      profile === undefined ? await store.remove(name, list.revision) : await store.put(profile, list.revision);
    if (answer.kind === "done") return { profile, revision: answer.revision };
    if (answer.kind === "full") throw usage(`the fleet has ${PROFILES_LIMIT} profiles, which is the most`, "fleet set");
  }
  throw new EnidError("ENID_FLEET_AWAY", { detail: "others change the profiles at the same time; try again" });
}

/**
 * The profile as the wish makes it, valid by itself and together with the default one.
 *
 * @throws EnidError ENID_USAGE, ENID_SETTING_UNKNOWN, ENID_SETTING_INVALID.
 */
export function wishedProfile(
  wish: ProfileWish,
  before: ProfilePut | undefined,
  list: ProfileList,
  reached: SettingValues,
): ProfilePut {
  const { profile: name, instanceTypes, labels } = wish;
  if (!PROFILE_NAME.test(name)) {
    throw usage(`${JSON.stringify(name)} is no name of a profile; allowed is ${PROFILE_NAME.source}`, "fleet set");
  }
  if (name === DEFAULT_PROFILE && (instanceTypes !== undefined || labels !== undefined)) {
    throw usage(`the profile ${DEFAULT_PROFILE} is for every node; name another one with --profile`, "fleet set");
  }
  const values = { ...before?.values };
  for (const assignment of wish.assignments) {
    const { name: setting, value } = parseOverride(assignment);
    refuseNodesOwn(setting, value);
    values[setting] = value;
  }
  if (Object.keys(values).length === 0) throw usage("NAME=VALUE is missing", "fleet set");
  const profile: ProfilePut = { name, match: wishedMatch(wish, before), values };
  const bytes = Buffer.byteLength(JSON.stringify(profile));
  if (bytes > PROFILE_LIMIT_BYTES) {
    throw usage(`the profile would have ${bytes} bytes; allowed are ${PROFILE_LIMIT_BYTES}`, "fleet set");
  }
  refuseContradictions(profile, list, reached);
  return profile;
}

function refuseNodesOwn(setting: SettingName, value: unknown): void {
  const why = whyNotInProfile(setting);
  if (why === undefined) return;
  throw new EnidError("ENID_SETTING_INVALID", {
    name: setting,
    value: JSON.stringify(value),
    allowed: `it cannot stand in a profile, for ${why}`,
  });
}

function wishedMatch({ instanceTypes, labels }: ProfileWish, before: ProfilePut | undefined): ProfilePut["match"] {
  const types = instanceTypes === undefined ? before?.match.instanceTypes : instanceTypesOf(instanceTypes);
  const pairs = labels === undefined ? before?.match.labels : parseLabels(labels, "--label", "fleet set");
  return {
    ...(types === undefined || types.length === 0 ? undefined : { instanceTypes: types }),
    ...(pairs === undefined || Object.keys(pairs).length === 0 ? undefined : { labels: pairs }),
  };
}

function instanceTypesOf(text: string): string[] {
  const types = text === "any" ? [] : text.split(",").map((type) => type.trim());
  const wrong = types.find((type) => !/^[a-z0-9*][a-z0-9.*-]{0,63}$/.test(type));
  if (wrong === undefined) return types;
  throw usage(
    `--instance-type ${JSON.stringify(wrong)} is no instance type; allowed are names such as m5.large, * for any characters, and any`,
    "fleet set",
  );
}

/** The default profile with each other one that the change is about: what a node may get that matches one of them. */
function refuseContradictions(profile: ProfilePut, { profiles }: ProfileList, reached: SettingValues): void {
  const others = profiles.filter(({ name }) => name !== profile.name);
  const standard = profile.name === DEFAULT_PROFILE ? profile : others.find(({ name }) => name === DEFAULT_PROFILE);
  const beside = profile.name === DEFAULT_PROFILE ? others : [profile];
  const below = standard === undefined ? [] : [standard];
  for (const layers of [below, ...beside.map((one) => [...below, one])]) {
    const [problem] = checkSettings(effectiveSettings(undefined, reachedBy(reached), layers));
    if (problem === undefined) continue;
    const name =
      problem.names.find((one) => Object.hasOwn(profile.values, one)) ?? Object.keys(profile.values)[0] ?? "";
    const value = JSON.stringify(profile.values[name]);
    throw new EnidError("ENID_SETTING_INVALID", { name, value, allowed: problem.message });
  }
}

/** Every node has what it is in the fleet by. */
function reachedBy(values: SettingValues): Overrides {
  const own = settingNames.filter(
    (name) =>
      settingSchema(name).section === "fleet" && JSON.stringify(values[name]) !== JSON.stringify(defaultSettings[name]),
  );
  return Object.fromEntries(own.map((name) => [name, { value: values[name], setAtMs: 0 }]));
}

/** The profile without the settings; undefined when nothing is left of it. Throws ENID_SETTING_UNKNOWN, ENID_USAGE. */
export function reducedProfile(
  names: readonly string[],
  before: ProfilePut | undefined,
  name: string,
): ProfilePut | undefined {
  if (before === undefined) throw usage(`the fleet has no profile ${JSON.stringify(name)}`, "fleet unset");
  const { name: _, match, values } = before;
  // What only a newer enid knows can be taken out all the same.
  const gone = new Set(names.map((text) => (Object.hasOwn(values, text) ? text : settingName(text))));
  const left = Object.entries(values).filter(([setting]) => !gone.has(setting));
  return names.length === 0 || left.length === 0 ? undefined : { name, match, values: Object.fromEntries(left) };
}

function usage(detail: string, command: string): EnidError {
  return new EnidError("ENID_USAGE", { detail, command });
}
