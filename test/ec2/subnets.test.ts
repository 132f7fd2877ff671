import { afterEach, describe, expect, it } from "vitest";
import { NODE_SUBNET, OTHER_SUBNET, POD_SUBNET, SECOND_POD_SUBNET, withSubnet } from "./cloud.ts";
import { Lab } from "./lab.ts";

const MINUTE_MS = 60_000;
const TAGGED = { "subnet-tags": { pods: "true" } };
let lab: Lab;
afterEach(() => lab.close());

const created = () => lab.mutations("CreateNetworkInterface").map(({ parameters }) => parameters.SubnetId);

describe("several allowed subnets", () => {
  it("are used in the order of their free addresses", async () => {
    lab = await Lab.open({ eni: TAGGED, model: withSubnet(POD_SUBNET, { used: 100 }), ipam: { "pre-allocate": 2 } });
    expect(created()).toEqual([SECOND_POD_SUBNET]);
    lab.agree();
  });

  it("are the only ones, however empty they are", async () => {
    lab = await Lab.open({ eni: TAGGED, ipam: { "pre-allocate": 2 } });
    lab.cloud.occupy(POD_SUBNET, 10_000);
    lab.cloud.occupy(SECOND_POD_SUBNET, 10_000);
    const answers = await lab.pods.add(10);
    await lab.advance(4 * 60 * MINUTE_MS);
    for (const subnet of [NODE_SUBNET, OTHER_SUBNET]) expect(created()).not.toContain(subnet);
    const refused = answers.findIndex((answer) => typeof answer !== "string");
    expect(answers[refused]).toHaveProperty("message", expect.stringMatching(/subnet-/));
    expect(JSON.stringify(lab.manager.explain(`shop/web-${refused + 1}`))).toMatch(/subnet-/);
    lab.cloud.vacate(SECOND_POD_SUBNET);
    await lab.advance(20 * MINUTE_MS);
    await lab.pods.run(3);
    await lab.quiet();
    lab.agree();
  });

  it("are left alone for a while once EC2 says that they are empty, whatever a describe says", async () => {
    lab = await Lab.open({ eni: TAGGED, ipam: { "pre-allocate": 2 } });
    await lab.pods.run(7);
    await lab.quiet();
    lab.forget();
    lab.cloud.faults.add({
      action: "CreateNetworkInterface",
      effect: { kind: "error", code: "InsufficientFreeAddressesInSubnet" },
    });
    await lab.pods.run(4);
    await lab.quiet();
    const [first, second] = created();
    expect(second).not.toBe(first);
    lab.agree();
  });
});

describe("one action that is throttled", () => {
  it("is slowed down while the others go on, and the pool serves", async () => {
    lab = await Lab.open({
      eni: TAGGED,
      ipam: { "pre-allocate": 6 },
      settings: { buckets: { AssignPrivateIpAddresses: { capacity: 1, refillPerSecond: 0.01 } } },
    });
    lab.forget();
    for (let n = 0; n < 12; n++) {
      await lab.pods.add(1);
      await lab.advance(30_000);
    }
    await lab.advance(10 * MINUTE_MS);
    const throttled = lab.mutations().filter(({ code }) => code === "RequestLimitExceeded");
    expect(throttled.length, "refused calls in a quarter of an hour").toBeLessThanOrEqual(20);
    expect(lab.pods.count).toBeGreaterThanOrEqual(12);
    await lab.quiet();
    lab.agree();
    expect(lab.degraded()).toEqual([]);
  });
});
