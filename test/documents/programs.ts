import { existsSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { ROOT, readSource } from "../house/source-files.ts";
import { type CurlRequest, readCurl, sendRequest } from "./curl.ts";
import type { Lab } from "./lab.ts";
import type { ShellCommand } from "./shell.ts";

/** What is left of a command when its page is tried here. */
export type Tried =
  | { readonly kind: "run" }
  /** It is what the table says; not run, with the table's reason. */
  | { readonly kind: "excused"; readonly program: string }
  | { readonly kind: "problem"; readonly problem: string };

/**
 * Programs whose lines cannot be run here: why, the test that holds what they rest on, and how many lines the pages have.
 * Whoever adds a line looks whether the reason still holds for it, and counts it.
 */
interface Excuse {
  readonly why: string;
  readonly by?: string;
  readonly lines: number;
}

export const EXCUSED: Readonly<Record<string, Excuse>> = {
  "apt-get": { why: "it installs on this machine", lines: 1 },
  aws: {
    why: "it talks to AWS; the simulated cloud answers it elsewhere",
    by: "test/simulator/clients.test.ts",
    lines: 4,
  },
  bird: {
    why: "it reads the node's file; bird.conf is read by it elsewhere",
    by: "test/handoff/bird/bird-conf.test.ts",
    lines: 1,
  },
  birdc: { why: "there is no BIRD beside the lab's node", by: "test/handoff/bird/leaves.test.ts", lines: 12 },
  cilium: { why: "there is no cluster", lines: 1 },
  "cilium-dbg": { why: "there is no agent", lines: 1 },
  crictl: { why: "there is no container runtime", lines: 3 },
  docker: { why: "images are fetched; the file is read elsewhere", by: "test/deploy/compose.test.ts", lines: 10 },
  helm: { why: "there is no cluster; the values are read elsewhere", by: "test/deploy/cilium.test.ts", lines: 3 },
  install: { why: "it installs on this machine; its sources are looked for", lines: 3 },
  ip: {
    why: "the lab's node has no routes; a network namespace has",
    by: "test/handoff/routes/namespace.test.ts",
    lines: 12,
  },
  jq: { why: "its filter is no matter of enid; what goes into it is checked", lines: 3 },
  kubectl: { why: "there is no cluster", lines: 38 },
  nft: {
    why: "the lab's node has no marks; a network namespace has",
    by: "test/handoff/routes/namespace.test.ts",
    lines: 3,
  },
  npx: { why: "cdk asks AWS; the example is synthesized elsewhere", by: "cdk/test/example.test.ts", lines: 3 },
  salt: { why: "there is no master", by: "test/deploy/salt/states.test.ts", lines: 4 },
  "salt-run": { why: "there is no master", by: "test/deploy/salt/rollout.test.ts", lines: 4 },
  sha256sum: {
    why: "there is no release; one is made and checked elsewhere",
    by: "test/release/release.test.ts",
    lines: 2,
  },
  systemctl: { why: "it changes this machine's services", lines: 12 },
};

/** Programs that only move text or files about, or belong to the shell. */
const COMMON = new Set([
  "cat",
  "cd",
  "echo",
  "export",
  "grep",
  "less",
  "mkdir",
  "mv",
  "rm",
  "sort",
  "touch",
  "head",
  "tar",
  "xargs",
]);

/** Programs that are tried: what is wrong with the command, or nothing. */
const TRIED: Readonly<
  Record<string, (command: ShellCommand, lab: Lab) => string | undefined | Promise<string | undefined>>
> = {
  npm: ({ words }) => missingScript(words),
  curl,
  sqlite3: ({ words }, lab) => {
    const [file = "", query = ""] = words.slice(1).filter((word) => !word.startsWith("-"));
    const database = new DatabaseSync(join(lab.root, file), { readOnly: true });
    try {
      database.prepare(query).all();
      return undefined;
    } finally {
      database.close();
    }
  },
};

/** Tries a command of another program than enid. */
export async function tryProgram(command: ShellCommand, lab: Lab): Promise<Tried> {
  const [program = ""] = command.words;
  if (program === "sudo") return tryProgram({ ...command, words: command.words.slice(1) }, lab);
  const missing = [...command.words, ...command.redirections].map(missingFile).find((path) => path !== undefined);
  if (missing !== undefined) return problem(`${missing} is not in the repository`);
  const trial = TRIED[program];
  if (trial !== undefined) {
    const wrong = await Promise.resolve(command)
      .then((one) => trial(one, lab))
      .catch((error) => String(error));
    return wrong === undefined ? { kind: "run" } : problem(wrong);
  }
  // Of the repository itself: it is there, see above.
  if (COMMON.has(program) || program.includes("/")) return { kind: "excused", program: "" };
  if (EXCUSED[program] !== undefined) return { kind: "excused", program };
  return problem(`test/documents/programs.ts does not say how ${program} is tried`);
}

const problem = (text: string): Tried => ({ kind: "problem", problem: text });

/** A path of the repository that is not there; what is built is not looked for. */
function missingFile(word: string): string | undefined {
  const [, path = ""] =
    /^(?:--[a-z-]+=)?((?:deploy|docs|eni-config|bench|src|native|scripts|cdk|bin|test)\/[\w./-]+)$/.exec(word) ?? [];
  const isBuilt =
    path.startsWith("native/bin/") || path.startsWith("cdk/cdk.out") || path.startsWith("cdk/node_modules");
  return path === "" || isBuilt || existsSync(join(ROOT, path)) ? undefined : path;
}

function missingScript(words: readonly string[]): string | undefined {
  const [verb = "", ...rest] = words.slice(1).filter((word, index, all) => !isWorkspace(word, all[index - 1]));
  const name = verb === "run" ? rest[0] : verb;
  if (verb === "ci" || verb === "install" || verb === "pack") return undefined;
  const folder = words.includes("cdk") && words.some((word) => /^(?:-w|--workspace)/.test(word)) ? "cdk/" : "";
  const { scripts = {} } = JSON.parse(readSource(`${folder}package.json`)) as { scripts?: Record<string, string> };
  return name !== undefined && scripts[name] !== undefined ? undefined : `${folder}package.json has no script ${name}`;
}

const isWorkspace = (word: string, before: string | undefined) =>
  /^(?:-w|--workspace|--prefix)/.test(word) || /^(?:-w|--workspace|--prefix)$/.test(before ?? "");

/** Against the lab's daemon. What asks the metadata service of a node is read alone. */
async function curl({ words }: ShellCommand, lab: Lab): Promise<string | undefined> {
  const request = readCurl(words.slice(1));
  const { hostname, host } = new URL(request.url);
  if (hostname === "169.254.169.254") return undefined;
  const target: CurlRequest | undefined =
    request.socket?.startsWith("/run/enid/") === true
      ? { ...request, socket: join(lab.root, request.socket) }
      : host === "127.0.0.1:9610"
        ? { ...request, url: request.url.replace(host, lab.listen) }
        : undefined;
  if (target === undefined) return `who answers ${request.url}?`;
  const { status, text } = await sendRequest(target);
  return status < 300 ? undefined : `${request.url} answers ${status}: ${text.slice(0, 300)}`;
}
