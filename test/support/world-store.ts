import type { Change, Store, StoredState, StoreFacts } from "../../src/manager/index.ts";
import type { Dice, WorldClock } from "./world-clock.ts";

/** What outlives the process: a file on a disk. */
export interface Disk {
  load(): StoredState;
  commit(changes: readonly Change[]): Promise<void>;
  facts(): StoreFacts;
}

interface Waiting {
  readonly changes: readonly Change[];
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/**
 * The store as one process has it: commits take their time and are written in the order of the calls. When the process
 * dies, some of what waits has reached the disk and the rest has not; nobody hears of either.
 */
export class WorldStore implements Store {
  readonly #clock: WorldClock;
  readonly #dice: Dice;
  readonly #disk: Disk;
  readonly #slowestMs: number;
  readonly #moment: () => void;
  #waiting: Waiting[] = [];
  #busy = false;
  #dead = false;

  /** `moment` is called just before and just after something reaches the disk: the moments to die at. */
  constructor(options: { clock: WorldClock; dice: Dice; disk: Disk; slowestMs: number; moment: () => void }) {
    this.#clock = options.clock;
    this.#dice = options.dice;
    this.#disk = options.disk;
    this.#slowestMs = options.slowestMs;
    this.#moment = options.moment;
  }

  cut(): void {
    this.#dead = true;
    const written = this.#waiting.slice(0, this.#dice.between(0, this.#waiting.length));
    for (const { changes } of written) void this.#disk.commit(changes).catch(() => {});
    this.#waiting = [];
  }

  load(): StoredState {
    return this.#disk.load();
  }

  commit(changes: readonly Change[]): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#dead) return;
      this.#waiting.push({ changes, resolve, reject });
      if (this.#busy) return;
      this.#busy = true;
      if (this.#slowestMs === 0) this.#clock.nextTurn(() => void this.#write());
      else this.#clock.after(this.#dice.between(0, this.#slowestMs), () => void this.#write());
    });
  }

  facts(): StoreFacts {
    return this.#disk.facts();
  }

  /** The file stays when the daemon ends. */
  async close(): Promise<void> {}

  async #write(): Promise<void> {
    this.#moment();
    const group = this.#waiting;
    this.#waiting = [];
    this.#busy = false;
    if (this.#dead) return;
    const outcomes = await Promise.allSettled(group.map(({ changes }) => this.#disk.commit(changes)));
    this.#moment();
    if (this.#dead) return;
    for (const [n, outcome] of outcomes.entries()) {
      if (outcome.status === "fulfilled") group[n]?.resolve();
      else group[n]?.reject(outcome.reason);
    }
  }
}
