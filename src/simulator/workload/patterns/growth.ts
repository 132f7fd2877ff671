import type { Fill, ScaleUp } from "../spec.ts";
import { begin, type Context, mayBegin, orderOf, runForever, spread } from "./context.ts";

/** How often nodes that could take no pod yet are looked at again. */
const LOOK_MS = 1_000;

export function playFill(context: Context, spec: Fill): void {
  const { cluster, time } = context;
  let empty = Array.from({ length: cluster.nodeCount }, (_, node) => node);
  const look = () => {
    if (!mayBegin(context, spec)) return;
    const left: number[] = [];
    for (const node of empty) {
      if (cluster.canTake(node)) fillNode(context, spec, node);
      else left.push(node);
    }
    empty = left;
    if (empty.length > 0) time.after(LOOK_MS, look);
  };
  begin(context, spec, look);
}

/** What the node cannot take (its limit, a cordon in the meantime) is the scheduler's to place. */
function fillNode(context: Context, spec: Fill, node: number): void {
  const { podsPerNode, withinSeconds = 0 } = spec;
  const { cluster } = context;
  spread(context, podsPerNode, withinSeconds * 1_000, () => {
    const order = { ...orderOf(context, spec, "fill"), onEvicted: () => runForever(context, spec, "fill") };
    if (cluster.startOn(node, order) === undefined) cluster.start(order);
  });
}

export function playScaleUp(context: Context, spec: ScaleUp): void {
  const { pods, atSeconds, withinSeconds } = spec;
  const grow = () => spread(context, pods, withinSeconds * 1_000, () => runForever(context, spec, "scale-up"));
  begin(context, { ...spec, fromSeconds: Math.max(atSeconds, spec.fromSeconds ?? 0) }, grow);
}
