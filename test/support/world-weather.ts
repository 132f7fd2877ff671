import { EnidError } from "../../src/errors.ts";
import type { FailureClass, StepFailure } from "../../src/manager/index.ts";
import type { BlockUnit } from "../../src/planning/index.ts";
import type { Dice, WorldClock } from "./world-clock.ts";
import { cloudError } from "./world-subnets.ts";

/** How the cloud behaves at the moment; the world changes it as time goes by. */
export interface Weather {
  /** Share of the calls that fail, of describes and of changes. */
  describesFail: number;
  changesFail: number;
  /** Of the failures: how many leave in doubt whether the change was made. */
  doubt: number;
  /** How late calls are answered. */
  leastMs: number;
  mostMs: number;
  /** How far EC2's describes and the metadata lag the truth. */
  cloudLagMs: number;
  metadataLagMs: number;
  /** Share of the metadata reads that miss a part. */
  incomplete: number;
  /** Share of the calls that never answer, not even when they are cancelled. */
  deaf: number;
  /** How long a detach takes. */
  detachMs: number;
}

export const CALM: Weather = {
  describesFail: 0,
  changesFail: 0,
  doubt: 0,
  leastMs: 50,
  mostMs: 300,
  cloudLagMs: 0,
  metadataLagMs: 0,
  incomplete: 0,
  deaf: 0,
  detachMs: 0,
};

/** Some more often than others: what a real account sees most. */
const CLASSES: readonly FailureClass[] = [
  "throttled",
  "throttled",
  "subnet-exhausted",
  "limit",
  "unauthorized",
  "configuration",
  "transient",
  "transient",
  "gone",
  "bug",
];

interface Fault {
  /** Before or after the change was made. */
  readonly moment: "before" | "after";
  readonly failure: StepFailure;
}

const CANCELLED: StepFailure = { class: "transient", ec2Code: "Cancelled", effect: "unknown" };

/** What a change asks of which subnet. */
interface Asked {
  readonly subnetId: string;
  readonly unit: BlockUnit;
}

/** The calls of one process through the weather to the cloud. */
export class WorldCalls {
  readonly #clock: WorldClock;
  readonly #dice: Dice;
  readonly #weather: Weather;
  readonly #moment: () => void;
  #dead = false;
  /** Calls that could change something. */
  changes = 0;

  /** `moment` is called after each change: a moment at which the process may die. */
  constructor(options: { clock: WorldClock; dice: Dice; weather: Weather; moment: () => void }) {
    this.#clock = options.clock;
    this.#dice = options.dice;
    this.#weather = options.weather;
    this.#moment = options.moment;
  }

  cut(): void {
    this.#dead = true;
  }

  describe<Answer>(action: string, effect: () => Answer, signal?: AbortSignal): Promise<Answer> {
    const fails = this.#dice.chance(this.#weather.describesFail);
    const fault: Fault | undefined = fails ? { moment: "before", failure: this.#failure("none") } : undefined;
    return this.#call({ action, effect, fault, changes: false, signal });
  }

  change<Answer>(action: string, effect: () => Answer, signal?: AbortSignal, asked?: Asked): Promise<Answer> {
    this.changes += 1;
    let fault: Fault | undefined;
    if (this.#dice.chance(this.#weather.changesFail)) {
      const unknown = this.#dice.chance(this.#weather.doubt);
      const moment = unknown && this.#dice.chance(0.5) ? "after" : "before";
      fault = { moment, failure: this.#failure(unknown ? "unknown" : "none", asked) };
    }
    return this.#call({ action, effect, fault, changes: true, signal });
  }

  #failure(effect: StepFailure["effect"], asked?: Asked): StepFailure {
    const failureClass = effect === "unknown" ? "transient" : this.#dice.pick(CLASSES);
    const subnet = failureClass === "subnet-exhausted" ? asked : {};
    return { class: failureClass, ec2Code: `Drawn.${failureClass}`, effect, ...subnet };
  }

  /** One call: half of its time on the way there, half on the way back. What nobody hears any more may still be done. */
  #call<Answer>(of: {
    readonly action: string;
    readonly effect: () => Answer;
    readonly fault: Fault | undefined;
    readonly changes: boolean;
    readonly signal: AbortSignal | undefined;
  }): Promise<Answer> {
    const { action, effect, fault, changes, signal } = of;
    const halfMs = this.#dice.between(this.#weather.leastMs, this.#weather.mostMs) / 2;
    const deaf = this.#weather.deaf > 0 && this.#dice.chance(this.#weather.deaf);
    return new Promise((resolve, reject) => {
      let over = this.#dead || deaf;
      const answer = (give: () => void) => {
        if (!over && !this.#dead) give();
        over = true;
      };
      const cancel = () => answer(() => reject(cloudError(action, CANCELLED)));
      if (signal?.aborted) cancel();
      signal?.addEventListener("abort", cancel, { once: true });
      const back = (give: () => void) => void this.#clock.after(halfMs, () => answer(give));
      this.#clock.after(halfMs, () => {
        if ((over || this.#dead) && (!changes || this.#dice.chance(0.5))) return;
        if (fault?.moment === "before") return back(() => reject(cloudError(action, fault.failure)));
        try {
          const result = effect();
          if (changes) this.#moment();
          back(() => (fault === undefined ? resolve(result) : reject(cloudError(action, fault.failure))));
        } catch (error) {
          back(() => reject(error));
        }
      });
    });
  }
}

/** The failure that an error of the provider carries. `final`: settling again would change nothing. */
export function failureOf(error: unknown): (StepFailure & { final?: boolean }) | undefined {
  return error instanceof EnidError ? (error.details as StepFailure | undefined) : undefined;
}

/** The same error, saying that the step must be settled; unless it says that nothing is left to settle. */
export function inDoubt(error: unknown): unknown {
  return failureOf(error)?.final === true ? error : withFields(error, { effect: "unknown" });
}

/** The same error, saying that nothing is left of the step. */
export function nothingLeft(error: unknown): unknown {
  return withFields(error, { effect: "none", final: true });
}

function withFields(error: unknown, fields: object): unknown {
  if (!(error instanceof EnidError)) return error;
  const known = failureOf(error) ?? { class: "transient", ec2Code: "" };
  return new EnidError(error.code, error.values, { cause: error, details: { ...known, ...fields } });
}
