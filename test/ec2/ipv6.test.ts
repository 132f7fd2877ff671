import { afterEach, describe, expect, it } from "vitest";
import { POD_SUBNET, withIpv6 } from "./cloud.ts";
import { Lab } from "./lab.ts";

const MINUTE_MS = 60_000;
let lab: Lab;
afterEach(() => lab.close());

const prefixes6 = () => lab.truth().flatMap((one) => one.ipv6Prefixes);

describe("a dual-stack node", () => {
  it("takes one /80 and gives each pod one address of each family", async () => {
    lab = await Lab.open({ ipam: { "ip-families": "dual" }, model: withIpv6() });
    await lab.pods.run(20);
    await lab.quiet();
    expect(prefixes6().length).toBe(1);
    expect(lab.pods.ipv6.size).toBe(20);
    expect(new Set(lab.pods.ipv6.values()).size).toBe(20);
    expect(lab.mutations("AssignIpv6Addresses").length).toBe(1);
    lab.agree();
  });

  it("keeps both addresses of a pod across a restart", async () => {
    lab = await Lab.open({ ipam: { "ip-families": "dual" }, model: withIpv6(), store: "sqlite" });
    await lab.pods.run(3);
    const before = lab.manager.leases().map(({ address, ipv6Address }) => [address, ipv6Address]);
    await lab.restart();
    expect(lab.manager.leases().map(({ address, ipv6Address }) => [address, ipv6Address])).toEqual(before);
    await lab.quiet();
    lab.agree();
  });
});

describe("a node of IPv6-only pods", () => {
  it("needs one /80 and no further IPv4 address", async () => {
    lab = await Lab.open({ ipam: { "ip-families": "ipv6" }, model: withIpv6() });
    await lab.pods.run(50);
    await lab.quiet();
    expect([...lab.pods.running.values()].every((address) => address.includes(":"))).toBe(true);
    expect(prefixes6().length).toBe(1);
    expect(lab.truth().flatMap((one) => one.secondaryAddresses)).toEqual([]);
    lab.agree();
  });
});

describe("a subnet without an IPv6 CIDR", () => {
  it("is named by the error of the pod", async () => {
    lab = new Lab({ ipam: { "ip-families": "dual" } });
    await lab.start();
    await lab.advance(2 * MINUTE_MS);
    const [answer] = await lab.pods.add(1);
    expect(answer).toHaveProperty("message", expect.stringMatching(/IPv6/));
    expect(answer).toHaveProperty("message", expect.stringContaining("subnet-"));
    expect(lab.mutations("AssignIpv6Addresses")).toEqual([]);
  });

  it("is passed over for one that has it", async () => {
    lab = await Lab.open({
      eni: { "subnet-tags": { pods: "true" } },
      ipam: { "ip-families": "dual" },
      model: withIpv6(),
    });
    await lab.pods.run(3);
    await lab.quiet();
    expect(
      lab
        .truth()
        .filter((one) => one.ipv6Prefixes.length > 0)
        .map(({ subnetId }) => subnetId),
    ).toEqual([POD_SUBNET]);
    lab.agree();
  });
});
