/** Label values come partly from outside (EC2 codes, CNI verbs): beyond `limit` distinct ones they become "other". */
export class BoundedLabel {
  readonly #known = new Set<string>();
  readonly #limit: number;

  constructor(limit: number) {
    this.#limit = limit;
  }

  of(value: string): string {
    if (this.#known.has(value)) return value;
    if (this.#known.size >= this.#limit || value.length > 100) return "other";
    this.#known.add(value);
    return value;
  }
}
