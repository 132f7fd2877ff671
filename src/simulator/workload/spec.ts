/** Where the scheduler puts a pod: on the least or on the most filled node that can take it. */
export type Placement = "spread" | "pack";

/** What every pattern may say beside its own parameters. Times are seconds since the play began. */
export interface Common {
  /** Nothing of the pattern happens before; 0 unless told otherwise. */
  readonly fromSeconds?: number;
  /** It begins nothing after; the end of the play unless told otherwise. What it began runs on to its own end. */
  readonly untilSeconds?: number;
  /** "spread" unless told otherwise. */
  readonly placement?: Placement;
}

/** Pods arrive one by one, at random, at an even rate over the cluster. */
export interface Steady extends Common {
  readonly pattern: "steady";
  readonly podsPerNodeHour: number;
  /** Mean of an exponential distribution. */
  readonly lifetimeSeconds: number;
}

/** Now and then many pods at once. */
export interface Bursts extends Common {
  readonly pattern: "bursts";
  /** Mean distance of two bursts; exponential. */
  readonly everySeconds: number;
  /** In each burst. */
  readonly pods: number;
  /** The pods of a burst arrive evenly within; 1 unless told otherwise. */
  readonly withinSeconds?: number;
  /** Mean of an exponential distribution. */
  readonly lifetimeSeconds: number;
}

/** Jobs by the clock: many short pods at the same moment. */
export interface Cron extends Common {
  readonly pattern: "cron";
  /** Distance of two waves; the first one comes after it. Or `atHour`. */
  readonly everySeconds?: number;
  /** One wave a day, when the wall clock (UTC) shows this full hour, 0 to 23. */
  readonly atHour?: number;
  /** In each wave. */
  readonly pods: number;
  /** The pods of a wave arrive evenly within; 1 unless told otherwise. */
  readonly withinSeconds?: number;
  /** Mean; even from half of it to one and a half. */
  readonly lifetimeSeconds: number;
}

/** A Deployment, placed at once, whose pods are replaced in batches. */
export interface Rollout extends Common {
  readonly pattern: "rollout";
  readonly replicas: number;
  /** Distance of two rollouts; the first one comes after it. One that is due while another runs is left out. */
  readonly everySeconds: number;
  /** Share of the replicas that may exist beyond them, rounded up; 0.25 unless told otherwise, as Kubernetes has it. */
  readonly maxSurge?: number;
  /** Share of the replicas that may be missing, rounded down; 0.25 unless told otherwise. */
  readonly maxUnavailable?: number;
  /** From a pod's placing until it counts as available; 10 unless told otherwise. */
  readonly podReadySeconds?: number;
}

/** Nodes are cordoned, their pods stopped and begun elsewhere, and the nodes opened again later. */
export interface Drain extends Common {
  readonly pattern: "drain";
  /** Mean distance of two drains; exponential. */
  readonly everySeconds: number;
  /** Drained at a time; 1 unless told otherwise. */
  readonly nodes?: number;
  readonly closedSeconds: number;
}

/** Pods with names of their own, restarted in order from the last to the first; each comes back under its name. */
export interface StatefulSet extends Common {
  readonly pattern: "stateful";
  readonly replicas: number;
  /** Distance of two restarts of the whole set. */
  readonly everySeconds: number;
  /** From one pod's return to the end of the next; 10 unless told otherwise. */
  readonly stepSeconds?: number;
  /** From a pod's end to its return; 2 unless told otherwise. */
  readonly gapSeconds?: number;
  /** Chance that a pod comes back on another node; 0.3 unless told otherwise. */
  readonly moveShare?: number;
}

/** So many pods on every node, as soon as it takes any; they stay. */
export interface Fill extends Common {
  readonly pattern: "fill";
  readonly podsPerNode: number;
  /** The pods of a node arrive evenly within; 0 unless told otherwise: all at once. */
  readonly withinSeconds?: number;
}

/** So many pods over the cluster within a time; they stay. What finds no place waits for one. */
export interface ScaleUp extends Common {
  readonly pattern: "scale-up";
  readonly pods: number;
  readonly atSeconds: number;
  readonly withinSeconds: number;
}

export type WorkloadSpec = Steady | Bursts | Cron | Rollout | Drain | StatefulSet | Fill | ScaleUp;
