import type { SimulatedCloud } from "../index.ts";
import type { Sandbox } from "../kubelet/index.ts";
import type { Violation } from "./figures.ts";

/** Violations that are told; a run with more is broken anyway. */
const TOLD_VIOLATIONS = 100;

export interface LedgerOptions {
  readonly cloud: SimulatedCloud;
  readonly seed: number;
  /** Virtual ms since the world began. */
  readonly elapsedMs: () => number;
}

/** Who uses which address over the whole fleet: an address of two pods, or one that is not the node's, is a violation. */
export class AddressLedger {
  readonly violations: Violation[] = [];
  readonly #options: LedgerOptions;
  /** Container ids by address. */
  readonly #users = new Map<string, string>();

  constructor(options: LedgerOptions) {
    this.#options = options;
  }

  /** Addresses that pods use now. */
  get used(): number {
    return this.#users.size;
  }

  use(machine: string, instanceId: string, { pod, containerId, addresses }: Sandbox): void {
    for (const address of addresses) {
      const other = this.#users.get(address);
      if (other !== undefined && other !== containerId) {
        this.#tell(1, machine, `${pod.namespace}/${pod.name} got ${address}, which container ${other} uses`);
      }
      this.#users.set(address, containerId);
      if (!address.includes(":") && !this.#isOf(instanceId, address)) {
        this.#tell(4, machine, `${pod.namespace}/${pod.name} got ${address}, which EC2 does not have on ${instanceId}`);
      }
    }
  }

  free({ containerId, addresses }: Sandbox): void {
    for (const address of addresses) if (this.#users.get(address) === containerId) this.#users.delete(address);
  }

  #isOf(instanceId: string, address: string): boolean {
    const { cloud } = this.#options;
    const owner = cloud.ownerOf(address);
    return owner !== undefined && cloud.interface(owner)?.attachment?.instanceId === instanceId;
  }

  #tell(promise: number, machine: string, text: string): void {
    if (this.violations.length >= TOLD_VIOLATIONS) return;
    const { seed, elapsedMs } = this.#options;
    this.violations.push({ seed, promise, atMs: elapsedMs(), machine, text });
  }
}
