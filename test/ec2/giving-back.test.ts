import { afterEach, describe, expect, it } from "vitest";
import { PRIMARY } from "./cloud.ts";
import { Lab } from "./lab.ts";

const MINUTE_MS = 60_000;
let lab: Lab;
afterEach(() => lab.close());

const carried = () => lab.truth().flatMap((one) => one.secondaryAddresses);
const released = () =>
  lab.mutations("UnassignPrivateIpAddresses").flatMap(({ parameters }) => [parameters.PrivateIpAddress ?? []].flat());

describe("an m5.large that goes from 0 to 27 pods and back to none", () => {
  it("takes no more than planned and gives all back to the buffer", async () => {
    lab = await Lab.open({ ipam: { "pre-allocate": 8 } });
    const atFirst = carried().length;
    await lab.pods.run(27);
    await lab.quiet();
    expect(carried().length).toBe(27);
    expect(lab.truth().length).toBe(3);
    const grown = lab.counts();
    await lab.pods.remove(27);
    await lab.advance(60 * MINUTE_MS);
    await lab.quiet();
    expect(lab.truth().map(({ id }) => id)).toEqual([PRIMARY]);
    expect(carried().length).toBe(atFirst);
    expect(lab.cloud.truth().orphans).toEqual([]);
    lab.agree();
    const all = lab.counts();
    console.info(`0 -> 27 pods: ${JSON.stringify(grown)}; and back to none: ${JSON.stringify(all)}`);
    expect(all).toMatchObject({ CreateNetworkInterface: 2, DetachNetworkInterface: 2, DeleteNetworkInterface: 2 });
    expect(all.UnassignPrivateIpAddresses ?? 0).toBeLessThanOrEqual(3);
    expect(lab.mutations("DetachNetworkInterface").some(({ parameters }) => parameters.Force === "true")).toBe(false);
  });

  it("keeps min-allocate", async () => {
    lab = await Lab.open({ ipam: { "pre-allocate": 2, "min-allocate": 12 } });
    await lab.pods.run(25);
    await lab.pods.remove(25);
    await lab.advance(60 * MINUTE_MS);
    await lab.quiet();
    expect(carried().length).toBeGreaterThanOrEqual(12);
    expect(carried().length).toBeLessThanOrEqual(18);
    lab.agree();
  });

  it("gives nothing back when it is told not to", async () => {
    lab = await Lab.open({ ipam: { "pre-allocate": 2, "release-excess": false } });
    await lab.pods.run(25);
    await lab.pods.remove(25);
    await lab.advance(120 * MINUTE_MS);
    expect(carried().length).toBeGreaterThanOrEqual(25);
    expect(lab.counts()).not.toHaveProperty("UnassignPrivateIpAddresses");
    expect(lab.counts()).not.toHaveProperty("DetachNetworkInterface");
  });
});

describe("giving back", () => {
  it("waits for the quiet time and never takes what a pod has or just had", async () => {
    lab = await Lab.open({ ipam: { "pre-allocate": 2, "cooling-seconds": 600, "release-delay-seconds": 120 } });
    await lab.pods.run(12);
    await lab.quiet();
    const had = new Set(lab.pods.running.values());
    await lab.pods.remove(10);
    await lab.advance(8 * MINUTE_MS);
    for (const address of released()) expect(had).not.toContain(address);
    await lab.advance(30 * MINUTE_MS);
    const still = new Set(lab.pods.running.values());
    for (const address of released()) expect(still).not.toContain(address);
    await lab.quiet();
    lab.agree();
  });

  it("goes on while a detach takes minutes, and growth does too", async () => {
    lab = await Lab.open({
      ipam: { "pre-allocate": 2, "cooling-seconds": 5, "release-delay-seconds": 30 },
      eni: { "interface-idle-seconds": 60 },
    });
    await lab.pods.run(24);
    await lab.quiet();
    lab.cloud.changeSettings({ detachStuck: true });
    await lab.pods.remove(23);
    await lab.until("a detach", () => lab.mutations("DetachNetworkInterface").length > 0, 20 * MINUTE_MS);
    await lab.pods.run(7);
    lab.cloud.changeSettings({ detachStuck: false });
    await lab.advance(20 * MINUTE_MS);
    await lab.pods.run(12);
    await lab.quiet();
    lab.agree();
  });

  it("of AliyunContainerService/terway#100: an empty subnet stops neither giving back nor what follows", async () => {
    lab = await Lab.open({
      eni: { "subnet-tags": { pods: "true" } },
      ipam: { "pre-allocate": 2, "cooling-seconds": 5 },
    });
    await lab.pods.run(5);
    await lab.quiet();
    for (const { id } of lab.cloud.truth().subnets) lab.cloud.occupy(id, 10_000);
    const answers = await lab.pods.add(20);
    expect(answers.some((answer) => typeof answer !== "string" && /subnet-/.test(answer.message))).toBe(true);
    await lab.pods.remove(lab.pods.count - 1);
    const before = carried().length;
    await lab.advance(60 * MINUTE_MS);
    expect(carried().length).toBeLessThan(before);
    for (const { id } of lab.cloud.truth().subnets) lab.cloud.vacate(id);
    await lab.advance(20 * MINUTE_MS);
    await lab.pods.run(12);
    await lab.quiet();
    lab.agree();
  });
});
