import { EnidError } from "../../../errors.ts";
import type { StoredState, StoreFacts } from "../../../manager/ports/index.ts";
import { type Call, createGroupCommit, type GroupCommit, type WriteGroup } from "../../../state/index.ts";
import type { Dice } from "../../engine/index.ts";
import type { DiskFaults } from "./faults.ts";
import type { Life } from "./medium.ts";
import type { Cut, CutReport, DiskProcess, ProcessStore, Weakness } from "./types.ts";

/** What a life tells its disk. */
export interface DiskEvents {
  /** Calls that became durable. */
  written(calls: readonly Call[]): void;
  /** The life is over, by close() or by cut(). */
  ended(how: "close" | Cut): void;
}

export interface LifeSeat {
  readonly life: Life;
  readonly process: DiskProcess;
  readonly faults: DiskFaults;
  readonly events: DiskEvents;
  /** The streams of this life, apart, so that a cut moves no latency and the other way round. */
  readonly latencyDice: Dice;
  readonly faultDice: Dice;
  readonly cutDice: Dice;
}

/** The production group commit over one life of a disk, on the clock of its process. */
export class LifeStore implements ProcessStore {
  readonly #seat: LifeSeat;
  readonly #group: GroupCommit;
  readonly #weakness: Weakness | undefined;
  /** Handed over and not yet written, in order: what a cut decides on. */
  #inFlight: Call[] = [];
  #state: "open" | "closed" | "dead" = "open";

  constructor(seat: LifeSeat) {
    this.#seat = seat;
    this.#weakness = seat.process.weakness;
    this.#group = createGroupCommit({ nextTurn: (callback) => this.#whenReached(callback) }, this.#write);
  }

  load(): StoredState {
    if (this.#state === "open") return this.#seat.life.load();
    const { location: file } = this.#seat.life.facts();
    throw new EnidError("ENID_STATE_UNAVAILABLE", { file, detail: "it is closed" });
  }

  commit(changes: Call): Promise<void> {
    if (this.#state === "dead") return new Promise(() => {});
    const call = this.#weakness === "no-intents" ? changes.filter(isNoIntent) : changes;
    const committed = this.#group.commit(call);
    if (this.#state === "open") this.#inFlight.push(call);
    if (this.#weakness === "early-reply") {
      committed.catch(() => {});
      return Promise.resolve();
    }
    return new Promise((resolve, reject) => {
      committed.then(
        () => this.#state !== "dead" && resolve(),
        (error) => this.#state !== "dead" && reject(error),
      );
    });
  }

  facts(): StoreFacts {
    return { ...this.#seat.life.facts(), ...this.#group.counts() };
  }

  async close(): Promise<void> {
    if (this.#state !== "open") return;
    this.#group.close();
    // A moment of its last writes may have been its death.
    if (this.#hasEnded()) return;
    this.#state = "closed";
    this.#seat.life.stop();
    this.#seat.events.ended("close");
  }

  cut(how: Cut): CutReport {
    if (this.#state !== "open") return { inFlight: 0, written: 0 };
    this.#state = "dead";
    const { life, faults, faultDice, cutDice, events } = this.#seat;
    const inFlight = this.#inFlight;
    this.#inFlight = [];
    const refusals = faults.refusalsOf(inFlight, faultDice);
    const passing = inFlight.filter((_, index) => refusals[index] === undefined);
    const report = life.cut(how, passing, cutDice);
    events.ended(how);
    return { ...report, inFlight: inFlight.length };
  }

  #hasEnded(): boolean {
    return this.#state !== "open";
  }

  #whenReached(callback: () => void): void {
    const { process, faults, latencyDice } = this.#seat;
    const { minMs, maxMs } = faults.latency;
    if (maxMs === 0) process.clock.nextTurn(callback);
    else process.clock.after(latencyDice.between(minMs, maxMs), callback);
  }

  readonly #write: WriteGroup = (calls) => {
    const { life, process, faults, faultDice, events } = this.#seat;
    process.moment?.();
    if (this.#state === "dead") return unheard(calls);
    const result = faults.write(calls, faultDice, life.write);
    this.#inFlight.splice(0, calls.length);
    events.written(calls.filter((_, index) => result.outcomes[index] === undefined));
    process.moment?.();
    return result;
  };
}

/** Nobody hears the outcomes of a life that is over. */
function unheard(calls: readonly Call[]): ReturnType<WriteGroup> {
  return { outcomes: calls.map(() => undefined), transactions: 0 };
}

function isNoIntent({ kind }: Call[number]): boolean {
  return kind !== "intent-put" && kind !== "intent-close";
}
