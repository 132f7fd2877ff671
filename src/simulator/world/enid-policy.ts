import { EnidError } from "../../errors.ts";
import type { AddAnswer, AddRequest } from "../../handoff/cni/index.ts";
import type { Attachment, Lease, Pod } from "../../pool/index.ts";
import type { Agent, FleetContext, NodeContext, Policy, PolicyFleet } from "../scenario/index.ts";
import { createMemoryDisk, type WorldDisk } from "./disk/index.ts";
import { Life } from "./life.ts";
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
  readonly #life: Life;

  constructor({ cloud, log }: FleetContext, node: NodeContext, disk: WorldDisk) {
    this.#life = new Life({
      ...node,
      cloud,
      machineName: node.name,
      disk,
      event: ({ name, level, message }) => {
        if (level !== "info") log("event", `${name}: ${message}`, node.node);
      },
    });
    const offer = { kind: "valid", configuration: configurationOf(node.settings) } as const;
    this.#life.manager.start(offer).catch((thrown: unknown) => {
      const error = thrown instanceof EnidError ? `${thrown.code}: ${thrown.message}` : String(thrown);
      log("event", `does not start: ${error}`, node.node);
    });
  }

  add(request: AddRequest, signal?: AbortSignal): Promise<AddAnswer> {
    return this.#life.manager.add(request, signal);
  }

  remove(attachment: Attachment, pod?: Pod): Promise<void> {
    return this.#life.manager.remove(attachment, pod);
  }

  lookup(attachment: Attachment): Lease | undefined {
    return this.#life.manager.lookup(attachment);
  }

  notReady(): EnidError | undefined {
    return this.#life.manager.notReady();
  }

  idleAddresses(): number {
    return this.#life.idleAddresses();
  }

  cut(): void {
    this.#life.cut("crash");
  }
}
