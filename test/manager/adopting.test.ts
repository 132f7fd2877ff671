import { describe, expect, it } from "vitest";
import { effectiveSettings } from "../../src/configuration/index.ts";
import { EnidError } from "../../src/errors.ts";
import { adoptLeases } from "../../src/manager/adopting.ts";
import { Degradations } from "../../src/manager/degradations.ts";
import { History } from "../../src/manager/history.ts";
import type { EnidEvent, InterfaceRecord, ObservedInterface, Provider } from "../../src/manager/index.ts";
import { Ledger } from "../../src/manager/ledger.ts";
import { NodeState } from "../../src/manager/node.ts";
import { VirtualClock } from "../support/virtual-clock.ts";
import { configuration, LabStore } from "./harness.ts";

const OF_VPC_CNI = { foreign: true, foreignBecause: "of the VPC CNI" };

function record(n: number, changes: Partial<InterfaceRecord> = {}): InterfaceRecord {
  return {
    id: `eni-${n}`,
    mac: `02:00:00:00:00:0${n}`,
    deviceIndex: n,
    networkCard: 0,
    subnetId: "subnet-a",
    subnetCidr: "10.0.0.0/16",
    primaryAddress: `10.0.${n}.4`,
    securityGroups: ["sg-1"],
    attachmentId: `eni-attach-${n}`,
    madeBy: "other",
    foreign: false,
    ...changes,
  };
}

interface Carried {
  readonly record: InterfaceRecord;
  readonly addresses?: readonly string[];
  readonly prefixes?: readonly string[];
  readonly ipv6Prefixes?: readonly string[];
  /** False: metadata shows it, the pool does not have it. */
  readonly pooled?: boolean;
}

/** A node with these interfaces; the blocks of usable ones are in the pool, as after an observation. */
async function lab(...carried: readonly Carried[]) {
  const clock = new VirtualClock();
  const store = new LabStore(clock);
  const events: EnidEvent[] = [];
  const telemetry = { event: (event: EnidEvent) => void events.push(event), cloudCall: () => {}, served: () => {} };
  const ledger = new Ledger(store, clock, new Degradations(telemetry), telemetry);
  const node = new NodeState(effectiveSettings(configuration(), {}));
  node.resolution = {
    subnets: [{ id: "subnet-a", cidr: "10.0.0.0/16", freeAddresses: 99, tags: {} }],
    refused: [],
    securityGroups: ["sg-1"],
  };
  const interfaces: ObservedInterface[] = [];
  for (const { record, addresses = [], prefixes = [], ipv6Prefixes = [], pooled = true } of carried) {
    interfaces.push({ ...record, attached: true, addresses, prefixes, ipv6Prefixes });
    node.interfaces.set(record.id, record);
    await store.commit([{ kind: "interface-put", interface: record }]);
    node.refreshUsability();
    if (!pooled || node.unusableBecause(record) !== "") continue;
    const blocks = addresses.map((address) => ({
      cidr: `${address}/32`,
      interfaceId: record.id,
      kind: "address" as const,
    }));
    for (const block of blocks) node.pool.addBlock(block);
    await store.commit([{ kind: "blocks-put", blocks }]);
  }
  const cloud = { look: () => Promise.resolve(interfaces), complete: true, asked: 0 };
  const provider = {
    async observe(source: string) {
      expect(source).toBe("metadata");
      return { source, complete: cloud.complete, startedAtMs: clock.nowMs(), interfaces: await cloud.look() };
    },
  } as unknown as Provider;
  const options = {
    node,
    ledger,
    provider,
    clock,
    history: new History(10),
    telemetry,
    askCloud: () => {
      cloud.asked += 1;
    },
  };
  const adopt = (entries: readonly object[], dryRun = false) => {
    const text = JSON.stringify({ version: "vpc-cni-ipam/1", allocations: entries });
    return adoptLeases(options, { from: "vpc-cni", file: "ipam.json", text, network: "cilium" }, dryRun);
  };
  return { clock, store, node, events, cloud, adopt, options };
}

function entry(n: number, ipv4: string) {
  const metadata = { k8sPodNamespace: "shop", k8sPodName: `web-${n}` };
  return { networkName: "aws-cni", containerID: `c${n}`, ifName: "eth0", ipv4, allocationTimestamp: 5e6, metadata };
}

const outcomes = (report: Awaited<ReturnType<typeof adoptLeases>>) => report.leases.map(({ outcome }) => outcome);
const reasons = (report: Awaited<ReturnType<typeof adoptLeases>>) => report.leases.map(({ why }) => why);

describe("adopting leases", () => {
  it("enters those whose address is free, in one commit that is there before the answer", async () => {
    const { adopt, node, store, events } = await lab({
      record: record(1),
      addresses: ["10.0.1.5", "10.0.1.6", "10.0.1.7"],
    });
    const before = store.log.length;
    const report = await adopt([entry(1, "10.0.1.5"), entry(2, "10.0.1.6")]);
    expect(outcomes(report)).toEqual(["taken", "taken"]);
    expect(store.log.slice(before).map(({ kind }) => kind)).toEqual(["lease-put", "lease-put"]);
    expect(store.load().leases).toEqual([...node.pool.leases()]);
    expect(node.pool.leaseAt("10.0.1.5")).toEqual({
      address: "10.0.1.5",
      attachment: { network: "cilium", containerId: "c1", interfaceName: "eth0" },
      pod: { namespace: "shop", name: "web-1", uid: "" },
      leasedAtMs: 5,
    });
    expect(node.pool.problems()).toEqual([]);
    expect(events.map(({ name }) => name)).toEqual(["leases-adopted"]);
    const next = node.pool.lease(
      { network: "cilium", containerId: "new", interfaceName: "eth0" },
      { namespace: "", name: "n", uid: "" },
      0,
    );
    expect(next).toMatchObject({ kind: "leased", lease: { address: "10.0.1.7" } });
  });

  it("changes nothing when it is repeated, and nothing at all in a dry run", async () => {
    const { adopt, store, node } = await lab({ record: record(1), addresses: ["10.0.1.5"] });
    const before = store.log.length;
    const dry = await adopt([entry(1, "10.0.1.5")], true);
    expect([outcomes(dry), dry.dryRun, store.log.length, [...node.pool.leases()]]).toEqual([
      ["taken"],
      true,
      before,
      [],
    ]);
    await adopt([entry(1, "10.0.1.5")]);
    const after = store.log.length;
    for (const dryRun of [true, false])
      expect(outcomes(await adopt([entry(1, "10.0.1.5")], dryRun))).toEqual(["known"]);
    expect(store.log.length).toBe(after);
  });

  it("notes of their blocks that the other IPAM took them, so that enid never gives them back", async () => {
    const { adopt, node } = await lab({
      record: record(1, OF_VPC_CNI),
      addresses: ["10.0.1.5"],
      prefixes: ["10.0.2.16/28"],
    });
    await adopt([entry(1, "10.0.1.5"), entry(2, "10.0.2.17")]);
    expect([...node.pool.blocks()].map(({ block }) => block.found)).toEqual([true, true]);
    const made = await lab({ record: record(1, { ...OF_VPC_CNI, madeBy: "enid" }), addresses: ["10.0.1.5"] });
    await made.adopt([entry(1, "10.0.1.5")]);
    expect([...made.node.pool.blocks()].map(({ block }) => block.found)).toEqual([undefined]);
  });

  it("enters those on an interface of the other IPAM with their blocks, which nobody else gets before it is taken over", async () => {
    const { adopt, node, store } = await lab({
      record: record(1, OF_VPC_CNI),
      addresses: ["10.0.1.5", "10.0.1.6"],
      prefixes: ["10.0.2.16/28"],
    });
    const dry = await adopt([entry(1, "10.0.1.5"), entry(2, "10.0.2.17"), entry(3, "10.0.2.18")], true);
    expect([...node.pool.blocks()]).toEqual([]);
    const report = await adopt([entry(1, "10.0.1.5"), entry(2, "10.0.2.17"), entry(3, "10.0.2.18")]);
    expect(report.leases).toEqual(dry.leases);
    expect(outcomes(report)).toEqual(["taken", "taken", "taken"]);
    expect(report.interfaces).toEqual([
      { id: "eni-1", subnetId: "subnet-a", outcome: "taken-over", why: "of the VPC CNI", leases: 3 },
    ]);
    expect([...node.pool.blocks()].map(({ block }) => block.cidr)).toEqual(["10.0.1.5/32", "10.0.2.16/28"]);
    expect(store.load()).toMatchObject({ blocks: [{ cidr: "10.0.1.5/32" }, { cidr: "10.0.2.16/28" }] });
    const somebody = { network: "cilium", containerId: "new", interfaceName: "eth0" };
    expect(node.pool.lease(somebody, { namespace: "", name: "n", uid: "" }, 0).kind).toBe("none");
    node.interfaces.set("eni-1", record(1));
    node.refreshUsability();
    expect(node.pool.lease(somebody, { namespace: "", name: "n", uid: "" }, 0)).toMatchObject({
      lease: { address: expect.stringMatching(/^10\.0\.2\.(1[69]|2\d|3[01])$/) },
    });
    expect(node.pool.problems()).toEqual([]);
  });

  it("says of each lease that it cannot take why not", async () => {
    const { adopt, node, clock } = await lab(
      { record: record(0, { subnetId: "subnet-b" }), addresses: ["10.0.0.5"] },
      { record: record(1), addresses: ["10.0.1.5", "10.0.1.6", "10.0.1.7"] },
      { record: record(2, { foreign: true, foreignBecause: "of type trunk" }), addresses: ["10.0.2.5"] },
      { record: record(3, { ...OF_VPC_CNI, subnetId: "subnet-c" }), addresses: ["10.0.3.5"] },
    );
    const other = { network: "cilium", containerId: "x", interfaceName: "eth0" };
    node.pool.lease(other, { namespace: "shop", name: "other", uid: "" }, 0);
    node.pool.lease({ ...other, containerId: "y" }, { namespace: "", name: "y", uid: "" }, 0);
    node.pool.release({ ...other, containerId: "y" }, clock.nowMs(), 30_000);
    node.pool.markReleasing(["10.0.1.7/32"]);
    const report = await adopt([
      entry(1, "10.0.0.5"),
      entry(2, "10.0.1.5"),
      entry(3, "10.0.1.6"),
      entry(4, "10.0.1.7"),
      entry(5, "10.0.2.5"),
      entry(6, "10.0.3.5"),
      entry(7, "10.9.9.9"),
      entry(8, "10.0.1.4"),
    ]);
    expect(outcomes(report)).toEqual(Array.from({ length: 8 }, () => "refused"));
    expect(reasons(report)).toEqual([
      "10.0.0.5 is on eni-0, which carries no pods: subnet subnet-b is not among the allowed ones",
      "10.0.1.5 is leased to shop/other",
      "10.0.1.6 cools down: the pod that had it is gone",
      "10.0.1.7 is being given back to EC2",
      "10.0.2.5 is on eni-2, which carries no pods: of type trunk",
      "10.0.3.5 is on eni-3, which carries no pods: subnet subnet-c is not among the allowed ones",
      "10.9.9.9 is not a pod address of this node",
      "10.0.1.4 is not a pod address of this node",
    ]);
    expect(report.interfaces.map(({ outcome }) => outcome)).toEqual(["left", "held", "left", "left"]);
  });

  it("refuses a second address for a container, and knows a pod that has the address under another container", async () => {
    const { adopt } = await lab({ record: record(1), addresses: ["10.0.1.5", "10.0.1.6"] });
    await adopt([entry(1, "10.0.1.5")]);
    expect(reasons(await adopt([entry(1, "10.0.1.6")]))).toEqual(["its container has 10.0.1.5 here"]);
    expect(outcomes(await adopt([{ ...entry(1, "10.0.1.5"), containerID: "c9" }]))).toEqual(["known"]);
  });

  it("leaves nothing behind when the disk refuses", async () => {
    const { adopt, node, store } = await lab(
      { record: record(1), addresses: ["10.0.1.5"] },
      { record: record(2, OF_VPC_CNI), addresses: ["10.0.2.5"] },
    );
    store.full = true;
    await expect(adopt([entry(1, "10.0.1.5"), entry(2, "10.0.2.5")])).rejects.toMatchObject({
      code: "ENID_STATE_WRITE_FAILED",
    });
    expect([...node.pool.leases()]).toEqual([]);
    expect([...node.pool.blocks()].map(({ block }) => block.cidr)).toEqual(["10.0.1.5/32"]);
    expect(node.pool.problems()).toEqual([]);
    store.full = false;
    expect(outcomes(await adopt([entry(1, "10.0.1.5"), entry(2, "10.0.2.5")]))).toEqual(["taken", "taken"]);
  });

  it("keeps the end of a lease whose DEL overtook a commit that failed", async () => {
    const { adopt, node, store, clock } = await lab({ record: record(1), addresses: ["10.0.1.5"] });
    store.commit = async () => {
      node.pool.release({ network: "cilium", containerId: "c1", interfaceName: "eth0" }, clock.nowMs(), 30_000);
      throw new EnidError("ENID_STATE_WRITE_FAILED", { detail: "the disk is full" });
    };
    await expect(adopt([entry(1, "10.0.1.5")])).rejects.toMatchObject({ code: "ENID_STATE_WRITE_FAILED" });
    expect(node.pool.stateOf("10.0.1.5")).toBe("cooling");
  });

  it("takes nothing while it cannot tell what is the node's; a dry run says so", async () => {
    const { adopt, node, cloud, clock } = await lab({ record: record(1, OF_VPC_CNI), addresses: ["10.0.1.5"] });
    const { resolution } = node;
    node.resolution = undefined;
    await expect(adopt([entry(1, "10.0.1.5")])).rejects.toThrow("the allowed subnets are not known");
    expect((await adopt([entry(1, "10.0.1.5")], true)).interfaces[0]?.outcome).toBe("taken-over");
    node.resolution = resolution;
    node.interfaces.delete("eni-1");
    await expect(adopt([entry(1, "10.0.1.5")])).rejects.toThrow("EC2 has not described eni-1");
    expect(reasons(await adopt([entry(1, "10.0.1.5")], true))).toEqual([
      "10.0.1.5 is on eni-1, which EC2 has not described yet",
    ]);
    expect(cloud.asked).toBe(2);
    node.interfaces.set("eni-1", record(1, OF_VPC_CNI));
    cloud.complete = false;
    await expect(adopt([entry(1, "10.0.1.5")])).rejects.toMatchObject({ code: "ENID_ADOPTION_EARLY" });
    cloud.look = () => new Promise(() => {});
    const stuck = adopt([entry(1, "10.0.1.5")]).catch((error: EnidError) => error.message);
    await clock.advance(5_000);
    expect(await stuck).toContain("instance metadata did not answer within 5 s");
    const dry = adopt([], true);
    await clock.advance(5_000);
    expect((await dry).notes[0]).toContain("instance metadata did not answer within 5 s");
  });

  it("takes an address that metadata shows on an interface of enid before EC2 was asked again", async () => {
    const { adopt, node, store } = await lab({ record: record(1), addresses: ["10.0.1.5"], pooled: false });
    expect(outcomes(await adopt([entry(1, "10.0.1.5")]))).toEqual(["taken"]);
    expect(node.pool.leaseAt("10.0.1.5")?.pod.name).toBe("web-1");
    expect(store.load().blocks).toMatchObject([{ cidr: "10.0.1.5/32", interfaceId: "eni-1" }]);
  });

  it("enters both addresses of a dual-stack pod, or the one that is the node's", async () => {
    const { options, node, store } = await lab({
      record: record(1, { foreign: true, foreignBecause: "of Cilium's operator" }),
      addresses: ["10.0.1.5", "10.0.1.6"],
      ipv6Prefixes: ["2001:db8:1::/80"],
    });
    const used = {
      "10.0.1.5": { owner: "shop/web-1" },
      "2001:db8:1::7": { owner: "shop/web-1" },
      "10.0.1.6": { owner: "shop/web-2" },
      "2001:db8:9::7": { owner: "shop/web-2" },
    };
    const text = JSON.stringify({ kind: "CiliumNode", status: { ipam: { used } } });
    const report = await adoptLeases(options, { from: "cilium", file: "node.json", text, network: "cilium" }, false);
    expect(outcomes(report)).toEqual(["taken", "taken"]);
    expect(reasons(report)).toEqual(["", "2001:db8:9::7 is not a pod address of this node"]);
    expect(store.load().leases).toMatchObject([
      { address: "10.0.1.5", ipv6Address: "2001:db8:1::7" },
      { address: "10.0.1.6" },
    ]);
    expect(store.load().leases[1]).not.toHaveProperty("ipv6Address");
    expect(node.pool.leaseAt("2001:db8:1::7")?.pod.name).toBe("web-1");
    expect([...node.pool.blocks()].map(({ block }) => block.cidr)).toEqual([
      "10.0.1.5/32",
      "2001:db8:1::/80",
      "10.0.1.6/32",
    ]);
    expect(node.pool.problems()).toEqual([]);
  });
});
