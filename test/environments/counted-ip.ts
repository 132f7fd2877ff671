import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { programOnPath } from "./programs.ts";

/** Words of `ip` that change something. */
const CHANGING = /(^| )(-b|-batch|add|append|change|del|delete|flush|replace|set)( |$)/;

/** An `ip` that notes each call of it before it is the real one. */
export interface CountedIp {
  /** For the program that is to use it. */
  readonly path: string;
  /** Arguments of the calls that change something. */
  changes(): readonly string[];
  forget(): void;
}

export function countedIp(folder: string): CountedIp {
  mkdirSync(folder, { recursive: true });
  const log = join(folder, "calls");
  const program = join(folder, "ip");
  writeFileSync(log, "");
  writeFileSync(
    program,
    `#!/bin/sh\nprintf '%s\\n' "$(date +%T.%N) $*" >> '${log}'\nexec '${programOnPath("ip")}' "$@"\n`,
  );
  chmodSync(program, 0o755);
  return {
    path: `${folder}:${process.env.PATH ?? "/usr/sbin:/usr/bin:/sbin:/bin"}`,
    changes: () =>
      readFileSync(log, "utf8")
        .split("\n")
        .filter((line) => CHANGING.test(line)),
    forget: () => writeFileSync(log, ""),
  };
}
