import { afterEach, describe, expect, it } from "vitest";
import { CILIUM_NODES } from "../../../src/handoff/cilium-node/api.ts";
import { NODE, refusal, SOON_MS, Stage, type StageOptions } from "./stage.ts";

let stage: Stage;

function on(options: StageOptions): Stage {
  stage = new Stage(options);
  return stage;
}

function configured(minAllocate: number, preAllocate: number) {
  return { instanceId: "i-1", eni: { "first-interface-index": 1 }, minAllocate, preAllocate, maxAllocate: 0 };
}

afterEach(() => stage.end());

describe("an agent that starts in eni mode", () => {
  it("makes its CiliumNode with what it is configured to, owned by the Node", async () => {
    const { agent, clock } = on({
      dialect: "eni-classic",
      configuration: { ...configured(6, 3), eni: { "instance-type": "m5.large", "vpc-id": "vpc-1" } },
    });
    void agent.start();
    await clock.advance(SOON_MS);
    const { metadata, spec, status } = await stage.object();
    expect(metadata.ownerReferences).toEqual([{ apiVersion: "v1", kind: "Node", name: NODE, uid: "uid-of-the-node" }]);
    expect(spec).toEqual({
      "instance-id": "i-1",
      eni: { "instance-type": "m5.large", "vpc-id": "vpc-1" },
      ipam: { "min-allocate": 6, "pre-allocate": 3 },
    });
    expect(status).toBeUndefined();
  });

  it("writes its configuration over what others wrote there, and leaves the pool alone", async () => {
    const { agent, clock, kubernetes } = on({ dialect: "eni-classic", configuration: configured(0, 5) });
    await kubernetes.create(CILIUM_NODES, {
      apiVersion: "cilium.io/v2",
      kind: "CiliumNode",
      metadata: { name: NODE, annotations: { note: "mine" } },
      spec: {
        "instance-id": "i-0",
        eni: { "subnet-ids": ["subnet-9"], "subnet-tags": { team: "b" }, "first-interface-index": 3 },
        ipam: { "min-allocate": 40, "pre-allocate": 8, pool: { "10.0.1.9": { resource: "eni-1" } } },
      },
    });
    void agent.start();
    await clock.advance(SOON_MS);
    const { metadata, spec } = await stage.object();
    expect(metadata.annotations ?? {}).toEqual({});
    expect(spec).toEqual({
      "instance-id": "i-1",
      eni: { "first-interface-index": 1 },
      ipam: { "pre-allocate": 5, pool: { "10.0.1.9": { resource: "eni-1" } } },
    });
  });

  it("writes all of it again when something else of its node changes", async () => {
    on({ dialect: "eni-classic" });
    await stage.serving();
    await stage.operator.spec({ ipam: { "pre-allocate": 77 }, eni: { "subnet-ids": ["subnet-9"] } });
    expect((await stage.node()).preAllocate).toBe(77);
    stage.agent.nodeChanged();
    await stage.clock.advance(1_000);
    expect((await stage.node()).preAllocate).toBe(4);
    expect((await stage.object()).spec).not.toHaveProperty("eni.subnet-ids");
  });

  it("tries again when its write meets somebody else's", async () => {
    const { agent, clock, way } = on({ dialect: "eni-classic" });
    await stage.kubernetes.create(CILIUM_NODES, {
      apiVersion: "cilium.io/v2",
      kind: "CiliumNode",
      metadata: { name: NODE },
      spec: {},
    });
    way.conflicts = 3;
    void agent.start();
    await clock.advance(5_000);
    expect((await stage.node()).preAllocate).toBe(4);
    expect(agent.snapshot().conflicts).toBe(3);
  });

  it("waits for a CiliumNode of others where it may not make one", async () => {
    const { agent, clock } = on({ dialect: "eni-classic", autoCreate: false });
    void agent.start();
    await clock.advance(60_000);
    expect(await stage.kubernetes.get(CILIUM_NODES, { name: NODE })).toBeUndefined();
    expect(agent.snapshot()).toMatchObject({ state: "starting", writes: 0 });
  });
});

describe("an agent that starts in crd mode", () => {
  it("says nothing of the instance and nothing of watermarks", async () => {
    const { agent, clock } = on({ dialect: "crd" });
    void agent.start();
    await clock.advance(SOON_MS);
    expect((await stage.object()).spec ?? {}).toEqual({});
  });
});

describe("an agent serves pods", () => {
  async function servesWith(options: StageOptions, addresses: number): Promise<boolean> {
    const { agent, clock, operator } = on(options);
    void agent.start();
    await clock.advance(SOON_MS);
    operator.addInterface("eni-1", 1).grow("eni-1", addresses);
    await operator.publish();
    await clock.advance(60_000);
    const serves = agent.snapshot().state === "serving";
    await stage.end();
    return serves;
  }

  it.each([
    { what: "min-allocate", configuration: configured(6, 3), needed: 6 },
    { what: "pre-allocate where min-allocate is not set", configuration: configured(0, 5), needed: 5 },
    { what: "two where neither is set", configuration: configured(0, 0), needed: 2 },
  ])("once the pool has $what", async ({ configuration, needed }) => {
    expect(await servesWith({ dialect: "eni-classic", configuration }, needed - 1)).toBe(false);
    expect(await servesWith({ dialect: "eni-classic", configuration }, needed)).toBe(true);
  });

  it("in crd mode once the pool has two addresses, or what the resource's min-allocate says", async () => {
    expect(await servesWith({ dialect: "crd" }, 1)).toBe(false);
    expect(await servesWith({ dialect: "crd" }, 2)).toBe(true);
    const { agent, clock, operator } = on({ dialect: "crd" });
    void agent.start();
    await clock.advance(SOON_MS);
    operator.addInterface("eni-1", 1).grow("eni-1", 2);
    await operator.spec({ ipam: { "min-allocate": 3 } });
    await operator.publish();
    await clock.advance(60_000);
    expect(agent.snapshot().state).toBe("starting");
    operator.grow("eni-1", 1);
    await operator.publish();
    await clock.advance(60_000);
    expect(agent.snapshot().state).toBe("serving");
  });

  it("of dialect eni-1.20 once it has one address and its own first write is done", async () => {
    expect(await servesWith({ dialect: "eni-1.20" }, 0)).toBe(false);
    expect(await servesWith({ dialect: "eni-1.20" }, 1)).toBe(true);
  });

  it("not before: an allocation is refused with the reason", async () => {
    const { agent, clock } = on({ dialect: "eni-classic" });
    expect(await refusal(agent.allocate("default/a"))).toContain("the agent is not running");
    void agent.start();
    await clock.advance(10_000);
    expect(await refusal(agent.allocate("default/a"))).toContain("the agent is starting");
    expect(agent.snapshot().refusals).toBe(2);
  });

  it("after it has taken addresses for its router and its health endpoint", async () => {
    on({ dialect: "eni-classic", house: ["router", "health"] });
    await stage.serving();
    await stage.clock.advance(30_000);
    expect([...stage.agent.snapshot().pods.values()].sort()).toEqual(["health", "router"]);
    const before = new Map(stage.agent.snapshot().pods);
    stage.agent.crash();
    void stage.agent.start();
    await stage.clock.advance(60_000);
    expect(stage.agent.snapshot().pods).toEqual(before);
    const owners = [...(await stage.node()).used.values()].map(({ owner }) => owner);
    expect(owners.sort()).toEqual(["health", "router"]);
  });
});
