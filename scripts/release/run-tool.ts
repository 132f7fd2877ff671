import { type SpawnSyncOptions, spawnSync } from "node:child_process";
import { Refusal } from "./refusal.ts";

/** A step of the build is seconds; a download of Node minutes on a slow line. */
const LIMIT_MS = 600_000;

/**
 * Runs a program to its end and answers what it wrote on standard output.
 *
 * @throws Refusal it is not there, or ended with anything but 0: with the end of what it wrote.
 */
export function runTool(program: string, args: readonly string[], options: SpawnSyncOptions = {}): string {
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    timeout: LIMIT_MS,
    ...options,
    encoding: "utf8",
  });
  if (error !== undefined) throw new Refusal(`${program} cannot be run: ${error.message}`);
  if (status === 0) return stdout;
  const end = `${stdout}${stderr}`.trimEnd().split("\n").slice(-15).join("\n");
  throw new Refusal(`${program} ${args[0] ?? ""} ended with ${status}:\n${end}`);
}

export function isOnPath(program: string): boolean {
  return spawnSync(program, ["--version"], { stdio: "ignore", timeout: 60_000 }).error === undefined;
}
