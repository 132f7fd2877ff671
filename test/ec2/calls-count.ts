import type { LoggedCall } from "../../src/simulator/index.ts";
import { Lab, type LabOptions } from "./lab.ts";

/** What a stretch of a life cost. Every request counts, refused ones and repeated ones too. */
export interface CallCount {
  /** EC2 calls that change something, by action. */
  readonly changes: Readonly<Record<string, number>>;
  /** EC2 calls that only ask, by action; without the sweeps. */
  readonly describes: Readonly<Record<string, number>>;
  /** Describes that look for what other nodes of the cluster left behind. */
  readonly sweeps: number;
  readonly sts: number;
  /** Requests to instance metadata, token requests too. */
  readonly metadataReads: number;
}

/** What the instance has in EC2. Addresses are secondary IPv4 addresses. */
export interface Held {
  readonly interfaces: number;
  readonly addresses: number;
  readonly prefixes: number;
  readonly ipv6Prefixes: number;
}

/** A lab that counts from the daemon's first breath, and that holds what EC2 has against a bound. */
export class CountingLab {
  readonly lab: Lab;
  #metadataReads = 0;
  #taken = { sequence: 0, metadataReads: 0 };
  #most: Held | undefined;

  private constructor(options: LabOptions) {
    this.lab = new Lab(options);
    this.lab.onMetadata = (_, answer) => {
      this.#metadataReads += 1;
      return answer;
    };
    this.lab.meddling = () => {
      this.#check();
      return undefined;
    };
  }

  /** Runs `life` in a lab of its own, which must agree with EC2 at its end. The daemon does not run yet. */
  static async live<Result>(options: LabOptions, life: (counting: CountingLab) => Promise<Result>): Promise<Result> {
    // The first lab of a process also loads the SDK, in real time.
    await (await Lab.open()).close();
    const counting = new CountingLab(options);
    try {
      const result = await life(counting);
      counting.lab.agree();
      return result;
    } finally {
      await counting.lab.close();
    }
  }

  /** From here on EC2 may have at most this; checked at each change, at each count, and when something else is said. */
  mayHold(most: Held): void {
    this.#check();
    this.#most = most;
  }

  held(): Held {
    const truth = this.lab.truth();
    const sum = (of: (one: (typeof truth)[number]) => readonly unknown[]) =>
      truth.reduce((count, one) => count + of(one).length, 0);
    return {
      // One that was made and hangs on nothing yet costs its addresses all the same.
      interfaces: truth.length + this.lab.cloud.truth().orphans.length,
      addresses: sum((one) => one.secondaryAddresses),
      prefixes: sum((one) => one.prefixes),
      ipv6Prefixes: sum((one) => one.ipv6Prefixes),
    };
  }

  /** What was called since the last count. */
  take(): CallCount {
    this.#check();
    const calls = this.lab.cloud.log.calls({ after: this.#taken.sequence });
    const metadataReads = this.#metadataReads - this.#taken.metadataReads;
    this.#taken = { sequence: calls.at(-1)?.sequence ?? this.#taken.sequence, metadataReads: this.#metadataReads };
    const ec2 = calls.filter(({ service }) => service === "ec2");
    return {
      changes: byAction(ec2.filter(({ isMutating }) => isMutating)),
      describes: byAction(ec2.filter((call) => !call.isMutating && !isSweep(call))),
      sweeps: ec2.filter(isSweep).length,
      sts: calls.filter(({ service }) => service === "sts").length,
      metadataReads,
    };
  }

  #check(): void {
    if (this.#most === undefined) return;
    const held = this.held();
    for (const name of Object.keys(held) as (keyof Held)[]) {
      if (held[name] <= this.#most[name]) continue;
      throw new Error(`EC2 has ${held[name]} ${name}; the plan wants at most ${this.#most[name]}`);
    }
  }
}

/** How many calls there are in all. */
export function sum(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((total, count) => total + count, 0);
}

/** Two stretches as one. */
export function together(one: CallCount, other: CallCount): CallCount {
  const both = (a: Readonly<Record<string, number>>, b: Readonly<Record<string, number>>) =>
    Object.fromEntries([...Object.keys(a), ...Object.keys(b)].map((name) => [name, (a[name] ?? 0) + (b[name] ?? 0)]));
  return {
    changes: both(one.changes, other.changes),
    describes: both(one.describes, other.describes),
    sweeps: one.sweeps + other.sweeps,
    sts: one.sts + other.sts,
    metadataReads: one.metadataReads + other.metadataReads,
  };
}

function byAction(calls: readonly LoggedCall[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { action } of calls) counts[action] = (counts[action] ?? 0) + 1;
  return counts;
}

function isSweep({ action, parameters }: LoggedCall): boolean {
  return action === "DescribeNetworkInterfaces" && JSON.stringify(parameters).includes('"tag:enid.io/cluster"');
}
