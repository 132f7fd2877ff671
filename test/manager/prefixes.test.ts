import { describe, expect, it } from "vitest";
import { PRIMARY, SUBNET_A } from "../support/fake-provider.ts";
import { add, attachment, configuration, createLab, range, startedLab } from "./harness.ts";

const MINUTE_MS = 60_000;
const PREFERRED = { eni: { "prefix-delegation": "preferred" } };

describe("a node with prefixes", () => {
  it("takes prefixes, and a burst of pods costs one call", async () => {
    const lab = await startedLab(PREFERRED);
    expect(lab.provider.mutations).toEqual(["add-blocks 1 prefix"]);
    expect(lab.running.status()).toMatchObject({ pool: { total: 16, prefixes: 1 }, prefixMode: "preferred" });
    const pods = Promise.all(range(110).map((n) => add(lab.running, n)));
    await lab.clock.advance(10_000);
    expect((await pods).every((answer) => typeof answer === "string")).toBe(true);
    expect(lab.provider.mutations).toEqual(["add-blocks 1 prefix", "add-blocks 7 prefix"]);
  });

  it("takes single addresses where no prefix fits, says so, and comes back to prefixes (cilium/cilium#46644)", async () => {
    const lab = createLab();
    lab.provider.fragmented = true;
    lab.provider.allowed = [SUBNET_A];
    const running = lab.manager();
    await running.start({ kind: "valid", configuration: configuration(PREFERRED) });
    await lab.clock.advance(30_000);
    const status = running.status();
    expect(status).toMatchObject({ ready: true, pool: { total: 8, prefixes: 0 } });
    expect(status.degraded).toMatchObject([{ name: "subnet-fragmented" }]);
    expect(lab.events.filter(({ name }) => name === "prefix-fallback")).toHaveLength(1);
    for (const n of range(3)) expect(await add(running, n)).toMatch(/^10\.0\./);
    lab.provider.fragmented = false;
    await lab.clock.advance(60 * MINUTE_MS);
    expect(running.status()).toMatchObject({ degraded: [], pool: { prefixes: 1 } });
    expect(lab.events.filter(({ name }) => name === "prefixes-again")).toHaveLength(1);
    // The single addresses that no pod has went back, those of pods stay.
    expect(lab.provider.interfaces.get(PRIMARY)?.addresses).toHaveLength(3);
    const calls = lab.provider.mutations.length;
    await lab.clock.advance(120 * MINUTE_MS);
    expect(lab.provider.mutations).toHaveLength(calls);
  });

  it("takes none at all when prefixes are required, and tells the pod which subnets have no room for one", async () => {
    const lab = createLab();
    lab.provider.fragmented = true;
    const running = lab.manager();
    const required = configuration({ eni: { "prefix-delegation": "required" } });
    await running.start({ kind: "valid", configuration: required });
    await lab.clock.advance(10_000);
    const answer = add(running, 1);
    await lab.clock.advance(25_000);
    expect(String(await answer)).toMatch(/prefixes are required.*subnet-a: 200 free/);
    expect(running.status()).toMatchObject({ ready: false, pool: { total: 0 } });
    // A condition that lasts is asked for ever more slowly.
    await lab.clock.advance(60 * MINUTE_MS);
    expect(lab.provider.mutations.length).toBeLessThan(20);
  });

  it("on Xen takes single addresses, or nothing when prefixes are required", async () => {
    const lab = createLab();
    lab.provider.facts = {
      ...lab.provider.facts,
      instanceType: "m4.large",
      limits: { ...lab.provider.facts.limits, hypervisor: "xen" },
    };
    const running = lab.manager();
    await running.start({ kind: "valid", configuration: configuration(PREFERRED) });
    await lab.clock.advance(3_000);
    expect(lab.provider.mutations).toEqual(["add-blocks 8"]);
    await running.setOverride("prefix-delegation=required");
    for (const n of range(8)) await add(running, n);
    const late = add(running, 9);
    await lab.clock.advance(25_000);
    expect(String(await late)).toMatch(/m4\.large takes none/);
    expect(running.status().degraded).toMatchObject([{ name: "no-prefixes" }]);
  });

  it("empties its prefixes as pods end, and gives whole ones back", async () => {
    const lab = await startedLab({ ...PREFERRED, ipam: { "pre-allocate": 4, "cooling-seconds": 5 } });
    const pods = Promise.all(range(60).map((n) => add(lab.running, n)));
    await lab.clock.advance(10_000);
    await pods;
    for (const n of range(56)) void lab.running.remove(attachment(n));
    await lab.clock.advance(30 * MINUTE_MS);
    const { pool, interfaces } = lab.running.status();
    expect(pool.leased).toBe(4);
    expect(interfaces).toHaveLength(1);
    expect(pool.prefixes).toBeLessThanOrEqual(2);
    expect(pool.excess).toBeLessThan(16);
  });
});

describe("IPv6", () => {
  it("gives a dual-stack pod both addresses in one lease, of one prefix for the node", async () => {
    const lab = createLab();
    lab.provider.ipv6Subnets = [SUBNET_A];
    const running = lab.manager();
    await running.start({ kind: "valid", configuration: configuration({ ipam: { "ip-families": "dual" } }) });
    await lab.clock.advance(5_000);
    const answer = await running.add({ attachment: attachment(1), pod: { namespace: "shop", name: "web", uid: "" } });
    expect(answer.address).toMatch(/^10\.0\./);
    expect(answer.ipv6Address).toMatch(/^2001:db8:1:0:/);
    const calls = lab.provider.mutations.filter((line) => line.includes("ipv6"));
    expect(calls).toEqual(["add-blocks 1 ipv6-prefix"]);
    const said = running.explain(answer.ipv6Address ?? "").answer;
    expect(said).toBe(`${answer.ipv6Address} is leased to shop/web`);
    const again = lab.manager();
    await again.start({ kind: "valid", configuration: configuration({ ipam: { "ip-families": "dual" } }) });
    expect(again.leases()).toMatchObject([{ address: answer.address, ipv6Address: answer.ipv6Address }]);
    await again.remove(attachment(1));
    await lab.clock.advance(60_000);
    expect(again.status().pool).toMatchObject({ leased: 0, cooling: 0, ipv6: { leased: 0, cooling: 0 } });
    await lab.clock.advance(120 * MINUTE_MS);
    expect(lab.provider.mutations.filter((line) => line.includes("ipv6"))).toEqual(calls);
  });

  it("comes of another prefix when somebody takes the one that pods have their addresses of", async () => {
    const lab = createLab();
    lab.provider.ipv6Subnets = [SUBNET_A];
    const running = lab.manager();
    await running.start({ kind: "valid", configuration: configuration({ ipam: { "ip-families": "dual" } }) });
    await lab.clock.advance(5_000);
    const one = await running.add({ attachment: attachment(1), pod: { namespace: "shop", name: "web", uid: "" } });
    const primary = lab.provider.interfaces.get(PRIMARY);
    if (primary === undefined) throw new Error("no primary");
    primary.ipv6Prefixes = [];
    await lab.clock.advance(5 * MINUTE_MS);
    expect(running.status().degraded).toMatchObject([{ name: "address-denied" }]);
    const other = running.add({ attachment: attachment(2), pod: { namespace: "shop", name: "web", uid: "" } });
    await lab.clock.advance(5_000);
    const prefixOf = (address = "") => address.slice(0, address.lastIndexOf("::"));
    expect(prefixOf((await other).ipv6Address)).not.toBe(prefixOf(one.ipv6Address));
    expect(running.leases()).toHaveLength(2);
  });

  it("alone asks for no IPv4 address", async () => {
    const lab = createLab();
    lab.provider.ipv6Subnets = [SUBNET_A];
    const running = lab.manager();
    await running.start({ kind: "valid", configuration: configuration({ ipam: { "ip-families": "ipv6" } }) });
    await lab.clock.advance(5_000);
    expect(running.status()).toMatchObject({ ready: true, pool: { total: 0 }, ipFamilies: "ipv6" });
    const answers = await Promise.all(range(200).map((n) => add(running, n)));
    expect(new Set(answers).size).toBe(200);
    expect(answers.every((answer) => String(answer).startsWith("2001:db8:1:0:"))).toBe(true);
    expect(lab.provider.mutations).toEqual(["add-blocks 1 ipv6-prefix"]);
  });

  it("gives back the free IPv4 addresses of the time before, and those of its IPv4 pods as they go", async () => {
    const lab = createLab();
    lab.provider.ipv6Subnets = [SUBNET_A];
    const running = lab.manager();
    await running.start({ kind: "valid", configuration: configuration() });
    await lab.clock.advance(3_000);
    const address = await add(running, 1);
    await lab.clock.advance(3_000);
    await running.offerConfiguration({
      kind: "valid",
      configuration: configuration({ ipam: { "ip-families": "ipv6" } }),
    });
    await lab.clock.advance(15 * MINUTE_MS);
    const addresses = () => lab.provider.interfaces.get(PRIMARY)?.addresses;
    expect(addresses()).toEqual([address]);
    await running.remove(attachment(1));
    await lab.clock.advance(15 * MINUTE_MS);
    expect(addresses()).toEqual([]);
    expect(running.status()).toMatchObject({ ready: true, degraded: [], intents: [] });
  });

  it("without a subnet that has an IPv6 CIDR is a clear reason, and no call", async () => {
    const lab = createLab();
    const running = lab.manager();
    await running.start({ kind: "valid", configuration: configuration({ ipam: { "ip-families": "ipv6" } }) });
    await lab.clock.advance(5_000);
    const answer = add(running, 1);
    await lab.clock.advance(25_000);
    expect(String(await answer)).toMatch(/no subnet of an interface that carries pods has an IPv6 CIDR \(subnet-a/);
    expect(lab.provider.mutations).toEqual([]);
    expect(running.status().degraded).toMatchObject([{ name: "no-ipv6" }]);
  });
});
