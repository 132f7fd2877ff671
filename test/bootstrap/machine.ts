import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  cpSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { ROOT } from "../house/source-files.ts";

/** What a file of the machine is: mode and SHA-256 of the contents. */
export type Files = Readonly<Record<string, string>>;

export interface Run {
  readonly code: number | null;
  readonly signal: string | null;
  /** Both streams, as the console shows them. */
  readonly console: string;
}

/** A machine with nothing of enid on it: a root of its own, with stubs in place of AWS and systemd. */
export interface Machine {
  readonly root: string;
  /** Runs a script of the user data; `killAt`: everything is killed in place of the command of that number, from 1. */
  run(script: string, options?: { readonly killAt?: number }): Promise<Run>;
  write(path: string, text: string | Buffer, mode?: number): void;
  read(path: string): string;
  files(): Files;
  /** What the stub of that name was called with, a line for each call; emptied by reading. */
  calls(name: "aws" | "systemctl" | "sleep" | "bootstrap" | "enid"): string[];
  /** How many commands the last run began. */
  commands(): number;
  remove(): void;
}

/** Commands of the scripts that are counted, so that a run can be cut off at each. */
const COUNTED = [
  "aws base64 cat chmod cmp cp flock mkdir mv rm sha256sum stat sync systemctl tar timeout uname sleep",
].flatMap((names) => names.split(" "));

/** Not of the machine: what the tests put there. */
const NOT_JUDGED = new Set(["usr", "bin", "sbin", "lib", "lib64", "dev", "proc", "stub", "tmp"]);
const COUNTERS = new Set(COUNTED.map((name) => `usr-local/sbin/${name}`));

export function createMachine(artifact: Buffer): Machine {
  const root = mkdtempSync(join(tmpdir(), "enid-machine-"));
  const write = (path: string, text: string | Buffer, mode = 0o644) => {
    const file = join(root, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
    chmodSync(file, mode);
  };
  for (const folder of ["usr", "dev", "proc", "stub", "tmp", "run", "etc", "opt", "var/lib", "usr-local/sbin"]) {
    mkdirSync(join(root, folder), { recursive: true });
  }
  for (const link of ["bin", "sbin", "lib", "lib64"]) symlinkSync(`usr/${link}`, join(root, link));
  write("stub/artifact", artifact);
  write("stub/aws-mode", "");
  for (const name of COUNTED) write(`usr-local/sbin/${name}`, counted(name), 0o755);
  cpSync(join(ROOT, "test/bootstrap/stubs"), join(root, "stub/bin"), { recursive: true });

  return {
    root,
    write,
    read: (path) => readFileSync(join(root, path), "utf8"),
    async run(script, { killAt = 0 } = {}) {
      write("stub/script", script, 0o755);
      write("stub/count", "0");
      write("stub/kill-at", String(killAt));
      return enter(root, ["/stub/script"]);
    },
    files: () => filesOf(root, root),
    calls(name) {
      const log = join(root, "stub", `${name}.log`);
      const lines = readOr(log, "").split("\n").filter(Boolean);
      rmSync(log, { force: true });
      return lines;
    },
    commands: () => Number(readFileSync(join(root, "stub/count"), "utf8")),
    remove: () => rmSync(root, { recursive: true, force: true }),
  };
}

/** Counts the call, ends everything at the number asked for, and otherwise is the stub of that name or the real command. */
function counted(name: string): string {
  return `#!/bin/sh
read -r count </stub/count || :
count=$((count + 1))
echo "$count" >/stub/count
read -r end </stub/kill-at || :
if [ "$count" = "$end" ]; then kill -9 -1; kill -9 $$; fi
if [ -x /stub/bin/${name} ]; then exec /stub/bin/${name} "$@"; fi
exec /usr/bin/${name} "$@"
`;
}

function enter(root: string, command: readonly string[]): Promise<Run> {
  const child = spawn(
    "unshare",
    ["--mount", "--pid", "--net", "--fork", "--kill-child", join(ROOT, "test/bootstrap/enter"), root, ...command],
    { stdio: ["ignore", "pipe", "pipe"], env: { PATH: process.env.PATH ?? "", LC_ALL: "C" } },
  );
  let console = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (console += chunk));
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => resolve({ code, signal, console }));
  });
}

function filesOf(root: string, folder: string): Record<string, string> {
  const found: Record<string, string> = {};
  for (const name of readdirSync(folder).sort()) {
    const path = join(folder, name);
    const inside = relative(root, path);
    if (NOT_JUDGED.has(inside) || COUNTERS.has(inside)) continue;
    const entry = lstatSync(path);
    if (entry.isDirectory()) Object.assign(found, filesOf(root, path));
    else found[inside.replace(/^usr-local/, "usr/local")] = describe(path, entry.mode);
  }
  return found;
}

function describe(path: string, mode: number): string {
  if (lstatSync(path).isSymbolicLink()) return `link ${readlinkSync(path)}`;
  const sum = createHash("sha256").update(readFileSync(path)).digest("hex").slice(0, 16);
  return `${(mode & 0o7777).toString(8).padStart(4, "0")} ${sum}`;
}

function readOr(path: string, otherwise: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return otherwise;
  }
}
