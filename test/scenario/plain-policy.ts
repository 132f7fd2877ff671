import type { Clock } from "../../src/adapters/index.ts";
import { EnidError } from "../../src/errors.ts";
import type { AddAnswer, AddRequest, LeaseService } from "../../src/handoff/cni/port.ts";
import type { Lease } from "../../src/pool/index.ts";
import type { Dice } from "../../src/simulator/engine/index.ts";
import { type SimulatedCloud, SimulatedError } from "../../src/simulator/index.ts";
import { type Agent, type NodeContext, type Policy, settingsOf } from "../../src/simulator/scenario/index.ts";

const RETRY_MS = 1_000;
/** After what a retry does not heal: the interface is full, the subnet is empty. */
const LONG_RETRY_MS = 60_000;

/** What a broken agent does. */
export interface Mischief {
  /** Every so-many-th ADD is answered with an address that another pod has. */
  readonly doubleEvery?: number;
  /** Every so-many-th ADD is answered with an address that nobody has. */
  readonly inventEvery?: number;
}

/** What survives a restart of the daemon. */
interface Disk {
  readonly free: string[];
  readonly leases: Map<string, string>;
}

/**
 * The plainest agent there can be: takes min-allocate addresses (one if it is 0) on the primary interface in one call,
 * tries again each second while it is throttled (each minute after another error), takes one more whenever a pod finds none, gives nothing back.
 */
export function plainPolicy(mischief: Mischief = {}): Policy {
  return {
    name: "plain",
    description: "Takes what it needs on the primary interface, for tests.",
    createFleet({ cloud, clock }) {
      const disks = new Map<string, Disk>();
      return {
        start(node) {
          const disk = disks.get(node.instanceId) ?? { free: [], leases: new Map() };
          disks.set(node.instanceId, disk);
          return new PlainAgent({ cloud, clock, node, disk, mischief });
        },
      };
    },
  };
}

interface PlainOptions {
  readonly cloud: SimulatedCloud;
  readonly clock: Clock;
  readonly node: NodeContext;
  readonly disk: Disk;
  readonly mischief: Mischief;
}

class PlainAgent implements Agent {
  readonly #options: PlainOptions;
  readonly #least: number;
  readonly #dice: Dice;
  #waiting: (() => void)[] = [];
  #isGrowing = false;
  #isCut = false;
  #adds = 0;

  constructor(options: PlainOptions) {
    this.#options = options;
    this.#dice = options.node.dice;
    this.#least = Math.max(1, settingsOf(options.node.settings, "test")["min-allocate"]);
    this.#grow(this.#least - this.#held);
  }

  get #held(): number {
    const { free, leases } = this.#options.disk;
    return free.length + leases.size;
  }

  async add({ attachment }: AddRequest): Promise<AddAnswer> {
    const { disk, mischief } = this.#options;
    this.#adds += 1;
    if (mischief.inventEvery !== undefined && this.#adds % mischief.inventEvery === 0) return { address: "10.99.0.1" };
    const [another] = disk.leases.values();
    if (another !== undefined && mischief.doubleEvery !== undefined && this.#adds % mischief.doubleEvery === 0) {
      return { address: another };
    }
    while (disk.free.length === 0) {
      const served = new Promise<void>((resolve) => this.#waiting.push(resolve));
      this.#grow(this.#waiting.length);
      await served;
    }
    const address = disk.leases.get(attachment.containerId) ?? disk.free.shift() ?? "";
    disk.leases.set(attachment.containerId, address);
    return { address };
  }

  remove(attachment: { readonly containerId: string }): Promise<void> {
    const { free, leases } = this.#options.disk;
    const address = leases.get(attachment.containerId);
    leases.delete(attachment.containerId);
    if (address !== undefined) {
      free.push(address);
      this.#wake();
    }
    return Promise.resolve();
  }

  lookup(): Lease | undefined {
    return undefined;
  }

  notReady(): ReturnType<LeaseService["notReady"]> {
    return this.#held >= this.#least ? undefined : new EnidError("ENID_STARTING", { waitingFor: "EC2" });
  }

  idleAddresses(): number {
    return this.#options.disk.free.length;
  }

  cut(): void {
    this.#isCut = true;
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }

  #grow(count: number): void {
    if (count <= 0 || this.#isGrowing) return;
    this.#isGrowing = true;
    const { clock, cloud } = this.#options;
    clock.after(cloud.drawLatencyMs("AssignPrivateIpAddresses"), () => {
      this.#isGrowing = false;
      if (this.#isCut) return;
      const code = this.#assign(count);
      if (code === "") {
        this.#wake();
        return;
      }
      const meanMs = code === "RequestLimitExceeded" ? RETRY_MS : LONG_RETRY_MS;
      this.#isGrowing = true;
      clock.after(meanMs * (0.5 + this.#dice.fraction()), () => {
        this.#isGrowing = false;
        if (!this.#isCut) this.#grow(count);
      });
    });
  }

  /** EC2's code; empty when it succeeded. */
  #assign(count: number): string {
    const { cloud, node, disk } = this.#options;
    const [primary] = cloud.interfacesOf(node.instanceId);
    if (primary === undefined) return "InvalidInstanceID.NotFound";
    const before = new Set(primary.secondaryAddresses);
    try {
      cloud.call("AssignPrivateIpAddresses", {
        NetworkInterfaceId: primary.id,
        SecondaryPrivateIpAddressCount: String(count),
      });
    } catch (thrown) {
      if (thrown instanceof SimulatedError) return thrown.code;
      throw thrown;
    }
    const after = cloud.interface(primary.id)?.secondaryAddresses ?? [];
    disk.free.push(...after.filter((address) => !before.has(address)));
    return "";
  }
}
