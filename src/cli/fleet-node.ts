import type { Cancel, Clock, Random } from "../adapters/index.ts";
import type { SettingValues } from "../configuration/index.ts";
import { coerceError } from "../errors.ts";
import { FleetNode, type RedisFleetStore, redisFleetStore } from "../fleet/index.ts";
import type { Telemetry } from "../manager/index.ts";
import { type RedisWay, redisOptions, redisPlace } from "./fleet.ts";

export interface DaemonFleetOptions {
  /** In force at the start; `redis` names a server. */
  readonly values: SettingValues;
  readonly clock: Clock;
  readonly random: Random;
  readonly telemetry: Pick<Telemetry, "event">;
  readonly nodeName: string;
}

/** While the store is away its files are read again so often: a password may have changed, or come late. */
const FILES_EVERY_MS = 15_000;

/** The daemon's part of the fleet, over the store that the settings name: other servers of the same fleet while it runs. */
export class DaemonFleet {
  readonly node: FleetNode;
  readonly #options: DaemonFleetOptions;
  readonly #store: RedisFleetStore;
  #values: SettingValues;
  /** The way to the store that is in use, as text. */
  #way = "";
  #looking: Promise<void> = Promise.resolve();
  #cancel: Cancel = () => {};
  #stopped = false;

  constructor(options: DaemonFleetOptions) {
    const { clock, random, telemetry, nodeName, values } = options;
    this.#options = options;
    this.#values = values;
    const live = () => this.#values;
    this.#store = redisFleetStore({ ...this.#engine(), ...redisPlace(values), obstacle: "its files are being read" });
    this.node = new FleetNode({
      store: this.#store,
      clock,
      random,
      telemetry,
      nodeName,
      servers: values.redis,
      settings: {
        name: values["fleet-name"],
        get reservedShare() {
          return live()["budget-reserved-percent"] / 100;
        },
        get buckets() {
          return bucketsOf(live());
        },
      },
    });
  }

  /** Begins to connect; nothing waits for that but the look at its files. */
  async start(): Promise<void> {
    await this.#look();
    this.#lookLater();
  }

  /** Servers, files and budgets may change at any time; another fleet, or none, takes a restart. */
  settingsChanged(values: SettingValues): void {
    const before = this.#values;
    const isOther = values["fleet-name"] !== before["fleet-name"] || values.redis.length === 0;
    this.#values = isOther ? { ...before, ...budgetOf(values) } : values;
    if (!isOther) void this.#look();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancel();
    await this.node.stop();
  }

  #lookLater(): void {
    this.#cancel = this.#options.clock.after(FILES_EVERY_MS, () => {
      const looked = this.#store.condition().connected ? Promise.resolve() : this.#look();
      void looked.then(() => {
        if (!this.#stopped) this.#lookLater();
      });
    });
  }

  /** Reads what the way to the store is, and takes it if it is another one than before. Never rejects. */
  #look(): Promise<void> {
    this.#looking = this.#looking.then(async () => {
      const values = this.#values;
      const way = await wayOf(values);
      const text = JSON.stringify(way);
      if (this.#stopped || text === this.#way) return;
      const isFirst = this.#way === "";
      this.#way = text;
      this.#store.exchange({ ...this.#engine(), ...way });
      this.node.serversChanged(values.redis);
      if (isFirst) return;
      this.#options.telemetry.event({
        name: "fleet-connection-changed",
        level: "info",
        message: `the fleet's store is reached anew: ${values.redis.join(", ")}`,
        fields: { servers: [...values.redis] },
      });
    });
    return this.#looking;
  }

  #engine() {
    const { clock, random, telemetry } = this.#options;
    const notice = (message: string) =>
      telemetry.event({
        name: "fleet-store-notice",
        level: "warn",
        message,
        fields: { fleet: this.#values["fleet-name"] },
      });
    return { clock, random, notice };
  }
}

async function wayOf(values: SettingValues): Promise<RedisWay> {
  try {
    return await redisOptions(values);
  } catch (thrown) {
    return { ...redisPlace(values), obstacle: coerceError(thrown).message };
  }
}

function budgetOf(values: SettingValues) {
  return {
    "budget-reserved-percent": values["budget-reserved-percent"],
    "budget-buckets": values["budget-buckets"],
  };
}

function bucketsOf(values: SettingValues) {
  const entries = Object.entries(values["budget-buckets"]);
  return Object.fromEntries(
    entries.map(([action, bucket]) => [
      action,
      { capacity: bucket.capacity, refillPerSecond: bucket["refill-per-second"] },
    ]),
  );
}
