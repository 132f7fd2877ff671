import type { Dice } from "../../engine/index.ts";
import type { Cluster, PodOrder } from "../cluster.ts";
import type { Common } from "../spec.ts";
import type { Timeline } from "../timeline.ts";

/** What a pattern plays with. */
export interface Context {
  readonly cluster: Cluster;
  readonly time: Timeline;
  /** The pattern's own stream: what happens when. */
  readonly dice: Dice;
  /** Another one for where it happens: how often it is drawn from depends on what else is on the nodes. */
  readonly placing: Dice;
  /** Of its pods. */
  readonly namespace: string;
}

/** Calls `action` when the pattern's time has come. */
export function begin({ time }: Context, { fromSeconds = 0 }: Common, action: () => void): void {
  if (fromSeconds === 0) action();
  else time.after(fromSeconds * 1_000, action);
}

/** Whether the pattern may still begin something. */
export function mayBegin({ time }: Context, { untilSeconds }: Common): boolean {
  return untilSeconds === undefined || time.elapsedMs() <= untilSeconds * 1_000;
}

/** Calls `action` again and again, `distanceMs` apart, as long as the pattern may begin something. */
export function repeat(context: Context, spec: Common, distanceMs: () => number, action: () => void): void {
  context.time.after(distanceMs(), () => {
    if (!mayBegin(context, spec)) return;
    action();
    repeat(context, spec, distanceMs, action);
  });
}

/** Calls `action` so many times, evenly within that time; the first time at once. */
export function spread({ time }: Context, count: number, withinMs: number, action: () => void): void {
  if (withinMs === 0) {
    for (let done = 0; done < count; done++) action();
    return;
  }
  const distanceMs = withinMs / count;
  const next = (left: number) => {
    if (left === 0) return;
    action();
    if (left > 1) time.after(distanceMs, () => next(left - 1));
  };
  next(count);
}

/** What is common to the pods of a pattern. */
export function orderOf(
  { cluster, placing, namespace }: Context,
  { placement = "spread" }: Common,
  owner: string,
): PodOrder {
  return { namespace, name: cluster.nameFor(owner), placement, dice: placing };
}

/** A pod that lives for that long, counted from its placing; drained away it begins anew elsewhere. */
export function runFor(context: Context, spec: Common, owner: string, lifetimeMs: number): void {
  const { cluster, time } = context;
  cluster.start({
    ...orderOf(context, spec, owner),
    onPlaced: (pod) => time.after(lifetimeMs, () => cluster.end(pod)),
    onEvicted: () => runFor(context, spec, owner, lifetimeMs),
  });
}

/** A pod that stays; drained away it begins anew elsewhere. */
export function runForever(context: Context, spec: Common, owner: string): void {
  context.cluster.start({
    ...orderOf(context, spec, owner),
    onEvicted: () => runForever(context, spec, owner),
  });
}
