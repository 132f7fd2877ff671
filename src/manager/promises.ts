import { EnidError } from "../errors.ts";
import type { StepFailure, Telemetry } from "./ports/index.ts";

export type PromiseNumber = 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 | 10 | 11 | 12;

/** What enid promises, and how production holds it while it runs. docs/architecture.md has the same table. */
export interface NumberedPromise {
  readonly number: PromiseNumber;
  /** Stable, kebab-case: for logs and reports. */
  readonly name: string;
  readonly text: string;
  /** Where production looks, and what it refuses rather than break the promise. */
  readonly checked: string;
  readonly refuses: string;
}

export const PROMISES: readonly NumberedPromise[] = [
  {
    number: 1,
    name: "one-lease-per-address",
    text: "An address has at most one lease.",
    checked: "before each reply to ADD, for its addresses; every minute, for the whole pool",
    refuses: "the reply; all leasing and all steps while the pool contradicts itself",
  },
  {
    number: 2,
    name: "durable-before-reply",
    text: "A reply to ADD follows the commit of its lease; a crash after it loses nothing.",
    checked: "before each reply to ADD",
    refuses: "the reply",
  },
  {
    number: 3,
    name: "repeatable",
    text: "A repeated ADD for one attachment returns the same address; DEL of the unknown succeeds.",
    checked: "before each reply to ADD",
    refuses: "the reply",
  },
  {
    number: 4,
    name: "in-use-is-kept",
    text: "A leased or cooling address is never given back to the cloud; `releasing` is committed before the call.",
    checked: "when a step is begun and again right before its call; before each reply to ADD",
    refuses: "the step; the reply with an address that is being given back",
  },
  {
    number: 5,
    name: "intent-before-call",
    text: "Each change of the cloud has a committed intent and an idempotency token before its call; after a crash anywhere the intent is finished or undone; nothing leaks.",
    checked: "right before each call that changes the cloud",
    refuses: "the call",
  },
  {
    number: 6,
    name: "only-what-is-allowed",
    text: "No subnet, interface or security group outside the configuration is ever used.",
    checked: "when a step is begun",
    refuses: "the step",
  },
  {
    number: 7,
    name: "within-instance-limits",
    text: "Instance limits are never exceeded; a full instance costs no calls.",
    checked: "when a step is begun",
    refuses: "the step",
  },
  {
    number: 8,
    name: "plans-repeat-to-nothing",
    text: "Planning is a function of current demand: repeating a plan changes nothing.",
    checked: "after the steps of a plan are begun, by planning again",
    refuses: "all growth until the steps under way have ended",
  },
  {
    number: 9,
    name: "observations-keep-leases",
    text: "A partial or stale observation never removes a lease.",
    checked: "when an observation is merged",
    refuses: "the rest of the observation; all leasing and all steps should an address have changed all the same",
  },
  {
    number: 10,
    name: "demand-is-met",
    text: "After faults stop, demand is met within a bound.",
    checked: "not by the node, which cannot know that faults stopped: `enid_pod_longest_wait_seconds` shows it",
    refuses: "nothing",
  },
  {
    number: 11,
    name: "settings-last",
    text: "Settings never fall back to defaults by a restart; an invalid file changes nothing and is reported.",
    checked: "at the start, and when a file is refused",
    refuses: "the start; the change of settings",
  },
  {
    number: 12,
    name: "fixed-on-one-node",
    text: "A fixed address is bound on at most one node.",
    checked: "before each reply to ADD with one; every ten seconds, against the records of the fleet",
    refuses: "the reply; an address that another node has by now is never served again",
  },
];

/** What would break a promise. */
export interface Breach {
  readonly promise: PromiseNumber;
  /** Half a sentence with the values. */
  readonly detail: string;
}

export interface PromisesOptions {
  readonly telemetry: Telemetry;
  /** The whole node stops to lease and to act. */
  readonly halt: (error: EnidError) => void;
}

/** Tells of each breach: the event `promise-broken`, which telemetry counts as enid_promise_violations_total. */
export class Promises {
  readonly #options: PromisesOptions;

  constructor(options: PromisesOptions) {
    this.#options = options;
  }

  /** The error with which exactly that act is refused. `failure`: how the manager goes on where the act is a step. */
  refuse({ promise, detail }: Breach, failure?: StepFailure): EnidError {
    const name = PROMISES[promise - 1]?.name ?? "";
    const error = new EnidError(
      "ENID_REFUSED",
      { detail: `promise ${promise} (${name}): ${detail}` },
      failure === undefined ? {} : { details: failure },
    );
    this.#options.telemetry.event({
      name: "promise-broken",
      level: "error",
      message: error.message,
      fields: { promise, promiseName: name, detail },
    });
    return error;
  }

  /** The same for what has happened already: nothing is built upon it. */
  halt(breach: Breach): EnidError {
    const error = this.refuse(breach);
    this.#options.halt(error);
    return error;
  }
}
