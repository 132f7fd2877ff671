import type { Sandbox } from "../../kubelet/index.ts";
import type { PodIdentity } from "../../workload/index.ts";
import type { Machine } from "../machine.ts";
import { covers } from "./cidr.ts";

interface User {
  readonly machine: Machine;
  readonly sandbox: Sandbox;
}

interface Freed {
  readonly machine: Machine;
  readonly sandbox: Sandbox;
  readonly atMs: number;
}

/** What fixed addresses change of the promises. */
export interface FixedPods {
  /** Pods of this name have one address for life. */
  isFixed(pod: PodIdentity): boolean;
  /** It was deleted by force: where it goes on running it has no right to anything. */
  isAbandoned(uid: string): boolean;
}

const NO_FIXED_PODS: FixedPods = { isFixed: () => false, isAbandoned: () => false };

/**
 * Who uses which address now, in the whole fleet, and since when nobody does: the truth of the network namespaces, which
 * knows nothing of leases and blocks.
 */
export class Addresses {
  readonly #users = new Map<string, User>();
  readonly #freed = new Map<string, Freed>();
  /** Taken from their nodes by somebody else: pods that have them have lost them, and EC2 may give them to anybody. */
  readonly #tainted = new Set<string>();
  readonly #prefixes: string[] = [];
  readonly #fixed: FixedPods;

  constructor(fixed: FixedPods = NO_FIXED_PODS) {
    this.#fixed = fixed;
  }

  /** It runs against the will of Kubernetes, and its address may be elsewhere. */
  isAbandoned({ pod }: Sandbox): boolean {
    return this.#fixed.isAbandoned(pod.uid);
  }

  /** Both are of one pod whose address is fixed: the one after the other may have it at once. */
  areOneFixedPod({ pod }: Sandbox, other: Sandbox): boolean {
    return pod.name === other.pod.name && pod.namespace === other.pod.namespace && this.#fixed.isFixed(pod);
  }

  userOf(address: string): User | undefined {
    return this.#users.get(address);
  }

  freedOf(address: string): Freed | undefined {
    return this.#freed.get(address);
  }

  /** `what`: an address, a CIDR or an interface. An address is so too when its prefix is. */
  isTainted(what: string): boolean {
    if (this.#tainted.size === 0) return false;
    if (this.#tainted.has(what)) return true;
    return !what.includes("/") && this.#prefixes.some((cidr) => covers(cidr, what));
  }

  taint(what: string): void {
    this.#tainted.add(what);
    if (what.includes("/")) this.#prefixes.push(what);
  }

  /** Somebody else who uses the address, if any: two pods of one address. */
  use(machine: Machine, sandbox: Sandbox): readonly { readonly address: string; readonly other: User }[] {
    const doubles: { readonly address: string; readonly other: User }[] = [];
    for (const address of sandbox.addresses) {
      const other = this.#users.get(address);
      const isDouble = other !== undefined && other.sandbox !== sandbox && !this.isTainted(address);
      if (isDouble && !this.isAbandoned(sandbox) && !this.isAbandoned(other.sandbox)) doubles.push({ address, other });
      this.#users.set(address, { machine, sandbox });
    }
    return doubles;
  }

  free(machine: Machine, sandbox: Sandbox, atMs: number): void {
    for (const address of sandbox.addresses) {
      if (this.#users.get(address)?.sandbox !== sandbox) continue;
      this.#users.delete(address);
      this.#freed.set(address, { machine, sandbox, atMs });
    }
  }
}
