import type { NodeDocument, SubnetUse } from "../../fleet/index.ts";
import type { StatusReport } from "../../manager/index.ts";

/** What the status does not say. */
export interface DocumentContext {
  readonly version: string;
  /** Name of the machine. */
  readonly hostName: string;
  /** Attempts of cloud calls lately, by action. */
  readonly calls: Readonly<Record<string, number>>;
  readonly nowMs: number;
}

const SUBNETS_LIMIT = 12;
const DEGRADED_LIMIT = 16;
const ACTIONS_LIMIT = 12;
const TEXT_LIMIT_CHARACTERS = 200;

/** What the fleet is told of a node: its status, made small. Undefined while the node does not know who it is. */
export function nodeDocument(status: StatusReport, context: DocumentContext): NodeDocument | undefined {
  const { node, pool, ranges } = status;
  if (node === undefined) return undefined;
  const first = Math.min(...status.waiting.map(({ sinceMs }) => sinceMs));
  return {
    schema: 1,
    kind: "enid",
    nodeName: node.hostname ?? context.hostName,
    version: context.version,
    environment: ranges === undefined ? "aws" : "node-cidr",
    handOff: status.agent === undefined ? "cni" : "cilium-node",
    instanceType: node.instanceType,
    region: node.region,
    zone: node.availabilityZone,
    startedAtMs: status.startedAtMs,
    ready: status.ready,
    waitingFor: status.waitingFor.slice(0, TEXT_LIMIT_CHARACTERS),
    capacity: status.capacity,
    ipv4: { free: pool.free, leased: pool.leased, cooling: pool.cooling, releasing: pool.releasing },
    ...(pool.ipv6 === undefined ? undefined : { ipv6: { leased: pool.ipv6.leased, cooling: pool.ipv6.cooling } }),
    interfaces: status.interfaces.length,
    subnets: subnetsOf(status),
    waiting: status.waiting.length,
    longestWaitMs: status.waiting.length === 0 ? 0 : Math.max(0, context.nowMs - first),
    degraded: status.degraded.slice(0, DEGRADED_LIMIT).map(({ name }) => name),
    calls: mostFrequent(context.calls),
  };
}

/** The subnets that the node may use or has addresses of. */
function subnetsOf({ subnets, interfaces }: StatusReport): SubnetUse[] {
  const known = new Map(subnets.map((subnet) => [subnet.id, subnet]));
  const ids = new Set([...known.keys(), ...interfaces.map(({ subnetId }) => subnetId)]);
  return [...ids]
    .map((id): SubnetUse => {
      const subnet = known.get(id);
      const here = interfaces.filter(({ subnetId }) => subnetId === id);
      return {
        id,
        cidr: subnet?.cidr ?? "",
        free: subnet?.freeAddresses ?? 0,
        // 0: the settings no longer allow it, so it is no longer looked at.
        readAtMs: subnet?.readAtMs ?? 0,
        held: sum(here.map(({ counts }) => counts.total)),
        leased: sum(here.map(({ counts }) => counts.leased)),
      };
    })
    .sort((one, other) => other.held - one.held || (one.id < other.id ? -1 : 1))
    .slice(0, SUBNETS_LIMIT);
}

function mostFrequent(calls: Readonly<Record<string, number>>): Record<string, number> {
  const sorted = Object.entries(calls).sort(([one, a], [other, b]) => b - a || (one < other ? -1 : 1));
  return Object.fromEntries(sorted.slice(0, ACTIONS_LIMIT));
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0);
}
