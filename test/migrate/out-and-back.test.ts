import { describe, expect, it } from "vitest";
import { shellCommands } from "../documents/shell.ts";
import { readSource } from "../house/source-files.ts";
import { leaveAsDocumented } from "./leaving.ts";
import { instanceOf, type Peer, podsNamed, Region, soon } from "./region.ts";

const PEERS: readonly Peer[] = ["vpc-cni", "cilium"];

describe("nodes that began with enid", () => {
  it("go to the VPC CNI and to Cilium's operator after a drain: nothing of enid is left on them, and nothing leaks", async () => {
    const region = await Region.start(4);
    const walk = async (kind: Peer, node: number, neighbour: number) => {
      const there = await region.peer(kind, neighbour);
      for (const pod of podsNamed(`far-${kind}`, 3)) await there.add(pod);
      const enid = region.enid(node, { "min-allocate": 16 });
      await enid.start();
      const pods = podsNamed(`old-${kind}`, 16);
      for (const pod of pods) await enid.add(pod);
      await enid.until(({ intents, watermarks }) => intents.length === 0 && watermarks.needed === 0);
      expect(region.interfacesOf(node).length).toBe(2);

      for (const pod of pods) await enid.remove(pod);
      await leaveAsDocumented(enid);
      await enid.stop();
      const left = region.interfacesOf(node);
      expect(left.map(({ secondaryAddresses, prefixes, tags }) => [secondaryAddresses, prefixes, tags])).toEqual([
        [[], [], {}],
      ]);
      const peer = await region.peer(kind, node);
      for (const pod of podsNamed(`back-${kind}`, 20)) await peer.add(pod);
    };
    await Promise.all(PEERS.map((kind, index) => walk(kind, index + 1, index + 3)));
    region.book.verify();
    await soon(() => region.simulator.cloud.truth().orphans.length === 0, "no interface that hangs on nothing");
  }, 120_000);

  it("whose enid gave nothing back serve the other program all the same, which takes the interfaces over", async () => {
    const region = await Region.start(2);
    const walk = async (kind: Peer, node: number) => {
      const enid = region.enid(node);
      await enid.start();
      const pods = podsNamed(`old-${kind}`, 18);
      for (const pod of pods) await enid.add(pod);
      for (const pod of pods) await enid.remove(pod);
      await enid.stop();
      const left = new Set(region.interfacesOf(node).flatMap(({ secondaryAddresses }) => secondaryAddresses));
      const peer = await region.peer(kind, node);
      const given: string[] = [];
      for (const pod of podsNamed(`back-${kind}`, 14)) given.push(await peer.add(pod));
      expect(given.filter((address) => left.has(address)).length).toBeGreaterThan(0);
      for (const pod of podsNamed(`back-${kind}`, 14)) await peer.remove(pod);
    };
    await Promise.all(PEERS.map((kind, index) => walk(kind, index + 1)));
    region.book.verify();
    await soon(() => region.simulator.cloud.truth().orphans.length === 0, "no interface that hangs on nothing");
  }, 120_000);
});

it("a move that ends before the network configuration is enid's leaves the node to the program of before, pods running", async () => {
  const region = await Region.start(2);
  const walk = async (kind: Peer, node: number) => {
    const before = await region.peer(kind, node);
    const old = podsNamed(`old-${kind}`, 16);
    const given: string[] = [];
    for (const pod of old) given.push(await before.add(pod));
    before.leave();
    const enid = region.enid(node);
    await enid.start();
    const { leases } = await enid.adopt(kind, before.record());
    expect(leases.map(({ outcome }) => outcome)).toEqual(old.map(() => "taken"));
    await enid.stop();

    const after = await region.peer(kind, node, before.leases);
    const known = [...after.leases.values()].map(({ attachment }) => after.agent.lookup(attachment)?.address);
    expect(known.toSorted()).toEqual(given.toSorted());
    for (const pod of podsNamed(`young-${kind}`, 20)) await after.add(pod);
    for (const pod of old) await after.remove(pod);
  };
  await Promise.all(PEERS.map((kind, index) => walk(kind, index + 1)));
  region.book.verify();
  expect(region.simulator.cloud.truth().orphans).toEqual([]);
}, 120_000);

it("by new nodes: pods move, the old nodes go with all that they had", async () => {
  const region = await Region.start(2);
  const there = await Promise.all(PEERS.map((kind, index) => region.peer(kind, index + 1)));
  const old = podsNamed("old", 16);
  const homeOf = (n: number) => there[n % 2] ?? there[0];
  for (const [n, pod] of old.entries()) await homeOf(n)?.add(pod);
  await region.launch(3);
  const enid = region.enid(3);
  await enid.start();
  for (const [n, pod] of podsNamed("new", 16).entries()) {
    await enid.add(pod);
    await homeOf(n)?.remove(old[n] ?? pod);
  }
  region.book.verify();
  for (const peer of there) {
    peer.leave();
    region.simulator.cloud.terminate(instanceOf(peer.node));
  }
  await soon(() => region.interfacesOf(1).length + region.interfacesOf(2).length === 0, "the old nodes' end");
  region.book.verify();
  const { interfaces, orphans } = region.simulator.cloud.truth();
  expect(orphans).toEqual([]);
  expect(interfaces.map(({ id }) => id).toSorted()).toEqual(
    region
      .interfacesOf(3)
      .map(({ id }) => id)
      .toSorted(),
  );
}, 120_000);

it("the page's patch of aws-node keeps it off the nodes that have enid's label, and off no others", () => {
  const [, script = ""] =
    /```sh\n(kubectl [^`]*patch daemonset aws-node[^`]*)```/.exec(readSource("docs/migrate.md")) ?? [];
  const words = shellCommands(script)[0]?.words ?? [];
  expect(JSON.parse(words[words.indexOf("--patch") + 1] ?? "")).toEqual([
    {
      op: "add",
      path: "/spec/template/spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms/0/matchExpressions/-",
      value: { key: "enid.io/node", operator: "DoesNotExist" },
    },
  ]);
});
