import { type Clock, sleep } from "../adapters/index.ts";
import { coerceError, EnidError } from "../errors.ts";
import type { DaemonStatus } from "./control-routes.ts";

/** The daemon answers from memory; a kubelet that waits is up half a second later. */
const LOOK_EVERY_MS = 500;
/** What is waited for is said when it changes, and again after so long. */
const SAY_AGAIN_MS = 30_000;

/**
 * Asks until the node is ready, which a daemon that is not up yet is not.
 *
 * @throws EnidError ENID_WAIT_OVER after `limitSeconds`; at once what time does not mend: the socket is not to be opened.
 */
export async function untilReady(
  ask: () => Promise<DaemonStatus>,
  limitSeconds: number,
  clock: Clock,
  say: (text: string) => void,
): Promise<DaemonStatus> {
  const begunMs = clock.monotonicMs();
  const endMs = begunMs + limitSeconds * 1000;
  let said = "";
  let saidMs = 0;
  for (;;) {
    const found = await look(ask);
    if (typeof found !== "string") return found;
    const nowMs = clock.monotonicMs();
    if (nowMs >= endMs) throw new EnidError("ENID_WAIT_OVER", { waitedSeconds: limitSeconds, reason: found });
    if (found !== said || nowMs - saidMs >= SAY_AGAIN_MS) {
      say(`waiting (${Math.round((nowMs - begunMs) / 1000)} of ${limitSeconds} s): ${found}`);
      said = found;
      saidMs = nowMs;
    }
    await sleep(clock, Math.min(LOOK_EVERY_MS, endMs - nowMs));
  }
}

/** The status of a node that is ready, or why it is not. */
async function look(ask: () => Promise<DaemonStatus>): Promise<DaemonStatus | string> {
  try {
    const report = await ask();
    return report.ready ? report : report.waitingFor || report.phase;
  } catch (thrown) {
    const error = coerceError(thrown);
    const isForbidden = (error.cause as NodeJS.ErrnoException | undefined)?.code === "EACCES";
    if (error.code !== "ENID_DAEMON_UNREACHABLE" || isForbidden) throw error;
    return error.message;
  }
}
