import { describe, expect, it } from "vitest";
import { AGENT_FAULT_KINDS, FAULT_KINDS, runSeed, type SeedOutcome } from "../../src/simulator/world/index.ts";
import { range, told } from "./hunt.ts";

const SIZE = { nodes: 2, hours: 1, faults: "all", fleet: "agents" } as const;

async function outcomes(seeds: readonly number[]): Promise<SeedOutcome[]> {
  const all: SeedOutcome[] = [];
  for (const seed of seeds) all.push(await runSeed({ seed, ...SIZE }));
  return all;
}

/** Pods that get their addresses from Cilium's agent, the agent from the CiliumNode, and that from enid. */
describe("a world of Cilium's agents", () => {
  it("keeps every promise over 60 seeds with every fault, those of the Kubernetes API and of agents among them", async () => {
    const all = await outcomes(range(1, 60));
    expect(all.flatMap(told)).toEqual([]);
    const kinds = new Set(all.flatMap(({ faults }) => faults.map(({ kind }) => kind)));
    expect(AGENT_FAULT_KINDS.filter((kind) => !kinds.has(kind))).toEqual([]);
    const ofRedis = FAULT_KINDS.filter((kind) => kind.startsWith("redis"));
    expect(ofRedis.filter((kind) => kinds.has(kind))).toEqual([]);
    const plans = all.map(({ plan }) => plan.find((line) => line.startsWith("agents: ")) ?? "");
    for (const dialect of ["crd", "eni-classic", "eni-1.20"]) {
      expect(plans.filter((line) => line.includes(`agents: ${dialect}`)).length, dialect).toBeGreaterThan(5);
    }
    expect(all.reduce((sum, { podsServed }) => sum + podsServed, 0)).toBeGreaterThan(60 * 20);
  }, 120_000);

  it("repeats itself to the last event", async () => {
    const [first, second] = [await outcomes(range(101, 104)), await outcomes(range(101, 104))];
    expect(second.map(({ hash }) => hash)).toEqual(first.map(({ hash }) => hash));
    expect(new Set(first.map(({ hash }) => hash)).size).toBe(4);
  }, 60_000);
});
