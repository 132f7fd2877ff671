import type { Dice } from "../engine/index.ts";

/** The longest that a caller of ADD waits before it goes away, if it does. */
const LONGEST_PATIENCE_MS = 30_000;
const SHORT_PATIENCE_MS = 20;
const DUPLICATE_WITHIN_MS = 2_000;

/**
 * What container runtimes do to an IPAM plugin on bad days. Each is a probability for each occasion, 0 from the start; each
 * has dice of its own, so that one that is left out changes nothing of the others.
 */
export class RuntimeFaults {
  readonly #dice: Readonly<Record<"duplicate" | "late" | "missing" | "hang-up", Dice>>;
  #duplicate = 0;
  #late = { probability: 0, leastMs: 0, mostMs: 0 };
  #missing = 0;
  #hangUp = 0;

  constructor(dice: Dice) {
    this.#dice = {
      duplicate: dice.fork("duplicate"),
      late: dice.fork("late"),
      missing: dice.fork("missing"),
      "hang-up": dice.fork("hang-up"),
    };
  }

  /** A DEL that succeeded is sent a second time soon after: a sandbox is stopped, and stopped again when it is removed. */
  duplicate(probability: number): void {
    this.#duplicate = probability;
  }

  /** A DEL that succeeded is sent again so much later that the address may be another pod's: a runtime that cleans up. */
  late(probability: number, leastMs: number, mostMs: number): void {
    this.#late = { probability, leastMs, mostMs };
  }

  /** No DEL ever comes: the runtime's state was wiped, and with it went what it knew of the sandbox. */
  missing(probability: number): void {
    this.#missing = probability;
  }

  /** The caller of an ADD that is not answered at once goes away; the runtime then undoes the sandbox. */
  hangUp(probability: number): void {
    this.#hangUp = probability;
  }

  /** Ms until the second DEL; undefined = there is none. */
  duplicateAfterMs(): number | undefined {
    const dice = this.#dice.duplicate;
    if (this.#duplicate === 0 || !dice.chance(this.#duplicate)) return undefined;
    return dice.between(0, DUPLICATE_WITHIN_MS);
  }

  lateAfterMs(): number | undefined {
    const { probability, leastMs, mostMs } = this.#late;
    if (probability === 0 || !this.#dice.late.chance(probability)) return undefined;
    return this.#dice.late.between(leastMs, mostMs);
  }

  isMissing(): boolean {
    return this.#missing !== 0 && this.#dice.missing.chance(this.#missing);
  }

  /** Ms that the caller of an ADD waits; undefined = as long as it takes. Often so short that the lease is just being made. */
  patienceMs(): number | undefined {
    const dice = this.#dice["hang-up"];
    if (this.#hangUp === 0 || !dice.chance(this.#hangUp)) return undefined;
    return dice.between(0, dice.chance(0.5) ? SHORT_PATIENCE_MS : LONGEST_PATIENCE_MS);
  }
}
