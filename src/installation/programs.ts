import { execFile } from "node:child_process";
import type { Clock } from "../adapters/index.ts";

export interface Ended {
  readonly code: number;
  /** Both streams, trimmed. */
  readonly text: string;
}

/** Runs a program of this machine to its end; one that cannot be started ends with 127, one that hangs with 124. */
export type Programs = (program: string, args: readonly string[]) => Promise<Ended>;

/** `systemctl` waits for the jobs it makes; enid's own is done when the process runs. */
const LIMIT_MS = 90_000;
const OUTPUT_LIMIT_BYTES = 1024 * 1024;

export function machinePrograms(clock: Clock, path: string | undefined): Programs {
  const env = {
    PATH: `${path ?? ""}:/usr/sbin:/sbin:/usr/bin:/bin`,
    LC_ALL: "C",
    SYSTEMD_PAGER: "",
    SYSTEMD_COLORS: "0",
  };
  return (program, args) =>
    new Promise((resolve) => {
      let isLate = false;
      const child = execFile(program, [...args], { env, maxBuffer: OUTPUT_LIMIT_BYTES }, (error, stdout, stderr) => {
        cancel();
        const text = `${stdout}${stderr}`.trim();
        if (isLate) resolve({ code: 124, text: `it did not end within ${LIMIT_MS / 1000} s` });
        else if (error === null) resolve({ code: 0, text });
        else if (typeof error.code === "number") resolve({ code: error.code, text });
        else resolve({ code: 127, text: error.message });
      });
      const cancel = clock.after(LIMIT_MS, () => {
        isLate = true;
        child.kill("SIGKILL");
      });
    });
}
