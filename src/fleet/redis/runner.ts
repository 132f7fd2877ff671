import { type Clock, systemClock } from "../../adapters/index.ts";
import { EnidError } from "../../errors.ts";
import { Connection } from "./connection.ts";
import type { RedisOptions } from "./options.ts";
import type { Script, ScriptRunner } from "./script.ts";

/** Runs the steps over a connection that can be exchanged for one to other servers. */
export class Connections implements ScriptRunner {
  readonly #listeners = new Set<() => void>();
  #options: RedisOptions;
  #main: Way;
  /** For steps that wait for replicas, so that others do not wait behind them. Made with the first. */
  #patient: Way | undefined;
  #unwatch: () => void;

  constructor(options: RedisOptions) {
    this.#options = options;
    this.#main = wayBy(options);
    this.#unwatch = this.#main.watch(() => this.#changed());
  }

  get prefix(): string {
    return this.#options.prefix;
  }

  async run(script: Script, keys: readonly string[], args: readonly (string | number)[]): Promise<unknown> {
    const full = keys.map((key) => this.prefix + key);
    const { replicaAcks = 0 } = this.#options;
    const answer =
      script.acks === true && replicaAcks > 0
        ? await this.#acknowledged(script, full, args, replicaAcks)
        : await this.#main.run(script, full, args);
    if (typeof answer !== "string") return undefined;
    try {
      return JSON.parse(answer);
    } catch {
      throw new EnidError("ENID_FLEET_FAILED", { step: script.name, detail: "its answer is not JSON" });
    }
  }

  condition() {
    return this.#main.condition();
  }

  watch(changed: () => void): () => void {
    this.#listeners.add(changed);
    return () => this.#listeners.delete(changed);
  }

  /** Other servers, or another way to them, from now on. Steps under way are rejected with ENID_FLEET_AWAY. */
  exchange(options: RedisOptions): void {
    this.close();
    this.#options = options;
    this.#main = wayBy(options);
    this.#unwatch = this.#main.watch(() => this.#changed());
    this.#changed();
  }

  close(): void {
    this.#unwatch();
    this.#main.close();
    this.#patient?.close();
    this.#patient = undefined;
  }

  #acknowledged(script: Script, keys: readonly string[], args: readonly (string | number)[], replicaAcks: number) {
    this.#patient ??= wayBy(this.#options);
    return this.#patient.run(script, keys, args, replicaAcks);
  }

  #changed(): void {
    for (const listener of this.#listeners) listener();
  }
}

type Way = Pick<Connection, "run" | "condition" | "watch" | "close">;

function wayBy(options: RedisOptions): Way {
  const { obstacle, clock = systemClock } = options;
  return obstacle === undefined ? new Connection(options) : closedWay(obstacle, clock);
}

/** No connection, and none to come before the options are others. */
function closedWay(because: string, clock: Clock): Way {
  const condition = { connected: false, sinceMs: clock.nowMs(), because };
  return {
    run: () => Promise.reject(new EnidError("ENID_FLEET_AWAY", { detail: because })),
    condition: () => condition,
    watch: () => () => {},
    close: () => {},
  };
}
