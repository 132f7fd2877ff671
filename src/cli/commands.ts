import type { Command } from "./command.ts";

export interface CommandEntry {
  readonly summary: string;
  /** Loads the command's file: a quick command must not pay for the SDK that `run` needs. */
  readonly load: () => Promise<Command>;
}

/** Every command, in the order of the help. One of two words is of the group that the first one names. */
export const COMMANDS: Readonly<Record<string, CommandEntry>> = {
  run: {
    summary: "Run the daemon that owns this node's pod addresses.",
    load: async () => (await import("./commands/run.ts")).run,
  },
  validate: {
    summary: "Check configuration files without applying them.",
    load: async () => (await import("./commands/validate.ts")).validate,
  },
  plan: {
    summary: "Show what the daemon would do next, with the EC2 calls and why; changes nothing.",
    load: async () => (await import("./commands/plan.ts")).plan,
  },
  status: {
    summary: "Show addresses, interfaces, settings and everything that is degraded.",
    load: async () => (await import("./commands/status.ts")).status,
  },
  set: {
    summary: "Override a setting on this node; survives restarts.",
    load: async () => (await import("./commands/set.ts")).set,
  },
  unset: {
    summary: "Take an override back; the file or the default counts again.",
    load: async () => (await import("./commands/unset.ts")).unset,
  },
  explain: {
    summary: "Say why a pod has its address, or why it has none.",
    load: async () => (await import("./commands/explain.ts")).explain,
  },
  adopt: {
    summary: "Take this node over from the VPC CNI or from Cilium's operator with its pods running.",
    load: async () => (await import("./commands/adopt.ts")).adopt,
  },
  cleanup: {
    summary: "Remove the host routes that enid made on this node, for a node that it leaves.",
    load: async () => (await import("./commands/cleanup.ts")).cleanup,
  },
  check: {
    summary: "Try whether this node may make the EC2 calls that enid needs; changes nothing.",
    load: async () => (await import("./commands/check.ts")).check,
  },
  export: {
    summary: "Print a complete configuration of BIRD for this node.",
    load: async () => (await import("./commands/export.ts")).exportFile,
  },
  install: {
    summary: "Lay down enid on this machine and start it: plugin, service, configuration; then check what it needs.",
    load: async () => (await import("./commands/install.ts")).install,
  },
  uninstall: {
    summary: "Remove what `enid install` laid down and nobody changed since.",
    load: async () => (await import("./commands/uninstall.ts")).uninstall,
  },
  "max-pods": {
    summary: "Print how many pods a node of an instance type can have, for the kubelet.",
    load: async () => (await import("./commands/max-pods.ts")).maxPods,
  },
  "user-data": {
    summary: "Print the user data by which an EC2 instance sets itself up.",
    load: async () => (await import("./commands/user-data.ts")).userData,
  },
  fleet: {
    summary: "Show and set what the nodes of a fleet share.",
    load: async () => (await import("./commands/fleet.ts")).fleet,
  },
  "fleet nodes": {
    summary: "Who is there, with what each node has.",
    load: async () => (await import("./commands/fleet-nodes.ts")).fleetNodes,
  },
  "fleet subnets": {
    summary: "The subnets that nodes use, with what is free in them.",
    load: async () => (await import("./commands/fleet-nodes.ts")).fleetSubnets,
  },
  "fleet top": {
    summary: "The nodes that stand out: fewest free addresses, most leases, waiting pods or EC2 calls.",
    load: async () => (await import("./commands/fleet-nodes.ts")).fleetTop,
  },
  "fleet budget": {
    summary: "The fleet's buckets of EC2 calls, and who waits for their tokens.",
    load: async () => (await import("./commands/fleet-budget.ts")).fleetBudget,
  },
  "fleet profiles": {
    summary: "The settings for all nodes, or for those that match.",
    load: async () => (await import("./commands/fleet-settings.ts")).fleetProfiles,
  },
  "fleet set": {
    summary: "Put settings into a profile.",
    load: async () => (await import("./commands/fleet-settings.ts")).fleetSet,
  },
  "fleet unset": {
    summary: "Take settings out of a profile, or the whole profile away.",
    load: async () => (await import("./commands/fleet-settings.ts")).fleetUnset,
  },
  "fleet fixed": {
    summary: "The addresses that follow their pods: list, show, release, pin.",
    load: async () => (await import("./commands/fleet-fixed.ts")).fleetFixed,
  },
  "fleet announce": {
    summary: "Say of a node that another IPAM runs on it.",
    load: async () => (await import("./commands/fleet-announce.ts")).fleetAnnounce,
  },
  simulate: {
    summary: "Hunt for broken promises in seeded worlds, or try what a fleet would need; nothing real is touched.",
    load: async () => (await import("./commands/simulate.ts")).simulate,
  },
  simulator: {
    summary: "Run a simulated EC2 and instance metadata for development and tests.",
    load: async () => (await import("./commands/simulator.ts")).simulator,
  },
  version: {
    summary: "Print the version.",
    load: async () => (await import("./commands/version.ts")).version,
  },
};

/** The commands of the group, by their second word. */
export function commandsOf(group: string): readonly (readonly [string, CommandEntry])[] {
  return Object.entries(COMMANDS).flatMap(([name, entry]) =>
    name.startsWith(`${group} `) ? [[name.slice(group.length + 1), entry] as const] : [],
  );
}

/** The command that the words begin with, and what follows it. Undefined: there is none. */
export function findCommand(
  words: readonly string[],
): { readonly entry: CommandEntry; readonly rest: readonly string[] } | undefined {
  const [first = "", second = ""] = words;
  const both = `${first} ${second}`;
  if (Object.hasOwn(COMMANDS, both)) return { entry: COMMANDS[both] as CommandEntry, rest: words.slice(2) };
  if (!first.includes(" ") && Object.hasOwn(COMMANDS, first)) {
    return { entry: COMMANDS[first] as CommandEntry, rest: words.slice(1) };
  }
  return undefined;
}
