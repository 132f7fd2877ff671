import { existsSync, mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { parseArguments } from "../../src/cli/arguments.ts";
import { COMMANDS, findCommand } from "../../src/cli/commands.ts";
import { parseOverride } from "../../src/configuration/index.ts";
import { coerceError } from "../../src/errors.ts";
import { ROOT } from "../house/source-files.ts";
import { EXAMPLES, type Lab } from "./lab.ts";

/** What a page calls enid. */
const ENID = /^(?:\S*\/)?enid$/;

/** What words in capitals stand for in the command lines of pages; `{pod}` of a message is POD. */
const PLACEHOLDERS: Readonly<Record<string, string>> = {
  ADDRESS: "@address",
  BUCKET: "releases",
  COMMAND: "status",
  FILE: "/etc/cni/net.d/05-enid.conflist",
  HEX: "0".repeat(64),
  NAME: "pre-allocate",
  NAMESPACE: "shop",
  POD: "@pod",
  TYPE: "m5.large",
  VALUE: "16",
};
const POD = "shop/cart-0";

/** How one command is tried: run against the lab, or parsed alone, because. */
type Way =
  | { readonly run: readonly string[]; readonly exits?: number }
  | { readonly parsed: string; readonly by: string }
  | { readonly wrong: string };

type Trial = (args: readonly string[], lab: Lab) => Way | Promise<Way>;

/** In place of a hunt over many seeds. */
const SHORT_HUNT = ["--seeds", "1", "--nodes", "1", "--hours", "1"];

const asWritten: Trial = (args) => ({ run: args });

/** Of every command that pages show. */
const TRIALS: Readonly<Record<string, Trial>> = {
  run: () => ({ parsed: "it does not end; the lab's daemon is the one of README.md", by: "test/cli/daemon.test.ts" }),
  validate: asWritten,
  plan: asWritten,
  status: asWritten,
  set: (args) => {
    const { name } = parseOverride(args[0] ?? "");
    // The lab is a node on AWS, and goes on with its settings.
    return { parsed: `what is written is an override of ${name}`, by: "test/configuration/settings.test.ts" };
  },
  unset: asWritten,
  explain: async (args, lab) => {
    const [namespace, name] = (args[0] ?? "").split("/");
    if (namespace !== undefined && name !== undefined) await lab.podAddress(namespace, name);
    return { run: args };
  },
  adopt: (args) => {
    const dryRun = args.includes("--dry-run") && args.includes("vpc-cni");
    if (!dryRun) return { parsed: "it waits for what the other IPAM left", by: "test/cli/adopt-daemon.test.ts" };
    return { run: [...args, "--file", "/vpc-cni.json", "--ipamd", "off"] };
  },
  cleanup: (args) =>
    args.includes("--dry-run")
      ? { run: args }
      : { parsed: "it changes the host's routes", by: "test/environments/aws.test.ts" },
  check: asWritten,
  export: (args) => {
    if (args.length === 1) return { run: [...args, "--read-eni-configuration", "/on-premises.conflist"] };
    const name = args.findIndex((word) => /^--read-(?:eni-configuration|cni-conf)$/.test(word)) + 1;
    return { run: name === 0 ? args : args.with(name, "/on-premises.conflist") };
  },
  "user-data": asWritten,
  "max-pods": asWritten,
  install: (args) =>
    args.includes("--root")
      ? { parsed: "it needs a release", by: "test/installation/commands.test.ts" }
      : { parsed: "it installs on this machine", by: "test/installation/install.test.ts" },
  uninstall: (args) =>
    args.includes("--root")
      ? { run: args }
      : { parsed: "it uninstalls from this machine", by: "test/installation/install.test.ts" },
  fleet: asWritten,
  "fleet nodes": asWritten,
  "fleet subnets": asWritten,
  "fleet top": asWritten,
  "fleet budget": asWritten,
  "fleet profiles": asWritten,
  "fleet set": asWritten,
  "fleet unset": asWritten,
  "fleet fixed": async (args, lab) => {
    const [step, pod] = args;
    if (pod === undefined && step !== "list")
      return { parsed: "it is named alone", by: "test/cli/fleet-fixed.test.ts" };
    const record = async (...words: string[]) => void (await lab.enid(["fleet", "fixed", ...words]));
    if (step !== "list" && pod !== undefined) await record("release", pod, "--force");
    const place = ["--subnet", "subnet-1", "--zone", "eu-west-1a"];
    if ((step === "show" || step === "release") && pod !== undefined) {
      records += 1;
      await record("pin", pod, `10.0.13.${records}`, ...place);
    }
    return { run: args };
  },
  "fleet announce": asWritten,
  simulate: (args) => {
    const scenario = args[args.indexOf("--scenario") + 1] ?? "";
    if (args.includes("--scenario")) {
      if (scenario !== PLACEHOLDERS.FILE && !existsSync(join(ROOT, scenario)))
        return { wrong: `there is no scenario ${scenario}` };
      return { parsed: "a fleet takes minutes", by: "test/scenario/bench-scenarios.test.ts" };
    }
    const isWholeHunt = args.length === 2 && args[1]?.includes("..");
    return isWholeHunt ? { run: SHORT_HUNT } : { parsed: "a hunt takes minutes", by: "test/cli/simulate.test.ts" };
  },
  simulator: (args) => {
    const model = args[args.indexOf("--vpc") + 1] ?? "";
    if (!existsSync(join(ROOT, model))) return { wrong: `there is no model ${model}` };
    return { parsed: "it does not end; the lab's cloud is the same", by: "test/simulator/front.test.ts" };
  },
  version: asWritten,
};

/** What came of one command line. */
export type Outcome =
  | { readonly kind: "run" | "parsed"; readonly stdout: string }
  | { readonly kind: "problem"; readonly problem: string };

/** Tests that lines which are parsed alone lean on. */
export const leanedOn = new Set<string>();
/** Of fixed addresses that were made to be shown or released: each has another address. */
let records = 0;
const runs = new Map<string, Promise<Outcome>>();

/** The arguments of enid in a command: those of enid itself, or of one that another program starts, such as docker. */
export function enidArguments(words: readonly string[]): readonly string[] | undefined {
  if (words[0] === "sudo") return enidArguments(words.slice(1));
  if (ENID.test(words[0] ?? "")) return words.slice(1);
  const at = words.findLastIndex((word, index) => index > 0 && ENID.test(word) && isArgument(words[index + 1]));
  return at === -1 ? undefined : words.slice(at + 1);
}

function isArgument(word: string | undefined): boolean {
  return word !== undefined && (findCommand([word]) !== undefined || /^--\w/.test(word));
}

/**
 * Tries a command line. `exits`: the exit code that the page states. `isMention`: it may be the command's bare name, as in
 * running text.
 */
export async function tryEnid(
  words: readonly string[],
  lab: Lab,
  { exits = 0, isMention = false }: { readonly exits?: number; readonly isMention?: boolean } = {},
): Promise<Outcome> {
  return trial(words, lab, exits, isMention).catch(
    (thrown): Outcome => ({ kind: "problem", problem: coerceError(thrown).message }),
  );
}

async function trial(words: readonly string[], lab: Lab, exits: number, mayBeBare: boolean): Promise<Outcome> {
  // "set NAME=..." says that there is more.
  const ellipsis = words.findIndex((word) => /…|\.\.\.$/.test(word));
  const complete = ellipsis === -1 ? words : words.slice(0, ellipsis);
  const isMention = mayBeBare || ellipsis !== -1;
  const args = complete.flatMap((word) => (word === "*.conf" ? EXAMPLES : [filledIn(word, complete)]));
  const [first = ""] = args;
  if (/^(?:help|--help|-h|--version|-V)$/.test(first) || args.includes("--help") || args[1] === "help") {
    return run(args, lab, exits);
  }
  const found = findCommand(args);
  if (found === undefined) return { kind: "problem", problem: `there is no command ${first}` };
  const names = args.slice(0, args.length - found.rest.length);
  if (isMention && found.rest.length === 0) return { kind: "parsed", stdout: "" };
  const command = await found.entry.load();
  parseArguments(command, found.rest, {});
  const prepared = found.rest.map((word) => word.replace("@pod", POD));
  const way = await TRIALS[names.join(" ")]?.(prepared, lab);
  if (way === undefined) {
    return {
      kind: "problem",
      problem: `test/documents/enid-lines.ts does not say how "enid ${names.join(" ")}" is tried`,
    };
  }
  if ("wrong" in way) return { kind: "problem", problem: way.wrong };
  if ("parsed" in way) {
    leanedOn.add(way.by);
    return { kind: "parsed", stdout: "" };
  }
  return run([...names, ...way.run], lab, way.exits ?? exits);
}

/** Lines that come to the same are run once. */
function run(args: readonly string[], lab: Lab, exits: number): Promise<Outcome> {
  const key = JSON.stringify([args, exits]);
  const outcome = runs.get(key) ?? runNow(args, lab, exits);
  runs.set(key, outcome);
  return outcome;
}

async function runNow(args: readonly string[], lab: Lab, exits: number): Promise<Outcome> {
  const [namespace = "", name = ""] = POD.split("/");
  const address = args.includes("@address") ? await lab.podAddress(namespace, name) : "";
  const ended = await lab.enid(args.map((word) => (word === "@address" ? address : onNode(word, lab))));
  if (ended.code === exits) return { kind: "run", stdout: ended.stdout };
  const said = (ended.stderr || ended.stdout).trim().slice(0, 400);
  return { kind: "problem", problem: `enid ${args.join(" ")} ends with ${ended.code}, not ${exits}: ${said}` };
}

/** Words in capitals, and those in braces, replaced by what they stand for. Throws on one that stands for nothing. */
function filledIn(word: string, words: readonly string[]): string {
  return word
    .replace(
      /\{([a-z]+)\}|(?<![A-Za-z0-9_-])([A-Z][A-Z0-9_-]*)(?![A-Za-z0-9_-]|=[A-Z])|NAME=VALUE/g,
      (found, message) => {
        if (found === "NAME=VALUE") return "pre-allocate=16";
        const isOfFleet = found === "COMMAND" && words[0] === "fleet";
        const value = isOfFleet ? "nodes" : PLACEHOLDERS[(message ?? found).toUpperCase()];
        if (value === undefined) throw new Error(`test/documents/enid-lines.ts does not say what ${found} stands for`);
        return value;
      },
    )
    .replace(/^shop\/@pod$/, "@pod");
}

/** A path of a node is one below the lab's root; so is a file that is not of the checkout. */
function onNode(word: string, lab: Lab): string {
  const [, flag = "", value = ""] = /^(--[a-z-]+=)?(.*)$/.exec(word) ?? [];
  if (value.startsWith(ROOT) || value.startsWith(lab.root)) return word;
  if (value.startsWith("/")) {
    const path = join(lab.root, value);
    mkdirSync(dirname(path), { recursive: true });
    return `${flag}${path}`;
  }
  const isFile = /^[\w.-]+\.(?:conf|conflist|json|html|txt)$/.test(value);
  if (!isFile || existsSync(join(ROOT, value))) return word;
  const isConfiguration = /\.conf(?:list)?$/.test(value);
  return `${flag}${join(lab.root, isConfiguration ? "etc/cni/net.d/05-enid.conflist" : value)}`;
}

/** Commands that have no way here: each must have one before a page shows it. */
export function commandsWithoutTrial(): string[] {
  return Object.keys(COMMANDS).filter((name) => TRIALS[name] === undefined);
}
