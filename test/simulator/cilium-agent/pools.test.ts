import { afterEach, describe, expect, it } from "vitest";
import { refusal, Stage, type StageOptions } from "./stage.ts";

let stage: Stage;

async function serving(options: Partial<StageOptions> = {}, each = 4): Promise<Stage> {
  stage = new Stage({ dialect: "eni-1.20", ...options });
  return stage.serving(each);
}

async function allocated(): Promise<readonly string[]> {
  return (await stage.node()).allocated.flatMap(({ cidrs }) => cidrs);
}

async function requested(): Promise<number | undefined> {
  return (await stage.node()).requested[0]?.ipv4Addresses;
}

function configured(preAllocate: number, eni: Record<string, unknown> = {}) {
  return { instanceId: "i-1", eni, minAllocate: 0, preAllocate, maxAllocate: 0 };
}

afterEach(() => stage.end());

describe("an agent of dialect eni-1.20", () => {
  it("needs what is used and pre-allocate, not rounded", async () => {
    const { agent, clock } = await serving();
    expect(await requested()).toBe(4);
    const given = await stage.run(..."abc");
    await clock.advance(16_000);
    expect((await stage.object()).spec).toMatchObject({
      ipam: { pools: { requested: [{ pool: "default", needed: { "ipv4-addrs": 7 } }] } },
    });
    agent.release(given[0] as string);
    await clock.advance(16_000);
    expect(await requested()).toBe(6);
  });

  it("goes by the pre-allocate that the resource says, and by 8 where it says none", async () => {
    await serving({ configuration: configured(0) });
    expect(await requested()).toBe(8);
    await stage.operator.spec({ ipam: { "pre-allocate": 3 } });
    await stage.clock.advance(61_000);
    expect(await requested()).toBe(3);
  });

  it("needs one more for each pod that got none, until five minutes after it came last", async () => {
    const { agent, clock } = await serving({}, 1);
    await stage.run("a", "b");
    for (const name of ["c", "d", "c"]) {
      expect(await refusal(agent.allocate(`default/${name}`))).toContain("all CIDR ranges are exhausted");
    }
    await clock.advance(16_000);
    expect(await requested()).toBe(2 + 2 + 4);
    await clock.advance(6 * 60_000);
    expect(await requested()).toBe(2 + 4);
  });

  it("takes addresses as /32 and prefixes whole, and no address of a prefix beside it", async () => {
    const { clock, operator } = await serving({ configuration: configured(30) });
    const prefix = operator.growPrefix("eni-2");
    await operator.publish();
    await clock.advance(61_000);
    expect(new Set(await allocated())).toEqual(
      new Set([
        ...[...operator.cloud.values()].flatMap(({ addresses }) => [...addresses].map((one) => `${one}/32`)),
        prefix,
      ]),
    );
  });

  it("takes nothing of interfaces that are left to somebody else", async () => {
    const { clock, operator } = await serving({
      configuration: configured(30, { "first-interface-index": 1, "exclude-interface-tags": { keep: "out" } }),
    });
    operator.addInterface("eni-0", 0).grow("eni-0", 3);
    await operator.publish();
    await operator.status({ eni: { enis: { "eni-2": { tags: { keep: "out", name: "two" } } } } });
    await clock.advance(61_000);
    stage.agent.crash();
    void stage.agent.start();
    await clock.advance(120_000);
    expect(await allocated()).toEqual(["10.0.1.10/32", "10.0.1.11/32", "10.0.1.12/32", "10.0.1.13/32"]);
  });

  it("never writes a pool of the classic dialects, `used`, or an answer", async () => {
    const { clock } = await serving();
    await stage.run("a", "b");
    await clock.advance(60_000);
    for (const { node } of stage.seen) {
      expect(node?.used.size).toBe(0);
      expect(node?.releaseIps.size).toBe(0);
    }
  });

  it("lets go of CIDRs that are free as a whole and beyond its needs, and uses them no more", async () => {
    const { agent, clock, operator } = await serving();
    expect(operator.held().size).toBe(8);
    expect((await allocated()).length).toBe(4);
    const given = await stage.run(..."abcd");
    expect(new Set(given.map((address) => `${address}/32`))).toEqual(new Set(await allocated()));
    await clock.advance(16_000);
    // Demand has grown, and what was let go is offered still.
    expect((await allocated()).length).toBe(8);
    for (const address of given.slice(0, 3)) agent.release(address);
    await clock.advance(16_000);
    expect((await allocated()).length).toBe(5);
    expect(await allocated()).toContain(`${given[3]}/32`);
  });

  it("of its first versions does not take again what it let go, until it is restarted", async () => {
    const { agent, clock } = await serving({ reclaims: false });
    await stage.run(..."abcd");
    await clock.advance(120_000);
    expect((await allocated()).length).toBe(4);
    expect(await refusal(agent.allocate("default/e"))).toContain("exhausted");
    agent.crash();
    void agent.start();
    await clock.advance(120_000);
    expect((await allocated()).length).toBe(8);
    expect(await agent.allocate("default/e")).toMatch(/^10\./);
  });

  it("keeps what is used by a pod when it is restarted, and lets go of nothing before it knows its pods", async () => {
    const { agent, clock } = await serving({ restoreMs: [50_000, 50_000] });
    const given = await stage.run(..."abcd");
    await clock.advance(16_000);
    agent.release(given[0] as string);
    agent.crash();
    const from = stage.seen.length;
    void agent.start();
    await clock.advance(40_000);
    expect(agent.snapshot().state).toBe("restoring");
    expect(await requested()).toBe(4);
    expect((await allocated()).length).toBe(8);
    await clock.advance(120_000);
    expect(await requested()).toBe(3 + 4);
    expect((await allocated()).length).toBe(7);
    for (const { node } of stage.seen.slice(from)) {
      const cidrs = node?.allocated.flatMap((one) => one.cidrs) ?? [];
      for (const address of given.slice(1)) expect(cidrs).toContain(`${address}/32`);
    }
    expect(agent.snapshot().breaches).toEqual([]);
  });

  it("shows a breach when it finds a pod with an address that is offered no more", async () => {
    const { agent, clock, operator } = await serving();
    const [address = ""] = await stage.run("a");
    await clock.advance(16_000);
    agent.crash();
    operator.unassign(address);
    await operator.publish();
    void agent.start();
    await clock.advance(60_000);
    expect(agent.snapshot().breaches).toMatchObject([{ kind: "restored-outside-pool", address }]);
    expect([...agent.snapshot().pods.keys()]).toEqual([address]);
  });

  it("gives back by a whole handshake: let go, offered no more, unassigned", async () => {
    const { agent, clock, operator } = await serving();
    const given = await stage.run("a", "b");
    for (let n = 0; n < 50; n++) {
      await clock.advance(10_000);
      await operator.step(clock.nowMs());
    }
    expect(operator.held().size).toBe(2 + 4);
    for (const address of given) expect(operator.held()).toContain(address);
    expect((await allocated()).length).toBe(6);
    expect(agent.snapshot()).toMatchObject({ breaches: [], rejections: [] });
  });
});
