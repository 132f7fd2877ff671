import { type ChildProcess, spawn } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import type { Clock } from "../../adapters/index.ts";
import { coerceError } from "../../errors.ts";
import { hostRoutesError } from "./errors.ts";
import type { FollowEvents, Host, Output, Program } from "./host.ts";

/** `ip` takes milliseconds; what takes longer than this hangs. */
const PROCESS_LIMIT_MS = 5_000;
/** A full table of the Internet as JSON is larger; a node that has one is not one of EC2. */
const OUTPUT_LIMIT_BYTES = 64 * 1024 * 1024;
const SETTINGS_FOLDER = "/proc/sys/net";

export interface LinuxHostOptions {
  readonly clock: Pick<Clock, "after">;
  /** Program and arguments before each program: `ip netns exec NAME`. Absent = none. */
  readonly prefix?: readonly string[];
}

/** The node that this process runs on. */
export function linuxHost({ clock, prefix = [] }: LinuxHostOptions): Host {
  const start = (program: Program, args: readonly string[]): ChildProcess => {
    const [command = program, ...rest] = [...prefix, program, ...args];
    return spawn(command, rest, { stdio: ["pipe", "pipe", "pipe"], env: programEnvironment() });
  };
  return {
    run: (program, args, input = "") => run(start(program, args), `${program} ${args.join(" ")}`, input, clock),
    follow: (program, args, on) => follow(start(program, args), program, on),
    async readSetting(name) {
      try {
        return (await readFile(`${SETTINGS_FOLDER}/${name}`, "utf8")).trim();
      } catch (cause) {
        if ((cause as NodeJS.ErrnoException).code === "ENOENT") return undefined;
        throw hostRoutesError(name, `the setting cannot be read: ${coerceError(cause).message}`, cause);
      }
    },
    async writeSetting(name, value) {
      try {
        await writeFile(`${SETTINGS_FOLDER}/${name}`, value);
      } catch (cause) {
        throw hostRoutesError(name, `the setting cannot be written: ${coerceError(cause).message}`, cause);
      }
    },
  };
}

/** The C locale: what the programs say is read. Both are in sbin, which the path of a service may lack. */
function programEnvironment(): NodeJS.ProcessEnv {
  return { PATH: `${process.env.PATH ?? ""}:/usr/sbin:/sbin:/usr/bin:/bin`, LC_ALL: "C" };
}

function run(child: ChildProcess, what: string, input: string, clock: Pick<Clock, "after">): Promise<Output> {
  return new Promise((resolve, reject) => {
    const chunks = { stdout: [] as Buffer[], stderr: [] as Buffer[] };
    let bytes = 0;
    const fail = (detail: string, cause?: unknown) => {
      cancel();
      child.kill("SIGKILL");
      reject(hostRoutesError("this node", detail, cause));
    };
    const cancel = clock.after(PROCESS_LIMIT_MS, () => fail(`${what} did not end within ${PROCESS_LIMIT_MS} ms`));
    for (const name of ["stdout", "stderr"] as const) {
      child[name]?.on("data", (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > OUTPUT_LIMIT_BYTES) fail(`${what} says more than ${OUTPUT_LIMIT_BYTES} bytes`);
        else chunks[name].push(chunk);
      });
    }
    child.on("error", (cause) => fail(cannotRun(what, cause), cause));
    child.on("close", (code, signal) => {
      cancel();
      const [stdout, stderr] = [Buffer.concat(chunks.stdout).toString(), Buffer.concat(chunks.stderr).toString()];
      if (code === null) fail(`${what} was ended by ${signal}`);
      else resolve({ code, stdout, stderr });
    });
    // A program that ends without reading its input is told of by its exit code.
    child.stdin?.on("error", () => {});
    child.stdin?.end(input);
  });
}

function follow(child: ChildProcess, program: string, on: FollowEvents): () => void {
  let over = false;
  const end = (why: string) => {
    if (over) return;
    over = true;
    on.ended(why);
  };
  child.stdin?.on("error", () => {});
  child.stdin?.end();
  for (const stream of [child.stdout, child.stderr]) {
    if (stream !== null) createInterface({ input: stream }).on("line", (line) => over || on.line(line));
  }
  child.on("error", (cause) => end(cannotRun(program, cause)));
  child.on("close", (code, signal) => end(`it ended with ${code ?? signal}`));
  return () => {
    over = true;
    child.kill("SIGKILL");
  };
}

function cannotRun(what: string, cause: unknown): string {
  const [program = what] = what.split(" ");
  if ((cause as NodeJS.ErrnoException).code === "ENOENT") return `the program ${program} is not installed`;
  return `${what} cannot be run: ${coerceError(cause).message}`;
}
