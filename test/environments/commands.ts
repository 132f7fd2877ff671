import { spawn } from "node:child_process";

export interface RunOptions {
  /** Standard input. */
  readonly input?: string;
  /** The whole environment; this process's unless told otherwise. */
  readonly environment?: Readonly<Record<string, string>>;
  readonly limitMs?: number;
}

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end, whatever that is. Rejects when it cannot be started or does not end in time. */
export function runToEnd(program: string, args: readonly string[], options: RunOptions = {}): Promise<Ended> {
  const { input = "", environment, limitMs = 30_000 } = options;
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: "pipe", ...(environment && { env: { ...environment } }) });
    const texts = { stdout: "", stderr: "" };
    for (const name of ["stdout", "stderr"] as const) {
      child[name].setEncoding("utf8").on("data", (part: string) => {
        texts[name] += part;
      });
    }
    const late = setTimeout(() => {
      child.kill("SIGKILL");
      reject(new Error(`${program} ${args.join(" ")} did not end within ${limitMs} ms`));
    }, limitMs);
    child.once("error", (error) => {
      clearTimeout(late);
      reject(error);
    });
    child.once("close", (code) => {
      clearTimeout(late);
      resolve({ code, ...texts });
    });
    child.stdin.on("error", () => {}); // It may end without reading all of it.
    child.stdin.end(input);
  });
}

/** Its standard output. Rejects unless it ends with 0. */
export async function run(program: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
  const { code, stdout, stderr } = await runToEnd(program, args, options);
  if (code === 0) return stdout;
  const input = options.input === undefined ? "" : `\nwith the input:\n${options.input}`;
  throw new Error(`${program} ${args.join(" ")} ended with ${code}: ${stderr}${stdout}${input}`);
}

/**
 * Looks again and again until `look` answers something. `what` completes the sentence "not within n s: …"; `last` says what
 * was seen instead.
 */
export async function until<Value>(
  what: string,
  look: () => Promise<Value | undefined | false> | Value | undefined | false,
  limitMs = 30_000,
  last: () => Promise<string> | string = () => "",
): Promise<Value> {
  const deadlineMs = performance.now() + limitMs;
  let failed = "";
  for (;;) {
    try {
      const value = await look();
      if (value !== undefined && value !== false) return value;
      failed = "";
    } catch (error) {
      failed = `\n${error instanceof Error ? error.message : String(error)}`;
    }
    if (performance.now() > deadlineMs)
      throw new Error(`not within ${limitMs / 1_000} s: ${what}${failed}\n${await last()}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}
