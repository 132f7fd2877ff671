import type { SettingValues } from "../../configuration/index.ts";
import { instanceType } from "../../instance-types/index.ts";
import type { Bucket, Settings } from "../index.ts";
import { addressesOf, type Capacity, capacityOf } from "./capacity.ts";

/** Of a mean latency at least this share: the simulated cloud draws within ±30 % of it. */
const LEAST_LATENCY = 0.7;

/** Published sizes: docs.aws.amazon.com/ec2/latest/devguide/ec2-api-throttling.html. */
const BUCKETS = {
  AssignPrivateIpAddresses: { capacity: 100, refillPerSecond: 5 },
  CreateNetworkInterface: { capacity: 100, refillPerSecond: 5 },
  AttachNetworkInterface: { capacity: 50, refillPerSecond: 5 },
} as const satisfies Record<string, Bucket>;

export type BoundAction = keyof typeof BUCKETS;
export type NodeCalls = Readonly<Record<BoundAction, number>>;

/** Nodes that start evenly over some time and each need the same calls. */
export interface StartingNodes {
  readonly count: number;
  readonly startSeconds: number;
  readonly spreadSeconds: number;
  readonly calls: NodeCalls;
}

/** The calls that a node cannot be ready without: what it has is filled first, with one call, then interfaces are made. */
export function callsOf(typeName: string, settings: SettingValues): NodeCalls {
  const type = instanceType(typeName);
  if (type === undefined) return noCalls();
  const capacity = capacityOf(type, settings);
  const most = Math.min(addressesOf(capacity), settings["max-allocate"] || Number.POSITIVE_INFINITY);
  return callsFor(Math.min(Math.max(1, settings["min-allocate"]), most), capacity);
}

/** The calls for so many addresses. */
export function callsFor(addresses: number, { slots, perSlot, usesPrimary, ownAddress }: Capacity): NodeCalls {
  const onPrimary = usesPrimary && slots > 0 ? Math.min(addresses, slots * perSlot) : 0;
  const perInterface = slots * perSlot + ownAddress;
  const interfaces = perInterface === 0 ? 0 : Math.ceil((addresses - onPrimary) / perInterface);
  return {
    AssignPrivateIpAddresses: onPrimary > 0 ? 1 : 0,
    // CreateNetworkInterface brings the interface's addresses along.
    CreateNetworkInterface: interfaces,
    AttachNetworkInterface: interfaces,
  };
}

/**
 * The least seconds from the start of a node until it is ready that the node which waits longest can have: the token
 * buckets are full at 0 and give every call that is needed its turn, and then the calls of one node take their time.
 */
export function readyBoundSeconds(groups: readonly StartingNodes[], settings: BoundSettings): number {
  const nodes = startsOf(groups);
  const waits = boundActions().map((action) => {
    const seconds = settings.throttling ? queueSeconds(nodes, action, bucketOf(action, settings)) : 0;
    const isNeeded = groups.some(({ calls }) => calls[action] > 0);
    return isNeeded ? seconds + tailSeconds(action, settings) : 0;
  });
  const chains = groups.map(({ calls }) => chainSeconds(calls, settings));
  return Math.max(0, ...waits, ...chains);
}

/** What of the cloud's settings the bound depends on. */
export type BoundSettings = Pick<Settings, "throttling" | "buckets" | "latencyMs" | "attachMs">;

interface Start {
  readonly atSeconds: number;
  readonly calls: NodeCalls;
}

function startsOf(groups: readonly StartingNodes[]): Start[] {
  return groups
    .flatMap(({ count, startSeconds, spreadSeconds, calls }) =>
      Array.from({ length: count }, (_, at) => ({ atSeconds: startSeconds + (spreadSeconds * at) / count, calls })),
    )
    .sort((one, other) => one.atSeconds - other.atSeconds);
}

/**
 * The longest wait for the last call of an action. From the start of any node on, the bucket gives at most what it holds
 * when full and what flows in; so the nodes j to k, which all start at s(j) or later, are served at
 * s(j) + (calls of j to k - capacity) / refill at the earliest, and one of them has waited at least that long since s(k).
 */
function queueSeconds(nodes: readonly Start[], action: BoundAction, { capacity, refillPerSecond }: Bucket): number {
  let demandSeconds = 0;
  let least = Number.POSITIVE_INFINITY;
  let longest = 0;
  for (const { atSeconds, calls } of nodes) {
    least = Math.min(least, demandSeconds - atSeconds);
    demandSeconds += calls[action] / refillPerSecond;
    longest = Math.max(longest, demandSeconds - atSeconds - least - capacity / refillPerSecond);
  }
  return longest;
}

/** From a call of that action to a ready node: the call itself and what can only come after it. */
function tailSeconds(action: BoundAction, settings: BoundSettings): number {
  const call = latencySeconds(action, settings);
  if (action === "AssignPrivateIpAddresses") return call;
  const attaching = settings.attachMs.minMs / 1_000;
  if (action === "AttachNetworkInterface") return call + attaching;
  return call + latencySeconds("AttachNetworkInterface", settings) + attaching;
}

/** The calls of a node that has EC2 for itself; its interfaces are made side by side. */
function chainSeconds(calls: NodeCalls, settings: BoundSettings): number {
  return Math.max(0, ...boundActions().map((action) => (calls[action] > 0 ? tailSeconds(action, settings) : 0)));
}

function latencySeconds(action: BoundAction, { latencyMs }: BoundSettings): number {
  return ((latencyMs[action] ?? latencyMs["*"] ?? 0) * LEAST_LATENCY) / 1_000;
}

function bucketOf(action: BoundAction, { buckets }: BoundSettings): Bucket {
  return buckets[action] ?? BUCKETS[action];
}

function boundActions(): readonly BoundAction[] {
  return Object.keys(BUCKETS) as BoundAction[];
}

function noCalls(): NodeCalls {
  return { AssignPrivateIpAddresses: 0, CreateNetworkInterface: 0, AttachNetworkInterface: 0 };
}
