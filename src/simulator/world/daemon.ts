import type { Clock } from "../../adapters/index.ts";
import {
  type CniCall,
  type DeletionQueue,
  type DeletionWatch,
  replayDeletions,
  type Served,
  serveCall,
  watchDeletions,
} from "../../handoff/cni/index.ts";
import type { ConfigurationOffer, EnidEvent, Manager, Sandboxes } from "../../manager/index.ts";
import type { Fleet } from "../../manager/ports/index.ts";
import type { Dice } from "../engine/index.ts";
import type { FaultEffect, Parameters, SimulatedCloud } from "../index.ts";
import type { Cut, WorldDisk } from "./disk/index.ts";
import type { FleetAccess } from "./fleet/connection.ts";
import { Life, type LifeOptions } from "./life.ts";
import type { Weakness } from "./options.ts";

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
  readonly sandboxes: Sandboxes;
  readonly weakness: Weakness | undefined;
  readonly watcher: DaemonWatcher;
  readonly fleet: FleetAccess | undefined;
  readonly agent: LifeOptions["agent"];
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
 * One life of the production daemon on a simulated machine: manager and provider, with the hand-off before them (the real
 * decoding of CNI requests, the queue of deletions).
 */
export class Daemon {
  readonly #options: DaemonOptions;
  readonly #life: Life;
  #listening = false;
  #deletionWatch: DeletionWatch | undefined;

  /** Errors: those of opening the state. */
  constructor(options: DaemonOptions) {
    const { accessKeyId, watcher } = options;
    this.#options = options;
    this.#life = new Life({
      ...options,
      event: (event) => watcher.event(event),
      moment: () => watcher.moment(),
      access: {
        accessKeyId,
        faultOf: (action, parameters) => {
          watcher.moment();
          return this.dead ? undefined : watcher.sending(action, parameters);
        },
        beforeEffect: (action, parameters) => watcher.calling(action, parameters),
        afterEffect: () => watcher.moment(),
      },
    });
  }

  get manager(): Manager {
    return this.#life.manager;
  }

  /** What it has of the fleet; undefined: it works alone. */
  get fleet(): Fleet | undefined {
    return this.#life.fleet;
  }

  /** The socket answers. */
  get up(): boolean {
    return this.#listening && !this.dead;
  }

  get dead(): boolean {
    return this.#life.over;
  }

  /** As the daemon starts: state and settings, then the deletions that wait, then the socket. */
  async start(offer: ConfigurationOffer): Promise<void> {
    const { manager, telemetry, clock } = this.#life;
    await manager.start(offer);
    this.#life.announce(this.#options.machineName);
    const deletions = { queue: this.#options.deletions, service: manager, telemetry, clock };
    await replayDeletions(deletions);
    if (this.dead) return;
    this.#listening = true;
    this.#deletionWatch = watchDeletions(deletions);
  }

  idleAddresses(): number {
    return this.#life.idleAddresses();
  }

  /** Settles only while the daemon lives. */
  call(call: CniCall, signal: AbortSignal): Promise<Served> {
    return new Promise((resolve) => {
      void serveCall(call, this.manager, signal).then((served) => {
        this.#options.watcher.moment();
        if (!this.dead) resolve(served);
      });
    });
  }

  cut(how: Cut): void {
    this.#life.cut(how);
  }

  /** Stops in order, as systemd asks a daemon to. Resolves once the state is closed. */
  async stop(graceMs: number): Promise<void> {
    this.#listening = false;
    await this.#deletionWatch?.stop();
    await this.#life.stop(graceMs);
  }
}
