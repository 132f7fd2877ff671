import type { FleetMember, FleetReport, Singletons } from "../../manager/ports/index.ts";
import { nameWithin } from "./names.ts";
import type { PartOptions } from "./parts.ts";
import { Candidacy, SINGLETON_TIMES, type SingletonTimes } from "./singleton-candidacy.ts";

/** A task of which nobody asked for so long is given up: a node that would not do it must not have it. */
const IDLE_MS = 5 * 60_000;

interface Task {
  readonly candidacy: Candidacy;
  /** Monotonic; of the last question. */
  askedAtMs: number;
}

/** The tasks that this node wants, each a candidacy of its own. */
export class NodeSingletons implements Singletons {
  readonly #options: PartOptions;
  readonly #times: SingletonTimes;
  readonly #process: string;
  readonly #tasks = new Map<string, Task>();
  #stopped = false;

  constructor(options: PartOptions, times = SINGLETON_TIMES) {
    this.#options = options;
    this.#times = times;
    this.#process = options.random.id();
  }

  holds(task: string): boolean {
    return this.#candidacy(task)?.holds ?? false;
  }

  token(task: string): number {
    const candidacy = this.#candidacy(task);
    return candidacy?.holds === true ? candidacy.token : 0;
  }

  report(): FleetReport["singletons"] {
    return [...this.#tasks].map(([task, { candidacy }]) => ({ task, holds: candidacy.holds }));
  }

  /** Gives up what it has, so that others need not wait for the end of its leases. */
  async stop(): Promise<void> {
    this.#stopped = true;
    const ended = [...this.#tasks.values()].map(({ candidacy }) => candidacy.end());
    this.#tasks.clear();
    await Promise.all(ended);
  }

  #candidacy(name: string): Candidacy | undefined {
    const { member, clock } = this.#options;
    const here = member();
    if (here === undefined || this.#stopped) return undefined;
    this.#endIdle();
    const task = this.#tasks.get(name) ?? this.#candidate(name, here);
    task.askedAtMs = clock.monotonicMs();
    return task.candidacy;
  }

  #candidate(name: string, here: FleetMember): Task {
    // Two nodes never have the same name, whatever their dice say.
    const asker = `${here.nodeId}/${this.#process}`;
    const beat = () => this.#endIdle();
    const candidacy = new Candidacy(this.#options, nameWithin(here, name), asker, beat, this.#times);
    const task = { candidacy, askedAtMs: this.#options.clock.monotonicMs() };
    this.#tasks.set(name, task);
    candidacy.start();
    return task;
  }

  #endIdle(): void {
    const nowMs = this.#options.clock.monotonicMs();
    for (const [name, { candidacy, askedAtMs }] of this.#tasks) {
      if (nowMs - askedAtMs < IDLE_MS) continue;
      this.#tasks.delete(name);
      void candidacy.end();
    }
  }
}
