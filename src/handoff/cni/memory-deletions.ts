import type { CniCall } from "./call.ts";
import {
  type DeletionQueue,
  decodeQueued,
  FILES_PER_PASS,
  oldestFirst,
  queuedFile,
  REJECTED_LIMIT,
  requirePluginName,
  requireSize,
} from "./deletion-queue.ts";

/** The in-memory twin of the folder, with the plugin's side of it. */
export interface MemoryDeletionQueue extends DeletionQueue {
  /** Files that wait, those put aside not counted. */
  readonly size: number;
  /** What the plugin does for a DEL that no daemon answers. */
  put(call: CniCall, nowMs: number): void;
  /** A file with any name and content. */
  write(name: string, text: string): void;
  /** Names of the files put aside. */
  rejected(): readonly string[];
  /** The boot of the machine: the folder lies in /run. */
  clear(): void;
}

/** A queue of deletions that lives as long as the process; passes the same contract suite as the folder. */
export function createMemoryDeletionQueue(folder = "memory:del-queue"): MemoryDeletionQueue {
  const files = new Map<string, string>();
  const aside = new Set<string>();
  let puts = 0;
  const listeners = new Set<() => void>();

  function write(name: string, text: string): void {
    files.set(name, text);
    const told = [...listeners];
    listeners.clear();
    for (const callback of told) callback();
  }

  return {
    folder,
    get size() {
      return files.size;
    },
    async list() {
      if (files.size === 0) return [];
      const names = [...files.keys()].slice(0, FILES_PER_PASS);
      return names.map(queuedFile).sort(oldestFirst);
    },
    async read(file) {
      requirePluginName(file);
      const text = files.get(file.name);
      if (text === undefined) return undefined;
      requireSize(Buffer.byteLength(text));
      return decodeQueued(text);
    },
    async remove(file) {
      files.delete(file.name);
    },
    async reject(file) {
      const kept = aside.size < REJECTED_LIMIT;
      if (files.delete(file.name) && kept) aside.add(file.name);
      return kept;
    },
    whenFilled(callback) {
      if (files.size > 0) {
        callback();
        return () => {};
      }
      listeners.add(callback);
      return () => listeners.delete(callback);
    },
    put(call, nowMs) {
      puts += 1;
      // Unique without a hash and a process id, and in the order of arrival within one millisecond.
      const order = puts.toString(16).padStart(16, "0");
      write(`${order}-${Math.floor(nowMs)}000000-1.json`, JSON.stringify(call));
    },
    write,
    rejected: () => [...aside],
    clear() {
      files.clear();
      aside.clear();
    },
  };
}
