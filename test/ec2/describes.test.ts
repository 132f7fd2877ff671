import { afterEach, describe, expect, it } from "vitest";
import type { FaultEffect } from "../../src/simulator/index.ts";
import { Lab } from "./lab.ts";

const MINUTE_MS = 60_000;
let lab: Lab;
afterEach(() => lab.close());

const FAILURES: readonly (readonly [string, FaultEffect])[] = [
  ["is throttled", { kind: "error", code: "RequestLimitExceeded", httpStatus: 503 }],
  ["is not permitted", { kind: "error", code: "UnauthorizedOperation", httpStatus: 403 }],
  ["fails inside EC2", { kind: "error", code: "InternalError", httpStatus: 500 }],
  ["is never answered", { kind: "hang" }],
  ["is answered by a proxy", { kind: "html" }],
  ["is answered with half of its XML", { kind: "truncated" }],
];

describe.each(["DescribeNetworkInterfaces", "DescribeSubnets", "DescribeInstanceTypes"])("%s", (action) => {
  it.each(FAILURES)(
    "that %s for two hours, over a restart, costs no pod its address and no flood of calls",
    async (_, effect) => {
      lab = await Lab.open({ ipam: { "pre-allocate": 4 } });
      await lab.pods.run(9);
      await lab.quiet();
      lab.forget();
      lab.cloud.faults.add({ action, effect, times: "unlimited" });
      await lab.advance(60 * MINUTE_MS);
      await lab.restart();
      // What is free is served, whatever EC2 says.
      await lab.pods.run(2);
      await lab.advance(60 * MINUTE_MS);
      expect(lab.calls(action).length, "calls in two hours").toBeLessThanOrEqual(400);
      expect(lab.pods.count).toBe(11);
      lab.cloud.faults.remove();
      await lab.advance(10 * MINUTE_MS);
      await lab.pods.run(6);
      await lab.quiet();
      lab.agree();
      expect(lab.degraded()).toEqual([]);
    },
  );
});

describe("DescribeInstanceTypes at the first start", () => {
  it("that knows nothing of the type is answered from the table that enid ships", async () => {
    lab = new Lab({});
    lab.cloud.faults.add({
      action: "DescribeInstanceTypes",
      effect: {
        kind: "error",
        code: "InvalidInstanceType",
        message: "The following supplied instance types do not exist",
      },
      times: "unlimited",
    });
    await lab.start();
    await lab.quiet();
    await lab.pods.run(27);
    await lab.quiet();
    expect(lab.manager.status().node?.limits.source).toBe("table");
    lab.agree();
  });
});
