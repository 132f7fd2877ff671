import type { Sandbox } from "../../kubelet/index.ts";
import type { Machine } from "../machine.ts";
import { covers } from "./cidr.ts";

interface User {
  readonly machine: Machine;
  readonly sandbox: Sandbox;
}

interface Freed {
  readonly machine: Machine;
  readonly atMs: number;
}

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
      if (other !== undefined && other.sandbox !== sandbox && !this.isTainted(address)) {
        doubles.push({ address, other });
      }
      this.#users.set(address, { machine, sandbox });
    }
    return doubles;
  }

  free(machine: Machine, sandbox: Sandbox, atMs: number): void {
    for (const address of sandbox.addresses) {
      if (this.#users.get(address)?.sandbox !== sandbox) continue;
      this.#users.delete(address);
      this.#freed.set(address, { machine, atMs });
    }
  }
}
