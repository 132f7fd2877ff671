import { describe, expect, it } from "vitest";
import { FIXED_TIMES, memoryFleetStore } from "../../src/fleet/index.ts";
import { addDb, db, del, fixedLab } from "./fixed-lab.ts";
import { attachment, range } from "./harness.ts";

describe("a fixed address that moves", () => {
  it("finds room on a full interface by giving a free address back", async () => {
    const lab = fixedLab();
    const a = await lab.node("a");
    const b = await lab.node("b", { ipam: { "pre-allocate": 9, "max-allocate": 27 } });
    const first = await addDb(lab, a, 1);
    await del(lab, a, 1);
    // Every slot of the instance is taken: 3 interfaces of 9 addresses.
    b.provider.facts = { ...b.provider.facts, limits: { ...b.provider.facts.limits, maxInterfaces: 1 } };
    await b.running.stop(0);
    await b.start();
    await lab.clock.advance(120_000);
    expect(b.running.counts().total).toBe(9);
    expect(await addDb(lab, b, 2)).toBe(first);
    expect(b.provider.mutations.slice(-2)).toEqual(["release-blocks 1", "add-blocks 1"]);
    expect(b.running.problems()).toEqual([]);
  });

  it("is given to nobody by a node that the cloud gave it to when its own was gone, and is taken from there", async () => {
    const lab = fixedLab();
    const a = await lab.node("a");
    const first = await addDb(lab, a, 1);
    await a.running.stop(0);
    for (const entry of a.provider.interfaces.values()) entry.addresses = [];
    const b = await lab.node("b", { ipam: { "pre-allocate": 1 } });
    const others = b.provider.addresses.bind(b.provider);
    b.provider.addresses = (count) => [first, ...others(count - 1)];
    const given: string[] = [];
    for (const n of range(4)) {
      const added = b.running.add({
        attachment: attachment(20 + n),
        pod: { namespace: "web", name: `w-${n}`, uid: "" },
      });
      void added.then(({ address }) => given.push(address));
      await lab.clock.advance(8_000);
      b.provider.addresses = others;
    }
    expect(lab.cloud.holders(first)).toEqual(["i-b"]);
    expect(given).toHaveLength(4);
    expect(given).not.toContain(first);
    expect(b.events.map(({ name }) => name)).toContain("fixed-address-fenced");
    const c = await lab.node("c");
    let moved = "";
    for (let tries = 0; tries < 20 && moved !== first; tries++) moved = await addDb(lab, c, 40 + tries);
    expect(moved).toBe(first);
    expect(lab.cloud.holders(first)).toEqual(["i-c"]);
    await lab.clock.advance(200_000);
    expect(b.running.problems()).toEqual([]);
    expect(b.running.status().fixed).toBeUndefined();
  });

  it("is refused with the zones that would work, and stays where it is", async () => {
    const lab = fixedLab();
    const a = await lab.node("a");
    const first = await addDb(lab, a, 1);
    await del(lab, a, 1);
    const b = await lab.node("b");
    await b.running.stop(0);
    b.provider.facts = { ...b.provider.facts, availabilityZone: "eu-central-1b" };
    await b.start();
    expect(await addDb(lab, b, 2)).toBe("ENID_FIXED_OUT_OF_REACH");
    expect(lab.cloud.holders(first)).toEqual(["i-a"]);
    expect(await addDb(lab, a, 3)).toBe(first);
  });

  it("goes on with the next ADD where EC2 was too slow for the first", async () => {
    const lab = fixedLab();
    const a = await lab.node("a");
    const b = await lab.node("b");
    const first = await addDb(lab, a, 1);
    await del(lab, a, 1);
    b.provider.callMs = 8_000;
    expect(await addDb(lab, b, 2)).toBe("ENID_FIXED_MOVING");
    expect(await addDb(lab, b, 3)).toBe(first);
    expect(lab.cloud.holders(first)).toEqual(["i-b"]);
  });

  it("that no pod asks for any more is parked where it is, for others to claim", async () => {
    const lab = fixedLab();
    const a = await lab.node("a");
    const b = await lab.node("b");
    const first = await addDb(lab, a, 1);
    await del(lab, a, 1);
    b.provider.callMs = 8_000;
    expect(await addDb(lab, b, 2)).toBe("ENID_FIXED_MOVING");
    await del(lab, b, 2);
    await lab.clock.advance(60_000);
    expect(b.running.status().fixed).toMatchObject([{ address: first, state: "parked" }]);
    expect(await addDb(lab, a, 3)).toBe(first);
  });

  it("ends in one place after a crash at each commit of the move", async () => {
    for (const crashAt of range(8)) {
      const lab = fixedLab();
      const a = await lab.node("a");
      const b = await lab.node("b");
      const first = await addDb(lab, a, 1);
      await del(lab, a, 1);
      const commit = b.store.inner.commit.bind(b.store.inner);
      let left = crashAt;
      // What is committed is the last that this process does; nothing after it becomes durable.
      b.store.inner.commit = (changes) => (left-- > 0 ? commit(changes) : new Promise(() => {}));
      await addDb(lab, b, 2, 0, 2_000);
      void b.running.stop(0).catch(() => {});
      await lab.clock.advance(7_000);
      b.store.inner.commit = commit;
      await b.start();
      await lab.clock.advance(30_000);
      expect(await addDb(lab, b, 2), `crash at commit ${crashAt}`).toBe(first);
      expect(lab.cloud.holders(first)).toEqual(["i-b"]);
      expect(b.running.problems()).toEqual([]);
    }
  });

  it("is given to no other pod where a call is settled by a look at EC2 that lags", async () => {
    const lab = fixedLab();
    const a = await lab.node("a");
    const first = await addDb(lab, a, 1);
    await del(lab, a, 1);
    const b = await lab.node("b", { ipam: { "pre-allocate": 1 } });
    b.provider.callMs = 8_000;
    expect(await addDb(lab, b, 2)).toBe("ENID_FIXED_MOVING");
    // The machine dies before the call's answer is written; another node gets the address in the meantime.
    const commit = b.store.inner.commit.bind(b.store.inner);
    b.store.inner.commit = () => new Promise(() => {});
    void b.running.stop(0).catch(() => {});
    await lab.clock.advance(7_000);
    b.store.inner.commit = commit;
    b.provider.callMs = 300;
    const c = await lab.node("c");
    let moved = "";
    for (let tries = 0; tries < 30 && moved !== first; tries++) moved = await addDb(lab, c, 40 + tries);
    expect(moved).toBe(first);
    // What EC2 answers node b is older than that.
    const observed = b.provider.observed.bind(b.provider);
    b.provider.observed = (entry) => {
      const shown = observed(entry);
      return { ...shown, addresses: [...new Set([...shown.addresses, first])] };
    };
    b.provider.settle = async ({ step }) => {
      const [entry] = b.provider.interfaces.values();
      if (entry === undefined || step.kind !== "add-blocks") throw new Error(`unexpected ${step.kind}`);
      return { kind: "done", interface: b.provider.observed(entry), added: [`${first}/32`] };
    };
    await b.start();
    const given: string[] = [];
    for (const n of range(6)) {
      const pod = { namespace: "web", name: `w-${n}`, uid: "" };
      void b.running.add({ attachment: attachment(80 + n), pod }).then(({ address }) => given.push(address));
      await lab.clock.advance(8_000);
    }
    expect(b.events.map(({ name }) => name)).toContain("step-done");
    expect(given).toHaveLength(6);
    expect(given).not.toContain(first);
    expect(lab.cloud.holders(first)).toEqual(["i-c"]);
    b.provider.observed = observed;
    await lab.clock.advance(30 * 60_000);
    expect(b.running.status().fixed).toBeUndefined();
    expect(b.store.load().fixed ?? []).toEqual([]);
    expect(b.running.problems()).toEqual([]);
  });

  it("that no node holds comes back to a store that lost its data by the node where it is", async () => {
    const lab = fixedLab();
    const a = await lab.node("a");
    const first = await addDb(lab, a, 1);
    await del(lab, a, 1);
    await lab.clock.advance(15_000);
    // Node b's claim is made, its answer is lost; its next sync finds that it holds what is not there, and lets go.
    const store = memoryFleetStore(lab.server, "b", lab.clock);
    const caller = { nodeId: "i-b", nodeName: "b", knownStore: "", freshStore: "x", times: FIXED_TIMES };
    const claimed = await store.fixed.claim(caller, "shop/db-0");
    if (claimed.kind !== "claimed") throw new Error(`the claim is ${claimed.kind}`);
    await store.fixed.change("yield", "i-b", "shop/db-0", claimed.record.epoch);
    await lab.clock.advance(15_000);
    expect((await store.fixed.find("shop/db-0"))?.holder).toBe("");
    lab.server.loseEverything();
    await lab.clock.advance(80_000);
    expect(await store.fixed.find("shop/db-0")).toMatchObject({ holder: "", state: "parked", address: first });
    const c = await lab.node("c");
    let moved = "";
    for (let tries = 0; tries < 4 && moved !== first; tries++) moved = await addDb(lab, c, 3 + tries);
    expect(moved).toBe(first);
    expect(lab.cloud.holders(first)).toEqual(["i-c"]);
  });

  it("that was claimed by a node that did not hear so comes back to a store that lost its data", async () => {
    const lab = fixedLab();
    const a = await lab.node("a");
    const first = await addDb(lab, a, 1);
    await del(lab, a, 1);
    await lab.clock.advance(15_000);
    const store = memoryFleetStore(lab.server, "b", lab.clock);
    const caller = { nodeId: "i-b", nodeName: "b", knownStore: "", freshStore: "x", times: FIXED_TIMES };
    expect((await store.fixed.claim(caller, "shop/db-0")).kind).toBe("claimed");
    await lab.clock.advance(15_000);
    expect(a.running.status().fixed).toMatchObject([{ address: first, state: "leaving", holder: "b" }]);
    lab.server.loseEverything();
    await lab.clock.advance(55_000);
    expect(await store.fixed.find("shop/db-0")).toMatchObject({ holder: "", state: "parked", address: first });
    const c = await lab.node("c");
    let moved = "";
    for (let tries = 0; tries < 5 && moved !== first; tries++) moved = await addDb(lab, c, 3 + tries);
    expect(moved).toBe(first);
    expect(lab.cloud.holders(first)).toEqual(["i-c"]);
  });

  it("that moved on is not taken from its node by one that has its record still, in a store that lost its data", async () => {
    const lab = fixedLab();
    const a = await lab.node("a");
    const b = await lab.node("b");
    const first = await addDb(lab, a, 1);
    await del(lab, a, 1);
    expect(await addDb(lab, b, 2)).toBe(first);
    // Node a's view of EC2 lags: it still shows the address there.
    const entry = [...a.provider.interfaces.values()].find(({ attached }) => attached);
    entry?.addresses.push(first);
    await lab.clock.advance(10_000);
    lab.server.cutOff("b", true);
    lab.server.loseEverything();
    await lab.clock.advance(100_000);
    const store = memoryFleetStore(lab.server, "x", lab.clock);
    expect(await store.fixed.find("shop/db-0")).toMatchObject({ holder: "", address: first });
    lab.server.cutOff("b", false);
    await lab.clock.advance(60_000);
    expect(await store.fixed.find("shop/db-0")).toMatchObject({ holder: "i-b", state: "bound", address: first });
    expect(b.running.status().fixed).toMatchObject([{ address: first, state: "bound" }]);
  });

  it("that moved on is not served by its node before, which brought its record back, ahead of the one that has it", async () => {
    const lab = fixedLab();
    const a = await lab.node("a");
    const b = await lab.node("b");
    const first = await addDb(lab, a, 1);
    await del(lab, a, 1);
    expect(await addDb(lab, b, 2)).toBe(first);
    // Node a hears of it, and not yet from EC2 that the address has left.
    const entry = [...a.provider.interfaces.values()].find(({ attached }) => attached);
    entry?.addresses.push(first);
    await lab.clock.advance(10_000);
    lab.server.cutOff("b", true);
    lab.server.loseEverything();
    await lab.clock.advance(12_000);
    expect(await addDb(lab, a, 3)).toBe("ENID_FIXED_HELD");
    lab.server.cutOff("b", false);
    await lab.clock.advance(60_000);
    expect(await addDb(lab, a, 4)).toBe("ENID_FIXED_HELD");
    expect(b.running.status().fixed).toMatchObject([{ address: first, state: "bound" }]);
  });

  it("that an operator released is not brought back by the node where it was", async () => {
    const lab = fixedLab();
    const a = await lab.node("a");
    const first = await addDb(lab, a, 1);
    await del(lab, a, 1);
    await lab.clock.advance(15_000);
    const store = memoryFleetStore(lab.server, "b", lab.clock);
    const caller = { nodeId: "i-b", nodeName: "b", knownStore: "", freshStore: "x", times: FIXED_TIMES };
    const claimed = await store.fixed.claim(caller, "shop/db-0");
    if (claimed.kind !== "claimed") throw new Error(`the claim is ${claimed.kind}`);
    await store.fixed.change("yield", "i-b", "shop/db-0", claimed.record.epoch);
    await lab.clock.advance(15_000);
    expect((await store.fixed.release("shop/db-0", false)).kind).toBe("dropped");
    await lab.clock.advance(240_000);
    expect(await store.fixed.find("shop/db-0")).toBeUndefined();
    expect(lab.cloud.holders(first)).toEqual(["i-a"]);
    expect(a.running.status().fixed).toBeUndefined();
  });
});

describe("a parked address", () => {
  it("is not given back, is no part of the watermarks, and keeps its interface", async () => {
    const lab = fixedLab();
    const node = await lab.node("a", { eni: { "interface-idle-seconds": 60 }, ipam: { "release-delay-seconds": 10 } });
    const first = await addDb(lab, node, 1);
    const { available } = node.running.status().watermarks;
    await del(lab, node, 1);
    expect(node.running.status().watermarks.available).toBe(available);
    await lab.clock.advance(30 * 60_000);
    expect(node.running.status().fixed).toMatchObject([{ address: first, state: "parked" }]);
    expect(node.running.explain(first).because[0]).toContain("waits here for its pod");
    expect(await addDb(lab, node, 2)).toBe(first);
  });

  it("is like any other once its time is over", async () => {
    const lab = fixedLab();
    const rule = { namespace: "shop", "stateful-set": "db", "keep-seconds": 60 };
    const node = await lab.node("a", { ipam: { fixed: [rule] } });
    const first = await addDb(lab, node, 1);
    await del(lab, node, 1);
    await lab.clock.advance(90_000);
    expect(node.running.status().fixed).toBeUndefined();
    expect(node.store.load().fixed).toBeUndefined();
    expect(node.running.explain(first).answer).toBe(`${first} is free`);
  });

  it("is not taken from its pod by one that asks for it by name", async () => {
    const lab = fixedLab();
    const node = await lab.node("a");
    const first = await addDb(lab, node, 1);
    await del(lab, node, 1);
    const wish = {
      attachment: { network: "cilium", containerId: "x", interfaceName: "eth0" },
      pod: { ...db(0), name: "web" },
      wanted: [first],
    };
    await expect(node.running.add(wish)).rejects.toMatchObject({ code: "ENID_ADDRESS_UNAVAILABLE" });
  });
});
