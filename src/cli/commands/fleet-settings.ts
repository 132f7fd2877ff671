import { EnidError } from "../../errors.ts";
import { defineCommand, type FlagDefinition } from "../command.ts";
import { FLEET_FLAGS, withFleet } from "../fleet/session.ts";
import { HEARD_WITHIN, matchText, renderProfiles } from "../render/fleet.ts";

const PROFILE_FLAG = {
  type: "string",
  value: "NAME",
  help: "The profile; default is for every node.",
  default: "default",
} as const satisfies FlagDefinition;

export const fleetProfiles = defineCommand({
  name: "fleet profiles",
  description:
    "The settings that the fleet has for all nodes or for some. They stand above the defaults and below each node's own file\nand overrides; `enid status --settings` shows on a node which of them count there.",
  positionals: "",
  positionalCount: [0, 0],
  flags: FLEET_FLAGS,
  examples: [{ line: "enid fleet profiles", what: "What does the fleet say to its nodes?" }],
  async run({ flags, output, clock }) {
    const list = await withFleet(flags, clock, ({ store }) => store.profiles.list());
    output.line(flags.json ? JSON.stringify(list) : renderProfiles(list.profiles, output.style).join("\n"));
    return 0;
  },
});

export const fleetSet = defineCommand({
  name: "fleet set",
  description:
    "Puts settings into a profile, which is made where there is none. Each value is checked as `enid set` checks it, the\nprofile together with the default one; a node on which it goes with nothing refuses it and says so. Settings of the\nsection fleet, and those that are each node's own (podCIDRs, router-id, paths of BIRD), cannot stand in a profile.",
  positionals: "NAME=VALUE...",
  positionalCount: [0, 100],
  flags: {
    ...FLEET_FLAGS,
    profile: PROFILE_FLAG,
    "instance-type": {
      type: "string",
      value: "LIST",
      help: "The profile is for nodes of these instance types: m5.*,c5.large; any: of all. When absent it stays.",
    },
    label: {
      type: "string",
      value: "LIST",
      help: "The profile is for nodes with all of these labels: k=v,k2=v2; any: with whichever. When absent it stays.",
    },
  },
  examples: [
    { line: "enid fleet set pre-allocate=16", what: "For every node whose file does not say otherwise." },
    {
      line: "enid fleet set --profile big --instance-type m5.8xlarge,c5.* pre-allocate=64 prefix-delegation=preferred",
      what: "For large instances.",
    },
    { line: "enid fleet set --profile web --label team=web cooling-seconds=60", what: "For nodes with a label." },
  ],
  async run({ flags, positionals, output, clock }) {
    const { changeProfile, wishedProfile } = await import("../fleet/profile-change.ts");
    const wish = {
      profile: flags.profile,
      assignments: positionals,
      instanceTypes: flags["instance-type"],
      labels: flags.label,
    };
    const { profile, revision } = await withFleet(flags, clock, ({ store, values }) =>
      changeProfile(store.profiles, wish.profile, (before, list) => wishedProfile(wish, before, list, values)),
    );
    if (profile === undefined) throw new TypeError("a profile that was put is there");
    if (flags.json) output.line(JSON.stringify({ profile, revision }));
    else {
      const settings = Object.entries(profile.values).map(([name, value]) => `  ${name} = ${JSON.stringify(value)}`);
      output.line([`${profile.name}: ${matchText(profile)}`, ...settings, heard()].join("\n"));
    }
    return 0;
  },
});

export const fleetUnset = defineCommand({
  name: "fleet unset",
  description:
    "Takes settings out of a profile; the node's next profile counts again, or the default. With --all the whole profile goes,\nand so does one that has no setting left.",
  positionals: "NAME...",
  positionalCount: [0, 100],
  flags: {
    ...FLEET_FLAGS,
    profile: PROFILE_FLAG,
    all: { type: "boolean", help: "The whole profile." },
  },
  examples: [
    { line: "enid fleet unset pre-allocate", what: "Out of the default profile." },
    { line: "enid fleet unset --profile web --all", what: "The whole profile web." },
  ],
  async run({ flags, positionals, output, clock }) {
    if ((positionals.length === 0) !== flags.all) {
      throw new EnidError("ENID_USAGE", { detail: "either NAME or --all is needed", command: "fleet unset" });
    }
    const { changeProfile, reducedProfile } = await import("../fleet/profile-change.ts");
    const { profile, revision } = await withFleet(flags, clock, ({ store }) =>
      changeProfile(store.profiles, flags.profile, (before) => reducedProfile(positionals, before, flags.profile)),
    );
    if (flags.json) output.line(JSON.stringify({ profile: profile ?? null, revision }));
    else if (profile === undefined) output.line(`the profile ${flags.profile} is gone; ${heard()}`);
    else output.line(`${positionals.join(", ")} is taken out of the profile ${flags.profile}; ${heard()}`);
    return 0;
  },
});

function heard(): string {
  return `nodes hear of it within ${HEARD_WITHIN}`;
}
