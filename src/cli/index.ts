import { systemClock } from "../adapters/index.ts";
import { coerceError, EnidError } from "../errors.ts";
import { parseArguments } from "./arguments.ts";
import type { FlagDefinitions, FlagValues } from "./command.ts";
import { COMMANDS, commandsOf, findCommand } from "./commands.ts";
import { commandHelp, generalHelp } from "./help.ts";
import { type Output, standardOutput } from "./output.ts";
import { closest } from "./suggest.ts";

/** Runs one command line and answers with its exit code. Never throws: an error is printed with what to do. */
export async function runCommandLine(
  argv: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
  output: Output = standardOutput(environment),
): Promise<number> {
  try {
    return await dispatch(argv, environment, output);
  } catch (thrown) {
    const error = coerceError(thrown);
    printError(error, argv.includes("--json"), output);
    return error.entry.exit;
  }
}

async function dispatch(
  argv: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
  output: Output,
): Promise<number> {
  const [first, ...rest] = argv;
  if (first === undefined) {
    output.error(generalHelp());
    return 2;
  }
  if (first === "--help" || first === "-h") return print(output, generalHelp());
  if (first === "--version" || first === "-V") return dispatch(["version", ...rest], environment, output);
  if (first === "help") {
    if (rest[0] === undefined) return print(output, generalHelp());
    const found = findCommand(rest);
    const words = found === undefined ? rest.slice(0, 1) : rest.slice(0, rest.length - found.rest.length);
    return dispatch([...words, "--help"], environment, output);
  }
  const found = findCommand(argv);
  if (found === undefined) throw unknownCommand(first);
  if (rest[0] === "help" && commandsOf(first).length > 0) {
    return dispatch(["help", first, ...rest.slice(1)], environment, output);
  }
  const command = await found.entry.load();
  const { flags, positionals, help } = parseArguments(command, found.rest, environment);
  if (help) return print(output, commandHelp(command));
  return command.run({
    flags: flags as FlagValues<FlagDefinitions>,
    positionals,
    output,
    environment,
    clock: systemClock,
  });
}

function print(output: Output, text: string): number {
  output.line(text);
  return 0;
}

function unknownCommand(written: string): EnidError {
  const meant = closest(
    written,
    Object.keys(COMMANDS).filter((name) => !name.includes(" ")),
  );
  const suggestion = meant === undefined ? "" : `; did you mean ${meant}?`;
  const what = written.startsWith("-") ? "flag" : "command";
  return new EnidError("ENID_USAGE", {
    detail: `unknown ${what} ${JSON.stringify(written)}${suggestion}`,
    command: "help",
  });
}

function printError(error: EnidError, json: boolean, output: Output): void {
  if (json) {
    output.error(JSON.stringify({ error }));
    return;
  }
  output.error(`error ${error.code}: ${error.message}`);
  output.error(`  ${error.remedy}`);
  if (error.code === "ENID_INTERNAL" && error.cause instanceof Error && error.cause.stack !== undefined) {
    output.error(error.cause.stack);
  }
}
