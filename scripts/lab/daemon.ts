import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { request } from "node:http";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Lease } from "../../src/pool/index.ts";

/** The checkout. */
export const ROOT = join(dirname(fileURLToPath(import.meta.url)), "..", "..");
export const PLUGIN = join(ROOT, "native", "bin", "enid-ipam");

export interface DaemonOptions {
  /** A folder of its own: socket, state, log and configuration live in it. */
  readonly folder: string;
  readonly configurationFile: string;
  /** AWS_* variables that point the daemon at the simulated cloud. */
  readonly environment: Readonly<Record<string, string>>;
  /** Command and arguments before `run`; the checkout's bin/enid unless told otherwise. */
  readonly command?: readonly string[];
  readonly bootId?: string;
  /** Where health and metrics are served; nowhere unless told otherwise. */
  readonly listen?: string;
  readonly extraArguments?: readonly string[];
}

/** A real daemon in a process of its own, as an operator would run it. */
export class DaemonProcess {
  readonly socket: string;
  readonly stateFolder: string;
  readonly logFile: string;
  readonly #options: DaemonOptions;
  #child: ChildProcess | undefined;
  #ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }> | undefined;

  constructor(options: DaemonOptions) {
    this.#options = options;
    this.socket = join(options.folder, "run", "enid.sock");
    this.stateFolder = join(options.folder, "state");
    this.logFile = join(options.folder, "enid.log");
  }

  get pid(): number {
    const pid = this.#child?.pid;
    if (pid === undefined) throw new Error("the daemon does not run");
    return pid;
  }

  /** Environment that makes CLI and plugin talk to this daemon. */
  get clientEnvironment(): Record<string, string> {
    return { PATH: process.env.PATH ?? "/usr/bin:/bin", ENID_SOCKET: this.socket };
  }

  start(): void {
    const [command = "", ...before] = this.#options.command ?? [join(ROOT, "bin", "enid")];
    const log = openSync(this.logFile, "a");
    this.#child = spawn(
      command,
      [
        ...before,
        "run",
        "--read-eni-configuration",
        this.#options.configurationFile,
        "--state-dir",
        this.stateFolder,
        "--socket",
        this.socket,
        "--listen",
        this.#options.listen ?? "off",
        ...(this.#options.extraArguments ?? []),
      ],
      {
        stdio: ["ignore", log, log],
        env: {
          PATH: process.env.PATH ?? "/usr/bin:/bin",
          // The interfaces of a simulated cloud have no devices on this machine.
          ENID_HOST_ROUTES: "off",
          ...this.#options.environment,
          ...(this.#options.bootId === undefined ? {} : { ENID_BOOT_ID: this.#options.bootId }),
        },
      },
    );
    closeSync(log);
    const child = this.#child;
    this.#ended = new Promise((resolve, reject) => {
      child.once("error", reject);
      child.once("exit", (code, signal) => resolve({ code, signal }));
    });
  }

  /** kill -9, and waits until the process is gone. */
  async kill(): Promise<void> {
    this.#child?.kill("SIGKILL");
    await this.#ended;
    this.#child = undefined;
  }

  /** SIGTERM; answers the exit code. Fails when the daemon does not end within `limitMs`. */
  async stop(limitMs = 20_000): Promise<number | null> {
    if (this.#child === undefined || this.#ended === undefined) return 0;
    this.#child.kill("SIGTERM");
    const late = new Promise<never>((_, reject) => {
      setTimeout(
        () => reject(new Error(`the daemon did not stop within ${limitMs} ms:\n${this.logTail()}`)),
        limitMs,
      ).unref();
    });
    const { code } = await Promise.race([this.#ended, late]);
    this.#child = undefined;
    return code;
  }

  /** GET on the daemon's control socket. */
  get<T>(path: string): Promise<T> {
    return new Promise((resolve, reject) => {
      const call = request({ socketPath: this.socket, path, timeout: 10_000 }, (response) => {
        const parts: Buffer[] = [];
        response.on("data", (part: Buffer) => parts.push(part));
        response.on("end", () => {
          const text = Buffer.concat(parts).toString();
          if (response.statusCode === 200) resolve(JSON.parse(text) as T);
          else reject(new Error(`${path}: ${response.statusCode} ${text}`));
        });
        response.on("error", reject);
      });
      call.on("timeout", () => call.destroy(new Error(`${path}: no answer within 10 s`)));
      call.on("error", reject);
      call.end();
    });
  }

  async leases(): Promise<readonly Lease[]> {
    return (await this.get<{ leases: readonly Lease[] }>("/v1/leases")).leases;
  }

  /** Polls until `condition` holds of the answer; fails with the log's end after `limitMs`. */
  async until<T>(path: string, condition: (answer: T) => boolean, limitMs = 30_000): Promise<T> {
    const deadline = Date.now() + limitMs;
    let last: unknown;
    while (Date.now() < deadline) {
      try {
        const answer = await this.get<T>(path);
        if (condition(answer)) return answer;
        last = answer;
      } catch (error) {
        last = error;
      }
      if (this.#child !== undefined && this.#child.exitCode !== null) {
        throw new Error(`the daemon ended with ${this.#child.exitCode}:\n${this.logTail()}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    const seen = last instanceof Error ? last.message : JSON.stringify(last)?.slice(0, 2_000);
    throw new Error(`${path}: not as expected within ${limitMs} ms; last seen: ${seen}\n${this.logTail()}`);
  }

  logTail(lines = 20): string {
    try {
      return readFileSync(this.logFile, "utf8").trimEnd().split("\n").slice(-lines).join("\n");
    } catch {
      return "(no log)";
    }
  }
}

/** A command of the CLI run to its end. */
export function runCli(
  arguments_: readonly string[],
  environment: Readonly<Record<string, string>>,
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(join(ROOT, "bin", "enid"), arguments_, {
      env: { ...environment },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let stdout = "";
    let stderr = "";
    child.stdout.on("data", (part: Buffer) => {
      stdout += part.toString();
    });
    child.stderr.on("data", (part: Buffer) => {
      stderr += part.toString();
    });
    child.once("error", reject);
    child.once("close", (code) => resolve({ code, stdout, stderr }));
  });
}
