import { Cluster, type WorkloadCounts } from "./cluster.ts";
import type { Context } from "./patterns/context.ts";
import { playDrain } from "./patterns/drain.ts";
import { playFill, playScaleUp } from "./patterns/growth.ts";
import { playBursts, playCron, playSteady } from "./patterns/jobs.ts";
import { playRollout } from "./patterns/rollout.ts";
import { playStatefulSet } from "./patterns/stateful.ts";
import type { WorkloadSpec } from "./spec.ts";
import type { Stage } from "./stage.ts";
import { Timeline } from "./timeline.ts";

export interface WorkloadPlay {
  readonly counts: WorkloadCounts;
  /** From now on no pod comes or goes. */
  stop(): void;
}

/**
 * Plays the patterns side by side, each with dice of its own, from now until `endMs` of the stage's monotonic clock: then
 * no pod comes or goes any more, and what runs goes on running.
 */
export function playWorkload(stage: Stage, specs: readonly WorkloadSpec[], endMs: number): WorkloadPlay {
  const time = new Timeline(stage.clock, endMs);
  const cluster = new Cluster(stage, time);
  specs.forEach((spec, number) => {
    const namespace = `${spec.pattern}-${number + 1}`;
    const dice = stage.dice.fork(`workload ${namespace}`);
    playPattern({ cluster, time, dice, placing: dice.fork("placing"), namespace }, spec);
  });
  return {
    get counts() {
      return cluster.counts();
    },
    stop: () => time.stop(),
  };
}

function playPattern(context: Context, spec: WorkloadSpec): void {
  switch (spec.pattern) {
    case "steady":
      playSteady(context, spec);
      break;
    case "bursts":
      playBursts(context, spec);
      break;
    case "cron":
      playCron(context, spec);
      break;
    case "rollout":
      playRollout(context, spec);
      break;
    case "drain":
      playDrain(context, spec);
      break;
    case "stateful":
      playStatefulSet(context, spec);
      break;
    case "fill":
      playFill(context, spec);
      break;
    case "scale-up":
      playScaleUp(context, spec);
      break;
  }
}
