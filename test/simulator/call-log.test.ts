import { expect, test } from "vitest";
import { type LoggedCall, SimulatedCloud } from "../../src/simulator/index.ts";
import { NODE_SUBNET, refusalOf, seededRandom, TestClock, testModel } from "./support.ts";

function cloudWith(options: { readonly log?: "all" | "counts"; readonly onCall?: (call: LoggedCall) => void }) {
  return new SimulatedCloud({ description: testModel(), clock: new TestClock(), random: seededRandom(1), ...options });
}

function describeOften(cloud: SimulatedCloud, times: number): void {
  for (let count = 0; count < times; count += 1) {
    try {
      cloud.call("DescribeSubnets", { SubnetId: [NODE_SUBNET] });
    } catch {
      // Throttled: the log counts it.
    }
  }
}

test("counts alone keep the last calls only and count all of them", () => {
  const [few, all] = [cloudWith({ log: "counts" }), cloudWith({})];
  for (const cloud of [few, all]) {
    describeOften(cloud, 1_000);
    refusalOf(() => cloud.call("DescribeVpcs", { VpcId: ["vpc-00000000"] }));
  }
  expect(few.log.calls().length).toBeLessThanOrEqual(110);
  expect(few.log.calls().at(-1)).toEqual(all.log.calls().at(-1));
  expect(all.log.calls()).toHaveLength(1_001);
  expect(few.log.counts()).toEqual(all.log.counts());
  expect(few.log.counts().DescribeSubnets).toEqual({
    requests: 1_000,
    succeeded: 100,
    throttled: 900,
    failed: 0,
    isMutating: false,
  });
  expect(few.log.total()).toEqual({ requests: 1_001, succeeded: 100, throttled: 900, failed: 1 });
  expect(few.log.countsByCode()).toEqual({ "InvalidVpcID.NotFound": 1, RequestLimitExceeded: 900 });
  expect(few.log.countsByCode("DescribeVpcs")).toEqual({ "InvalidVpcID.NotFound": 1 });
});

test("calls after a sequence number are those that came later, whatever was dropped or reset before", () => {
  const cloud = cloudWith({ log: "counts" });
  const sequences = (after: number) => cloud.log.calls({ after }).map(({ sequence }) => sequence);
  describeOften(cloud, 500);
  expect(sequences(497)).toEqual([498, 499, 500]);
  expect(sequences(500)).toEqual([]);
  cloud.log.reset();
  expect(sequences(0)).toEqual([]);
  describeOften(cloud, 2);
  expect(sequences(0)).toEqual([501, 502]);
  expect(sequences(501)).toEqual([502]);
});

test("the hook hears of every call once, with its outcome", () => {
  const heard: LoggedCall[] = [];
  const cloud = cloudWith({ log: "counts", onCall: (call) => heard.push(call) });
  cloud.call("DescribeSubnets", {});
  refusalOf(() => cloud.call("DescribeVpcs", { VpcId: ["vpc-00000000"] }));
  cloud.noteWithoutEffect("DescribeSubnets", {}, { fault: "reset" }, "(connection reset)", 0);
  expect(heard.map(({ sequence, action, code }) => [sequence, action, code])).toEqual([
    [1, "DescribeSubnets", ""],
    [2, "DescribeVpcs", "InvalidVpcID.NotFound"],
    [3, "DescribeSubnets", "(connection reset)"],
  ]);
  expect(heard).toEqual(cloud.log.calls());
});
