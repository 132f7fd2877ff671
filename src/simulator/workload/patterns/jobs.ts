import type { Bursts, Cron, Steady } from "../spec.ts";
import { begin, type Context, repeat, runFor, spread } from "./context.ts";

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;

export function playSteady(context: Context, spec: Steady): void {
  const { cluster, dice } = context;
  const podsPerHour = spec.podsPerNodeHour * cluster.nodeCount;
  if (podsPerHour === 0) return;
  const distanceMs = () => dice.exponential(HOUR_MS / podsPerHour);
  begin(context, spec, () =>
    repeat(context, spec, distanceMs, () => runFor(context, spec, "steady", lifetimeMs(context, spec))),
  );
}

export function playBursts(context: Context, spec: Bursts): void {
  const { everySeconds, pods, withinSeconds = 1 } = spec;
  const distanceMs = () => context.dice.exponential(everySeconds * 1_000);
  const burst = () =>
    spread(context, pods, withinSeconds * 1_000, () => runFor(context, spec, "burst", lifetimeMs(context, spec)));
  begin(context, spec, () => repeat(context, spec, distanceMs, burst));
}

export function playCron(context: Context, spec: Cron): void {
  const { everySeconds = DAY_MS / 1_000, atHour, pods, withinSeconds = 1, lifetimeSeconds } = spec;
  const { dice, time } = context;
  const distanceMs = () => (atHour === undefined ? everySeconds * 1_000 : msUntilHour(time.nowMs(), atHour));
  const oneLifeMs = () => lifetimeSeconds * 1_000 * (0.5 + dice.fraction());
  const wave = () => spread(context, pods, withinSeconds * 1_000, () => runFor(context, spec, "cron", oneLifeMs()));
  begin(context, spec, () => repeat(context, spec, distanceMs, wave));
}

/** From that wall time until UTC's clock shows the full hour next; more than 0, at most a day. */
export function msUntilHour(nowMs: number, hour: number): number {
  const leftMs = (hour * HOUR_MS - (nowMs % DAY_MS) + DAY_MS) % DAY_MS;
  return leftMs === 0 ? DAY_MS : leftMs;
}

function lifetimeMs({ dice }: Context, { lifetimeSeconds }: Steady | Bursts): number {
  return dice.exponential(lifetimeSeconds * 1_000);
}
