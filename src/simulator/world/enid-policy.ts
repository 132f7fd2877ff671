import { EnidError } from "../../errors.ts";
import { MemoryServer } from "../../fleet/index.ts";
import type { AddAnswer, AddRequest } from "../../handoff/cni/index.ts";
import type { Attachment, Lease, Pod } from "../../pool/index.ts";
import type { Agent, FleetContext, NodeContext, NodeSections, Policy, PolicyFleet } from "../scenario/index.ts";
import { settingsOf } from "../scenario/index.ts";
import { createMemoryDisk, type WorldDisk } from "./disk/index.ts";
import type { FleetAccess } from "./fleet/connection.ts";
import { Life } from "./life.ts";
import { configurationOf } from "./sections-text.ts";

/** enid itself: the production manager and AWS provider on every node. */
export const enidPolicy: Policy = {
  name: "enid",
  description: "enid on every node, each by itself: no fleet, no shared budget",
  createFleet: (world) => new EnidFleet(world),
};

/** The same with a store that all nodes reach. */
export const enidFleetPolicy: Policy = {
  name: "enid-fleet",
  description: "enid on every node, all of them in one fleet: one budget of EC2 calls, shared facts",
  createFleet: (world) => {
    const dice = world.dice.fork("store");
    const [least, most] = STORE_LATENCY_MS;
    const latencyMs = () => least + dice.fraction() * (most - least);
    return new EnidFleet(world, new MemoryServer({ clock: world.clock, latencyMs }));
  },
};

/** A step of Redis within a Region, there and back. */
const STORE_LATENCY_MS = [0.3, 2] as const;

class EnidFleet implements PolicyFleet {
  readonly #world: FleetContext;
  readonly #server: MemoryServer | undefined;
  /** What outlives the daemons. */
  readonly #disks = new Map<string, WorldDisk>();

  constructor(world: FleetContext, server?: MemoryServer) {
    this.#world = world;
    this.#server = server;
  }

  start(node: NodeContext): Agent {
    let disk = this.#disks.get(node.instanceId);
    if (disk === undefined) {
      disk = createMemoryDisk();
      this.#disks.set(node.instanceId, disk);
    }
    return new EnidAgent(this.#world, node, disk, this.#access(node.settings));
  }

  #access(settings: NodeSections): FleetAccess | undefined {
    if (this.#server === undefined) return undefined;
    const values = settingsOf(settings, "the scenario's settings");
    const named = Object.entries(values["budget-buckets"]);
    const buckets = named.map(([action, { capacity, "refill-per-second": refillPerSecond }]) => {
      return [action, { capacity, refillPerSecond }] as const;
    });
    return {
      server: this.#server,
      plan: { reservedPercent: values["budget-reserved-percent"] },
      buckets: Object.fromEntries(buckets),
      moment: () => undefined,
    };
  }
}

class EnidAgent implements Agent {
  readonly #life: Life;

  constructor({ cloud, log }: FleetContext, node: NodeContext, disk: WorldDisk, fleet: FleetAccess | undefined) {
    this.#life = new Life({
      ...node,
      cloud,
      machineName: node.name,
      disk,
      fleet,
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
