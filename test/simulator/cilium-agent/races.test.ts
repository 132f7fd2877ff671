import { afterEach, describe, expect, it } from "vitest";
import { Stage, type StageOptions } from "./stage.ts";

/**
 * What the dialects leave to chance: the agent is as its sources say, and whoever serves its node has to live with it. None
 * of this is a fault of the stand-in.
 */
let stage: Stage;

async function serving(options: StageOptions, each = 4): Promise<Stage> {
  stage = new Stage(options);
  return stage.serving(each);
}

async function allocated(): Promise<readonly string[]> {
  return (await stage.node()).allocated.flatMap(({ cidrs }) => cidrs);
}

afterEach(() => stage.end());

describe("an agent of dialect eni-1.20", () => {
  it("gives an address that is new to it before it has said that it took it", async () => {
    const { clock, operator, way } = await serving({ dialect: "eni-1.20" }, 1);
    await stage.run("a", "b");
    await clock.advance(16_000);
    way.conflicts = 2;
    await stage.run("c").catch(() => undefined);
    const fresh = operator.grow("eni-1", 1);
    await operator.publish();
    await clock.advance(2_000);
    expect(await stage.run("c")).toEqual(fresh);
    expect(await allocated()).not.toContain(`${fresh[0]}/32`);
    await clock.advance(60_000);
    expect(await allocated()).toContain(`${fresh[0]}/32`);
  });

  it("lets go of what it does not need without ever having said that it took it", async () => {
    const { clock, operator } = await serving({ dialect: "eni-1.20" });
    const from = stage.seen.length;
    const [address = ""] = operator.grow("eni-1", 1);
    await operator.publish();
    await clock.advance(180_000);
    for (const { node } of stage.seen.slice(from)) {
      expect(node?.allocated.flatMap(({ cidrs }) => cidrs)).not.toContain(`${address}/32`);
    }
  });

  it("gives what it takes again before it says so: a withdrawal at that moment comes too late", async () => {
    const { agent, clock, operator, way } = await serving({ dialect: "eni-1.20" });
    const kept = await allocated();
    way.isAway = true;
    way.breakWatches();
    const given = await stage.run(..."abcd");
    await clock.advance(20_000);
    const [again = ""] = await stage.run("e");
    expect(kept).not.toContain(`${again}/32`);
    expect(await allocated()).toEqual(kept);
    operator.unassign(again);
    await operator.publish();
    way.isAway = false;
    await clock.advance(40_000);
    // It holds on to it, and tells so at last.
    expect(await allocated()).toContain(`${again}/32`);
    expect(agent.snapshot().breaches).toEqual([]);
    await clock.advance(120_000);
    expect(agent.snapshot().breaches).toMatchObject([{ kind: "used-address-withdrawn", address: again }]);
    expect(given.length).toBe(4);
  });

  it("that dies before it says so knows nothing of it afterwards", async () => {
    const { agent, clock, operator, way } = await serving({ dialect: "eni-1.20" });
    way.isAway = true;
    way.breakWatches();
    await stage.run(..."abcd");
    await clock.advance(20_000);
    const [again = ""] = await stage.run("e");
    operator.unassign(again);
    await operator.publish();
    agent.crash();
    way.isAway = false;
    void agent.start();
    await clock.advance(180_000);
    expect(await allocated()).not.toContain(`${again}/32`);
    expect(agent.snapshot().pods.get(again)).toBe("default/e");
    expect(agent.snapshot().breaches).toMatchObject([{ kind: "restored-outside-pool", address: again }]);
  });

  it("takes again, when it is started, all that is offered: also what the process before it let go", async () => {
    const { agent, clock, operator } = await serving({ dialect: "eni-1.20", restoreMs: [30_000, 30_000] });
    const offered = [...operator.held()].map((address) => `${address}/32`).sort();
    expect((await allocated()).length).toBe(4);
    agent.crash();
    void agent.start();
    await clock.advance(10_000);
    expect(await allocated()).toEqual(offered);
  });

  it("takes what an agent before it agreed to give back", async () => {
    const { agent, clock, operator } = await serving({ dialect: "eni-classic" }, 2);
    const held = [...operator.held()];
    await operator.releaseIps(Object.fromEntries(held.map((address) => [address, "marked-for-release"])));
    await clock.advance(16_000);
    expect(new Set((await stage.node()).releaseIps.values())).toEqual(new Set(["ready-for-release"]));
    void agent.upgrade("eni-1.20");
    await clock.advance(60_000);
    expect(held).toContain((await stage.run("a"))[0]);
    expect(new Set((await stage.node()).releaseIps.values())).toEqual(new Set(["ready-for-release"]));
  });
});

describe("an agent of the classic dialect", () => {
  it("gives an address and is asked for it before it has said so: it keeps it", async () => {
    const { clock, operator } = await serving({ dialect: "eni-classic" });
    await stage.run("a");
    await clock.advance(1_000);
    const [address = ""] = await stage.run("b");
    expect((await stage.node()).used.has(address)).toBe(false);
    await operator.releaseIps({ [address]: "marked-for-release" });
    await clock.advance(16_000);
    expect([...(await stage.node()).releaseIps]).toEqual([[address, "do-not-release"]]);
  });

  it("leaves no answer to a mark that came while it was dead until it knows its pods, and then the right one", async () => {
    const { agent, clock, operator } = await serving({ dialect: "eni-classic", restartReport: "as-restored" });
    const [address = ""] = await stage.run("a");
    agent.crash();
    await operator.releaseIps({ [address]: "marked-for-release" });
    void agent.start();
    await clock.advance(60_000);
    const answers = stage.seen.map(({ node }) => node?.releaseIps.get(address)).filter((state) => state !== undefined);
    expect(new Set(answers)).toEqual(new Set(["marked-for-release", "do-not-release"]));
  });
});
