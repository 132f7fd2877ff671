import type { Drain } from "../spec.ts";
import { begin, type Context, repeat } from "./context.ts";

/** How often the dice are thrown for a node that is still open. */
const TRIES = 10;

export function playDrain(context: Context, spec: Drain): void {
  const { cluster, dice, time } = context;
  const { everySeconds, nodes = 1, closedSeconds } = spec;
  const closed = new Set<number>();
  const drainOne = () => {
    for (let tries = 0; tries < TRIES; tries++) {
      const node = dice.between(0, cluster.nodeCount - 1);
      if (closed.has(node)) continue;
      closed.add(node);
      cluster.drain(node);
      time.after(closedSeconds * 1_000, () => {
        closed.delete(node);
        cluster.reopen(node);
      });
      return;
    }
  };
  begin(context, spec, () =>
    repeat(
      context,
      spec,
      () => dice.exponential(everySeconds * 1_000),
      () => {
        for (let count = 0; count < nodes; count++) drainOne();
      },
    ),
  );
}
