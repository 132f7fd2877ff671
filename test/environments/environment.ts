import type { Host } from "./host.ts";
import type { TestNode } from "./node.ts";

/** Nodes with a real daemon each, in a network that leads pod addresses to them, and something outside of it. */
export interface Environment {
  /** At least two, booted and settled, without pods. */
  readonly nodes: readonly TestNode[];
  /** Pods that it takes on the first node until they are on two interfaces; 2 where there are none. */
  readonly podsOnFirstNode: number;
  /** Beyond the routers. */
  readonly outside: Host;
  /** What the network saw since the start, or since it was told to forget it, that it must never see. */
  complaints(): Promise<readonly string[]>;
  /** What else one wants to see when a test failed. */
  describe(): Promise<string>;
  /** With all processes and namespaces; rejects when something was wrong with the network itself. */
  close(): Promise<void>;
}

/** Undoes what was made, the latest first; all of it even when some of it fails. */
export class Undoing {
  readonly #steps: (() => Promise<unknown> | unknown)[] = [];

  add(step: () => Promise<unknown> | unknown): void {
    this.#steps.push(step);
  }

  async run(): Promise<void> {
    const failures: unknown[] = [];
    for (const step of this.#steps.splice(0).reverse()) {
      try {
        await step();
      } catch (failure) {
        failures.push(failure);
      }
    }
    if (failures.length > 0) throw new AggregateError(failures, `undoing failed: ${failures.map(String).join("; ")}`);
  }
}
