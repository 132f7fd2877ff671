import type { Cancel, Clock } from "../../adapters/index.ts";
import { EnidError, type ErrorCode } from "../../errors.ts";
import type { CniCall, MemoryDeletionQueue, Served } from "../../handoff/cni/index.ts";
import type { DaemonLink } from "./daemon-link.ts";

/** What the plugin executable printed, and who made it. */
export interface PluginAnswer {
  readonly exit: 0 | 1;
  readonly body: string;
  /** `queue`: a DEL that no daemon answered was left in the queue of deletions. */
  readonly by: "daemon" | "plugin" | "queue";
  /** Of a failure. */
  readonly error?: ErrorCode;
}

export interface PluginOptions {
  readonly link: DaemonLink;
  readonly queue: MemoryDeletionQueue;
  /** Of the machine: the plugin outlives the daemon. */
  readonly clock: Clock;
}

/**
 * TIMEOUT_DEFAULT_MS in native/request.h. The kubelet would wait longer, so that its own limit never comes: 4 minutes for
 * RunPodSandbox, twice its runtime-request-timeout (remote_runtime.go).
 */
export const PLUGIN_LIMIT_MS = 60_000;

/** ENID_DEFAULT_SOCKET in native/request.h. */
const SOCKET = "/run/enid/enid.sock";
/** What native/results.h prints for STATUS that got no answer. */
const NOT_AVAILABLE = 50;

interface Exchange {
  readonly call: CniCall;
  readonly dueMs: number;
  readonly hangUp: AbortController;
  readonly done: (answer: PluginAnswer) => void;
}

/** native/enid-ipam as a model: hands the call to the daemon, and does alone what must be done without it. */
export class Plugin {
  readonly #options: PluginOptions;
  /** In the order of their limits, since all have the same. */
  readonly #exchanges = new Set<Exchange>();
  readonly #unsubscribe: Cancel;
  #cancelLimit: Cancel | undefined;

  constructor(options: PluginOptions) {
    this.#options = options;
    this.#unsubscribe = options.link.onCut(() => {
      for (const exchange of [...this.#exchanges]) {
        this.#end(exchange, this.#away(exchange.call, "it closed the connection before its answer was complete"));
      }
    });
  }

  /**
   * Runs the executable once; `done` gets its answer, perhaps before this returns. The result kills it: the daemon sees
   * that its caller has gone, and `done` is not called any more.
   */
  run(call: CniCall, done: (answer: PluginAnswer) => void): Cancel {
    const { link, clock } = this.#options;
    if (!link.up) {
      done(this.#away(call, "Connection refused"));
      return () => {};
    }
    const hangUp = new AbortController();
    const exchange: Exchange = { call, dueMs: clock.monotonicMs() + PLUGIN_LIMIT_MS, hangUp, done };
    this.#exchanges.add(exchange);
    this.#watchLimit();
    link.call(call, hangUp.signal).then(
      (served) => this.#end(exchange, answered(served)),
      () => this.#end(exchange, this.#away(call, "it closed the connection before its answer was complete")),
    );
    return () => {
      if (this.#forget(exchange)) hangUp.abort();
    };
  }

  /** The machine has lost its power: nothing that was under way has an end. */
  powerOff(): void {
    this.#unsubscribe();
    this.#exchanges.clear();
    this.#cancelLimit?.();
  }

  #end(exchange: Exchange, answer: PluginAnswer): void {
    if (this.#forget(exchange)) exchange.done(answer);
  }

  #forget(exchange: Exchange): boolean {
    const known = this.#exchanges.delete(exchange);
    if (this.#exchanges.size === 0) {
      this.#cancelLimit?.();
      this.#cancelLimit = undefined;
    }
    return known;
  }

  /** One timer, for the exchange that is due first. */
  #watchLimit(): void {
    const [first] = this.#exchanges;
    if (first === undefined || this.#cancelLimit !== undefined) return;
    const { clock } = this.#options;
    this.#cancelLimit = clock.after(first.dueMs - clock.monotonicMs(), () => {
      this.#cancelLimit = undefined;
      const nowMs = clock.monotonicMs();
      for (const exchange of [...this.#exchanges]) {
        if (exchange.dueMs > nowMs) break;
        exchange.hangUp.abort();
        this.#end(exchange, this.#late(exchange.call));
      }
      this.#watchLimit();
    });
  }

  #away(call: CniCall, detail: string): PluginAnswer {
    return this.#unanswered(call, new EnidError("ENID_DAEMON_UNREACHABLE", { socket: SOCKET, detail }));
  }

  #late(call: CniCall): PluginAnswer {
    const verb = call.environment.CNI_COMMAND ?? "";
    const values = { socket: SOCKET, verb, waitedMs: PLUGIN_LIMIT_MS };
    return this.#unanswered(call, new EnidError("ENID_DAEMON_LATE", values));
  }

  #unanswered(call: CniCall, error: EnidError): PluginAnswer {
    const { queue, clock } = this.#options;
    const verb = call.environment.CNI_COMMAND;
    if (verb === "DEL") {
      queue.put(call, clock.nowMs());
      return { exit: 0, body: "", by: "queue" };
    }
    const { cniVersion } = JSON.parse(call.stdin) as { cniVersion: string };
    const code = verb === "STATUS" ? NOT_AVAILABLE : error.entry.cni;
    const msg = `${error.code}: ${error.message}`;
    const body = `${JSON.stringify({ cniVersion, code, msg, details: error.remedy })}\n`;
    return { exit: 1, body, by: "plugin", error: error.code };
  }
}

function answered({ answer, error }: Served): PluginAnswer {
  const { exit, body } = answer;
  return error === undefined ? { exit, body, by: "daemon" } : { exit, body, by: "daemon", error: error.code };
}
