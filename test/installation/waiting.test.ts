import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Clock } from "../../src/adapters/index.ts";
import type { DaemonStatus } from "../../src/cli/control-routes.ts";
import { untilReady } from "../../src/cli/until-ready.ts";
import { EnidError } from "../../src/errors.ts";
import { startFakeDaemon } from "../cli/fake-daemon.ts";
import { callEnid } from "../cli/run-enid.ts";
import { statusReport } from "../telemetry/status-report.ts";
import { refusal, temporary } from "./lab.ts";

/** Time that passes when somebody waits for it. */
function jumpingClock(): Clock {
  let nowMs = 0;
  return {
    nowMs: () => nowMs,
    monotonicMs: () => nowMs,
    after(delayMs, callback) {
      let isWanted = true;
      queueMicrotask(() => {
        if (!isWanted) return;
        nowMs += delayMs;
        callback();
      });
      return () => {
        isWanted = false;
      };
    },
    nextTurn: queueMicrotask,
  };
}

const READY: DaemonStatus = { version: "1", ...statusReport(), ready: true, waitingFor: "" };
const growing = (waitingFor: string): DaemonStatus => ({ ...READY, ready: false, phase: "growing", waitingFor });
const away = () => new EnidError("ENID_DAEMON_UNREACHABLE", { socket: "/s", detail: "the socket does not exist" });

describe("enid status --wait", () => {
  it("waits for a daemon that is not up, then for its addresses, and says each once", async () => {
    const answers = [away, away, () => growing("2 of 10 addresses"), () => growing("2 of 10 addresses"), () => READY];
    const ask = async () => {
      const answer = (answers.shift() ?? away)();
      if (answer instanceof EnidError) throw answer;
      return answer;
    };
    const said: string[] = [];
    expect(await untilReady(ask, 300, jumpingClock(), (text) => said.push(text))).toBe(READY);
    expect(answers).toEqual([]);
    expect(said).toEqual([
      "waiting (0 of 300 s): no enid daemon answers on /s: the socket does not exist",
      "waiting (1 of 300 s): 2 of 10 addresses",
    ]);
  });

  it("ends after its time with the last reason, having said it again now and then", async () => {
    const clock = jumpingClock();
    const said: string[] = [];
    const ended = await refusal(() =>
      untilReady(
        async () => growing("subnet-1 is empty"),
        300,
        clock,
        (text) => said.push(text),
      ),
    );
    expect(ended).toBe("ENID_WAIT_OVER: the node is not ready after 300 s: subnet-1 is empty");
    expect(clock.monotonicMs()).toBe(300_000);
    expect(said).toHaveLength(10);
  });

  it("does not wait for what no time mends", async () => {
    const forbidden = async () => {
      const cause = Object.assign(new Error("connect"), { code: "EACCES" });
      throw new EnidError("ENID_DAEMON_UNREACHABLE", { socket: "/s", detail: "permission denied" }, { cause });
    };
    const clock = jumpingClock();
    expect(await refusal(() => untilReady(forbidden, 300, clock, () => {}))).toMatch(/^ENID_DAEMON_UNREACHABLE/);
    expect(clock.monotonicMs()).toBe(0);
  });

  it("asks the daemon's socket, says in one line that it is ready, and ends with 1 where it is not", async () => {
    const { socket, manager } = await startFakeDaemon();
    manager.report = { ...manager.report, ready: true };
    const wait = (...more: string[]) => callEnid(["status", "--wait", "--wait-seconds", "1", "--socket", ...more]);
    expect(await wait(socket)).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^ready: \d+ address(?:es)? free\n$/),
      stderr: "",
    });
    expect(JSON.parse((await wait(socket, "--json")).stdout)).toMatchObject({ ready: true });
    const none = await wait(join(temporary(), "none.sock"));
    expect(none.code).toBe(1);
    expect(none.stderr).toMatch(/^waiting \(0 of 1 s\): [^\n]*\nerror ENID_WAIT_OVER: /);
  });
});
