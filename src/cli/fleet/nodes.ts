import type { FleetStore, NodeDocument, SubnetUse } from "../../fleet/index.ts";

/** A node of the registry. */
export interface ListedNode {
  readonly nodeId: string;
  /** `other`: somebody else says it of the node (`enid fleet announce`). */
  readonly by: "node" | "other";
  /** Wall ms, by the store's clock. */
  readonly publishedAtMs: number;
  readonly expiresAtMs: number;
  readonly document: NodeDocument;
}

export interface ListedFleet {
  /** The store's time, wall ms. */
  readonly nowMs: number;
  /** By name. */
  readonly nodes: readonly ListedNode[];
  /** Entries that no version known here wrote. */
  readonly unreadable: number;
}

const PAGE = 200;

/** All nodes of the registry, page by page. */
export async function readNodes(store: Pick<FleetStore, "registry">): Promise<ListedFleet> {
  const nodes: ListedNode[] = [];
  let unreadable = 0;
  let nowMs = 0;
  let after = "";
  do {
    const page = await store.registry.list(after, PAGE);
    for (const { document: text, ...entry } of page.entries) {
      const document = readDocument(text);
      if (document === undefined) unreadable++;
      else nodes.push({ ...entry, document });
    }
    nowMs = page.nowMs;
    after = page.next;
  } while (after !== "");
  return { nowMs, nodes: nodes.sort(byName), unreadable };
}

const EMPTY: NodeDocument = {
  schema: 1,
  kind: "other",
  nodeName: "",
  version: "",
  environment: "",
  handOff: "",
  instanceType: "",
  region: "",
  zone: "",
  startedAtMs: 0,
  ready: false,
  waitingFor: "",
  capacity: 0,
  interfaces: 0,
  subnets: [],
  waiting: 0,
  longestWaitMs: 0,
  degraded: [],
  calls: {},
};

/** What other versions leave out is as if it were empty. Undefined: it is no document of this form. */
function readDocument(text: string): NodeDocument | undefined {
  try {
    const read = JSON.parse(text) as NodeDocument;
    if (read.schema !== EMPTY.schema) return undefined;
    for (const [key, empty] of Object.entries(EMPTY)) {
      const value = (read as unknown as Record<string, unknown>)[key];
      if (value !== undefined && (typeof value !== typeof empty || Array.isArray(value) !== Array.isArray(empty))) {
        return undefined;
      }
    }
    return { ...EMPTY, ...read };
  } catch {
    return undefined;
  }
}

export interface NodeFilter {
  readonly zone?: string | undefined;
  readonly kind?: string | undefined;
  readonly degraded?: boolean | undefined;
  readonly waiting?: boolean | undefined;
  /** A part of the name or of the id. */
  readonly name?: string | undefined;
}

/** A node that waits for something, gives way somewhere, or does not speak for itself and so says nothing of it. */
export function filterNodes(nodes: readonly ListedNode[], filter: NodeFilter): ListedNode[] {
  const { zone, kind, degraded = false, waiting = false, name = "" } = filter;
  return nodes.filter(
    ({ nodeId, document }) =>
      (zone === undefined || document.zone === zone) &&
      (kind === undefined || document.kind === kind) &&
      (!degraded || isUnwell(document)) &&
      (!waiting || document.waiting > 0) &&
      (document.nodeName.includes(name) || nodeId.includes(name)),
  );
}

/** Degraded, or enid and not ready. Of another IPAM nothing is known. */
export function isUnwell({ kind, ready, degraded }: NodeDocument): boolean {
  return degraded.length > 0 || (kind === "enid" && !ready);
}

export const TOP_BY = ["free", "leased", "waiting", "calls"] as const;
export type TopBy = (typeof TOP_BY)[number];

/** The nodes that stand out first: of `free` those with the fewest, of everything else those with the most. */
export function topNodes(nodes: readonly ListedNode[], by: TopBy): ListedNode[] {
  const told = nodes.filter(({ document }) => by === "calls" || by === "waiting" || document.ipv4 !== undefined);
  const value = ({ document }: ListedNode) => {
    if (by === "free") return -(document.ipv4?.free ?? 0);
    if (by === "leased") return document.ipv4?.leased ?? 0;
    return by === "waiting" ? document.waiting : callsOf(document);
  };
  return told.toSorted((one, other) => value(other) - value(one) || byName(one, other));
}

/** Attempts of cloud calls in the last 5 minutes. */
export function callsOf({ calls }: NodeDocument): number {
  return Object.values(calls).reduce((sum, count) => sum + count, 0);
}

/** A subnet as the nodes see it together. */
export interface FleetSubnet extends Omit<SubnetUse, "free" | "readAtMs"> {
  readonly zone: string;
  /** As whoever read it last says; -1 = nobody has. */
  readonly free: number;
  readonly readAtMs: number;
  /** Nodes that have addresses of it, and those that may. */
  readonly nodes: number;
  readonly allowedOn: number;
}

/** The subnets of the nodes, those with the fewest free addresses first. */
export function subnetsOf(nodes: readonly ListedNode[]): FleetSubnet[] {
  const subnets = new Map<string, FleetSubnet>();
  for (const { document } of nodes) {
    for (const use of document.subnets) {
      const none = {
        id: use.id,
        cidr: "",
        zone: "",
        free: -1,
        readAtMs: 0,
        nodes: 0,
        allowedOn: 0,
        held: 0,
        leased: 0,
      };
      const before = subnets.get(use.id) ?? none;
      const newer = use.readAtMs > before.readAtMs;
      subnets.set(use.id, {
        id: use.id,
        cidr: use.cidr || before.cidr,
        zone: document.zone || before.zone,
        free: newer ? use.free : before.free,
        readAtMs: newer ? use.readAtMs : before.readAtMs,
        nodes: before.nodes + (use.held > 0 ? 1 : 0),
        allowedOn: before.allowedOn + (use.readAtMs > 0 ? 1 : 0),
        held: before.held + use.held,
        leased: before.leased + use.leased,
      });
    }
  }
  return [...subnets.values()].sort((one, other) => one.free - other.free || (one.id < other.id ? -1 : 1));
}

function byName(one: ListedNode, other: ListedNode): number {
  const order = compare(one.document.nodeName, other.document.nodeName);
  return order === 0 ? compare(one.nodeId, other.nodeId) : order;
}

function compare(one: string, other: string): number {
  return one === other ? 0 : one < other ? -1 : 1;
}
