import type { Clock } from "../../adapters/index.ts";
import type { CniCall, Served } from "../../handoff/cni/index.ts";
import {
  type DeletionQueue,
  type DeletionWatch,
  replayDeletions,
  serveCall,
  watchDeletions,
} from "../../handoff/cni/index.ts";
import { type ConfigurationOffer, type EnidEvent, Manager, type Telemetry } from "../../manager/index.ts";
import { createAwsProvider } from "../../providers/aws/index.ts";
import { createDirectAccess } from "../direct/index.ts";
import { type Dice, ProcessClock } from "../engine/index.ts";
import type { FaultEffect, Parameters, SimulatedCloud } from "../index.ts";
import type { Cut, ProcessStore, WorldDisk } from "./disk/index.ts";
import type { Weakness } from "./options.ts";
import { weakenedPool, weakenedProvider } from "./weakness.ts";

export interface DaemonOptions {
  readonly cloud: SimulatedCloud;
  readonly instanceId: string;
  readonly accessKeyId: string;
  readonly machineName: string;
  readonly bootId: string;
  readonly clock: Clock;
  readonly dice: Dice;
  readonly disk: WorldDisk;
  readonly deletions: DeletionQueue;
  readonly weakness: Weakness | undefined;
  readonly watcher: DaemonWatcher;
}

/** What a world wants to know of a daemon, and decides for it. */
export interface DaemonWatcher {
  /** A call of EC2 leaves the daemon: what becomes of it; undefined: what the cloud itself says. */
  sending(action: string, parameters: Parameters): FaultEffect | undefined;
  /** EC2 is about to carry out a call of this daemon. */
  calling(action: string, parameters: Parameters): void;
  event(event: EnidEvent): void;
  /** One more moment has come at which a process can die: before or after something leaves it or reaches it. */
  moment(): void;
}

/**
 * One life of the production daemon on a simulated machine: the real manager, the real AWS provider, the real decoding of
 * CNI requests. What it does to the world goes through ports that fall silent when the life is cut.
 */
export class Daemon {
  readonly manager: Manager;
  readonly store: ProcessStore;
  readonly #options: DaemonOptions;
  readonly #clock: ProcessClock;
  readonly #access: ReturnType<typeof createDirectAccess>;
  readonly #telemetry: Telemetry;
  #dead = false;
  #listening = false;
  #deletionWatch: DeletionWatch | undefined;

  /** Errors: those of opening the state. */
  constructor(options: DaemonOptions) {
    const { cloud, instanceId, accessKeyId, machineName, bootId, dice, disk, weakness, watcher } = options;
    this.#options = options;
    this.#clock = new ProcessClock(options.clock);
    const clock = this.#clock;
    this.store = disk.open({
      clock,
      dice: dice.fork("disk"),
      moment: () => watcher.moment(),
      ...(weakness === "early-reply" || weakness === "no-intents" ? { weakness } : {}),
    });
    this.#telemetry = {
      event: (event) => {
        if (!this.#dead) watcher.event(event);
      },
      cloudCall: () => undefined,
      served: () => undefined,
    };
    const telemetry = this.#telemetry;
    this.#access = createDirectAccess({
      cloud,
      // The cloud's part of a call goes on when the process has died.
      clock: options.clock,
      random: dice.fork("ec2"),
      instanceId,
      accessKeyId,
      faultOf: (action, parameters) => {
        watcher.moment();
        return this.#dead ? undefined : watcher.sending(action, parameters);
      },
      beforeEffect: (action, parameters) => {
        watcher.calling(action, parameters);
      },
      afterEffect: () => watcher.moment(),
    });
    const random = dice.fork("daemon");
    const provider = createAwsProvider({ clock, random, telemetry, environment: {}, direct: this.#access });
    this.manager = new Manager({
      provider: weakenedProvider(provider, weakness),
      store: this.store,
      clock,
      random,
      telemetry,
      bootId,
      nodeName: machineName,
      ...weakenedPool(weakness),
    });
  }

  /** The socket answers. */
  get up(): boolean {
    return this.#listening && !this.#dead;
  }

  get dead(): boolean {
    return this.#dead;
  }

  /** As the daemon starts: state and settings, then the deletions that wait, then the socket. */
  async start(offer: ConfigurationOffer): Promise<void> {
    await this.manager.start(offer);
    const deletions = {
      queue: this.#options.deletions,
      service: this.manager,
      telemetry: this.#telemetry,
      clock: this.#clock,
    };
    await replayDeletions(deletions);
    if (this.#dead) return;
    this.#listening = true;
    this.#deletionWatch = watchDeletions(deletions);
  }

  /** Addresses that the node holds and no pod has. */
  idleAddresses(): number {
    const { free, cooling } = this.manager.counts();
    return free + cooling;
  }

  /** Settles only while the daemon lives. */
  call(call: CniCall, signal: AbortSignal): Promise<Served> {
    return new Promise((resolve) => {
      void serveCall(call, this.manager, signal).then((served) => {
        this.#options.watcher.moment();
        if (!this.#dead) resolve(served);
      });
    });
  }

  /** Between two instructions: what it sent is carried out, what it hears is lost, what it still does reaches nobody. */
  cut(how: Cut): void {
    if (this.#dead) return;
    this.#dead = true;
    this.#clock.cut();
    this.#access.cut();
    this.store.cut(how);
  }

  /** Stops in order, as systemd asks a daemon to. Resolves once the state is closed. */
  async stop(graceMs: number): Promise<void> {
    this.#listening = false;
    await this.#deletionWatch?.stop();
    await this.manager.stop(graceMs);
    this.#dead = true;
  }
}
