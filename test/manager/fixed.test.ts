import { describe, expect, it } from "vitest";
import { addDb, db, del, fixedLab } from "./fixed-lab.ts";
import { add } from "./harness.ts";

describe("a fixed address", () => {
  it("is the pod's again after each of its sandboxes, and nobody else's in between", async () => {
    const lab = fixedLab();
    const node = await lab.node("a");
    const first = await addDb(lab, node, 1);
    expect(first).toMatch(/^10\./);
    await del(lab, node, 1);
    await lab.clock.advance(40_000);
    // Every other address is taken: this one is not given to the ninth pod.
    const others: string[] = [];
    for (let n = 10; n < 17; n++) others.push(await race(lab, add(node.running, n)));
    expect(others).not.toContain(first);
    expect(await addDb(lab, node, 2)).toBe(first);
    expect(node.running.problems()).toEqual([]);
  });

  it("moves to the node that its pod comes to", async () => {
    const lab = fixedLab();
    const a = await lab.node("a");
    const b = await lab.node("b");
    const first = await addDb(lab, a, 1);
    await del(lab, a, 1);
    await lab.clock.advance(1_000);
    expect(await addDb(lab, b, 2)).toBe(first);
    expect(lab.cloud.holders(first)).toEqual(["i-b"]);
    await lab.clock.advance(10 * 60_000);
    expect(a.running.explain(first).answer).toBe(`${first} is no address of this node now`);
    expect(a.events.filter(({ level }) => level !== "info")).toEqual([]);
    expect([...a.running.problems(), ...b.running.problems()]).toEqual([]);
  });

  it("is waited for while another node's pod has it, for no longer than the ADD may wait", async () => {
    const lab = fixedLab();
    const a = await lab.node("a");
    const b = await lab.node("b");
    const first = await addDb(lab, a, 1);
    expect(await addDb(lab, b, 2)).toBe("ENID_FIXED_HELD");
    const waiting = addDb(lab, b, 3);
    await del(lab, a, 1);
    expect(await waiting).toBe(first);
  });

  it("never becomes another one without a fleet", async () => {
    const lab = fixedLab();
    const node = await lab.node("a");
    lab.server.down(true);
    expect(await addDb(lab, node, 1)).toBe("ENID_FLEET_AWAY");
  });

  it("is served from the node's own memory while the store is away, and the store hears of it later", async () => {
    const lab = fixedLab();
    const a = await lab.node("a");
    const b = await lab.node("b");
    const first = await addDb(lab, a, 1);
    await del(lab, a, 1);
    await lab.clock.advance(1_000);
    lab.server.down(true);
    expect(await addDb(lab, a, 2)).toBe(first);
    expect(await addDb(lab, b, 3)).toBe("ENID_FLEET_AWAY");
    lab.server.down(false);
    await lab.clock.advance(30_000);
    expect(await addDb(lab, b, 4)).toBe("ENID_FIXED_HELD");
    expect((await a.fleet.fixed.find("shop/db-0").catch(() => undefined))?.state ?? "bound").toBe("bound");
  });

  it("is taken from a node that is gone, after its time and a grace", async () => {
    const lab = fixedLab();
    const a = await lab.node("a");
    const b = await lab.node("b");
    const first = await addDb(lab, a, 1);
    const stopping = a.running.stop(0);
    await lab.clock.advance(5_000);
    await stopping;
    let got = "";
    const startMs = lab.clock.nowMs();
    for (let n = 2; n < 40 && got !== first; n++) got = await addDb(lab, b, n);
    expect(got).toBe(first);
    expect(lab.clock.nowMs() - startMs).toBeGreaterThan(30_000);
    // It comes back and learns that its pod has lost the address.
    await a.start();
    await lab.clock.advance(20_000);
    const lost = leaseOf(a.running);
    expect(lost === undefined ? "" : a.running.lost(lost)?.code).toBe("ENID_FIXED_LOST");
    expect(a.running.status().fixed).toMatchObject([{ state: "lost", holder: "b" }]);
    expect(await addDb(lab, a, 1)).not.toBe(first);
  });

  it("stays with its node over a restart, another boot, and a crash at each moment", async () => {
    const lab = fixedLab();
    const a = await lab.node("a");
    const b = await lab.node("b");
    const first = await addDb(lab, a, 1);
    await a.running.stop(0).catch(() => {});
    await a.start("boot-2");
    await lab.clock.advance(15_000);
    expect(await addDb(lab, b, 2)).toBe(first);
  });
});

function leaseOf(manager: { leases(): readonly import("../../src/pool/index.ts").Lease[] }) {
  return manager.leases().find(({ pod }) => pod.name === db(0).name);
}

async function race<Value>(lab: ReturnType<typeof fixedLab>, asked: Promise<Value>): Promise<string> {
  let outcome: unknown = "";
  void asked.then((value) => {
    outcome = value;
  });
  for (let passed = 0; passed < 10_000 && outcome === ""; passed += 100) await lab.clock.advance(100);
  return String(outcome);
}
