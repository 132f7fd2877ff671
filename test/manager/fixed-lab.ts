import { FleetNode, MemoryServer, memoryFleetStore } from "../../src/fleet/index.ts";
import type { EnidEvent, Manager, Reservation } from "../../src/manager/index.ts";
import { FakeProvider, SUBNET_A, SUBNET_B } from "../support/fake-provider.ts";
import { seededRandom, VirtualClock } from "../support/virtual-clock.ts";
import { attachment, configuration, createLab, type Lab, LabStore } from "./harness.ts";

export { SUBNET_A };

export const RULES = {
  fixed: [{ namespace: "shop", "stateful-set": "db" }],
  "add-wait-seconds": 5,
  "cooling-seconds": 30,
};

/** A subnet that several nodes share: an address that one takes leaves the others, as with AllowReassignment. */
export class SharedCloud {
  readonly nodes: FixedProvider[] = [];
  /** What nodes find that are made from now on. */
  reserved: readonly Reservation[] = [];
  allowed: readonly string[] = [SUBNET_A, SUBNET_B];
  #next = 10;

  address(): string {
    const n = this.#next++;
    return `10.0.${n >> 8}.${n & 255}`;
  }

  take(address: string, by: FixedProvider): void {
    for (const node of this.nodes) {
      if (node === by) continue;
      for (const entry of node.interfaces.values()) {
        entry.addresses = entry.addresses.filter((one) => one !== address);
      }
    }
  }

  /** Nodes on which the address is. */
  holders(address: string): string[] {
    return this.nodes
      .filter((node) => [...node.interfaces.values()].some(({ addresses }) => addresses.includes(address)))
      .map(({ facts }) => facts.instanceId);
  }
}

export class FixedProvider extends FakeProvider {
  readonly cloud: SharedCloud;

  constructor(clock: VirtualClock, cloud: SharedCloud, instanceId: string) {
    super(clock);
    this.cloud = cloud;
    this.facts = { ...this.facts, instanceId };
    this.reserved = cloud.reserved;
    this.allowed = [...cloud.allowed];
    cloud.nodes.push(this);
  }

  protected override movedHere(address: string): void {
    this.cloud.take(address, this);
  }

  override addresses(count: number): string[] {
    return Array.from({ length: count }, () => this.cloud.address());
  }
}

export interface FixedNode {
  readonly name: string;
  readonly provider: FixedProvider;
  readonly store: LabStore;
  readonly events: EnidEvent[];
  readonly fleet: FleetNode;
  running: Manager;
  start(bootId?: string): Promise<Manager>;
}

export interface FixedLab {
  readonly clock: VirtualClock;
  readonly cloud: SharedCloud;
  readonly server: MemoryServer;
  node(name: string, parts?: { eni?: object; ipam?: object }): Promise<FixedNode>;
}

/** Several nodes over one cloud and one store. */
export function fixedLab(): FixedLab {
  const clock = new VirtualClock();
  const cloud = new SharedCloud();
  const server = new MemoryServer({ clock });
  let seed = 100;
  return {
    clock,
    cloud,
    server,
    async node(name, parts = {}) {
      const provider = new FixedProvider(clock, cloud, `i-${name}`);
      const lab: Lab = { ...createLab(), clock };
      const store = new LabStore(clock);
      const events: EnidEvent[] = [];
      const telemetry = { event: (event: EnidEvent) => events.push(event), cloudCall: () => {}, served: () => {} };
      const newFleet = () =>
        new FleetNode({
          store: memoryFleetStore(server, name, clock),
          clock,
          random: seededRandom(++seed),
          telemetry,
          settings: { name: "test", reservedShare: 0, buckets: {} },
          servers: ["memory"],
          nodeName: name,
        });
      const node: FixedNode = {
        name,
        provider,
        store,
        events,
        fleet: newFleet(),
        running: undefined as never,
        async start(bootId = "boot-1") {
          const manager = lab.manager(bootId, { clock, provider, store, telemetry, fleet: newFleet(), nodeName: name });
          await manager.start({
            kind: "valid",
            configuration: configuration({
              ...parts,
              ipam: { ...RULES, ...parts.ipam },
              fleet: { redis: ["127.0.0.1:6379"] },
            }),
          });
          await clock.advance(3_000);
          node.running = manager;
          return manager;
        },
      };
      await node.start();
      // A store that nobody knows yet waits first for what nodes hold.
      if (cloud.nodes.length === 1) await clock.advance(65_000);
      return node;
    },
  };
}

/** ADD of db-N by the nth sandbox; answers the address, or the code of the error. */
export async function addDb(
  lab: FixedLab,
  node: FixedNode,
  sandbox: number,
  ordinal = 0,
  forMs = 6_000,
): Promise<string> {
  let outcome = "";
  void node.running.add({ attachment: attachment(sandbox), pod: db(ordinal, sandbox) }).then(
    ({ address }) => {
      outcome = address;
    },
    (error) => {
      outcome = String(error.code);
    },
  );
  for (let passed = 0; passed < forMs && outcome === ""; passed += 50) await lab.clock.advance(50);
  return outcome;
}

export function db(ordinal: number, sandbox = 0) {
  return { namespace: "shop", name: `db-${ordinal}`, uid: `uid-${ordinal}-${sandbox}` };
}

export async function del(lab: FixedLab, node: FixedNode, sandbox: number): Promise<void> {
  void node.running.remove(attachment(sandbox));
  await lab.clock.advance(100);
}
