import { parseArgs } from "node:util";
import { EnidError } from "../errors.ts";
import type { Command, FlagDefinition, FlagDefinitions } from "./command.ts";
import { closest } from "./suggest.ts";

export interface ParsedArguments {
  readonly flags: Readonly<Record<string, boolean | string | number | undefined>>;
  readonly positionals: readonly string[];
  readonly help: boolean;
}

/** More than any command line needs; a runaway script gets an error instead of a slow parse. */
const ARGUMENTS_LIMIT = 1_000;

/** Flags and positionals of one command. Throws ENID_USAGE that names what is wrong and what was probably meant. */
export function parseArguments(
  command: Command,
  argv: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): ParsedArguments {
  if (argv.length > ARGUMENTS_LIMIT) throw usage(command, `more than ${ARGUMENTS_LIMIT} arguments`);
  const spellings = spellingsOf(command.flags);
  const { tokens } = parseArgs({
    args: [...argv],
    options: Object.fromEntries(
      [...spellings].map(([spelling, name]) => {
        const boolean = name === "help" || command.flags[name]?.type === "boolean";
        return [spelling, { type: boolean ? ("boolean" as const) : ("string" as const) }];
      }),
    ),
    // Strictness is ours: the messages of parseArgs neither suggest nor name the command.
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const given = new Map<string, string | true>();
  const positionals: string[] = [];
  for (const token of tokens) {
    if (token.kind === "positional") positionals.push(token.value);
    if (token.kind !== "option") continue;
    const name = spellings.get(token.name);
    if (name === undefined) throw unknownFlag(command, token.rawName, [...spellings.keys()]);
    if (given.has(name)) throw usage(command, `${token.rawName} is given twice`);
    given.set(name, token.value ?? true);
  }
  const help = given.get("help") === true;
  if (help) return { flags: {}, positionals, help };
  checkPositionals(command, positionals);
  const flags = Object.fromEntries(
    Object.entries(command.flags).map(([name, flag]) => [
      name,
      flagValue(command, name, flag, given.get(name), environment),
    ]),
  );
  return { flags, positionals, help };
}

function spellingsOf(flags: FlagDefinitions): Map<string, string> {
  const spellings = new Map([["help", "help"]]);
  for (const [name, flag] of Object.entries(flags)) {
    spellings.set(name, name);
    if (flag.alias !== undefined) spellings.set(flag.alias, name);
  }
  return spellings;
}

function flagValue(
  command: Command,
  name: string,
  flag: FlagDefinition,
  given: string | true | undefined,
  environment: Readonly<Record<string, string | undefined>>,
): boolean | string | number | undefined {
  if (flag.type === "boolean") {
    if (typeof given === "string") throw usage(command, `--${name} takes no value`);
    return given === true;
  }
  if (given === true || given === "")
    throw usage(command, `--${name} needs a value: --${name} ${flag.value ?? "VALUE"}`);
  const fromEnvironment = flag.env === undefined ? undefined : environment[flag.env] || undefined;
  const text = given ?? fromEnvironment ?? flag.default;
  if (text === undefined) {
    if (flag.required) throw usage(command, `--${name} ${flag.value ?? "VALUE"} is missing`);
    return undefined;
  }
  const source = given === undefined && fromEnvironment !== undefined ? (flag.env ?? name) : `--${name}`;
  if (flag.oneOf !== undefined && !flag.oneOf.includes(text)) {
    throw usage(command, `${source} cannot be ${JSON.stringify(text)}; allowed are ${flag.oneOf.join(", ")}`);
  }
  return flag.type === "number" ? wholeNumber(command, source, flag, text) : text;
}

function wholeNumber(command: Command, source: string, flag: FlagDefinition, text: string): number {
  const [least, greatest] = flag.range ?? [0, Number.MAX_SAFE_INTEGER];
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= least && value <= greatest)) {
    throw usage(
      command,
      `${source} cannot be ${JSON.stringify(text)}; allowed is a whole number from ${least} to ${greatest}`,
    );
  }
  return value;
}

function checkPositionals(command: Command, positionals: readonly string[]): void {
  const [least, greatest] = command.positionalCount;
  if (positionals.length < least) throw usage(command, `${command.positionals} is missing`);
  if (positionals.length > greatest) {
    const surplus = JSON.stringify(positionals[greatest]);
    throw usage(
      command,
      greatest === 0
        ? `${surplus} is not expected; ${command.name} takes flags only`
        : `${surplus} is one argument too many`,
    );
  }
}

function unknownFlag(command: Command, written: string, spellings: readonly string[]): EnidError {
  const meant = closest(written.replace(/^-+/, ""), spellings);
  return usage(command, `unknown flag ${written}${meant === undefined ? "" : `; did you mean --${meant}?`}`);
}

function usage(command: Command, detail: string): EnidError {
  return new EnidError("ENID_USAGE", { detail, command: command.name });
}
