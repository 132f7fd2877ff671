import { afterEach, describe, expect, it } from "vitest";
import { Stage, type StageOptions } from "./stage.ts";

let stage: Stage;

async function serving(options: StageOptions): Promise<Stage> {
  stage = new Stage(options);
  return stage.serving();
}

afterEach(() => stage.end());

describe("an agent that is upgraded from classic to 1.20", () => {
  it("keeps its pods and their addresses, says at first that it needs none of them, and clears `used`", async () => {
    const { agent, clock, operator } = await serving({ dialect: "eni-classic", restoreMs: [20_000, 20_000] });
    const given = await stage.run(..."abc");
    await clock.advance(16_000);
    const pods = new Map(agent.snapshot().pods);
    void agent.upgrade("eni-1.20");
    operator.dialect = "eni-1.20";
    await clock.advance(10_000);
    expect(await stage.node()).toMatchObject({ used: new Map(), requested: [{ ipv4Addresses: 4 }] });
    expect(agent.snapshot()).toMatchObject({ dialect: "eni-1.20", state: "restoring", pods });
    await clock.advance(90_000);
    const node = await stage.node();
    expect(node.requested).toEqual([{ pool: "default", ipv4Addresses: 7 }]);
    const cidrs = node.allocated.flatMap((one) => one.cidrs);
    for (const address of given) expect(cidrs).toContain(`${address}/32`);
    expect(agent.snapshot()).toMatchObject({ state: "serving", pods, breaches: [], rejections: [] });
  });

  it("writes what it has taken before it clears what was used", async () => {
    const { agent, clock } = await serving({ dialect: "eni-classic" });
    await stage.run(..."abc");
    await clock.advance(16_000);
    void agent.upgrade("eni-1.20");
    await clock.advance(120_000);
    const cleared = stage.seen.findIndex(({ node }, index) => {
      const before = stage.seen[index - 1]?.node;
      return node?.used.size === 0 && (before?.used.size ?? 0) > 0;
    });
    expect(cleared).toBeGreaterThan(0);
    expect(stage.seen[cleared - 1]?.node?.allocated.length).toBe(1);
  });

  it("and back: waits for the classic pool, has its pods again, and leaves the newer dialect's fields lying", async () => {
    const { agent, clock } = await serving({ dialect: "eni-classic" });
    const given = await stage.run(..."abc");
    await clock.advance(16_000);
    void agent.upgrade("eni-1.20");
    await clock.advance(120_000);
    void agent.upgrade("eni-classic");
    await clock.advance(120_000);
    const node = await stage.node();
    expect([...node.used.keys()].sort()).toEqual([...given].sort());
    expect(node.requested.length).toBe(1);
    expect(agent.snapshot()).toMatchObject({ dialect: "eni-classic", state: "serving", breaches: [], rejections: [] });
  });

  it("and back is stuck where nobody kept the classic pool", async () => {
    const { agent, clock, operator } = await serving({ dialect: "eni-classic" });
    await stage.run(..."abc");
    void agent.upgrade("eni-1.20");
    await clock.advance(120_000);
    await operator.spec({ ipam: { pool: null } });
    void agent.upgrade("eni-classic");
    await clock.advance(600_000);
    expect(agent.snapshot().state).toBe("starting");
    expect((await stage.node()).used.size).toBe(0);
  });
});

describe("an agent that is restarted", () => {
  it("says nothing of what is used until it knows it", async () => {
    const { agent, clock } = await serving({ dialect: "eni-classic", restoreMs: [30_000, 30_000] });
    const given = await stage.run(..."abc");
    await clock.advance(16_000);
    agent.crash();
    const from = stage.seen.length;
    void agent.start();
    await clock.advance(120_000);
    for (const { node } of stage.seen.slice(from)) expect([...(node?.used.keys() ?? [])].sort()).toEqual(given.sort());
  });

  it("of an older version says what it knows: nothing, then some, then all", async () => {
    const { agent, clock } = await serving({
      dialect: "eni-classic",
      restoreMs: [40_000, 40_000],
      restartReport: "as-restored",
    });
    const given = await stage.run(..."abcdefgh");
    await clock.advance(16_000);
    agent.crash();
    const from = stage.seen.length;
    void agent.start();
    await clock.advance(120_000);
    const sizes = stage.seen.slice(from).map(({ node }) => node?.used.size ?? 0);
    expect(sizes[0]).toBe(0);
    expect(sizes.some((size) => size > 0 && size < given.length)).toBe(true);
    expect(sizes.at(-1)).toBe(given.length);
    const changes = stage.usedChangesMs();
    const gaps = changes.slice(1).map((ms, index) => ms - (changes[index] ?? 0));
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(15_000);
  });

  it.each(["crd", "eni-classic", "eni-1.20"] as const)("gives nothing twice, in dialect %s", async (dialect) => {
    const { agent, clock } = await serving({
      dialect,
      configuration: { instanceId: "i-1", eni: {}, minAllocate: 0, preAllocate: 8, maxAllocate: 0 },
    });
    const given = await stage.run(..."abcde");
    agent.crash();
    agent.release(given[0] as string);
    void agent.start();
    await clock.advance(120_000);
    const further = await stage.run(..."fghi");
    expect(new Set([...given.slice(1), ...further]).size).toBe(8);
    expect(agent.snapshot().known.size).toBe(8);
  });

  it.each(["eni-classic", "eni-1.20"] as const)(
    "has nothing of a pod that ends before its turn, in dialect %s",
    async (dialect) => {
      const { agent, clock } = await serving({ dialect, restoreMs: [40_000, 40_000] });
      const given = await stage.run(..."abcd");
      agent.crash();
      void agent.start();
      await clock.advance(20_000);
      expect(agent.snapshot().state).toBe("restoring");
      for (const address of given) agent.release(address);
      await clock.advance(120_000);
      expect(agent.snapshot()).toMatchObject({ state: "serving", pods: new Map(), known: new Map() });
      expect((await stage.node()).used.size).toBe(0);
      expect(await stage.run("e")).toHaveLength(1);
    },
  );

  it("after a boot has no pods", async () => {
    const { agent, clock } = await serving({ dialect: "eni-classic" });
    await stage.run(..."abc");
    await clock.advance(16_000);
    agent.reboot();
    void agent.start();
    await clock.advance(60_000);
    expect(agent.snapshot()).toMatchObject({ state: "serving", pods: new Map() });
    expect((await stage.node()).used.size).toBe(0);
  });
});
