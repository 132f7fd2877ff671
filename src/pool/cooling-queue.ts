/**
 * Cooling addresses in the order in which their time ends: a ring in two typed arrays. While every address cools equally
 * long, each one enters at the end; after the setting was lowered or the clock went back, a new one steps before those
 * that end later.
 */
export class CoolingQueue {
  #addresses = new Int32Array(INITIAL_CAPACITY);
  #untilsMs = new Float64Array(INITIAL_CAPACITY);
  #first = 0;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** When the first one ends, wall ms; undefined when nothing cools. */
  get nextEndMs(): number | undefined {
    return this.#size === 0 ? undefined : this.#untilsMs[this.#first];
  }

  push(address: number, untilMs: number): void {
    if (this.#size === this.#addresses.length) this.#grow();
    let place = this.#size;
    while (place > 0 && this.#untilMs(place - 1) > untilMs) {
      this.#set(place, this.#address(place - 1), this.#untilMs(place - 1));
      place--;
    }
    this.#set(place, address, untilMs);
    this.#size++;
  }

  /** Takes the first one out. Only while the queue is not empty. */
  shift(): number {
    const address = this.#address(0);
    this.#first = this.#slot(1);
    this.#size--;
    return address;
  }

  /** In the order in which they end. */
  *[Symbol.iterator](): Iterator<{ address: number; untilMs: number }> {
    for (let place = 0; place < this.#size; place++) {
      yield { address: this.#address(place), untilMs: this.#untilMs(place) };
    }
  }

  #grow(): void {
    const entries = [...this];
    this.#addresses = new Int32Array(2 * entries.length);
    this.#untilsMs = new Float64Array(2 * entries.length);
    this.#first = 0;
    entries.forEach(({ address, untilMs }, place) => {
      this.#set(place, address, untilMs);
    });
  }

  #slot(place: number): number {
    // The capacity is a power of two.
    return (this.#first + place) & (this.#addresses.length - 1);
  }

  #address(place: number): number {
    return this.#addresses[this.#slot(place)] ?? 0;
  }

  #untilMs(place: number): number {
    return this.#untilsMs[this.#slot(place)] ?? 0;
  }

  #set(place: number, address: number, untilMs: number): void {
    const slot = this.#slot(place);
    this.#addresses[slot] = address;
    this.#untilsMs[slot] = untilMs;
  }
}

const INITIAL_CAPACITY = 16;
