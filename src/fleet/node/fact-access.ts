import { EnidError } from "../../errors.ts";
import type { FactAnswer } from "../store/facts.ts";
import type { PartOptions } from "./parts.ts";

/** A store that was away this lately is not asked: a node that has to find out each time waits each time. */
const AWAY_MS = 10_000;
/** One that refuses the step will do so again. */
const REFUSED_MS = 60_000;

/** The store of facts as one process asks it: what fails is no fact, and a store that is away costs its limit once. */
export class FactAccess {
  readonly #options: PartOptions;
  readonly #process: string;
  /** Monotonic; until then it is not asked while it counts as away. */
  #awayUntilMs = Number.NEGATIVE_INFINITY;
  #refusedUntilMs = Number.NEGATIVE_INFINITY;

  constructor(options: PartOptions) {
    this.#options = options;
    this.#process = options.random.id();
  }

  /** Undefined: it cannot be asked. */
  read(name: string, maxAgeMs: number, turnMs: number, takesOver: boolean): Promise<FactAnswer | undefined> {
    if (this.#isAway()) return Promise.resolve(undefined);
    const asker = this.#asker();
    return this.#tried(() => this.#options.store.facts.read({ name, asker, maxAgeMs, turnMs, takesOver }));
  }

  async write(name: string, token: number, json: string, keepMs: number): Promise<void> {
    if (this.#isAway()) return;
    const asker = this.#asker();
    await this.#tried(() => this.#options.store.facts.write({ name, asker, token, json, keepMs }));
  }

  async giveBack(name: string, token: number, unsharedMs: number): Promise<void> {
    if (this.#isAway()) return;
    const asker = this.#asker();
    await this.#tried(() => this.#options.store.facts.giveBack({ name, asker, token }, unsharedMs));
  }

  /** Two nodes never have the same name, whatever their dice say. */
  #asker(): string {
    return `${this.#options.member()?.nodeId ?? ""}/${this.#process}`;
  }

  #isAway(): boolean {
    const { clock, store } = this.#options;
    const nowMs = clock.monotonicMs();
    if (nowMs < this.#refusedUntilMs) return true;
    // Somebody else's step may have found out that it is back.
    return nowMs < this.#awayUntilMs && !store.condition().connected;
  }

  async #tried<Answer>(step: () => Promise<Answer>): Promise<Answer | undefined> {
    const { clock } = this.#options;
    try {
      return await step();
    } catch (error) {
      const isRefused = error instanceof EnidError && error.code === "ENID_FLEET_FAILED";
      if (isRefused) this.#refusedUntilMs = clock.monotonicMs() + REFUSED_MS;
      this.#awayUntilMs = clock.monotonicMs() + AWAY_MS;
      return undefined;
    }
  }
}
