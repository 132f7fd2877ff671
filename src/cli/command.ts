import type { Clock } from "../adapters/index.ts";
import type { Output } from "./output.ts";

/** One flag of a command. All flags have long names only; what is typed often is a positional. */
export interface FlagDefinition {
  readonly type: "boolean" | "string" | "number";
  /** What stands for the value in the help, e.g. "FILE". Not for booleans. */
  readonly value?: string;
  readonly help: string;
  /** Used when neither the flag nor `env` says anything. */
  readonly default?: string;
  /** Environment variable that gives the value when the flag does not. */
  readonly env?: string;
  /** Another spelling of the same flag. */
  readonly alias?: string;
  /** Of a number: the least and greatest allowed, both whole. */
  readonly range?: readonly [number, number];
  /** Allowed values of a string. */
  readonly oneOf?: readonly string[];
  /** The command cannot run without it. */
  readonly required?: boolean;
}

export type FlagDefinitions = Readonly<Record<string, FlagDefinition>>;

/** The values of the flags: a boolean is false when absent; others are undefined unless required or defaulted. */
export type FlagValues<Flags extends FlagDefinitions> = {
  readonly [Name in keyof Flags]: Flags[Name]["type"] extends "boolean"
    ? boolean
    : Flags[Name]["type"] extends "number"
      ? Present<Flags[Name], number>
      : Present<Flags[Name], string>;
};
type Present<Flag extends FlagDefinition, Value> = Flag extends { default: string } | { required: true }
  ? Value
  : Value | undefined;

/** What a command runs with. */
export interface Invocation<Flags extends FlagDefinitions> {
  readonly flags: FlagValues<Flags>;
  readonly positionals: readonly string[];
  readonly output: Output;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
}

export interface Command<Flags extends FlagDefinitions = FlagDefinitions> {
  readonly name: string;
  /** What it does and when one wants it; a paragraph. */
  readonly description: string;
  /** The positionals as the usage line shows them, e.g. "NAME=VALUE". Empty: none. */
  readonly positionals: string;
  /** Least and greatest number of positionals. */
  readonly positionalCount: readonly [number, number];
  readonly flags: Flags;
  readonly examples: readonly { readonly line: string; readonly what: string }[];
  /** Answers with the exit code; throws an EnidError otherwise. Heavy rooms are imported in here, not above. */
  run(invocation: Invocation<Flags>): Promise<number>;
}

/** Keeps the types of the flags for `run`. */
export function defineCommand<const Flags extends FlagDefinitions>(command: Command<Flags>): Command {
  return command as unknown as Command;
}

export const JSON_FLAG = {
  type: "boolean",
  help: "Print the answer as one JSON document; errors too, on standard error.",
} as const satisfies FlagDefinition;

export const SOCKET_FLAG = {
  type: "string",
  value: "PATH",
  help: "The daemon's Unix socket.",
  default: "/run/enid/enid.sock",
  env: "ENID_SOCKET",
} as const satisfies FlagDefinition;

export const STATE_DIR_FLAG = {
  type: "string",
  value: "FOLDER",
  help: "The folder that holds the node's state.",
  default: "/var/lib/enid",
  env: "ENID_STATE_DIR",
} as const satisfies FlagDefinition;

export const CONFIGURATION_FLAG = {
  type: "string",
  value: "FILE",
  help: "The CNI network configuration with the keys eni and ipam.",
  alias: "read-cni-conf",
} as const satisfies FlagDefinition;
