/**
 * Where to look for interfaces without looking at all of them. Each look gives what may be meant, by any version that a
 * view can still show: who asks takes the version of his view and tests it again.
 */
import type { History } from "./history.ts";
import type { NetworkInterface } from "./records.ts";

interface Entry {
  /** Grows in the order in which the interfaces came to be. */
  readonly serial: number;
  /** What each version that is left is found by. */
  readonly versions: Filed[];
  isLiving: boolean;
  /** Instances that it is or was attached to. */
  readonly instances: Set<string>;
}

interface Filed {
  readonly record: NetworkInterface | undefined;
  readonly keys: readonly string[];
}

const EMPTY: ReadonlySet<string> = new Set();

export class InterfaceIndex {
  readonly #entries = new Map<string, Entry>();
  readonly #idsByKey = new Map<string, Set<string>>();
  readonly #idsByInstance = new Map<string, Set<string>>();
  readonly #versions = new Map<string, number>();
  /** In order of id; put in order when somebody looks at all of them. */
  #sorted: readonly string[] = [];
  #isSorted = true;
  #serial = 0;
  #living = 0;

  /** Interfaces that are there, whatever the views show. */
  get living(): number {
    return this.#living;
  }

  put(id: string, history: History): void {
    const entry = this.#entries.get(id) ?? this.#enter(id);
    const isLiving = history.at(-1)?.record !== undefined;
    if (isLiving !== entry.isLiving) this.#living += isLiving ? 1 : -1;
    entry.isLiving = isLiving;
    this.#link(id, entry, history.at(-1)?.record?.attachment?.instanceId);
    this.#file(id, entry, history);
    this.#touch(entry);
  }

  remove(id: string): void {
    const entry = this.#entries.get(id);
    if (!entry) return;
    this.#entries.delete(id);
    if (entry.isLiving) this.#living -= 1;
    this.#file(id, entry, []);
    for (const instanceId of entry.instances) withdraw(this.#idsByInstance, instanceId, id);
    this.#isSorted = false;
    this.#touch(entry);
  }

  /** Interfaces that are or were attached to the instance, in order of their first attachment to it. */
  ofInstance(instanceId: string): ReadonlySet<string> {
    return this.#idsByInstance.get(instanceId) ?? EMPTY;
  }

  /** Those that a filter may mean; undefined for a name that is not indexed. */
  having(filter: string, value: string): ReadonlySet<string> | undefined {
    return isIndexed(filter) ? (this.#idsByKey.get(`${filter}=${value}`) ?? EMPTY) : undefined;
  }

  /** The ids behind `after`, in order of id. */
  *after(after: string | undefined): Iterable<string> {
    if (!this.#isSorted) this.#sorted = [...this.#entries.keys()].sort();
    this.#isSorted = true;
    const sorted = this.#sorted;
    let at = after === undefined ? 0 : positionOf(sorted, after);
    if (sorted[at] === after) at += 1;
    for (; at < sorted.length; at += 1) yield sorted[at] as string;
  }

  /** Sorts interfaces in the order in which they came to be. */
  bySerial = (one: NetworkInterface, other: NetworkInterface): number =>
    (this.#entries.get(one.id)?.serial ?? 0) - (this.#entries.get(other.id)?.serial ?? 0);

  /** Grows whenever an interface changes that is or was attached to the instance. */
  version(instanceId: string): number {
    return this.#versions.get(instanceId) ?? 0;
  }

  #enter(id: string): Entry {
    this.#serial += 1;
    const entry: Entry = { serial: this.#serial, versions: [], isLiving: false, instances: new Set() };
    this.#entries.set(id, entry);
    this.#isSorted = false;
    return entry;
  }

  #link(id: string, entry: Entry, instanceId: string | undefined): void {
    if (instanceId === undefined || entry.instances.has(instanceId)) return;
    entry.instances.add(instanceId);
    enroll(this.#idsByInstance, instanceId, id);
  }

  /** The history is what `entry` was filed for last, perhaps without its oldest versions, and one version more; or empty. */
  #file(id: string, { versions }: Entry, history: History): void {
    const dropped = versions.splice(0, versions.length - Math.max(0, history.length - 1));
    const latest = history.at(-1);
    if (latest) {
      const before = versions.at(-1) ?? dropped.at(-1);
      const keys = keysOf(latest.record, before);
      if (keys !== before?.keys) for (const key of keys) enroll(this.#idsByKey, key, id);
      versions.push({ record: latest.record, keys });
    }
    for (const { keys } of dropped) {
      if (versions.some((filed) => filed.keys === keys)) continue;
      const isLeft = (key: string) => versions.some((filed) => filed.keys.includes(key));
      for (const key of keys) if (!isLeft(key)) withdraw(this.#idsByKey, key, id);
    }
  }

  #touch(entry: Entry): void {
    for (const instanceId of entry.instances) this.#versions.set(instanceId, this.version(instanceId) + 1);
  }
}

const INDEXED: ReadonlySet<string> = new Set([
  "attachment.attachment-id",
  "attachment.instance-id",
  "status",
  "subnet-id",
]);

function isIndexed(filter: string): boolean {
  return INDEXED.has(filter) || filter.startsWith("tag:");
}

/** Two different pairs may make one key: then a look gives more than what is meant, never less. */
function keysOf(record: NetworkInterface | undefined, before: Filed | undefined): readonly string[] {
  if (!record) return NO_KEYS;
  if (before?.record && isFiledAlike(record, before.record)) return before.keys;
  const { attachment } = record;
  return [
    `status=${record.status}`,
    `subnet-id=${record.subnetId}`,
    ...(attachment ? [`attachment.attachment-id=${attachment.id}`] : []),
    ...(attachment ? [`attachment.instance-id=${attachment.instanceId}`] : []),
    ...Object.entries(record.tags).map(([key, value]) => `tag:${key}=${value}`),
  ];
}

const NO_KEYS: readonly string[] = [];

/** Most changes are of addresses, by which nothing is filed. */
function isFiledAlike(one: NetworkInterface, other: NetworkInterface): boolean {
  return (
    one.tags === other.tags &&
    one.status === other.status &&
    one.subnetId === other.subnetId &&
    one.attachment?.id === other.attachment?.id &&
    one.attachment?.instanceId === other.attachment?.instanceId
  );
}

function enroll(index: Map<string, Set<string>>, key: string, id: string): void {
  const ids = index.get(key);
  if (ids) ids.add(id);
  else index.set(key, new Set([id]));
}

function withdraw(index: Map<string, Set<string>>, key: string, id: string): void {
  const ids = index.get(key);
  if (ids?.delete(id) && ids.size === 0) index.delete(key);
}

/** Where the id is or belongs. */
function positionOf(sorted: readonly string[], id: string): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] as string) < id) low = middle + 1;
    else high = middle;
  }
  return low;
}
