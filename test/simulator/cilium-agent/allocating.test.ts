import { afterEach, describe, expect, it } from "vitest";
import { KEPT, MARKED, READY, RELEASED } from "../../../src/simulator/cilium-agent/node-view.ts";
import { refusal, SOON_MS, Stage, type StageOptions } from "./stage.ts";

let stage: Stage;

async function serving(options: StageOptions, each = 4): Promise<Stage> {
  stage = new Stage(options);
  return stage.serving(each);
}

afterEach(() => stage.end());

describe.each(["crd", "eni-classic", "eni-1.20"] as const)("an agent of dialect %s", (dialect) => {
  it("gives each pod an address of its own out of what is offered, and refuses when none is free", async () => {
    const { agent, operator } = await serving({
      dialect,
      configuration: { instanceId: "i-1", eni: {}, minAllocate: 0, preAllocate: 8, maxAllocate: 0 },
    });
    const given = await stage.run(..."abcdefgh");
    expect(new Set(given)).toEqual(operator.held());
    expect(await refusal(agent.allocate("default/i"))).toMatch(/no more addresses|exhausted/);
    agent.release(given[3] as string);
    expect(await agent.allocate("default/i")).toBe(given[3]);
  });

  it("reports nothing while nothing happens", async () => {
    const { agent, clock } = await serving({ dialect });
    await stage.run("a");
    await clock.advance(120_000);
    const { writes } = agent.snapshot();
    await clock.advance(3_600_000);
    expect(agent.snapshot().writes).toBe(writes);
  });

  it("gives nothing back for an address that nobody has", async () => {
    const { agent } = await serving({ dialect });
    const [address] = await stage.run("a");
    agent.release("10.9.9.9");
    agent.release(address as string);
    agent.release(address as string);
    expect(agent.snapshot().pods.size).toBe(0);
  });
});

describe("an agent with a pool", () => {
  it("gives addresses at random, not in order", async () => {
    const { operator } = await serving({ dialect: "eni-classic" }, 10);
    const given = await stage.run(..."abcdefghij");
    const held = [...operator.held()];
    expect(given).not.toEqual(held.slice(0, 10));
    expect(given).not.toEqual([...given].sort());
    const other = new Stage({ dialect: "eni-classic", seed: 2 });
    await other.serving(10);
    expect(await other.run(..."abcdefghij")).not.toEqual(given);
    await other.end();
  });

  it("says who has what, with the interface that it is of", async () => {
    const { clock } = await serving({ dialect: "eni-classic" });
    const [address = ""] = await stage.run("a");
    await clock.advance(16_000);
    const node = await stage.node();
    expect([...node.used]).toEqual([[address, { owner: "default/a", resource: node.pool?.get(address)?.resource }]]);
    expect(node.pool?.get(address)?.resource).toMatch(/^eni-[12]$/);
  });

  it("says it at most every 15 s, and then all of it", async () => {
    const { agent, clock } = await serving({ dialect: "eni-classic" }, 30);
    for (let n = 0; n < 40; n++) {
      await agent.allocate(`default/p${n}`);
      await clock.advance(1_500);
    }
    await clock.advance(16_000);
    const changes = stage.usedChangesMs();
    const gaps = changes.slice(1).map((ms, index) => ms - (changes[index] ?? 0));
    expect(changes.length).toBeGreaterThanOrEqual(4);
    expect(changes.length).toBeLessThanOrEqual(6);
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(15_000);
    expect([...(await stage.node()).used.keys()].sort()).toEqual([...agent.snapshot().pods.keys()].sort());
  });

  it("says the first of them at once when it has said nothing for long", async () => {
    const { clock } = await serving({ dialect: "eni-classic" });
    await clock.advance(60_000);
    const atMs = clock.nowMs();
    await stage.run("a");
    await clock.advance(1_000);
    expect((stage.usedChangesMs().at(-1) ?? 0) - atMs).toBeLessThan(SOON_MS);
  });

  it("leaves `used` out when nothing is in use", async () => {
    const { agent, clock } = await serving({ dialect: "eni-classic" });
    const [address = ""] = await stage.run("a");
    await clock.advance(16_000);
    agent.release(address);
    await clock.advance(16_000);
    expect((await stage.object()).status).not.toHaveProperty("ipam.used");
  });

  it.each([MARKED, READY, RELEASED])("gives no address that is %s", async (state) => {
    const { agent, clock, operator } = await serving({ dialect: "eni-classic" });
    const held = [...operator.held()];
    const [spared = ""] = held;
    await operator.releaseIps(Object.fromEntries(held.slice(1).map((address) => [address, state])));
    await clock.advance(1_000);
    expect(await stage.run("a")).toEqual([spared]);
    expect(await refusal(agent.allocate("default/b"))).toContain("no more addresses in the pool");
  });

  it(`gives an address that is ${KEPT}`, async () => {
    const { clock, operator } = await serving({ dialect: "eni-classic" });
    const held = [...operator.held()];
    await operator.releaseIps(Object.fromEntries(held.map((address) => [address, KEPT])));
    await clock.advance(1_000);
    expect(new Set(await stage.run(..."abcdefgh"))).toEqual(new Set(held));
  });

  it("gives only IPv4", async () => {
    const { agent, clock, operator } = await serving({ dialect: "crd" }, 1);
    await operator.spec({ ipam: { pool: { "2001:db8::7": {} } } });
    await clock.advance(1_000);
    await stage.run("a", "b");
    expect(await refusal(agent.allocate("default/c"))).toContain("no more addresses");
  });
});

describe("an address with an owner", () => {
  async function pinned(address: string, owner: string, dialect: "crd" | "eni-classic" = "crd"): Promise<Stage> {
    await serving({ dialect });
    const resource = dialect === "crd" ? {} : { resource: address.split(".")[2] === "1" ? "eni-1" : "eni-2" };
    await stage.operator.spec({ ipam: { pool: { [address]: { ...resource, owner } } } });
    await stage.clock.advance(1_000);
    return stage;
  }

  it("goes to that pod and to no other one", async () => {
    const [address = ""] = ["10.0.1.11"];
    const { agent } = await pinned(address, "default/wanted");
    const others = await stage.run(..."abcdefg");
    expect(others).not.toContain(address);
    expect(await refusal(agent.allocate("default/h"))).toContain("no more addresses");
    expect(await agent.allocate("default/wanted")).toBe(address);
  });

  it("is not given a second time: that the agent itself does not look is a breach of whoever kept it", async () => {
    const { agent } = await pinned("10.0.1.11", "default/wanted");
    expect(await agent.allocate("default/wanted")).toBe("10.0.1.11");
    expect(await refusal(agent.allocate("default/wanted"))).toContain("is in use");
    expect(agent.snapshot().breaches).toMatchObject([{ kind: "pinned-address-in-use", address: "10.0.1.11" }]);
  });

  it("is nobody's in eni mode", async () => {
    const { agent } = await pinned("10.0.1.11", "default/wanted", "eni-classic");
    const given = await stage.run("wanted", ..."abcdef");
    expect(given).not.toContain("10.0.1.11");
    expect(await refusal(agent.allocate("default/wanted"))).toContain("no more addresses");
  });
});

describe("an address that is withdrawn from under a pod", () => {
  it.each(["crd", "eni-classic", "eni-1.20"] as const)(
    "is a breach in dialect %s, and stays the pod's",
    async (dialect) => {
      const { agent, clock, operator } = await serving({ dialect });
      const [address = ""] = await stage.run("a");
      await clock.advance(20_000);
      operator.unassign(address);
      await operator.publish();
      await clock.advance(100_000);
      expect(agent.snapshot().breaches).toMatchObject([
        { kind: "used-address-withdrawn", address, owner: "default/a" },
      ]);
      expect([...agent.snapshot().pods.keys()]).toEqual([address]);
    },
  );
});
