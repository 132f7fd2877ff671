import type { Place } from "./block-index.ts";
import type { Attachment, Lease } from "./types.ts";

/** A lease and where its addresses are; the place is that of `lease.address`. */
export interface Held extends Place {
  /** Only the pool writes it, and never another address or attachment. */
  lease: Lease;
  /** Of `lease.ipv6Address`. */
  readonly ipv6Place: Place | undefined;
  /** Another lease of the same container. Only the table writes it. */
  sibling: Held | undefined;
}

/**
 * All leases, by attachment and by address; one of two addresses is found by both. By attachment means by container id, and then by comparing network and
 * interface: most containers have one, and a text joined of all three would cost more to build than everything else in
 * a lease (and two attachments could be joined to the same text).
 */
export class LeaseTable {
  readonly #byContainer = new Map<string, Held>();
  readonly #byAddress = new Map<number, Held>();

  /** How many there are; each has one address, or one of each family. */
  size = 0;

  /** How many addresses are leased. */
  get addresses(): number {
    return this.#byAddress.size;
  }

  of(attachment: Attachment): Held | undefined {
    let held = this.#byContainer.get(attachment.containerId);
    while (held !== undefined && !sameAttachment(held.lease.attachment, attachment)) held = held.sibling;
    return held;
  }

  at(address: number): Held | undefined {
    return this.#byAddress.get(address);
  }

  /** Neither the attachment nor an address of the lease may be in the table. */
  add(held: Held): void {
    const { containerId } = held.lease.attachment;
    this.size++;
    held.sibling = this.#byContainer.get(containerId);
    this.#byContainer.set(containerId, held);
    this.#byAddress.set(held.address, held);
    if (held.ipv6Place !== undefined) this.#byAddress.set(held.ipv6Place.address, held);
  }

  remove(held: Held): void {
    this.size--;
    this.#byAddress.delete(held.address);
    if (held.ipv6Place !== undefined) this.#byAddress.delete(held.ipv6Place.address);
    const { containerId } = held.lease.attachment;
    const first = this.#byContainer.get(containerId);
    if (first !== held) {
      let before = first;
      while (before !== undefined && before.sibling !== held) before = before.sibling;
      if (before !== undefined) before.sibling = held.sibling;
    } else if (held.sibling === undefined) this.#byContainer.delete(containerId);
    else this.#byContainer.set(containerId, held.sibling);
  }

  /** By container, in the order in which the containers came. */
  *[Symbol.iterator](): Iterator<Held> {
    for (const first of this.#byContainer.values()) {
      for (let held: Held | undefined = first; held !== undefined; held = held.sibling) yield held;
    }
  }
}

function sameAttachment(left: Attachment, right: Attachment): boolean {
  return (
    left.containerId === right.containerId &&
    left.interfaceName === right.interfaceName &&
    left.network === right.network
  );
}
