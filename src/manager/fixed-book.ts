import { fixedAt, isOwn } from "./fixed-held.ts";
import { isFencedPrefix, prefixOf } from "./fixed-prefixes.ts";
import type { NodeState } from "./node.ts";
import type { Change, FixedRecord } from "./ports/index.ts";

/**
 * What this node knows of fixed addresses: the records that it holds, and those that it lost and whose address may still be
 * here. What it knows is in force at once; the answers are the changes that make it durable.
 */
export class FixedBook {
  readonly #node: NodeState;

  constructor(node: NodeState) {
    this.#node = node;
  }

  /** From the state, before anything is leased. */
  restore(records: readonly FixedRecord[]): void {
    for (const record of records) this.#set(record);
  }

  of(pod: string): FixedRecord | undefined {
    return this.#node.fixed.get(pod);
  }

  /** The pod's record, if this node holds it. */
  own(pod: string): FixedRecord | undefined {
    const record = this.of(pod);
    return record !== undefined && isOwn(record) ? record : undefined;
  }

  /** Those that the fleet knows as this node's. */
  held(): FixedRecord[] {
    return [...this.#node.fixed.values()].filter((record) => isOwn(record) && record.epoch > 0);
  }

  /** Those of which it is not known whether the fleet has them. */
  doubtful(): FixedRecord[] {
    return [...this.#node.fixed.values()].filter((record) => isOwn(record) && record.epoch === 0);
  }

  /** Those that are not this node's any more. */
  leaving(): FixedRecord[] {
    return [...this.#node.fixed.values()].filter((record) => !isOwn(record));
  }

  /** This node holds the record, as the fleet says now. */
  learn(record: FixedRecord): Change[] {
    const known = this.of(record.pod);
    if (known !== undefined && isSame(known, record)) return [];
    const other = fixedAt(this.#node, record.address);
    const changes: Change[] = other === undefined || other.pod === record.pod ? [] : this.forget(other.pod);
    if (known !== undefined && known.address !== record.address) this.#keep(known.address, false);
    this.#set(record);
    return [...changes, { kind: "fixed-put", record }];
  }

  /** Another node holds it: while the address is here, nobody gets it. */
  lost(record: FixedRecord): Change[] {
    const left: FixedRecord = { ...record, holder: "" };
    this.#set(left);
    return [{ kind: "fixed-put", record: left }];
  }

  /** The address is like any other again, if it is here. */
  forget(pod: string): Change[] {
    const known = this.of(pod);
    if (known === undefined) return [];
    this.#node.fixed.delete(pod);
    this.#keep(known.address, false);
    return [{ kind: "fixed-remove", pod }];
  }

  #set(record: FixedRecord): void {
    this.#node.fixed.set(record.pod, record);
    this.#keep(record.address, true);
  }

  #keep(address: string, kept: boolean): void {
    const { pool } = this.#node;
    const cidr = `${address}/32`;
    if (pool.block(cidr) !== undefined) pool.keep(cidr, kept);
    const prefix = prefixOf(this.#node, address)?.block.cidr;
    if (prefix !== undefined) pool.keep(prefix, kept || isFencedPrefix(this.#node, prefix));
  }
}

function isSame(one: FixedRecord, other: FixedRecord): boolean {
  return (
    one.epoch === other.epoch &&
    one.address === other.address &&
    one.state === other.state &&
    one.holder === other.holder &&
    one.keepMs === other.keepMs &&
    one.expiresAtMs === other.expiresAtMs
  );
}
