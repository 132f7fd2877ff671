import type { Cancel } from "../../../adapters/index.ts";
import { MemoryServer } from "../../../fleet/index.ts";
import type { Dice, Scheduler } from "../../engine/index.ts";
import type { FleetPlan } from "../draw/fleet.ts";

/** The simulated Redis of a world, and what becomes of it. Faults of one kind may overlap: the last one to end ends it. */
export class StoreServer {
  readonly server: MemoryServer;
  readonly #scheduler: Scheduler;
  readonly #slow = new Set<readonly [number, number]>();
  readonly #away = new Set<object>();
  readonly #cuts = new Map<string, { readonly what: "both" | "answers" }[]>();
  /** Monotonic ms at which it lost writes, and how far back. */
  readonly losses: { readonly atMs: number; readonly lostMs: number }[] = [];
  #troubledUntilMs = 0;

  constructor({ latencyMs }: FleetPlan, scheduler: Scheduler, dice: Dice) {
    this.#scheduler = scheduler;
    this.server = new MemoryServer({
      clock: scheduler,
      latencyMs: () => {
        const [least, most] = [...this.#slow].at(-1) ?? latencyMs;
        return least + dice.fraction() * (most - least);
      },
    });
  }

  /** Monotonic ms at which it was last in trouble, of whatever kind; now while it is. */
  get troubledUntilMs(): number {
    const isTroubled = this.#slow.size + this.#away.size + this.#cuts.size > 0;
    return isTroubled ? this.#scheduler.monotonicMs() : this.#troubledUntilMs;
  }

  /** Whether a machine gets answers. */
  reaches(machineName: string): boolean {
    return this.server.reaches(machineName);
  }

  away(): Cancel {
    const mark = {};
    this.#away.add(mark);
    this.server.down(true);
    return this.#ending(() => {
      this.#away.delete(mark);
      this.server.down(this.#away.size > 0);
    });
  }

  slow(latencyMs: readonly [number, number]): Cancel {
    const mark = [...latencyMs] as const;
    this.#slow.add(mark);
    return this.#ending(() => this.#slow.delete(mark));
  }

  cutOff(machineName: string, what: "both" | "answers"): Cancel {
    const mark = { what };
    this.#cuts.set(machineName, [...(this.#cuts.get(machineName) ?? []), mark]);
    this.#applyCuts(machineName);
    return this.#ending(() => {
      const left = (this.#cuts.get(machineName) ?? []).filter((one) => one !== mark);
      if (left.length === 0) this.#cuts.delete(machineName);
      else this.#cuts.set(machineName, left);
      this.#applyCuts(machineName);
    });
  }

  failOver(lostMs: number): void {
    this.server.failOver(lostMs);
    this.#lost(lostMs);
  }

  loseEverything(): void {
    this.server.loseEverything();
    this.#lost(Number.POSITIVE_INFINITY);
  }

  #lost(lostMs: number): void {
    const atMs = this.#scheduler.monotonicMs();
    this.#troubledUntilMs = atMs;
    this.losses.push({ atMs, lostMs });
  }

  #applyCuts(machineName: string): void {
    const cuts = this.#cuts.get(machineName) ?? [];
    const what = cuts.some((one) => one.what === "both") ? "both" : "answers";
    this.server.cutOff(machineName, cuts.length > 0, what);
  }

  #ending(end: () => void): Cancel {
    let isOver = false;
    return () => {
      if (isOver) return;
      isOver = true;
      end();
      this.#troubledUntilMs = this.#scheduler.monotonicMs();
    };
  }
}
