import type { Dice } from "../../engine/index.ts";
import type { NodeSections } from "../../scenario/index.ts";
import type { WorkloadSpec } from "../../workload/index.ts";
import type { SeedOptions } from "../options.ts";
import { POD_SUBNETS } from "./place.ts";

/** What the nodes of a world share, and the StatefulSet whose pods keep their addresses. */
export interface FleetPlan {
  /** A step there and back, least and most. */
  readonly latencyMs: readonly [number, number];
  readonly reservedPercent: number;
  readonly set: FixedSetPlan;
  readonly line: string;
}

/** A StatefulSet by the rule `ipam.fixed`: its pods are NAME-0, NAME-1 and so on. */
export interface FixedSetPlan {
  readonly namespace: string;
  readonly name: string;
  readonly replicas: number;
  /** From the end of one rolling restart to the begin of the next. */
  readonly restEveryMs: number;
  /** From a pod's return to the end of the next. */
  readonly stepMs: number;
  /** From the end of a pod to its return. */
  readonly gapMs: number;
  /** Chance that a pod comes back on another node. */
  readonly moveShare: number;
  /** From the loss of a node until its pods are made elsewhere, least and most. */
  readonly evictMs: readonly [number, number];
  readonly keepSeconds: number;
}

/** Of the worlds whose options say nothing of it. */
const FLEET_CHANCE = 0.2;
/** A fleet's nodes take no more than this part of the pods that they could: parked addresses stay somewhere. */
const POD_SHARE = 0.6;

export const FIXED_NAMESPACE = "fixed";

/** Undefined = every node works alone. The dice are for this alone: a world without a fleet is as it was. */
export function drawFleet(dice: Dice, { fleet, nodes, hours }: SeedOptions): FleetPlan | undefined {
  if (fleet === "none" || fleet === "agents" || (fleet === undefined && !dice.chance(FLEET_CHANCE))) return undefined;
  const slowest = dice.pick([1, 3, 20]);
  const isShort = hours <= 1;
  const set: FixedSetPlan = {
    namespace: FIXED_NAMESPACE,
    name: "db",
    replicas: Math.max(2, Math.round(nodes * dice.pick([0.5, 1, 1.5]))),
    restEveryMs: dice.between(1, isShort ? 5 : 20) * 60_000,
    stepMs: dice.between(1, 15) * 1_000,
    gapMs: dice.between(0, 5) * 1_000,
    moveShare: dice.pick([0.2, 0.5, 1]),
    evictMs: dice.pick([
      [1_000, 10_000],
      [20_000, 60_000],
      [60_000, 300_000],
    ] as const),
    keepSeconds: dice.pick([0, 86_400]),
  };
  const latencyMs = [0.2, slowest] as const;
  const line =
    `fleet: ${set.replicas} pods ${set.namespace}/${set.name}-N with fixed addresses, ${set.moveShare * 100} % come back elsewhere, ` +
    `after a node's loss within ${set.evictMs[0] / 1_000} to ${set.evictMs[1] / 1_000} s; the store answers within ${slowest} ms`;
  return { latencyMs, reservedPercent: dice.pick([0, 20]), set, line };
}

/**
 * The configuration of a node of a fleet: the rule for its StatefulSet, and one subnet for all nodes, so that each can be
 * given every fixed address.
 */
export function withFleet({ eni, ipam }: NodeSections, { set, reservedPercent }: FleetPlan): NodeSections {
  const { "subnet-tags": _, "subnet-ids": __, "use-primary-address": ___, ...restEni } = eni;
  const { "ip-families": ____, ...restIpam } = ipam;
  const delegation = eni["prefix-delegation"] === "required" ? "preferred" : eni["prefix-delegation"];
  return {
    eni: { ...restEni, "subnet-ids": [POD_SUBNETS[0]], "prefix-delegation": delegation },
    ipam: {
      ...restIpam,
      fixed: [{ namespace: set.namespace, "stateful-set": set.name }],
      "fixed-keep-seconds": set.keepSeconds,
    },
    fleet: { redis: ["redis.example:6379"], "budget-reserved-percent": reservedPercent },
  };
}

/** What a node of a fleet may be given by the scheduler, of what one that works alone may. */
export function podsWithFleet(podLimit: number): number {
  return Math.max(3, Math.floor(podLimit * POD_SHARE));
}

/** Beside the StatefulSet of a world that is about it: a few pods on every node. */
export function besideStateful(dice: Dice): WorkloadSpec[] {
  return [
    { pattern: "fill", podsPerNode: dice.between(0, 2) },
    { pattern: "steady", podsPerNodeHour: dice.between(1, 4), lifetimeSeconds: dice.between(60, 600) },
  ];
}
