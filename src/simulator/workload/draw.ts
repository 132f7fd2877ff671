import type { Dice } from "../engine/index.ts";
import type { WorkloadSpec } from "./spec.ts";

type Maker = (dice: Dice, nodes: number, seconds: number) => WorkloadSpec;

/** Each brings some five to thirty pod lives to a node within two hours. */
const MAKERS: readonly Maker[] = [
  (dice) => ({
    pattern: "steady",
    podsPerNodeHour: dice.between(4, 15),
    lifetimeSeconds: dice.between(30, 1_800),
    placement: dice.pick(["spread", "pack"]),
  }),
  (dice, nodes, seconds) => ({
    pattern: "bursts",
    everySeconds: seconds / dice.between(2, 6),
    pods: dice.between(1, 5) * nodes,
    withinSeconds: dice.pick([0, 1, 10, 60]),
    lifetimeSeconds: dice.between(20, 900),
  }),
  (dice, nodes, seconds) => ({
    pattern: "cron",
    everySeconds: seconds / dice.between(2, 6),
    pods: dice.between(1, 5) * nodes,
    withinSeconds: dice.pick([0, 1, 5]),
    lifetimeSeconds: dice.between(5, 120),
  }),
  (dice, nodes, seconds) => ({
    pattern: "rollout",
    replicas: dice.between(1, 4) * nodes,
    everySeconds: seconds / dice.between(2, 5),
    maxSurge: dice.pick([0, 0.25, 0.5, 1]),
    maxUnavailable: dice.pick([0, 0.25, 1]),
    podReadySeconds: dice.between(2, 40),
  }),
  (dice, nodes, seconds) => ({
    pattern: "stateful",
    replicas: dice.between(1, 3) * nodes,
    everySeconds: seconds / dice.between(2, 5),
    stepSeconds: dice.between(2, 30),
    gapSeconds: dice.between(0, 5),
    moveShare: dice.pick([0, 0.3, 1]),
  }),
  (dice, nodes, seconds) => ({
    pattern: "scale-up",
    pods: dice.between(1, 6) * nodes,
    atSeconds: dice.between(0, Math.floor(seconds / 2)),
    withinSeconds: dice.between(0, 300),
  }),
];

/**
 * A lively mixture for a hunting world: two to four of the patterns, a few pods that stay, and now and then drained nodes.
 * About 40 to 100 pod lives per node in two hours, a few hundred at the most.
 */
export function drawWorkload(dice: Dice, nodes: number, hours: number): WorkloadSpec[] {
  const seconds = hours * 3_600;
  const left = [...MAKERS];
  const specs: WorkloadSpec[] = [
    { pattern: "fill", podsPerNode: dice.between(0, 4), withinSeconds: dice.between(0, 20) },
  ];
  for (let count = dice.between(2, 4); count > 0; count--) {
    const [maker] = left.splice(dice.between(0, left.length - 1), 1);
    if (maker !== undefined) specs.push(maker(dice, nodes, seconds));
  }
  if (dice.chance(0.5)) {
    specs.push({ pattern: "drain", everySeconds: seconds / dice.between(1, 4), closedSeconds: dice.between(30, 900) });
  }
  return specs;
}
