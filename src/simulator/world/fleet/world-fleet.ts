import type { Dice, Scheduler } from "../../engine/index.ts";
import type { SimulatedCloud } from "../../index.ts";
import type { FleetPlan } from "../draw/fleet.ts";
import type { FixedPods } from "../promises/addresses.ts";
import { FixedWatch, type FixedWatchOptions } from "../promises/index.ts";
import type { FleetAccess } from "./connection.ts";
import { FixedSet, type SetStage } from "./stateful.ts";
import { StoreServer } from "./store-server.ts";

export interface WorldFleetOptions
  extends Pick<FixedWatchOptions, "machines" | "report" | "troubledUntilMs" | "mayThrottle"> {
  readonly plan: FleetPlan;
  readonly cloud: SimulatedCloud;
  readonly scheduler: Scheduler;
  readonly dice: Dice;
  readonly log: (text: string) => void;
}

/** What a world with a fleet has beside its machines: the store, the StatefulSet, and who watches the promises of both. */
export class WorldFleet {
  readonly store: StoreServer;
  readonly watch: FixedWatch;
  readonly access: Omit<FleetAccess, "moment">;
  /** For the promises that every world keeps. */
  readonly pods: FixedPods;
  readonly #options: WorldFleetOptions;
  #set: FixedSet | undefined;

  constructor(options: WorldFleetOptions) {
    const { plan, scheduler, dice, cloud, machines, report } = options;
    this.#options = options;
    this.store = new StoreServer(plan, scheduler, dice.fork("store"));
    this.access = { server: this.store.server, plan };
    this.pods = {
      isFixed: (pod) => this.#set?.isFixed(pod) === true,
      isAbandoned: (uid) => this.#set?.isAbandoned(uid) === true,
    };
    const { pods, store } = this;
    const { troubledUntilMs, mayThrottle } = options;
    this.watch = new FixedWatch({
      ...{ cloud, scheduler, machines, pods, store, troubledUntilMs, mayThrottle, report },
      set: () => this.#set,
    });
  }

  /** The pods are begun. */
  begin(stage: Pick<SetStage, "canTake" | "run" | "stop">): void {
    const { plan, scheduler, dice, machines, log } = this.#options;
    const whole: SetStage = { scheduler, machines: machines(), log, ...stage };
    this.#set = new FixedSet(plan.set, whole, dice.fork("set"));
    this.watch.begin();
  }

  stop(): void {
    this.#set?.stop();
  }

  drained(node: number): void {
    this.#set?.drained(node);
  }

  addressed(uid: string): void {
    this.#set?.addressed(uid);
  }

  gone(uid: string): void {
    this.#set?.gone(uid);
  }

  /** What is not as it must be in the end, a sentence each. */
  unrest(): readonly string[] {
    return [...(this.#set?.unrest() ?? []), ...this.watch.unrest()];
  }
}
