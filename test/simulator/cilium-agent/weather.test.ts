import { afterEach, describe, expect, it } from "vitest";
import { CILIUM_NODES } from "../../../src/handoff/cilium-node/api.ts";
import { NODE, refusal, Stage, type StageOptions } from "./stage.ts";

let stage: Stage;

async function serving(options: StageOptions): Promise<Stage> {
  stage = new Stage(options);
  return stage.serving();
}

/** What the resource says is used, or needed. */
async function told(): Promise<number> {
  const node = await stage.node();
  return node.requested.length > 0 ? (node.requested[0]?.ipv4Addresses ?? 0) - 4 : node.used.size;
}

afterEach(() => stage.end());

describe.each(["crd", "eni-classic", "eni-1.20"] as const)("an agent of dialect %s", (dialect) => {
  it("whose write meets another one reads anew and writes again", async () => {
    const { agent, clock, way } = await serving({ dialect });
    way.conflicts = 2;
    await stage.run("a", "b");
    await clock.advance(60_000);
    expect(await told()).toBe(2);
    expect(agent.snapshot().conflicts).toBe(2);
    expect(way.conflicts).toBe(0);
  });

  it("whose watch has gone silent reads anew once a write of it meets another one", async () => {
    const { clock, operator, way } = await serving({ dialect });
    way.isDeaf = true;
    operator.grow("eni-1", 1);
    await operator.publish();
    await stage.run("a");
    await clock.advance(60_000);
    expect(await told()).toBe(1);
    expect(stage.agent.snapshot().conflicts).toBeGreaterThan(0);
  });

  it("goes on where its watch broke", async () => {
    const { agent, clock, operator, way } = await serving({ dialect });
    const { list = 0, watch = 0 } = way.calls;
    way.breakWatches();
    operator.grow("eni-1", 2);
    await operator.publish();
    await clock.advance(5_000);
    expect(await told()).toBe(0);
    await stage.run(..."abcd");
    expect(agent.snapshot().pods.size).toBe(4);
    expect(way.calls.list).toBe(list);
    expect(way.calls.watch).toBe(watch + 1);
  });

  it("lists anew after 410 Gone", async () => {
    const { agent, clock, operator, way } = await serving({ dialect });
    const before = agent.snapshot().free;
    const { list = 0 } = way.calls;
    way.gone = 1;
    way.breakWatches();
    for (const id of ["eni-1", "eni-2"]) operator.grow(id, 3);
    await operator.publish();
    await clock.advance(10_000);
    expect(way.calls.list).toBe(list + 1);
    expect(agent.snapshot().free).toBe(before + 6);
  });

  it("serves from what it knows while the API is away, and tells all of it afterwards", async () => {
    const { agent, clock, way } = await serving({ dialect });
    way.isAway = true;
    way.breakWatches();
    const given = await stage.run(..."abcd");
    await clock.advance(3_600_000);
    agent.release(given[0] as string);
    expect(await told()).toBe(0);
    await clock.advance(1_800_000);
    expect((await stage.run("e"))[0]).toMatch(/^10\./);
    way.isAway = false;
    await clock.advance(120_000);
    expect(await told()).toBe(4);
    expect(agent.snapshot().breaches).toEqual([]);
  });

  it("does not hammer an API that is away", async () => {
    const { clock, way } = await serving({ dialect });
    way.isAway = true;
    way.breakWatches();
    await stage.run("a");
    const calls = () => Object.values(way.calls).reduce((sum, count) => sum + count, 0);
    const before = calls();
    await clock.advance(3_600_000);
    // A write each 15 s, and a list or a watch each time it is told that what it knows may be old.
    expect(calls() - before).toBeLessThan(3 * 240 + 30);
  });

  it("that starts while the API is away waits for it", async () => {
    const { agent, clock, way } = await serving({ dialect });
    await stage.run("a");
    await clock.advance(20_000);
    agent.crash();
    way.isAway = true;
    void agent.start();
    await clock.advance(600_000);
    expect(agent.snapshot().state).toBe("starting");
    way.isAway = false;
    await clock.advance(120_000);
    expect(agent.snapshot()).toMatchObject({ state: "serving", breaches: [] });
  });

  it("that dies hears and writes nothing more", async () => {
    const { agent, clock, way } = await serving({ dialect });
    await stage.run("a");
    await clock.advance(20_000);
    await stage.run("b");
    await clock.advance(1_000);
    // What this one changes waits for its turn to be said.
    await stage.run("c");
    agent.crash();
    const { calls } = way;
    const before = JSON.stringify(calls);
    await stage.operator.spec({ ipam: { "pre-allocate": 9 } });
    await clock.advance(600_000);
    expect(JSON.stringify(calls)).toBe(before);
    expect(agent.snapshot()).toMatchObject({ state: "off", free: 0 });
  });
});

describe("a CiliumNode that is deleted", () => {
  it("leaves a classic agent without addresses to give, and its pods with theirs", async () => {
    const { agent, clock, kubernetes, operator } = await serving({ dialect: "eni-classic" });
    const given = await stage.run("a");
    await clock.advance(20_000);
    const { apiVersion, kind, spec } = await stage.object();
    await kubernetes.delete(CILIUM_NODES, { name: NODE });
    await clock.advance(20_000);
    expect(await refusal(agent.allocate("default/b"))).toContain("the CiliumNode is not there");
    expect([...agent.snapshot().pods.keys()]).toEqual(given);
    await clock.advance(600_000);
    expect(await kubernetes.get(CILIUM_NODES, { name: NODE })).toBeUndefined();
    await kubernetes.create(CILIUM_NODES, {
      apiVersion,
      kind,
      metadata: { name: NODE },
      spec: { ...(spec as object), ipam: {} },
    });
    await operator.publish();
    await clock.advance(600_000);
    // It says again what is used when something happens to it, and not before.
    expect((await stage.node()).used.size).toBe(0);
    const further = await stage.run("b");
    await clock.advance(20_000);
    expect([...(await stage.node()).used.keys()].sort()).toEqual([...given, ...further].sort());
    expect(agent.snapshot().breaches).toMatchObject([{ kind: "used-address-withdrawn" }]);
  });

  it("leaves an agent of dialect eni-1.20 with what it had, and is told of it once it is there again", async () => {
    const { agent, clock, kubernetes, operator } = await serving({ dialect: "eni-1.20" });
    await stage.run("a");
    await clock.advance(20_000);
    const { apiVersion, kind } = await stage.object();
    await kubernetes.delete(CILIUM_NODES, { name: NODE });
    await clock.advance(20_000);
    await stage.run("b");
    await kubernetes.create(CILIUM_NODES, { apiVersion, kind, metadata: { name: NODE }, spec: {} });
    await operator.publish();
    await clock.advance(120_000);
    const node = await stage.node();
    expect(node.requested).toEqual([{ pool: "default", ipv4Addresses: 6 }]);
    expect(agent.snapshot().breaches).toEqual([]);
  });
});
