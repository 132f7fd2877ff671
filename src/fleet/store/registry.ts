/** Who is there: an entry for each node, which is gone when the node has not renewed it in time. */
export interface RegistryStore {
  /** Puts the node's entry for `ttlMs`, or renews it. */
  publish(entry: RegistryPut): Promise<RegistryAnswer>;
  /** Takes the entry away; of a node that has none, nothing. */
  remove(nodeId: string): Promise<void>;
  /** Entries in the byte order of nodeId, from behind `after` ("" = the first), at most `limit` (1 to `PAGE_LIMIT`). */
  list(after: string, limit: number): Promise<RegistryPage>;
}

export interface RegistryPut {
  /** `NODE_ID` fits it. */
  readonly nodeId: string;
  /** JSON, at most `DOCUMENT_LIMIT_BYTES` of UTF-8. */
  readonly document: string;
  readonly ttlMs: number;
  /** `node`: the node says so itself. `other`: somebody says so of it, which never takes the place of what a node says. */
  readonly by: "node" | "other";
}

export interface RegistryAnswer {
  /** False: not put, because the node speaks for itself, or because the fleet has `NODES_LIMIT` nodes. */
  readonly kept: boolean;
  /** Nodes that are there now. */
  readonly nodes: number;
  /** Of the profiles; 0 = none was ever put. */
  readonly profilesRevision: number;
}

export interface RegistryPage {
  /** The store's time, wall ms. */
  readonly nowMs: number;
  readonly nodes: number;
  readonly entries: readonly RegistryEntry[];
  /** Where the next page begins; "" = this was the last. */
  readonly next: string;
}

export interface RegistryEntry {
  readonly nodeId: string;
  readonly document: string;
  readonly by: RegistryPut["by"];
  /** By the store's time, wall ms. */
  readonly publishedAtMs: number;
  readonly expiresAtMs: number;
}

export const NODE_ID = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$/;
export const DOCUMENT_LIMIT_BYTES = 8 * 1024;
export const PAGE_LIMIT = 200;
/** More than one EC2 account's limits let be useful; what is beyond is refused, not forgotten. */
export const NODES_LIMIT = 20_000;
