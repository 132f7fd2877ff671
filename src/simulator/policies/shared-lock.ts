/** Many at once, or one alone; who waits to be alone goes before later comers (Go's sync.RWMutex). */
export class SharedLock {
  #shared = 0;
  #isAlone = false;
  readonly #waiting: { readonly alone: boolean; readonly enter: () => void }[] = [];

  async together<Value>(act: () => Promise<Value>): Promise<Value> {
    await this.#enter(false);
    try {
      return await act();
    } finally {
      this.#shared -= 1;
      this.#admit();
    }
  }

  async alone<Value>(act: () => Promise<Value>): Promise<Value> {
    await this.#enter(true);
    try {
      return await act();
    } finally {
      this.#isAlone = false;
      this.#admit();
    }
  }

  #enter(alone: boolean): Promise<void> {
    return new Promise((enter) => {
      this.#waiting.push({ alone, enter });
      this.#admit();
    });
  }

  #admit(): void {
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      if (this.#isAlone || (next.alone && this.#shared > 0)) return;
      this.#waiting.shift();
      if (next.alone) this.#isAlone = true;
      else this.#shared += 1;
      next.enter();
    }
  }
}
