import { afterEach, describe, expect, it } from "vitest";
import type { FaultEffect } from "../../src/simulator/index.ts";
import { Lab } from "./lab.ts";

const MINUTE_MS = 60_000;
let lab: Lab;
afterEach(() => lab.close());

const refused = (code: string, message: string, httpStatus = 400): FaultEffect => ({
  kind: "error",
  code,
  message,
  httpStatus,
});

describe("cilium/cilium#15877: each assign that failed was answered with another interface, 2,500 in four days", () => {
  it.each([
    [
      "the interface is full",
      refused("PrivateIpAddressLimitExceeded", "Number of private addresses will exceed limit."),
    ],
    ["the interface is gone", refused("InvalidNetworkInterfaceID.NotFound", "The networkInterface ID does not exist")],
    [
      "a permission is missing",
      refused("UnauthorizedOperation", "You are not authorized to perform this operation.", 403),
    ],
    ["EC2 throttles", refused("RequestLimitExceeded", "Request limit exceeded.", 503)],
    ["EC2 is ill", refused("InternalError", "An internal error has occurred", 500)],
    ["enid asks something wrong", refused("InvalidParameterCombination", "The parameters may not be combined.")],
    ["something new is the matter", refused("NeverSeenBefore", "EC2 has learnt a new word.")],
    ["no answer comes", { kind: "hang" } satisfies FaultEffect],
    ["the connection is lost", { kind: "reset" } satisfies FaultEffect],
    ["a proxy answers", { kind: "html" } satisfies FaultEffect],
  ] as const)(
    "makes no interface in hours of failing assigns because %s",
    async (_, effect) => {
      lab = await Lab.open({ ipam: { "pre-allocate": 2 } });
      await lab.pods.run(2);
      await lab.quiet();
      lab.forget();
      lab.cloud.faults.add({ action: "AssignPrivateIpAddresses", effect, times: "unlimited" });
      await lab.pods.add(5);
      await lab.advance(2 * 60 * MINUTE_MS);
      expect(lab.mutations("AssignPrivateIpAddresses").length).toBeGreaterThan(10);
      expect(lab.mutations("CreateNetworkInterface")).toEqual([]);
      expect(lab.truth().length).toBe(1);
      lab.cloud.faults.remove();
      await lab.advance(20 * MINUTE_MS);
      await lab.pods.run(5);
      await lab.quiet();
      lab.agree();
    },
    60_000,
  );

  it("makes one interface when the subnet of the failing one is empty and another is allowed", async () => {
    lab = await Lab.open({ eni: { "subnet-tags": { pods: "true" } }, ipam: { "pre-allocate": 2 } });
    await lab.pods.run(2);
    await lab.quiet();
    const first = lab.truth()[1];
    lab.cloud.occupy(first?.subnetId ?? "", 10_000);
    lab.forget();
    await lab.pods.run(5);
    await lab.advance(4 * 60 * MINUTE_MS);
    expect(lab.mutations("CreateNetworkInterface").length).toBe(1);
    expect(lab.truth()[2]?.subnetId).not.toBe(first?.subnetId);
    lab.agree();
  }, 60_000);
});

describe("cilium/cilium#9888: addresses of running pods were given back while the agent restarted", () => {
  it("gives nothing of a running pod back through ten restarts with an excess to give back", async () => {
    lab = await Lab.open({ ipam: { "pre-allocate": 2 } });
    await lab.pods.run(20);
    await lab.pods.remove(12);
    await lab.quiet();
    const before = [...lab.pods.running.values()];
    for (let n = 0; n < 10; n++) {
      await lab.restart();
      await lab.advance((n % 5) * 45_000);
    }
    await lab.advance(60 * MINUTE_MS);
    await lab.quiet();
    expect(new Set(lab.manager.leases().map(({ address }) => address))).toEqual(new Set(before));
    lab.agree();
  });
});

describe("cilium/cilium#13412: a pod got an address that was being taken off the interface at that moment", () => {
  it("gives no address that EC2 does not have while pods come and go faster than addresses are given back", async () => {
    lab = await Lab.open({ ipam: { "pre-allocate": 1, "cooling-seconds": 5 } });
    for (let n = 0; n < 60; n++) {
      await lab.pods.run(10);
      const carried = new Set(lab.truth().flatMap((one) => [one.primaryAddress, ...one.secondaryAddresses]));
      for (const address of lab.pods.running.values()) expect(carried).toContain(address);
      await lab.advance((n % 7) * 41_000);
      await lab.pods.remove(10);
      await lab.advance((n % 11) * 37_000);
    }
    await lab.quiet();
    lab.agree();
  });
});
