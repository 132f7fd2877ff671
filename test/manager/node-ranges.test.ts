import { describe, expect, it } from "vitest";
import { EnidError } from "../../src/errors.ts";
import type { Manager, Reach, ReachPicture } from "../../src/manager/index.ts";
import { attachment, pod, range } from "./harness.ts";
import { addNow, addressOf, holdBlocks, IN_RANGE, RANGE, rangesFile, rangesLab, startedRanges } from "./ranges-lab.ts";

const MINUTE_MS = 60_000;

/** DEL of the pods, and the time that their addresses cool. */
async function ended(lab: Awaited<ReturnType<typeof startedRanges>>, pods: readonly number[]): Promise<void> {
  for (const n of pods) void lab.running.remove(attachment(n));
  await lab.clock.advance(31_000);
}

function ranges(running: Manager) {
  return (running.status().ranges ?? []).map(({ cidr, state }) => `${cidr} ${state}`);
}

describe("a node with a range of its own", () => {
  it("is ready at once, with its whole range but network, broadcast and gateway", async () => {
    const { running } = await startedRanges();
    const status = running.status();
    expect(status).toMatchObject({
      phase: "ready",
      provider: "node-cidr",
      capacity: IN_RANGE,
      interfaces: [],
      subnets: [],
    });
    expect(status.node).toMatchObject({ hostname: "rack-7", instanceType: "" });
    expect(status.pool).toMatchObject({ total: IN_RANGE, free: IN_RANGE, excess: 0 });
    expect(status.ranges).toMatchObject([{ cidr: RANGE, state: "serving", gateway: "10.12.5.1", reserved: 3 }]);
  });

  it("gives pods addresses with prefix length and gateway of the range", async () => {
    const lab = await startedRanges();
    expect(await addNow(lab, lab.running, 1)).toEqual({
      address: "10.12.5.2",
      network: { prefixLength: 28, gateway: "10.12.5.1" },
    });
  });

  it("makes a range durable before a pod gets an address of it", async () => {
    const lab = rangesLab();
    const release = holdBlocks(lab);
    const running = lab.manager();
    await running.start(rangesFile({ podCIDRs: [RANGE] }));
    const waiting = running.add({ attachment: attachment(1), pod: pod(1) });
    await lab.clock.advance(5_000);
    expect(running.status()).toMatchObject({ pool: { total: 0 }, ranges: [{ cidr: RANGE, state: "joining" }] });
    expect(running.status().waiting).toHaveLength(1);
    release();
    await lab.clock.advance(100);
    expect((await waiting).address).toBe("10.12.5.2");
    expect(lab.store.load().blocks).toEqual([{ cidr: RANGE, interfaceId: "node", kind: "node-cidr" }]);
  });

  it("tells pods of a disk that refuses its ranges, and uses them when it is well again", async () => {
    const lab = await startedRanges();
    const { commit } = lab.store;
    const isRange = ({ kind }: { readonly kind: string }) => kind === "blocks-put";
    lab.store.commit = (changes) =>
      changes.some(isRange)
        ? Promise.reject(new EnidError("ENID_STATE_WRITE_FAILED", { detail: "no space" }))
        : commit.call(lab.store, changes);
    for (const n of range(IN_RANGE)) await addressOf(lab, lab.running, n);
    await lab.running.setOverride(`podCIDRs=["${RANGE}","10.12.9.0/29"]`);
    const refused = (await addNow(lab, lab.running, 50)) as EnidError;
    expect(refused.message).toContain("no space");
    lab.store.commit = commit;
    await lab.clock.advance(MINUTE_MS);
    expect(await addressOf(lab, lab.running, 51)).toMatch(/^10\.12\.9\./);
  });

  it("gives out each address once, then fails at once and says what to do, then again as they cool down", async () => {
    const lab = await startedRanges({ "cooling-seconds": 10 });
    const given = await Promise.all(range(IN_RANGE).map((n) => addressOf(lab, lab.running, n)));
    expect(new Set(given).size).toBe(IN_RANGE);
    const refused = (await addNow(lab, lab.running, 50)) as EnidError;
    expect(refused).toMatchObject({ code: "ENID_NO_ADDRESS" });
    expect(refused.entry.cni).toBe(11);
    expect(refused.message).toContain(`${RANGE} have 0 free addresses: ${IN_RANGE} leased`);
    expect(lab.running.status().degraded.map(({ name }) => name)).toEqual(["ranges-full"]);
    expect(lab.running.dryRun(1).plan).toMatchObject({
      steps: [],
      needed: 2,
      shortfall: { kind: "ranges-full", free: 0 },
    });

    // What cools down in time is waited for.
    void lab.running.remove(attachment(3));
    const next = lab.running.add({ attachment: attachment(51), pod: pod(51) });
    await lab.clock.advance(9_000);
    expect(lab.running.status().waiting).toHaveLength(1);
    await lab.clock.advance(2_000);
    expect((await next).address).toBe(given[3]);
  });

  it("gives fewer pods an address than the range has, where max-allocate says so", async () => {
    const lab = await startedRanges({ "max-allocate": 4 });
    expect(lab.running.status().capacity).toBe(4);
    for (const n of range(4)) expect(await addressOf(lab, lab.running, n)).toMatch(/^10\.12\.5\./);
    const refused = (await addNow(lab, lab.running, 4)) as EnidError;
    expect(refused.message).toContain("max-allocate 4 is reached");
    void lab.running.remove(attachment(0));
    expect(await addressOf(lab, lab.running, 5)).toMatch(/^10\.12\.5\./);
  });

  it("shows what is missing of pre-allocate, and is well as long as there is a free address", async () => {
    const lab = await startedRanges({ "pre-allocate": 5 });
    for (const n of range(IN_RANGE - 2)) await addressOf(lab, lab.running, n);
    expect(lab.running.status()).toMatchObject({ ready: true, degraded: [], watermarks: { needed: 3, excess: 0 } });
    expect(lab.running.dryRun(0).plan.shortfall).toMatchObject({ kind: "ranges-full", free: 2 });
  });

  it("is ready with less than min-allocate, if that is all that its ranges have", async () => {
    const { running } = await startedRanges({ "min-allocate": 100 });
    expect(running.status()).toMatchObject({ phase: "ready", ready: true });
  });

  it("plans nothing, asks nobody and makes no change of the state once it is at rest", async () => {
    const lab = await startedRanges();
    await addressOf(lab, lab.running, 1);
    await lab.clock.advance(2 * MINUTE_MS);
    const before = lab.store.log.length;
    await lab.clock.advance(180 * MINUTE_MS);
    expect(lab.store.log.length).toBe(before);
    expect(lab.running.status()).toMatchObject({ phase: "ready", degraded: [], intents: [] });
  });
});

describe("podCIDRs that change", () => {
  const OTHER = "10.12.9.0/29";

  it("a range that joins is used at once, also by pods that wait", async () => {
    const lab = await startedRanges({ podCIDRs: [OTHER], "cooling-seconds": 10 });
    for (const n of range(5)) await addressOf(lab, lab.running, n);
    void lab.running.remove(attachment(0));
    const waiting = lab.running.add({ attachment: attachment(9), pod: pod(9) });
    await lab.clock.advance(100);
    expect(lab.running.status().waiting).toHaveLength(1);
    await lab.running.offerConfiguration(rangesFile({ podCIDRs: [OTHER, RANGE] }));
    await lab.clock.advance(10);
    expect((await waiting).address).toMatch(/^10\.12\.5\./);
  });

  it("a range that is no longer named drains, and leaves with its last address", async () => {
    const lab = await startedRanges();
    expect(await addressOf(lab, lab.running, 1)).toMatch(/^10\.12\.5\./);
    await lab.running.offerConfiguration(rangesFile({ podCIDRs: [OTHER] }));
    await lab.clock.advance(10);
    expect(ranges(lab.running)).toEqual([`${OTHER} serving`, `${RANGE} draining`]);
    for (const n of range(5, 10)) expect(await addressOf(lab, lab.running, n)).toMatch(/^10\.12\.9\./);
    expect(await addressOf(lab, lab.running, 20)).toBe("ENID_NO_ADDRESS");
    // Repeated, it is the same address; it cools down after the end, and only then the range is gone.
    expect(await addressOf(lab, lab.running, 1)).toMatch(/^10\.12\.5\./);
    void lab.running.remove(attachment(1));
    await lab.clock.advance(5_000);
    expect(ranges(lab.running)).toContain(`${RANGE} draining`);
    await lab.clock.advance(26_000);
    expect(ranges(lab.running)).toEqual([`${OTHER} serving`]);
    expect(lab.store.load().blocks.map(({ cidr }) => cidr)).toEqual([OTHER]);
  });

  it("a range that comes back while it drains is used again", async () => {
    const lab = await startedRanges();
    const address = await addressOf(lab, lab.running, 1);
    await lab.running.offerConfiguration(rangesFile({ podCIDRs: [OTHER] }));
    await lab.clock.advance(10);
    await lab.running.offerConfiguration(rangesFile({ podCIDRs: [RANGE] }));
    await lab.clock.advance(10);
    expect(ranges(lab.running)).toEqual([`${RANGE} serving`]);
    expect(await addressOf(lab, lab.running, 1)).toBe(address);
    expect(await addressOf(lab, lab.running, 2)).toMatch(/^10\.12\.5\./);
  });

  it("the same through an override, which a restart keeps", async () => {
    const lab = await startedRanges();
    await addressOf(lab, lab.running, 1);
    await lab.running.setOverride(`podCIDRs=["${OTHER}"]`);
    await lab.clock.advance(10);
    expect(ranges(lab.running)).toEqual([`${OTHER} serving`, `${RANGE} draining`]);
    await lab.running.stop();
    const next = lab.manager();
    await next.start({ kind: "none" });
    await lab.clock.advance(100);
    expect(ranges(next)).toEqual([`${OTHER} serving`, `${RANGE} draining`]);
    expect(await addressOf(lab, next, 2)).toMatch(/^10\.12\.9\./);
  });

  it("a larger range takes in the one that pods have addresses of, and is one again once they are gone", async () => {
    const lab = await startedRanges();
    expect(await addressOf(lab, lab.running, 1)).toBe("10.12.5.2");
    await lab.running.offerConfiguration(rangesFile({ podCIDRs: ["10.12.5.0/27"] }));
    await lab.clock.advance(10);
    expect(ranges(lab.running)).toEqual([`${RANGE} serving`, "10.12.5.16/28 serving"]);
    expect(await addNow(lab, lab.running, 2)).toMatchObject({ network: { prefixLength: 27, gateway: "10.12.5.1" } });
    expect(lab.running.status().capacity).toBeGreaterThanOrEqual(2 * IN_RANGE);
    await ended(lab, [1, 2]);
    expect(ranges(lab.running)).toEqual(["10.12.5.0/27 serving"]);
    expect(lab.running.status().capacity).toBe(29);
  });

  it("while parts become one range again, pods wait for that and get no address of a part", async () => {
    const lab = await startedRanges();
    await addressOf(lab, lab.running, 1);
    await lab.running.offerConfiguration(rangesFile({ podCIDRs: ["10.12.5.0/27"] }));
    await lab.clock.advance(10);
    void lab.running.remove(attachment(1));
    await lab.clock.advance(29_000);
    const release = holdBlocks(lab);
    await lab.clock.advance(2_000);
    const waiting = lab.running.add({ attachment: attachment(2), pod: pod(2) });
    await lab.clock.advance(5_000);
    expect(lab.running.leases()).toEqual([]);
    expect(lab.running.status().waiting).toHaveLength(1);
    release();
    await lab.clock.advance(100);
    expect((await waiting).address).toMatch(/^10\.12\.5\./);
    expect(ranges(lab.running)).toEqual(["10.12.5.0/27 serving"]);
    expect(lab.running.problems()).toEqual([]);
  });

  it("those who make it reachable are told of ranges, and not of the blocks that pods cut them into", async () => {
    let look: () => ReachPicture = () => {
      throw new Error("not started");
    };
    const reach: Reach = {
      name: "bird",
      start: (given) => {
        look = given;
      },
      changed: () => {},
      ready: async () => {},
      trouble: () => undefined,
      report: () => ({ kind: "bird", announced: [], sessions: [], configuredAtMs: 0, checkedAtMs: 0 }),
      stop: async () => {},
    };
    const lab = rangesLab();
    const running = lab.manager("boot-1", { reaches: [reach] });
    await running.start(rangesFile({ podCIDRs: ["10.12.5.0/27", OTHER] }));
    await lab.clock.advance(100);
    const own = (cidr: string, usable = true) => ({ cidr, kind: "node-cidr", interfaceId: "node", usable });
    expect(look().blocks).toEqual([own("10.12.5.0/27"), own(OTHER)]);
    for (const n of range(6)) await addressOf(lab, running, n);
    // Of two ranges one is filled first; the one that pods are on is made smaller, the other one is taken out.
    const used = running.leases()[0]?.address.startsWith("10.12.5.") ? "10.12.5.0/27" : OTHER;
    const smaller = used === OTHER ? "10.12.9.0/30" : "10.12.5.0/30";
    await running.offerConfiguration(rangesFile({ podCIDRs: [smaller] }));
    await lab.clock.advance(100);
    expect(look().blocks).toContainEqual(own(smaller));
    expect(look().blocks.filter(({ usable }) => usable)).toHaveLength(1);
    expect(look().addresses).toHaveLength(6);
  });

  it("a smaller range gives out only what it holds, while the leases outside of it stay", async () => {
    const lab = await startedRanges();
    const given = await Promise.all(range(IN_RANGE).map((n) => addressOf(lab, lab.running, n)));
    await ended(lab, [0, 1, IN_RANGE - 1]);
    await lab.running.offerConfiguration(rangesFile({ podCIDRs: ["10.12.5.0/29"] }));
    await lab.clock.advance(10);
    const again = [await addressOf(lab, lab.running, 20), await addressOf(lab, lab.running, 21)];
    expect(again.sort()).toEqual([given[0], given[1]].sort());
    expect(await addressOf(lab, lab.running, 22)).toBe("ENID_NO_ADDRESS");
    expect(lab.running.leases()).toHaveLength(IN_RANGE - 1);
    await ended(lab, range(IN_RANGE - 2, 2));
    await ended(lab, [20, 21]);
    expect(ranges(lab.running)).toEqual(["10.12.5.0/29 serving"]);
  });
});

describe("addresses for no pod", () => {
  it("an address that is excluded while a pod has it stays with the pod, and is nobody's after that", async () => {
    const lab = await startedRanges();
    const address = await addressOf(lab, lab.running, 1);
    await lab.running.offerConfiguration(
      rangesFile({ podCIDRs: [RANGE], "excluded-addresses": [address, "10.12.5.8/30"] }),
    );
    await lab.clock.advance(10);
    expect(await addressOf(lab, lab.running, 1)).toBe(address);
    expect(lab.running.status().capacity).toBe(IN_RANGE - 4);
    await ended(lab, [1]);
    const others = await Promise.all(range(IN_RANGE, 10).map((n) => addressOf(lab, lab.running, n)));
    expect(others.filter((one) => one.startsWith("10."))).toHaveLength(IN_RANGE - 5);
    expect(others).not.toContain(address);
    for (const n of [8, 9, 10, 11]) expect(others).not.toContain(`10.12.5.${n}`);
    expect(lab.running.explain(address)).toMatchObject({
      answer: `${address} is for no pod`,
      because: [`excluded-addresses names ${address}`],
    });
    expect(lab.running.explain("10.12.5.1").because).toEqual([`it is the gateway of ${RANGE}`]);
    // What is no longer excluded is given out again.
    await lab.running.offerConfiguration(rangesFile({ podCIDRs: [RANGE] }));
    await lab.clock.advance(10);
    expect(await addressOf(lab, lab.running, 60)).toMatch(/^10\.12\.5\./);
  });

  it("what the node itself has is given to no pod, from the first one on and as it changes", async () => {
    const lab = rangesLab();
    lab.machine.own.push({ address: "10.12.5.2", device: "cilium_host" });
    const running = lab.manager();
    const first = running
      .start(rangesFile({ podCIDRs: [RANGE] }))
      .then(() => running.add({ attachment: attachment(1), pod: pod(1) }));
    await lab.clock.advance(100);
    expect((await first).address).toBe("10.12.5.3");
    expect(running.explain("10.12.5.2").because).toEqual(["the node itself has it, on cilium_host"]);
    lab.machine.own = [{ address: "10.12.5.4", device: "br0" }];
    await lab.clock.advance(2 * MINUTE_MS);
    const given = await Promise.all(range(IN_RANGE - 2, 2).map((n) => addressOf(lab, running, n)));
    expect(given).not.toContain("10.12.5.4");
    expect(given).toContain("10.12.5.2");
  });

  it("what the node is just seen to have is given to no pod that asks in the same moment", async () => {
    const lab = await startedRanges();
    const look = Promise.withResolvers<void>();
    lab.machine.addresses = async () => {
      await look.promise;
      return { addresses: [{ address: "10.12.5.2", device: "br0" }] };
    };
    await lab.clock.advance(2 * MINUTE_MS);
    look.resolve();
    // What was seen is merged; the round that follows waits for the clock.
    for (const _turn of range(50)) await Promise.resolve();
    const answer = lab.running.add({ attachment: attachment(1), pod: pod(1) });
    await lab.clock.advance(100);
    expect((await answer).address).toBe("10.12.5.3");
  });

  it("a pod that has what the node comes to have keeps it, and that is shown until it ends", async () => {
    const lab = await startedRanges();
    const address = await addressOf(lab, lab.running, 1);
    lab.machine.own.push({ address, device: "eth1" });
    await lab.clock.advance(2 * MINUTE_MS);
    const [degraded] = lab.running.status().degraded;
    expect(degraded).toMatchObject({ name: "address-conflict", error: { code: "ENID_ADDRESS_CONFLICT" } });
    expect(degraded?.error.message).toContain(`${address} is of shop/web-1 and on eth1`);
    expect(lab.running.leases()).toHaveLength(1);
    await ended({ ...lab }, [1]);
    expect(lab.running.status().degraded).toEqual([]);
    expect(lab.running.explain(address).answer).toBe(`${address} is for no pod`);
  });
});

describe("both families", () => {
  const IPV6 = "2001:db8:7::/64";

  it("gives a pod an address of each family, with the network of each", async () => {
    const lab = await startedRanges({ podCIDRs: [RANGE, IPV6], "ip-families": "dual" });
    expect(await addNow(lab, lab.running, 1)).toEqual({
      address: "10.12.5.2",
      network: { prefixLength: 28, gateway: "10.12.5.1" },
      ipv6Address: "2001:db8:7::2",
      ipv6Network: { prefixLength: 64, gateway: "2001:db8:7::1" },
    });
    expect(lab.running.status().capacity).toBe(IN_RANGE);
  });

  it("leaves out what is excluded in a part of a larger IPv6 range as well", async () => {
    const lower = "2001:db8:7::/65";
    const parts = { podCIDRs: [lower], "ip-families": "ipv6" };
    const lab = await startedRanges(parts);
    expect(await addressOf(lab, lab.running, 1)).toBe("2001:db8:7::2");
    await lab.running.offerConfiguration(
      rangesFile({ ...parts, podCIDRs: [IPV6], "excluded-addresses": ["2001:db8:7:0:8000::1", "2001:db8:7::9"] }),
    );
    await lab.clock.advance(10);
    expect(ranges(lab.running)).toEqual([`${lower} serving`, "2001:db8:7:0:8000::/65 serving"]);
    // Of the part that joined only the first address is nobody's, and the one that is excluded.
    expect(lab.running.status().pool.ipv6?.free).toBe(4_096 - 2 - 1 - 1 + 4_096 - 2);
    expect(lab.running.explain("2001:db8:7::9").answer).toContain("is for no pod");
  });

  it("gives IPv6 addresses alone, of the first 4,096, and counts them", async () => {
    const lab = await startedRanges({ podCIDRs: [IPV6], "ip-families": "ipv6" });
    expect(lab.running.status()).toMatchObject({ phase: "ready", capacity: 4_094, watermarks: { available: 4_094 } });
    expect(await addressOf(lab, lab.running, 1)).toBe("2001:db8:7::2");
  });
});

describe("starts", () => {
  it("a restart keeps the leases, a reboot ends them", async () => {
    const lab = await startedRanges();
    const address = await addressOf(lab, lab.running, 1);
    await lab.running.stop();
    const restarted = lab.manager();
    await restarted.start(rangesFile({ podCIDRs: [RANGE] }));
    await lab.clock.advance(100);
    expect(await addressOf(lab, restarted, 1)).toBe(address);
    expect(await addressOf(lab, restarted, 2)).not.toBe(address);
    await restarted.stop();
    const rebooted = lab.manager("boot-2");
    await rebooted.start({ kind: "missing", error: new EnidError("ENID_CONFIG_UNREADABLE") });
    await lab.clock.advance(100);
    expect(rebooted.leases()).toEqual([]);
    expect(await addressOf(lab, rebooted, 3)).toMatch(/^10\.12\.5\./);
  });

  it("a range that was taken out while no daemon ran drains as well", async () => {
    const lab = await startedRanges({ podCIDRs: [RANGE, "10.12.9.0/29"] });
    const address = await addressOf(lab, lab.running, 1);
    const [kept, gone] = address.startsWith("10.12.5.") ? ["10.12.9.0/29", RANGE] : [RANGE, "10.12.9.0/29"];
    await lab.running.stop();
    const restarted = lab.manager();
    await restarted.start(rangesFile({ podCIDRs: [kept], "excluded-addresses": [] }));
    await lab.clock.advance(100);
    expect(ranges(restarted)).toEqual([`${kept} serving`, `${gone} draining`]);
    expect(await addressOf(lab, restarted, 1)).toBe(address);
  });

  it("the disk of another machine brings nothing: not what cools down, nor blocks", async () => {
    const lab = await startedRanges({ "cooling-seconds": 3_600 });
    await addressOf(lab, lab.running, 1);
    void lab.running.remove(attachment(1));
    await lab.clock.advance(100);
    await lab.running.stop();
    lab.machine.id = "f".repeat(32);
    const other = lab.manager("boot-of-other");
    await other.start(rangesFile({ podCIDRs: [RANGE] }));
    await lab.clock.advance(100);
    expect(other.status()).toMatchObject({ phase: "ready", pool: { total: IN_RANGE, free: IN_RANGE } });
    expect(lab.events.map(({ name }) => name)).toContain("instance-replaced");
    expect(lab.store.load()).toMatchObject({ blocks: [{ cidr: RANGE }], cooling: [] });
  });

  it.each([undefined, "f".repeat(32)])(
    "within a boot the pods keep their leases, also where the id of the machine is now %s",
    async (id) => {
      const lab = await startedRanges();
      const address = await addressOf(lab, lab.running, 1);
      await lab.running.stop();
      lab.machine.id = id;
      const restarted = lab.manager();
      await restarted.start(rangesFile({ podCIDRs: [RANGE] }));
      await lab.clock.advance(100);
      expect(restarted.status()).toMatchObject({ phase: "ready", pool: { leased: 1 } });
      expect(await addressOf(lab, restarted, 1)).toBe(address);
      expect(await addressOf(lab, restarted, 2)).not.toBe(address);
    },
  );
});
