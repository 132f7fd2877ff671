import type { Sample } from "../scenario/index.ts";

/** What a plot shows over virtual time, each policy a line in it. */
export interface Measure {
  readonly id: string;
  readonly title: string;
  /** After a number: "addresses". */
  readonly unit: string;
  /** The extreme that matters. */
  readonly extreme: "least" | "most";
  /** `before` is undefined at the first sample. */
  value(sample: Sample, before: Sample | undefined): number;
}

export const MEASURES: readonly Measure[] = [
  { id: "ready", extreme: "most", title: "Nodes that are ready", unit: "nodes", value: ({ readyNodes }) => readyNodes },
  {
    id: "waiting",
    extreme: "most",
    title: "Pods that wait for an address",
    unit: "pods",
    value: ({ waitingPods }) => waitingPods,
  },
  {
    id: "held",
    extreme: "most",
    title: "Addresses that nodes hold",
    unit: "addresses",
    value: ({ heldAddresses }) => heldAddresses,
  },
  {
    id: "used",
    extreme: "most",
    title: "Addresses that pods have",
    unit: "addresses",
    value: ({ usedAddresses }) => usedAddresses,
  },
  {
    id: "calls",
    extreme: "most",
    title: "EC2 calls",
    unit: "calls per second",
    value: (now, before) => rate(now.calls, now, before),
  },
  {
    id: "throttled",
    extreme: "most",
    title: "EC2 calls that were throttled",
    unit: "calls per second",
    value: (now, before) => rate(now.throttledCalls, now, before),
  },
  {
    id: "free",
    extreme: "least",
    title: "Free addresses in the subnets",
    unit: "addresses",
    value: ({ freeInSubnets }) => freeInSubnets,
  },
];

/** Policies are sampled at distances of their own; only rates can be compared. */
function rate(count: number, now: Sample, before: Sample | undefined): number {
  const seconds = now.atSeconds - (before?.atSeconds ?? 0);
  return seconds > 0 ? count / seconds : 0;
}

/** Virtual seconds and values of one policy, with four significant digits: the page stays small. */
export function lineOf(measure: Measure, series: readonly Sample[]): { readonly x: number[]; readonly y: number[] } {
  return {
    x: series.map(({ atSeconds }) => significant(atSeconds, 7)),
    y: series.map((sample, index) => significant(measure.value(sample, series[index - 1]), 6)),
  };
}

function significant(value: number, digits: number): number {
  return Number(value.toPrecision(digits));
}

/** The value at a moment: of the last sample up to it. */
export function valueAt({ x, y }: { x: readonly number[]; y: readonly number[] }, seconds: number): number | undefined {
  const [first, last] = [x[0], x.at(-1)];
  if (first === undefined || last === undefined || seconds > last) return undefined;
  const after = x.findIndex((at) => at > seconds);
  return y[after === -1 ? y.length - 1 : Math.max(0, after - 1)];
}
