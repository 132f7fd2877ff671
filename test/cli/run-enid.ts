import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";
import { runCommandLine } from "../../src/cli/index.ts";
import type { Output } from "../../src/cli/output.ts";

export const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** Nothing of the machine's own AWS or enid settings reaches a command under test, and no metadata service either. */
const ENVIRONMENT = {
  PATH: process.env.PATH ?? "",
  HOME: "/nonexistent",
  AWS_EC2_METADATA_DISABLED: "true",
  AWS_EC2_METADATA_SERVICE_ENDPOINT: "http://127.0.0.1:9",
  ENID_HOST_ROUTES: "off",
};

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Running {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  stdout(): string;
  stderr(): string;
}

/** Starts the real `bin/enid`; killed at the end of the test if it still runs. */
export function startEnid(
  args: readonly string[],
  options: { cwd?: string; env?: Record<string, string> } = {},
): Running {
  const child = spawn(`${ROOT}/bin/enid`, args, {
    cwd: options.cwd ?? ROOT,
    env: { ...ENVIRONMENT, ...options.env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (chunk) => {
    stdout += chunk;
  });
  child.stderr.on("data", (chunk) => {
    stderr += chunk;
  });
  const ended = new Promise<Ended>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve({ code, stdout, stderr }));
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  return { child, ended, stdout: () => stdout, stderr: () => stderr };
}

/** The same command line within this process: what does not depend on the process itself is tested so, ten times faster. */
export async function callEnid(args: readonly string[], env: Record<string, string> = {}): Promise<Ended> {
  const stdout: string[] = [];
  const stderr: string[] = [];
  const output: Output = {
    line: (text = "") => void stdout.push(`${text}\n`),
    error: (text) => void stderr.push(`${text}\n`),
    style: (_style, text) => text,
  };
  const code = await runCommandLine(args, { ...ENVIRONMENT, ...env }, output);
  return { code, stdout: stdout.join(""), stderr: stderr.join("") };
}

/** Runs the real `bin/enid` to its end. */
export function runEnid(
  args: readonly string[],
  options: { cwd?: string; env?: Record<string, string> } = {},
): Promise<Ended> {
  return startEnid(args, options).ended;
}
