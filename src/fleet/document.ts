import type { NodeKind } from "../manager/ports/index.ts";

/** What a node says of itself in the registry: schemas/fleet-node.schema.json. Plain JSON; all times are wall ms. */
export interface NodeDocument {
  /** Of this form. Rises when a field changes its meaning; readers pass over what they do not know. */
  readonly schema: 1;
  /** What gives the node's pods their addresses: "enid", or another IPAM that somebody announced. */
  readonly kind: NodeKind;
  readonly nodeName: string;
  /** Of enid, or of the other IPAM; empty = not known. So with each text here. */
  readonly version: string;
  readonly environment: "aws" | "node-cidr" | "";
  /** How the datapath gets addresses. */
  readonly handOff: "cni" | "cilium-node" | "";
  readonly instanceType: string;
  readonly region: string;
  readonly zone: string;
  readonly startedAtMs: number;
  readonly ready: boolean;
  /** What it waits for while it is not ready; cut to 200 characters. */
  readonly waitingFor: string;
  /** Most pod addresses (IPv4) that it can hold; 0 = not known. */
  readonly capacity: number;
  /** IPv4. Absent = not told. */
  readonly ipv4?: AddressCounts;
  /** IPv6, where free ones are beyond counting. Absent = it has none. */
  readonly ipv6?: Pick<AddressCounts, "leased" | "cooling">;
  readonly interfaces: number;
  /** Of the subnets that the node uses, those with the most of its addresses first; at most 12. */
  readonly subnets: readonly SubnetUse[];
  /** Pods that wait for an address, and for how long the first of them has. */
  readonly waiting: number;
  readonly longestWaitMs: number;
  /** Names of the states of giving way; docs/events.md lists them. At most 16. */
  readonly degraded: readonly string[];
  /** Attempts of cloud calls in the last 5 minutes, by action; the 12 most frequent. */
  readonly calls: Readonly<Record<string, number>>;
}

export interface AddressCounts {
  readonly free: number;
  readonly leased: number;
  readonly cooling: number;
  readonly releasing: number;
}

export interface SubnetUse {
  readonly id: string;
  readonly cidr: string;
  /** Free in the whole subnet, as this node read it last. */
  readonly free: number;
  readonly readAtMs: number;
  /** Of this node in it. */
  readonly held: number;
  readonly leased: number;
}

/** What is told at once when it changes, and not with the next turn. */
export function urgentPartOf({ ready, degraded }: NodeDocument): string {
  return JSON.stringify([ready, degraded.toSorted()]);
}
