/** Changes of maps that can be taken back: what a transaction is to the memory store. */
export class UndoLog {
  #undo: (() => void)[] = [];

  set<Key, Value>(map: Map<Key, Value>, key: Key, value: Value): void {
    this.#remember(map, key);
    map.set(key, value);
  }

  delete<Key, Value>(map: Map<Key, Value>, key: Key): void {
    if (!map.has(key)) return;
    this.#remember(map, key);
    map.delete(key);
  }

  clear<Key, Value>(map: Map<Key, Value>): void {
    for (const key of [...map.keys()]) this.delete(map, key);
  }

  /** Takes back everything since the last commit, the newest change first. */
  rollback(): void {
    for (const undo of this.#undo.reverse()) undo();
    this.#undo = [];
  }

  commit(): void {
    this.#undo = [];
  }

  #remember<Key, Value>(map: Map<Key, Value>, key: Key): void {
    const before = map.get(key);
    const existed = map.has(key);
    this.#undo.push(() => {
      if (existed) map.set(key, before as Value);
      else map.delete(key);
    });
  }
}
