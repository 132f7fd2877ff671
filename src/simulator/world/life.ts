import type { Clock } from "../../adapters/index.ts";
import type { FleetNode } from "../../fleet/index.ts";
import type { AgentHandOff } from "../../handoff/cilium-node/port.ts";
import { type EnidEvent, Manager, type Sandboxes, type Telemetry } from "../../manager/index.ts";
import { createAwsProvider } from "../../providers/aws/index.ts";
import { createDirectAccess, type DirectOptions } from "../direct/index.ts";
import { type Dice, ProcessClock } from "../engine/index.ts";
import type { SimulatedCloud } from "../index.ts";
import type { Cut, DiskProcess, ProcessStore, WorldDisk } from "./disk/index.ts";
import { type FleetAccess, fleetOf } from "./fleet/connection.ts";
import { documentOf } from "./fleet/document.ts";
import type { Weakness } from "./options.ts";
import { weakenedPool, weakenedProvider } from "./weakness.ts";

export interface LifeOptions {
  readonly cloud: SimulatedCloud;
  readonly instanceId: string;
  readonly machineName: string;
  readonly bootId: string;
  /** Of the machine: it goes on when the process has died. */
  readonly clock: Clock;
  readonly dice: Dice;
  readonly disk: WorldDisk;
  /** Network namespaces of the machine; absent = the process does not look at them. */
  readonly sandboxes?: Sandboxes;
  /** What the process says while it lives. */
  readonly event: (event: EnidEvent) => void;
  readonly weakness?: Weakness | undefined;
  /** Called just before and just after something reaches the disk. */
  readonly moment?: DiskProcess["moment"];
  /** What the nodes share; absent = the process works alone. */
  readonly fleet?: FleetAccess | undefined;
  /** How it hands addresses to Cilium's agent; absent = pods ask for them by CNI. */
  readonly agent?: ((process: AgentProcess) => AgentHandOff) | undefined;
  /** Who listens to its calls of EC2, and as whom it makes them. */
  readonly access?: Pick<DirectOptions, "accessKeyId" | "faultOf" | "beforeEffect" | "afterEffect">;
}

/** What a hand-off needs of the process that it is part of. */
export interface AgentProcess {
  readonly clock: ProcessClock;
  readonly dice: Dice;
  readonly telemetry: Telemetry;
  /** Names the process, and the state that it goes by. */
  readonly holder: string;
}

/** One process: the production manager and AWS provider, on ports that fall silent when it is cut. */
export class Life {
  readonly manager: Manager;
  readonly clock: ProcessClock;
  readonly telemetry: Telemetry;
  readonly fleet: FleetNode | undefined;
  readonly #store: ProcessStore;
  readonly #access: ReturnType<typeof createDirectAccess>;
  #over = false;

  /** Errors: those of opening the state. */
  constructor(options: LifeOptions) {
    const { cloud, instanceId, machineName, bootId, dice, disk, sandboxes, event, weakness, moment, access } = options;
    const clock = new ProcessClock(options.clock);
    this.clock = clock;
    this.#store = disk.open({
      clock,
      dice: dice.fork("disk"),
      ...(moment === undefined ? {} : { moment }),
      ...(weakness === "early-reply" || weakness === "no-intents" ? { weakness } : {}),
    });
    this.telemetry = {
      event: (one) => {
        if (!this.#over) event(one);
      },
      cloudCall: () => undefined,
      served: () => undefined,
    };
    const { telemetry } = this;
    // On the machine's clock: the cloud's part of a call goes on when the process has died.
    this.#access = createDirectAccess({ ...access, cloud, clock: options.clock, random: dice.fork("ec2"), instanceId });
    const random = dice.fork("daemon");
    const isOver = () => this.#over;
    this.fleet =
      options.fleet === undefined
        ? undefined
        : fleetOf({
            ...options,
            access: options.fleet,
            machineClock: options.clock,
            clock,
            telemetry,
            isOver,
            weakness,
          });
    const { fleet } = this;
    const provider = createAwsProvider({ clock, random, telemetry, environment: {}, direct: this.#access, fleet });
    this.manager = new Manager({
      provider: weakenedProvider(provider, weakness),
      store: this.#store,
      clock,
      random,
      telemetry,
      bootId,
      nodeName: machineName,
      fleet,
      agent: options.agent?.({
        clock,
        dice: dice.fork("hand-off"),
        telemetry,
        holder: `${machineName}.${instanceId}/${random.id()}`,
      }),
      ...(sandboxes === undefined || weakness === "no-looks" ? {} : { sandboxes }),
      ...weakenedPool(weakness),
    });
  }

  /** It has died, or ended. */
  get over(): boolean {
    return this.#over;
  }

  /** From now on the node is in the registry of its fleet. */
  announce(machineName: string): void {
    const startedAtMs = this.clock.nowMs();
    this.fleet?.registry.start(() => documentOf(machineName, startedAtMs));
  }

  /** Addresses that the node holds and no pod has. */
  idleAddresses(): number {
    const { free, cooling } = this.manager.counts();
    return free + cooling;
  }

  /** Between two instructions: what it sent is carried out, what it hears is lost, what it still does reaches nobody. */
  cut(how: Cut): void {
    if (this.#over) return;
    this.#over = true;
    this.clock.cut();
    this.#access.cut();
    this.#store.cut(how);
  }

  /** Ends in order. Resolves once the state is closed. */
  async stop(graceMs: number): Promise<void> {
    await this.manager.stop(graceMs);
    await this.fleet?.stop();
    this.#over = true;
  }
}
