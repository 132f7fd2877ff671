import type { Cancel } from "../../adapters/index.ts";
import type { Dice } from "../engine/index.ts";
import type { FaultEffect } from "../index.ts";

/** What may become of the calls of one machine for a while. */
export interface CallFault {
  /** Which actions it hits. */
  readonly hits: (action: string) => boolean;
  readonly probability: number;
  readonly effect: FaultEffect;
}

/** The faults in force between a machine and EC2; the oldest that hits decides. */
export class CallFaults {
  readonly #dice: Dice;
  #faults: CallFault[] = [];

  constructor(dice: Dice) {
    this.#dice = dice;
  }

  add(fault: CallFault): Cancel {
    this.#faults.push(fault);
    return () => {
      this.#faults = this.#faults.filter((one) => one !== fault);
    };
  }

  draw(action: string): FaultEffect | undefined {
    for (const { hits, probability, effect } of this.#faults) {
      if (hits(action) && this.#dice.chance(probability)) return effect;
    }
    return undefined;
  }
}
