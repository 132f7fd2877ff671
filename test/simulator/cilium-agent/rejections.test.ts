import { afterEach, describe, expect, it } from "vitest";
import type { Dialect } from "../../../src/handoff/cilium-node/port.ts";
import { REJECTION_RULES, type RejectionRule } from "../../../src/simulator/cilium-agent/index.ts";
import { refusal, Stage } from "./stage.ts";

let stage: Stage | undefined;

async function serving(dialect: Dialect, each = 2): Promise<Stage> {
  stage = await new Stage({ dialect }).serving(each);
  return stage;
}

afterEach(() => stage?.end());

/** Of an interface that is new to the agent, and is written with one thing wrong in it. */
const ENI_3 = {
  id: "eni-3",
  ip: "10.0.3.4",
  mac: "02:00:00:00:00:03",
  number: 3,
  subnet: { id: "subnet-3", cidr: "10.0.3.0/24" },
  vpc: { id: "vpc-1", "primary-cidr": "10.0.0.0/16", cidrs: ["10.1.0.0/16"] },
  addresses: ["10.0.3.10"],
};

interface Case {
  readonly rule: RejectionRule;
  readonly eni: Record<string, unknown> | undefined;
  readonly pool: Record<string, unknown>;
  readonly found: Record<string, string>;
}

const ours = { "10.0.3.10": { resource: "eni-3" } };
const CASES: readonly Case[] = [
  {
    rule: "vpc-primary-cidr-missing",
    eni: { ...ENI_3, vpc: { id: "vpc-1", cidrs: ["10.1.0.0/16"] } },
    pool: ours,
    found: { interfaceId: "eni-3" },
  },
  {
    rule: "vpc-cidr-empty",
    eni: { ...ENI_3, vpc: { ...ENI_3.vpc, cidrs: ["10.1.0.0/16", ""] } },
    pool: ours,
    found: { interfaceId: "eni-3" },
  },
  { rule: "interface-ip-missing", eni: { ...ENI_3, ip: undefined }, pool: ours, found: { interfaceId: "eni-3" } },
  {
    rule: "subnet-cidr-missing",
    eni: { ...ENI_3, subnet: { id: "subnet-3" } },
    pool: ours,
    found: { interfaceId: "eni-3" },
  },
  {
    rule: "pool-resource-unknown",
    eni: undefined,
    pool: ours,
    found: { interfaceId: "eni-3", address: "10.0.3.10" },
  },
  {
    rule: "pool-resource-unknown",
    // The agent goes by the field, not by the key.
    eni: { ...ENI_3, id: undefined },
    pool: ours,
    found: { interfaceId: "eni-3", address: "10.0.3.10" },
  },
  {
    rule: "pool-address-not-on-interface",
    eni: ENI_3,
    pool: { "10.0.3.11": { resource: "eni-3" } },
    found: { interfaceId: "eni-3", address: "10.0.3.11" },
  },
];

describe("an agent in eni mode", () => {
  it("has a test here for each of its rules", () => {
    expect(new Set(CASES.map(({ rule }) => rule))).toEqual(new Set(REJECTION_RULES));
  });

  it.each(CASES)(
    "refuses by $rule, gives none of what came with it, and says so",
    async ({ rule, eni, pool, found }) => {
      const stage = await serving("eni-classic");
      const { agent, clock, operator } = stage;
      expect(agent.snapshot().rejections).toEqual([]);
      if (eni !== undefined) await operator.status({ eni: { enis: { "eni-3": eni } } });
      await operator.spec({ ipam: { pool } });
      await clock.advance(60_000);
      const before = operator.held();
      expect(new Set(await stage.run(..."abcd"))).toEqual(before);
      expect(await refusal(agent.allocate("default/e"))).toContain("no more addresses");
      expect(agent.snapshot().rejections).toContainEqual({
        rule,
        ...found,
        atMs: expect.any(Number),
        times: expect.any(Number),
      });
      expect(new Set(agent.snapshot().rejections.map((one) => one.rule))).toEqual(new Set([rule]));
    },
  );

  it.each(CASES)("takes it over once what was wrong by $rule is right", async ({ eni, pool }) => {
    const stage = await serving("eni-classic");
    const { agent, clock, operator } = stage;
    if (eni !== undefined) await operator.status({ eni: { enis: { "eni-3": eni } } });
    await operator.spec({ ipam: { pool } });
    await clock.advance(30_000);
    await operator.status({ eni: { enis: { "eni-3": { ...ENI_3, addresses: Object.keys(pool) } } } });
    await clock.advance(30_000);
    expect(new Set(await stage.run(..."abcde"))).toEqual(new Set([...operator.held(), ...Object.keys(pool)]));
    const { times = 0 } = agent.snapshot().rejections[0] ?? {};
    await clock.advance(60_000);
    expect(agent.snapshot().rejections[0]?.times).toBe(times);
  });

  it("does not answer the handshake of a CiliumNode that it refuses", async () => {
    const stage = await serving("eni-classic");
    const { clock, operator } = stage;
    await operator.spec({ ipam: { pool: ours } });
    await operator.releaseIps({ "10.0.1.10": "marked-for-release" });
    await clock.advance(60_000);
    expect([...(await stage.node()).releaseIps]).toEqual([["10.0.1.10", "marked-for-release"]]);
  });

  it("of dialect eni-1.20 refuses for the pool of the classic dialect, which it does not use", async () => {
    const stage = await serving("eni-1.20");
    await stage.operator.spec({ ipam: { pool: ours } });
    await stage.clock.advance(1_000);
    expect(stage.agent.snapshot().rejections).toMatchObject([{ rule: "pool-resource-unknown" }]);
  });
});

describe("an agent in crd mode", () => {
  it("refuses nothing: its pool needs no interfaces", async () => {
    const stage = await serving("crd", 1);
    await stage.operator.spec({ ipam: { pool: { "10.0.3.11": { resource: "whatever" } } } });
    await stage.clock.advance(1_000);
    expect(await stage.run(..."abc")).toContain("10.0.3.11");
    expect(stage.agent.snapshot().rejections).toEqual([]);
  });
});
