import { describe, expect, it } from "vitest";
import { leaveAsDocumented } from "./leaving.ts";
import { instanceOf, podsNamed, primaryOf, Region, soon } from "./region.ts";

const NODE_TAG = "node.k8s.amazonaws.com/instance_id";
const CREATED_TAG = "node.k8s.amazonaws.com/createdAt";

describe("from the VPC CNI to enid", () => {
  it("in place, with the pods running, beside a node that stays; and back again after a drain", async () => {
    const region = await Region.start(2);
    const [here, there] = await Promise.all([region.peer("vpc-cni", 1), region.peer("vpc-cni", 2)]);
    const old = podsNamed("old", 16);
    for (const pod of old) await here.add(pod);
    for (const pod of podsNamed("far", 3)) await there.add(pod);
    await soon(() => region.interfacesOf(1).length === 3, "the interface that the VPC CNI keeps warm");
    const theirs = region.interfacesOf(1);
    for (const { tags } of theirs) expect(tags[NODE_TAG]).toBe(instanceOf(1));

    // aws-node leaves node 1; what it knows is in its checkpoint.
    here.leave();
    const moved = region.lastCall();
    const enid = region.enid(1);
    const status = await enid.start();
    const reasons = status.interfaces.map(({ usable, unusableBecause }) => (usable ? "" : unusableBecause));
    expect(reasons).toEqual([...theirs.map(() => "of the VPC CNI"), ""]);
    const dry = await enid.adopt("vpc-cni", here.record(), "--dry-run");
    expect([dry.leases.length, await enid.leases()]).toEqual([16, []]);
    const report = await enid.adopt("vpc-cni", here.record());
    expect(report.leases.map(({ outcome }) => outcome)).toEqual(old.map(() => "taken"));
    const running = [...region.book.addresses()].filter(([, pod]) => pod.startsWith("old"));
    expect(new Map((await enid.leases()).map(({ address, pod }) => [address, pod.name]))).toEqual(new Map(running));
    region.book.verify();

    const young = podsNamed("young", 12);
    for (const pod of young) await enid.add(pod);
    for (const pod of old.slice(0, 8)) await enid.remove(pod);
    for (const pod of podsNamed("near", 12)) await there.add(pod);
    region.book.verify();

    // Back: the node is drained, and gives back what enid took.
    for (const pod of [...old.slice(8), ...young]) await enid.remove(pod);
    const before = new Map(theirs.map(({ id, secondaryAddresses }) => [id, secondaryAddresses.toSorted()]));
    await leaveAsDocumented(enid);
    await enid.stop();
    const left = region.interfacesOf(1);
    expect(new Map(left.map(({ id, secondaryAddresses }) => [id, secondaryAddresses.toSorted()]))).toEqual(before);
    expect(left.map(({ tags }) => tags)).toEqual(theirs.map(({ tags }) => tags));
    expect(region.ofEnid(moved).filter((call) => touches(call.parameters, [...before.keys()]))).toEqual([]);
    const again = await region.peer("vpc-cni", 1);
    for (const pod of podsNamed("back", 16)) await again.add(pod);
    region.book.verify();
    expect(region.simulator.cloud.truth().orphans).toEqual([]);
  }, 120_000);

  it("in place where it gives out prefixes", async () => {
    const tags = { [NODE_TAG]: instanceOf(1), [CREATED_TAG]: "2026-07-01T12:00:00Z" };
    const carrier = {
      id: "eni-0cd00000000000001",
      subnet: "subnet-0ab00000000000001",
      primaryAddress: "10.0.17.4",
      prefixes: ["10.0.18.16/28", "10.0.18.32/28"],
      description: `aws-K8S-${instanceOf(1)}`,
      tags,
      attachment: { instance: instanceOf(1), deviceIndex: 1, deleteOnTermination: true },
    };
    const region = await Region.start(1, { interfaces: [carrier] });
    const allocations = ["10.0.18.17", "10.0.18.30", "10.0.18.32"].map((ipv4, n) => ({
      networkName: "aws-cni",
      containerID: `old-${n}-`.padEnd(64, "0"),
      ifName: "eth0",
      ipv4,
      allocationTimestamp: 1647904840550836700,
      metadata: { k8sPodNamespace: "shop", k8sPodName: `old-${n}` },
    }));
    for (const [n, pod] of podsNamed("old", 3).entries()) {
      region.book.enter(instanceOf(1), pod, allocations[n]?.ipv4 ?? "");
    }
    const enid = region.enid(1, { "release-delay-seconds": 0 });
    await enid.start();
    const report = await enid.adopt("vpc-cni", { version: "vpc-cni-ipam/1", allocations });
    expect(report.leases.map(({ outcome }) => outcome)).toEqual(["taken", "taken", "taken"]);
    for (const pod of podsNamed("young", 30)) await enid.add(pod);
    region.book.verify();
    for (const pod of podsNamed("old", 3)) await enid.remove(pod);
    expect(region.interfacesOf(1).find(({ id }) => id === carrier.id)?.prefixes).toEqual(carrier.prefixes);
  }, 120_000);
});

/** Whether the call changes one of these interfaces otherwise than by adding addresses, or giving those back. */
function touches(parameters: Readonly<Record<string, unknown>>, ids: readonly string[]): boolean {
  const named = [parameters.NetworkInterfaceId, parameters.ResourceId].flat().map(String);
  const isOfAddresses = "SecondaryPrivateIpAddressCount" in parameters || "PrivateIpAddress" in parameters;
  return !isOfAddresses && named.some((id) => ids.includes(id));
}

describe("from Cilium's operator to enid", () => {
  it("in place, with the pods running, beside a node that stays; and back again after a drain", async () => {
    const region = await Region.start(2);
    const [here, there] = await Promise.all([region.peer("cilium", 1), region.peer("cilium", 2)]);
    const old = podsNamed("old", 16);
    for (const pod of old) await here.add(pod);
    for (const pod of podsNamed("far", 3)) await there.add(pod);
    await soon(() => region.interfacesOf(1).length === 2, "the operator's interface");
    const theirs = region.interfacesOf(1);
    const made = theirs.filter(({ id }) => id !== primaryOf(1));
    for (const { tags } of made) expect(tags).toEqual({ "io.cilium/cilium-managed": "true" });
    expect(theirs.find(({ id }) => id === primaryOf(1))?.secondaryAddresses.length).toBe(14);

    // The agent of node 1 ends, and the operator has the node no more.
    here.leave();
    // Cilium leaves no mark on the primary interface: its addresses look free, and stay all the same.
    const enid = region.enid(1, { "release-delay-seconds": 0 });
    const status = await enid.start();
    expect(status.interfaces.find(({ id }) => id === made[0]?.id)?.unusableBecause).toBe("of Cilium's operator");
    const report = await enid.adopt("cilium", here.record());
    expect(report.leases.map(({ outcome }) => outcome)).toEqual(old.map(() => "taken"));
    const running = [...region.book.addresses()].filter(([, pod]) => pod.startsWith("old"));
    expect(new Map((await enid.leases()).map(({ address, pod }) => [address, pod.name]))).toEqual(new Map(running));

    for (const pod of podsNamed("young", 12)) await enid.add(pod);
    // The runtime knows the containers; a DEL ends the lease of its pod.
    for (const pod of old) await enid.remove(pod);
    for (const pod of podsNamed("near", 12)) await there.add(pod);
    region.book.verify();

    for (const pod of podsNamed("young", 12)) await enid.remove(pod);
    await leaveAsDocumented(enid);
    await enid.stop();
    const held = (interfaces: typeof theirs) =>
      new Map(interfaces.map(({ id, secondaryAddresses }) => [id, secondaryAddresses.toSorted()]));
    expect(held(region.interfacesOf(1))).toEqual(held(theirs));
    expect(region.interfacesOf(1).map(({ tags }) => tags)).toEqual(theirs.map(({ tags }) => tags));
    const again = await region.peer("cilium", 1);
    for (const pod of podsNamed("back", 16)) await again.add(pod);
    region.book.verify();
    expect(region.simulator.cloud.truth().orphans).toEqual([]);
  }, 120_000);
});
