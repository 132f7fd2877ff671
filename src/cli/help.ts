import type { Command, FlagDefinition } from "./command.ts";
import { COMMANDS, type CommandEntry, commandsOf } from "./commands.ts";

/** `enid --help`. */
export function generalHelp(): string {
  const commands = Object.entries(COMMANDS).filter(([name]) => !name.includes(" "));
  return [
    "enid: the ENI daemon. It owns this node's pod addresses and hands them to the datapath.",
    "",
    "Usage: enid COMMAND [FLAGS]",
    "",
    "Commands:",
    ...summaries(commands),
    "",
    "`enid COMMAND --help` has the flags and examples of each.",
    "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 invalid configuration, 4 no daemon answers.",
  ].join("\n");
}

function summaries(commands: readonly (readonly [string, CommandEntry])[]): string[] {
  const width = Math.max(...commands.map(([name]) => name.length));
  return commands.map(([name, { summary }]) => `  ${name.padEnd(width)}  ${summary}`);
}

/** `enid COMMAND --help`. */
export function commandHelp(command: Command): string {
  const flags = [...Object.entries(command.flags), ["help", HELP_FLAG] as const];
  const lefts = flags.map(([name, flag]) => `--${name}${flag.value === undefined ? "" : ` ${flag.value}`}`);
  const width = Math.max(...lefts.map((left) => left.length));
  const group = commandsOf(command.name);
  const positionals = command.positionals === "" ? "" : ` ${command.positionals}`;
  return [
    `Usage: enid ${command.name}${positionals} [FLAGS]`,
    "",
    command.description,
    "",
    ...(group.length === 0 ? [] : ["Commands:", ...summaries(group), ""]),
    "Flags:",
    ...flags.map(([, flag], index) => `  ${(lefts[index] ?? "").padEnd(width)}  ${flagHelp(flag)}`),
    "",
    "Examples:",
    ...command.examples.flatMap(({ line, what }) => [`  # ${what}`, `  ${line}`]),
  ].join("\n");
}

const HELP_FLAG: FlagDefinition = { type: "boolean", help: "Show this help." };

function flagHelp(flag: FlagDefinition): string {
  const notes = [
    flag.required ? "required" : "",
    flag.oneOf === undefined ? "" : `one of ${flag.oneOf.join(", ")}`,
    flag.default === undefined ? "" : `default ${flag.default}`,
    flag.env === undefined ? "" : `environment ${flag.env}`,
    flag.alias === undefined ? "" : `also --${flag.alias}`,
  ].filter((note) => note !== "");
  return notes.length === 0 ? flag.help : `${flag.help} (${notes.join("; ")})`;
}
