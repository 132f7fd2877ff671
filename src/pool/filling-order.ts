import type { Carrier } from "./carrier.ts";

/**
 * The interfaces that have something to offer, the one to lease from first: the one with the most leases, among equals
 * the one with the fewest free addresses, then by index and id. A lease or a release changes a count by one, so an
 * interface moves by a place or none.
 */
export class FillingOrder {
  readonly #carriers: Carrier[] = [];

  get first(): Carrier | undefined {
    return this.#carriers[0];
  }

  /** Puts the carrier where it belongs now; to be called after each change of it. */
  place(carrier: Carrier): void {
    if (carrier.offered === 0) {
      this.#remove(carrier);
      return;
    }
    if (carrier.position === NOWHERE) this.#set(this.#carriers.length, carrier);
    for (
      let other = this.#before(carrier);
      other !== undefined && fuller(carrier, other);
      other = this.#before(carrier)
    ) {
      this.#swap(other, carrier);
    }
    for (
      let other = this.#after(carrier);
      other !== undefined && fuller(other, carrier);
      other = this.#after(carrier)
    ) {
      this.#swap(carrier, other);
    }
  }

  /** First to last, for the self-check. */
  [Symbol.iterator](): Iterator<Carrier> {
    return this.#carriers.values();
  }

  #remove(carrier: Carrier): void {
    if (carrier.position === NOWHERE) return;
    for (let other = this.#after(carrier); other !== undefined; other = this.#after(carrier))
      this.#swap(carrier, other);
    this.#carriers.pop();
    carrier.position = NOWHERE;
  }

  #before(carrier: Carrier): Carrier | undefined {
    return carrier.position === 0 ? undefined : this.#carriers[carrier.position - 1];
  }

  #after(carrier: Carrier): Carrier | undefined {
    return this.#carriers[carrier.position + 1];
  }

  #swap(left: Carrier, right: Carrier): void {
    const position = left.position;
    this.#set(right.position, left);
    this.#set(position, right);
  }

  #set(position: number, carrier: Carrier): void {
    this.#carriers[position] = carrier;
    carrier.position = position;
  }
}

const NOWHERE = -1;

/** Does the next lease come from `left` rather than from `right`? */
export function fuller(left: Carrier, right: Carrier): boolean {
  if (left.tally.leased !== right.tally.leased) return left.tally.leased > right.tally.leased;
  if (left.offered !== right.offered) return left.offered < right.offered;
  return comesBefore(left, right);
}

/** By index; among equals by id. */
export function comesBefore(left: Carrier, right: Carrier): boolean {
  const [a, b] = [left.interface, right.interface];
  return a.index === b.index ? a.id < b.id : a.index < b.index;
}
