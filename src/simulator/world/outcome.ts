import type { LogEntry } from "../engine/index.ts";
import type { Violation } from "../scenario/index.ts";
import type { FaultKind, SeedOptions } from "./options.ts";

/** A fault as it was drawn from the seed, before anything ran. */
export interface PlannedFault {
  /** Its number in the plan, from 1. */
  readonly number: number;
  readonly kind: FaultKind;
  /** Virtual ms since the world began. */
  readonly fromMs: number;
  /** Equal to `fromMs` for what happens at one moment. */
  readonly untilMs: number;
  /** Undefined = it concerns all machines. */
  readonly machine: number | undefined;
  /** The rest, in words, for the print: "AssignPrivateIpAddresses InternalError, 1 of 4 calls". */
  readonly text: string;
}

export interface SeedOutcome {
  readonly options: SeedOptions;
  /** What was drawn, a line each: the world, its machines, its pods. */
  readonly plan: readonly string[];
  readonly faults: readonly PlannedFault[];
  readonly violations: readonly Violation[];
  /** SHA-256 of the event log. */
  readonly hash: string;
  readonly steps: number;
  readonly events: number;
  /** Node-hours of virtual time. */
  readonly simulatedHours: number;
  readonly ec2Calls: Readonly<Record<string, number>>;
  readonly throttledCalls: number;
  readonly readySeconds: readonly number[];
  readonly timeToAddressMs: readonly number[];
  readonly podsServed: number;
  readonly podsWaited: number;
  readonly idleAddresses: { readonly mean: number; readonly peak: number };
}

/** The least that still breaks the promise. */
export interface Shrunk {
  readonly options: SeedOptions;
  readonly outcome: SeedOutcome;
  /** Runs that it took. */
  readonly runs: number;
}

/** Chosen entries of a run's log: the story of one address, pod, interface or machine. */
export interface Trace {
  readonly subject: string;
  readonly entries: readonly LogEntry[];
}
