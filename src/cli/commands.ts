import type { Command } from "./command.ts";

export interface CommandEntry {
  readonly summary: string;
  /** Loads the command's file: a quick command must not pay for the SDK that `run` needs. */
  readonly load: () => Promise<Command>;
}

/** Every command, in the order of the help. */
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
