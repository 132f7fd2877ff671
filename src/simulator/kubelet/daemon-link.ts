import type { Cancel } from "../../adapters/index.ts";
import { type CniCall, type LeaseService, type Served, serveCall } from "../../handoff/cni/index.ts";

/** The daemon's socket as the plugin of one machine finds it. */
export interface DaemonLink {
  /** Somebody listens. False: connecting fails at once. */
  readonly up: boolean;
  /**
   * Asks the daemon; `signal` is aborted when the caller hangs up. The answer of a daemon that has died never comes:
   * `onCut` tells that its connections are closed.
   */
  call(call: CniCall, signal: AbortSignal): Promise<Served>;
  /** Called each time the connections that are open break without an answer. */
  onCut(listener: () => void): Cancel;
}

/** A socket without a socket: what stands behind it is served by the production decoding of the CNI hand-off. */
export class DaemonSocket implements DaemonLink {
  readonly #listeners = new Set<() => void>();
  #service: LeaseService | undefined;

  get up(): boolean {
    return this.#service !== undefined;
  }

  /** The daemon listens: what is called from now on is asked of `service`. */
  open(service: LeaseService): void {
    this.#service = service;
  }

  /** The daemon stops: nobody listens any more, but what was asked before is still answered. */
  close(): void {
    this.#service = undefined;
  }

  /** The daemon has ended, or has died: nobody listens, and open connections break. */
  cut(): void {
    this.close();
    for (const listener of [...this.#listeners]) listener();
  }

  call(call: CniCall, signal: AbortSignal): Promise<Served> {
    const service = this.#service;
    return service === undefined ? Promise.reject(new Error("connection refused")) : serveCall(call, service, signal);
  }

  onCut(listener: () => void): Cancel {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
