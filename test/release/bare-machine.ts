import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A machine that has nothing but what is in `root`: no Node, no network but its own loopback. */
export interface BareMachine {
  /** Runs a program of the machine to its end. */
  run(command: readonly string[], options?: RunOptions): Promise<Ended>;
  /** Starts one that goes on; resolves with the first line that it writes to either stream. It is killed with the machine. */
  start(command: readonly string[], options?: RunOptions): Promise<string>;
  write(path: string, text: string): void;
  remove(): Promise<void>;
}

export interface RunOptions {
  /** All that it has in its environment. */
  readonly environment?: Readonly<Record<string, string>>;
  readonly input?: string;
}

/** Holds the namespaces: it has the mounts and the loopback, says so, and waits to be killed. */
const HOLD =
  'mount -t proc proc "$1/proc" && mount --bind /dev "$1/dev" && ip link set lo up && echo up && exec sleep 600';
const LIMIT_MS = 60_000;

export async function bareMachine(root: string): Promise<BareMachine> {
  const holder = spawn("unshare", ["--mount", "--net", "sh", "-c", HOLD, "sh", root], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await firstLine(holder);
  const going: ChildProcess[] = [];

  const enter = (command: readonly string[], { environment = {}, input }: RunOptions): ChildProcess => {
    const enters = ["--target", String(holder.pid), "--mount", "--net", "chroot", root, ...command];
    const child = spawn("nsenter", enters, {
      stdio: [input === undefined ? "ignore" : "pipe", "pipe", "pipe"],
      // nsenter and chroot are found by the path of the tests; what is run has none.
      env: { ...environment, PATH: process.env.PATH },
      timeout: LIMIT_MS,
    });
    child.stdin?.on("error", () => {}); // It may end without reading all of it.
    child.stdin?.end(input);
    return child;
  };

  return {
    async run(command, options = {}) {
      const child = enter(command, options);
      const told = { stdout: "", stderr: "" };
      for (const stream of ["stdout", "stderr"] as const) child[stream]?.on("data", (part) => (told[stream] += part));
      const [code] = await once(child, "close");
      return { code, ...told };
    },
    async start(command, options = {}) {
      const child = enter(command, options);
      going.push(child);
      return firstLine(child);
    },
    write(path, text) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), text);
    },
    async remove() {
      for (const child of [...going, holder]) {
        if (child.exitCode !== null || child.signalCode !== null) continue;
        const closed = once(child, "close");
        child.kill("SIGKILL");
        await closed;
      }
    },
  };
}

/** Rejects with what it wrote when it ends without a line. */
function firstLine(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr]) {
      let told = "";
      stream?.on("data", (part) => {
        told += part;
        if (told.includes("\n")) resolve(told.slice(0, told.indexOf("\n")));
      });
    }
    child.once("error", reject);
    child.once("close", (code, signal) => reject(new Error(`it ended with ${code ?? signal} before it wrote a line`)));
  });
}
