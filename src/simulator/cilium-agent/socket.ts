import type { Cancel, Clock } from "../../adapters/index.ts";
import type { Dialect } from "../../handoff/cilium-node/port.ts";
import {
  type CniCall,
  type DeletionOptions,
  type DeletionQueue,
  type DeletionWatch,
  replayDeletions,
  type Served,
  serveCall,
  watchDeletions,
} from "../../handoff/cni/index.ts";
import type { CiliumAgent } from "./agent.ts";
import { AgentLeases } from "./leases.ts";

export interface SocketOptions {
  readonly agent: CiliumAgent;
  /** Where cilium-cni leaves DELs that no agent answers; in /run, as the agent's own. */
  readonly queue: DeletionQueue;
  /** Of the machine. */
  readonly clock: Clock;
  readonly log?: (text: string) => void;
}

/**
 * The agent's socket, as a kubelet's link to the daemon that gives its pods addresses (`DaemonLink` of simulator/kubelet):
 * in the place of enid's plugin and daemon, cilium-cni and the agent. Whoever starts and stops the agent of such a machine
 * does it here, so that callers see it come and go.
 */
export class AgentSocket {
  readonly #options: SocketOptions;
  readonly #leases: AgentLeases;
  readonly #listeners = new Set<() => void>();
  #isUp = false;
  #watch: DeletionWatch | undefined;
  /** Raised by each start and each end. */
  #era = 0;

  constructor(options: SocketOptions) {
    this.#options = options;
    this.#leases = new AgentLeases(options.agent, options.clock);
  }

  get up(): boolean {
    return this.#isUp;
  }

  /** What the agent has for sandboxes. */
  get leases(): AgentLeases {
    return this.#leases;
  }

  call(call: CniCall, signal: AbortSignal): Promise<Served> {
    if (!this.#isUp) return Promise.reject(new Error("connection refused"));
    const era = this.#era;
    return new Promise((resolve) => {
      // An answer of an agent that has died meanwhile never comes: `onCut` has told so.
      void serveCall(call, this.#leases, signal).then((served) => {
        if (era === this.#era) resolve(served);
      });
    });
  }

  onCut(listener: () => void): Cancel {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Resolves once the agent answers, true; or once it has died before that, false. Errors: those of the agent. */
  start(): Promise<boolean> {
    return this.#begin(() => this.#options.agent.start());
  }

  /** Pods run on, and are without an agent. */
  crash(): void {
    this.#end();
    this.#options.agent.crash();
  }

  /** Another version takes the agent's place, with the pods running. */
  upgrade(dialect: Dialect): Promise<boolean> {
    this.#end();
    return this.#begin(() => this.#options.agent.upgrade(dialect));
  }

  /** The machine loses its power: no endpoint is left, and no agent. */
  reboot(): void {
    this.#end();
    this.#options.agent.reboot();
    this.#leases.clear();
  }

  async #begin(start: () => Promise<boolean>): Promise<boolean> {
    this.#era += 1;
    const era = this.#era;
    const { queue, clock, log } = this.#options;
    if (!(await start()) || era !== this.#era) return false;
    const telemetry: DeletionOptions["telemetry"] = {
      event: ({ message }) => log?.(message),
      cloudCall: () => undefined,
      served: () => undefined,
    };
    const deletions: DeletionOptions = { queue, clock, telemetry, service: this.#leases };
    await replayDeletions(deletions);
    if (era !== this.#era) return false;
    this.#isUp = true;
    // In the place of the lock by which the agent and cilium-cni see to it that no DEL is left lying.
    this.#watch = watchDeletions(deletions);
    return true;
  }

  #end(): void {
    this.#era += 1;
    this.#isUp = false;
    void this.#watch?.stop();
    this.#watch = undefined;
    for (const listener of [...this.#listeners]) listener();
  }
}
