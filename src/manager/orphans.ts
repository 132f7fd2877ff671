import type { Clock } from "../adapters/index.ts";
import type { Attachment, Pod } from "../pool/index.ts";
import type { Activities } from "./activities.ts";
import { NEVER } from "./moments.ts";
import type { NodeState } from "./node.ts";
import type { Sandboxes, Telemetry } from "./ports/index.ts";

export interface OrphansOptions {
  readonly node: NodeState;
  readonly sandboxes: Sandboxes | undefined;
  readonly activities: Activities;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
  /** Ends a lease durably. */
  readonly end: (attachment: Attachment, pod?: Pod) => Promise<void>;
}

/** Leases whose DEL never came: what their sandboxes and GC say of them, and when they end. */
export class Orphans {
  readonly #options: OrphansOptions;

  constructor(options: OrphansOptions) {
    this.#options = options;
  }

  /** Begins a look at the sandboxes when one is due. */
  look(_nowMs: number): void {}

  /** GC: see LeaseService.collect. */
  async collect(_network: string, _valid: readonly Pick<Attachment, "containerId" | "interfaceName">[]): Promise<void> {
    await this.#options.clock.nowMs();
  }

  /** When a look is due, after `nowMs`. */
  nextMs(_nowMs: number): number {
    return NEVER;
  }
}
