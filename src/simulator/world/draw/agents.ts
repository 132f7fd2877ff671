import { DIALECTS, type Dialect } from "../../../handoff/cilium-node/port.ts";
import type { Dice } from "../../engine/index.ts";
import type { NodeSections } from "../../scenario/index.ts";
import type { SeedOptions } from "../options.ts";

/** Worlds whose pods get their addresses from Cilium's agent, and the agent from the CiliumNode. */
export interface AgentsPlan {
  /** What the agents speak at first. */
  readonly dialect: Dialect;
  /** False: the settings say the dialect; true: enid finds it out. */
  readonly isFoundOut: boolean;
  readonly watchesPods: boolean;
  /** A call of the Kubernetes API, least and most. */
  readonly latencyMs: readonly [number, number];
  readonly restartReport: "after-restore" | "as-restored";
  readonly answersWhileRestoring: boolean;
  readonly restoreMs: readonly [number, number];
  readonly line: string;
}

/** Undefined = pods ask by CNI. */
export function drawAgents(dice: Dice, { fleet }: SeedOptions): AgentsPlan | undefined {
  if (fleet !== "agents") return undefined;
  const dialect = dice.pick(DIALECTS);
  const slowest = dice.pick([5, 50, 900]);
  const plan = {
    dialect,
    // Which agents speak crd cannot be seen: they write what those of the other old dialect write.
    isFoundOut: dialect !== "crd" && dice.chance(0.6),
    watchesPods: dice.chance(0.3),
    latencyMs: [1, slowest] as const,
    restartReport: dice.pick(["after-restore", "as-restored"] as const),
    answersWhileRestoring: dice.chance(0.3),
    restoreMs: dice.pick([
      [500, 2_000],
      [5_000, 60_000],
    ] as const),
  };
  const how = plan.isFoundOut ? "which enid finds out" : "as the settings say";
  const line =
    `agents: ${dialect}, ${how}; ${plan.watchesPods ? "pods are watched" : "pods are not watched"}; a started agent writes ` +
    `${plan.restartReport} and is restored within ${plan.restoreMs[1] / 1_000} s; the API answers within ${slowest} ms`;
  return { ...plan, line };
}

/** The configuration of a node with an agent: what the hand-off by the CiliumNode allows. */
export function withAgents({ eni, ipam }: NodeSections, plan: AgentsPlan): NodeSections {
  const { "ip-families": _, ...restIpam } = ipam;
  return {
    eni,
    ipam: restIpam,
    kubernetes: {
      "hand-off": "cilium-node",
      "cilium-dialect": plan.isFoundOut ? "auto" : plan.dialect,
      "watch-pods": plan.watchesPods,
    },
  };
}

/** The agent takes two addresses for itself: its router and its health endpoint. */
export function podsWithAgents(podLimit: number): number {
  return Math.max(1, podLimit - 2);
}
