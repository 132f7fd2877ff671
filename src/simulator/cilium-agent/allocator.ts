import type { Random } from "../../adapters/index.ts";
import { EnidError } from "../../errors.ts";
import type { NodeView } from "./node-view.ts";
import type { AgentRecord } from "./record.ts";

/** What a dialect writes into its CiliumNode. */
export interface DueWrite {
  readonly subresource: "status" | undefined;
  /** JSON merge patch, without its metadata. */
  readonly patch: Readonly<Record<string, unknown>>;
  /** In a few words, for the log. */
  readonly what: string;
}

/** Which addresses the agent may give, and which it has given: the part of it that differs between dialects. */
export interface Allocator {
  /** The newest version; undefined = there is none (any more). True: something is to be written. */
  accept(node: NodeView | undefined): boolean;
  /** The CiliumNode has what the agent waits for at its start. */
  hasMinimum(): boolean;
  /** An address for a pod. Errors: ENID_NO_ADDRESS. */
  next(owner: string): string;
  /** An endpoint that was there before the process. */
  restore(address: string, owner: string): void;
  /** All endpoints are restored. True: something is to be written. */
  restored(): boolean;
  free(address: string): void;
  /** Whose the addresses in use are, by its books. */
  inUse(): ReadonlyMap<string, string>;
  freeCount(): number;
  /**
   * What the newest version lacks, and which version that is: the first write is for it alone, each further one for what the
   * one before made of it. Undefined: there is none.
   */
  dueWrites(): { readonly resourceVersion: string; readonly writes: readonly DueWrite[] } | undefined;
  /** All of them were carried out, or there was none. */
  written(): void;
}

export interface AllocatorOptions {
  readonly random: Random;
  readonly record: AgentRecord;
  /** An endpoint of the machine has the address, whether the process knows it or not. */
  readonly isHeld: (address: string) => boolean;
}

export function noAddress(owner: string, reason: string): EnidError {
  return new EnidError("ENID_NO_ADDRESS", { pod: owner, waitedMs: 0, reason });
}

export function pick<Item>(random: Random, items: readonly Item[]): Item | undefined {
  return items[Math.floor(random.fraction() * items.length)];
}

/** In an order that the dice draw. */
export function shuffled<Item>(random: Random, items: readonly Item[]): readonly Item[] {
  const drawn = items.map((item) => ({ item, order: random.fraction() }));
  return drawn.sort((a, b) => a.order - b.order).map(({ item }) => item);
}

/** JSON merge patch from one map to another; undefined = they are equal. An empty map is left out, as Go's omitempty does. */
export function mapPatch<Value>(
  from: ReadonlyMap<string, Value>,
  to: ReadonlyMap<string, Value>,
  write: (value: Value) => unknown,
): Readonly<Record<string, unknown>> | null | undefined {
  const text = (value: Value | undefined) => (value === undefined ? "" : JSON.stringify(write(value)));
  const gone = [...from.keys()].filter((key) => !to.has(key));
  const changed = [...to].filter(([key, value]) => text(from.get(key)) !== text(value));
  if (gone.length + changed.length === 0) return undefined;
  if (to.size === 0) return null;
  return Object.fromEntries([...gone.map((key) => [key, null]), ...changed.map(([key, value]) => [key, write(value)])]);
}
