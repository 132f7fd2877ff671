import { EnidError } from "../../errors.ts";
import type { AddAnswer, AddRequest } from "../../handoff/cni/index.ts";
import { Manager, type Telemetry } from "../../manager/index.ts";
import type { Attachment, Lease, Pod } from "../../pool/index.ts";
import { createAwsProvider } from "../../providers/aws/index.ts";
import { createDirectAccess } from "../direct/index.ts";
import { ProcessClock } from "../engine/index.ts";
import type { Agent, FleetContext, NodeContext, Policy, PolicyFleet } from "../scenario/index.ts";
import { createMemoryDisk, type ProcessStore, type WorldDisk } from "./disk/index.ts";
import { configurationOf } from "./sections-text.ts";

/** enid itself: the production manager and AWS provider on every node. */
export const enidPolicy: Policy = {
  name: "enid",
  description: "enid on every node, each by itself: no fleet, no shared budget",
  createFleet: (world) => new EnidFleet(world),
};

class EnidFleet implements PolicyFleet {
  readonly #world: FleetContext;
  /** What outlives the daemons. */
  readonly #disks = new Map<string, WorldDisk>();

  constructor(world: FleetContext) {
    this.#world = world;
  }

  start(node: NodeContext): Agent {
    let disk = this.#disks.get(node.instanceId);
    if (disk === undefined) {
      disk = createMemoryDisk();
      this.#disks.set(node.instanceId, disk);
    }
    return new EnidAgent(this.#world, node, disk);
  }
}

class EnidAgent implements Agent {
  readonly #manager: Manager;
  readonly #clock: ProcessClock;
  readonly #store: ProcessStore;
  readonly #access: ReturnType<typeof createDirectAccess>;
  #dead = false;

  constructor(world: FleetContext, node: NodeContext, disk: WorldDisk) {
    const { cloud, log } = world;
    const { instanceId, dice } = node;
    const clock = new ProcessClock(node.clock);
    this.#clock = clock;
    this.#store = disk.open({ clock, dice: dice.fork("disk") });
    this.#access = createDirectAccess({ cloud, clock: world.clock, random: dice.fork("ec2"), instanceId });
    const random = dice.fork("daemon");
    const telemetry: Telemetry = {
      event: ({ name, level, message }) => {
        if (!this.#dead && level !== "info") log("event", `${name}: ${message}`, node.node);
      },
      cloudCall: () => undefined,
      served: () => undefined,
    };
    const provider = createAwsProvider({ clock, random, telemetry, environment: {}, direct: this.#access });
    this.#manager = new Manager({
      provider,
      store: this.#store,
      clock,
      random,
      telemetry,
      bootId: node.bootId,
      nodeName: node.name,
    });
    this.#manager.start({ kind: "valid", configuration: configurationOf(node.settings) }).catch((thrown: unknown) => {
      const error = thrown instanceof EnidError ? `${thrown.code}: ${thrown.message}` : String(thrown);
      log("event", `does not start: ${error}`, node.node);
    });
  }

  add(request: AddRequest, signal?: AbortSignal): Promise<AddAnswer> {
    return this.#manager.add(request, signal);
  }

  remove(attachment: Attachment, pod?: Pod): Promise<void> {
    return this.#manager.remove(attachment, pod);
  }

  lookup(attachment: Attachment): Lease | undefined {
    return this.#manager.lookup(attachment);
  }

  notReady(): EnidError | undefined {
    return this.#manager.notReady();
  }

  idleAddresses(): number {
    const { free, cooling } = this.#manager.counts();
    return free + cooling;
  }

  cut(): void {
    if (this.#dead) return;
    this.#dead = true;
    this.#clock.cut();
    this.#access.cut();
    this.#store.cut("crash");
  }
}
