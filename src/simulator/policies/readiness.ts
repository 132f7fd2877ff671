import { EnidError } from "../../errors.ts";

/** Whether a node was ever ready since its process began. Being asked often costs nothing while nothing changes. */
export class Readiness {
  readonly #wanted: number;
  #isReady = false;
  #told: { readonly available: number; readonly reason: string; readonly error: EnidError } | undefined;

  constructor(wanted: number) {
    this.#wanted = wanted;
  }

  /** `reason` undefined: the process serves, only addresses may be missing. */
  notReady(available: number, reason: string | undefined): EnidError | undefined {
    this.#isReady ||= reason === undefined && available >= this.#wanted;
    if (this.#isReady) return undefined;
    const why = reason ?? "the pool grows";
    if (this.#told?.available !== available || this.#told.reason !== why) {
      const error = new EnidError("ENID_NOT_READY", { available, wanted: this.#wanted, reason: why });
      this.#told = { available, reason: why, error };
    }
    return this.#told.error;
  }
}
