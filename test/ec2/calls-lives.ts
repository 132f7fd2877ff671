import { type CallCount, CountingLab, type Held, sum, together } from "./calls-count.ts";
import { withIpv6 } from "./cloud.ts";
import type { LabOptions } from "./lab.ts";

const SECOND_MS = 1_000;
const HOUR_MS = 3_600_000;

/** The defaults of the settings, which the lives leave alone unless they say otherwise. */
const PRE_ALLOCATE = 8;

/** m5.large: 3 interfaces, each with 9 secondary addresses. */
const LARGE = { interfaces: 3, slots: 9 };

/** From nothing to all pods and back to none. */
export interface RoundTrip {
  /** Until the first buffer is there. */
  readonly start: CallCount;
  /** The pods come. */
  readonly up: CallCount;
  /** The pods go, and what is beyond the watermarks is given back. */
  readonly down: CallCount;
  readonly full: Held;
  readonly left: Held;
}

export interface Restart {
  readonly interfaces: number;
  /** The process starts anew in the same boot of the machine: until it serves pods, and until it has looked at EC2. */
  readonly warmUntilServing: CallCount;
  readonly warmUntilLooked: CallCount;
  /** The machine was rebooted: until it serves pods. */
  readonly cold: CallCount;
}

export interface IdleDay {
  readonly interfaces: number;
  readonly day: CallCount;
  /** EC2 calls in the worst of its hours, sweeps apart. */
  readonly worstHour: number;
  readonly worstHourSweeps: number;
}

export interface Figures {
  readonly burst: RoundTrip;
  readonly burstWithMinimum: RoundTrip;
  readonly trickle: RoundTrip;
  readonly trickleWithMinimum: RoundTrip;
  readonly trickleWithSurplus: RoundTrip;
  readonly prefixes: RoundTrip;
  readonly dual: RoundTrip;
  readonly ipv6: RoundTrip;
  readonly restarts: readonly Restart[];
  readonly idle: readonly IdleDay[];
}

/** Lives all the lives. They are functions of their seeds, so it answers the same each time. */
export async function measure(): Promise<Figures> {
  return {
    burst: await onLarge({ pods: 27, together: 27 }),
    burstWithMinimum: await onLarge({ pods: 27, together: 27, minAllocate: 10 }),
    trickle: await onLarge({ pods: 27, together: 1 }),
    trickleWithMinimum: await onLarge({ pods: 27, together: 1, minAllocate: 10 }),
    trickleWithSurplus: await onLarge({ pods: 27, together: 1, maxAboveWatermark: 9 }),
    prefixes: await prefixes(),
    dual: await ipv6("dual", 20),
    ipv6: await ipv6("ipv6", 27),
    restarts: [await restart(0), await restart(9), await restart(27)],
    idle: [await idleDay(0), await idleDay(27)],
  };
}

interface LargeLife {
  readonly pods: number;
  /** This many come and go at once, the next ones 20 s later. */
  readonly together: number;
  readonly minAllocate?: number;
  readonly maxAboveWatermark?: number;
}

function onLarge({ pods, together, minAllocate = 0, maxAboveWatermark = 0 }: LargeLife): Promise<RoundTrip> {
  const ipam = { "min-allocate": minAllocate, "max-above-watermark": maxAboveWatermark };
  const wanted = (asked: number): Held => {
    const addresses = Math.min(
      LARGE.interfaces * LARGE.slots,
      Math.max(minAllocate, asked + PRE_ALLOCATE) + maxAboveWatermark,
    );
    return { interfaces: Math.ceil(addresses / LARGE.slots), addresses, prefixes: 0, ipv6Prefixes: 0 };
  };
  return roundTrip({ ipam }, { pods, together, wanted });
}

function prefixes(): Promise<RoundTrip> {
  const wanted = (asked: number): Held => ({
    interfaces: 1,
    addresses: 0,
    prefixes: Math.ceil((asked + PRE_ALLOCATE) / 16),
    ipv6Prefixes: 0,
  });
  const options = { type: "m5.4xlarge", eni: { "prefix-delegation": "preferred" } };
  return roundTrip(options, { pods: 110, together: 110, wanted });
}

function ipv6(families: "dual" | "ipv6", pods: number): Promise<RoundTrip> {
  const wanted = (asked: number): Held => {
    const addresses = families === "dual" ? Math.min(LARGE.interfaces * LARGE.slots, asked + PRE_ALLOCATE) : 0;
    const interfaces = Math.max(1, Math.ceil(addresses / LARGE.slots));
    return { interfaces, addresses, prefixes: 0, ipv6Prefixes: 1 };
  };
  const options = { ipam: { "ip-families": families }, model: withIpv6() };
  return roundTrip(options, { pods, together: pods, wanted });
}

interface Course {
  readonly pods: number;
  readonly together: number;
  /** What the plan wants at most for that many pods. */
  readonly wanted: (pods: number) => Held;
}

function roundTrip(options: LabOptions, { pods, together, wanted }: Course): Promise<RoundTrip> {
  return CountingLab.live(options, async (counting) => {
    const { lab } = counting;
    counting.mayHold(wanted(0));
    await lab.start();
    await lab.quiet();
    const start = counting.take();
    for (let asked = together; asked <= pods; asked += together) {
      counting.mayHold(wanted(asked));
      await lab.pods.run(together);
      await lab.advance(20 * SECOND_MS);
    }
    await lab.quiet();
    const up = counting.take();
    const full = counting.held();
    while (lab.pods.count > 0) {
      // Nothing may be taken while pods go.
      counting.mayHold(counting.held());
      await lab.pods.remove(together);
      await lab.advance(20 * SECOND_MS);
    }
    await lab.advance(HOUR_MS);
    await lab.quiet();
    return { start, up, down: counting.take(), full, left: counting.held() };
  });
}

function restart(pods: number): Promise<Restart> {
  return CountingLab.live({}, async (counting) => {
    const { lab } = counting;
    await lab.start();
    await lab.quiet();
    if (pods > 0) await lab.pods.run(pods);
    await lab.quiet();
    const { interfaces } = counting.held();
    const looked = (sinceMs: number) => lab.manager.status().observedAtMs.cloud >= sinceMs;
    const isReady = () => lab.manager.status().ready;

    counting.take();
    const warmAtMs = lab.clock.nowMs();
    await lab.restart();
    await lab.until("the daemon serves pods", isReady);
    const warmUntilServing = counting.take();
    await lab.until("the daemon has looked at EC2", () => looked(warmAtMs));
    await lab.quiet();
    const warmUntilLooked = together(warmUntilServing, counting.take());

    const coldAtMs = lab.clock.nowMs();
    await lab.restart({ reboot: true });
    await lab.until("the daemon serves pods", () => isReady() && looked(coldAtMs));
    return { interfaces, warmUntilServing, warmUntilLooked, cold: counting.take() };
  });
}

function idleDay(pods: number): Promise<IdleDay> {
  return CountingLab.live({ eni: { "cluster-name": "production" } }, async (counting) => {
    const { lab } = counting;
    await lab.start();
    await lab.quiet();
    if (pods > 0) await lab.pods.run(pods);
    // What follows a change for some minutes is not idle.
    await lab.advance(HOUR_MS);
    await lab.quiet();
    counting.take();
    const hours: CallCount[] = [];
    while (hours.length < 24) {
      await lab.advance(HOUR_MS);
      hours.push(counting.take());
    }
    return {
      interfaces: counting.held().interfaces,
      day: hours.reduce(together),
      worstHour: Math.max(...hours.map(({ changes, describes }) => sum(changes) + sum(describes))),
      worstHourSweeps: Math.max(...hours.map(({ sweeps }) => sweeps)),
    };
  });
}
