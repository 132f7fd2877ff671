import { afterEach, describe, expect, it } from "vitest";
import { NODE_SUBNET, POD_SUBNET, SECOND_POD_SUBNET, withSubnet } from "./cloud.ts";
import { Lab } from "./lab.ts";

const MINUTE_MS = 60_000;
let lab: Lab;
afterEach(() => lab.close());

const PREFERRED = { "prefix-delegation": "preferred" };
const prefixes = () => lab.truth().flatMap((one) => one.prefixes);
const singles = () => lab.truth().flatMap((one) => one.secondaryAddresses);

describe("an m5.4xlarge with prefixes", () => {
  it("serves a burst of 110 pods with two calls that change something", async () => {
    lab = await Lab.open({ type: "m5.4xlarge", eni: PREFERRED, ipam: { "pre-allocate": 8 } });
    lab.forget();
    await lab.pods.run(110);
    await lab.quiet();
    console.info(`110 pods in a burst: ${JSON.stringify(lab.counts())}`);
    expect(lab.mutations().length).toBeLessThanOrEqual(2);
    expect(lab.truth().length).toBe(1);
    expect(prefixes().length).toBeLessThanOrEqual(8);
    lab.agree();
  });

  it("gives whole prefixes back", async () => {
    lab = await Lab.open({ type: "m5.4xlarge", eni: PREFERRED, ipam: { "pre-allocate": 8, "cooling-seconds": 5 } });
    await lab.pods.run(110);
    await lab.quiet();
    await lab.pods.remove(110);
    await lab.advance(30 * MINUTE_MS);
    await lab.quiet();
    expect(prefixes().length).toBe(1);
    expect(singles()).toEqual([]);
    lab.agree();
  });
});

describe("a subnet in which no /28 fits", () => {
  it("gives single addresses first, and prefixes again once it can", async () => {
    lab = await Lab.open({ eni: PREFERRED, model: withSubnet(NODE_SUBNET, { fragmented: true }) });
    await lab.pods.run(4);
    await lab.quiet();
    expect(prefixes()).toEqual([]);
    expect(singles().length).toBeGreaterThanOrEqual(4);
    lab.agree();
    lab.cloud.vacate(NODE_SUBNET);
    await lab.advance(60 * MINUTE_MS);
    await lab.pods.run(14);
    await lab.quiet();
    expect(prefixes().length).toBeGreaterThanOrEqual(1);
    lab.agree();
  });

  it("gives nothing at all where prefixes are required, and says so", async () => {
    lab = new Lab({ eni: { "prefix-delegation": "required" }, model: withSubnet(NODE_SUBNET, { fragmented: true }) });
    await lab.start();
    await lab.advance(2 * MINUTE_MS);
    const [answer] = await lab.pods.add(1);
    expect(answer).toHaveProperty("message", expect.stringContaining(NODE_SUBNET));
    expect(singles()).toEqual([]);
    lab.cloud.vacate(NODE_SUBNET);
    await lab.advance(30 * MINUTE_MS);
    await lab.pods.run(1);
    await lab.quiet();
    lab.agree();
  });

  it("of cilium/cilium#46644: another allowed subnet is tried for prefixes first, and the node recovers", async () => {
    lab = await Lab.open({
      eni: { ...PREFERRED, "subnet-tags": { pods: "true" } },
      ipam: { "pre-allocate": 4 },
      model: withSubnet(POD_SUBNET, { fragmented: true }),
    });
    await lab.pods.run(4);
    await lab.quiet();
    expect(
      lab
        .truth()
        .filter((one) => one.prefixes.length > 0)
        .map(({ subnetId }) => subnetId),
    ).toContain(SECOND_POD_SUBNET);
    expect(singles()).toEqual([]);
    lab.agree();
  });
});

describe("an instance that takes no prefixes", () => {
  it("gets single addresses", async () => {
    lab = await Lab.open({ type: "t2.medium", eni: PREFERRED, ipam: { "pre-allocate": 2 } });
    await lab.pods.run(2);
    await lab.quiet();
    expect(prefixes()).toEqual([]);
    expect(lab.mutations().every(({ code }) => code === "")).toBe(true);
    lab.agree();
  });
});
