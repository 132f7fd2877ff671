/** Pods that come and go: patterns of clusters, on whatever takes pods. */
export type { WorkloadCounts } from "./cluster.ts";
export { drawWorkload } from "./draw.ts";
export { playWorkload, type WorkloadPlay } from "./play.ts";
export type {
  Bursts,
  Common,
  Cron,
  Drain,
  Fill,
  Placement,
  Rollout,
  ScaleUp,
  StatefulSet,
  Steady,
  WorkloadSpec,
} from "./spec.ts";
export type { PodIdentity, Stage } from "./stage.ts";
