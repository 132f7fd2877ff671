/** A map that tells of each change of it; setting what it holds already is none. */
export class NotedMap<Key, Value> extends Map<Key, Value> {
  readonly #noted: () => void;

  constructor(noted: () => void) {
    super();
    this.#noted = noted;
  }

  override set(key: Key, value: Value): this {
    if (value !== this.get(key) || !this.has(key)) {
      super.set(key, value);
      this.#noted();
    }
    return this;
  }

  override delete(key: Key): boolean {
    const was = super.delete(key);
    if (was) this.#noted();
    return was;
  }

  override clear(): void {
    if (this.size > 0) this.#noted();
    super.clear();
  }
}
