import { prefixModeOf } from "../configuration/index.ts";
import type { EnidError } from "../errors.ts";
import type { AgentHandOffReport } from "../handoff/cilium-node/port.ts";
import { excess, needed } from "../planning/index.ts";
import { type Counts, familyOf } from "../pool/index.ts";
import { fixedReports } from "./fixed-reports.ts";
import type { GivingBack } from "./giving-back.ts";
import type { NodeState } from "./node.ts";
import { planSubnets } from "./plan-input.ts";
import type { FleetReport, ReachReport, StoreFacts } from "./ports/index.ts";
import { rangeReports } from "./range-reports.ts";
import type {
  ConfigurationReport,
  Degradation,
  IntentReport,
  InterfaceReport,
  LostReport,
  OrphansReport,
  StatusReport,
  SubnetReport,
  WaitingReport,
} from "./reports.ts";
import type { Restraint } from "./restraint.ts";
import { blocksOfStep } from "./step-sizes.ts";

export interface StatusInput {
  readonly phase: StatusReport["phase"];
  readonly notReady: EnidError | undefined;
  readonly startedAtMs: number;
  readonly provider: string;
  readonly node: NodeState;
  readonly restraint: Restraint;
  readonly givingBack: GivingBack;
  readonly waiting: readonly WaitingReport[];
  readonly degraded: readonly Degradation[];
  readonly configuration: ConfigurationReport;
  readonly store: StoreFacts;
  readonly observedAtMs: StatusReport["observedAtMs"];
  readonly budget: StatusReport["budget"];
  readonly refillAtMs: number | undefined;
  readonly reach: readonly ReachReport[];
  readonly orphans: OrphansReport | undefined;
  readonly fleet: FleetReport | undefined;
  readonly agent: AgentHandOffReport | undefined;
}

/** The pool, and what is said of it only where there is something to say. */
function poolReport({ node, givingBack }: StatusInput) {
  const ipv6 = node.pool.counts("ipv6");
  const prefixes = [...node.pool.blocks()].filter(
    ({ block }) => block.kind === "prefix" && familyOf(block.cidr) === "ipv4",
  );
  const free = [...node.pool.blocks()].filter(
    ({ total, free, kept, block }) =>
      free === total && kept !== true && familyOf(block.cidr) === "ipv4" && block.kind !== "node-cidr",
  );
  const lost = lostReports(node);
  const { addresses, interfaces } = node.givenBack;
  return {
    pool: {
      ...node.pool.counts(),
      ...(ipv6.total === 0 ? {} : { ipv6 }),
      prefixes: prefixes.length,
      freeInFreeBlocks: free.reduce((sum, { total }) => sum + total, 0),
      excess: givingBack.count(),
      releasableAtMs: givingBack.releasableAtMs(),
    },
    ipFamilies: node.settings.values["ip-families"],
    prefixMode: prefixModeOf(node.settings),
    ...(lost.length === 0 ? {} : { lost }),
    ...(addresses + interfaces === 0 ? {} : { givenBack: { addresses, interfaces } }),
  };
}

/** Pods whose address EC2 denies. */
function lostReports({ pool, lostSinceMs }: NodeState): LostReport[] {
  if (lostSinceMs.size === 0) return [];
  return [...pool.leases()].flatMap(({ address, ipv6Address, pod }) =>
    [address, ipv6Address].flatMap((one) => {
      const cidr = one === undefined ? undefined : pool.blockOf(one)?.cidr;
      const sinceMs = cidr === undefined ? undefined : lostSinceMs.get(cidr);
      return one === undefined || sinceMs === undefined ? [] : [{ address: one, pod, sinceMs }];
    }),
  );
}

const NO_ADDRESSES: Counts = { total: 0, free: 0, leased: 0, cooling: 0, releasing: 0 };

export function statusReport(input: StatusInput): StatusReport {
  const { node } = input;
  const watermarks = node.watermarks();
  const { available, used } = node.supply();
  const fixed = fixedReports(node);
  return {
    phase: input.phase,
    ready: input.notReady === undefined,
    waitingFor: input.notReady?.message ?? "",
    startedAtMs: input.startedAtMs,
    provider: input.provider,
    node: node.facts,
    capacity: node.capacity(),
    ...poolReport(input),
    watermarks: {
      ...watermarks,
      available,
      used,
      needed: needed({ available, used, ...watermarks }),
      excess: node.hasRanges ? 0 : excess({ available, used, ...watermarks }),
      ...(input.refillAtMs === undefined ? {} : { refillAtMs: input.refillAtMs }),
    },
    waiting: input.waiting,
    ...(fixed === undefined ? {} : { fixed }),
    ...placesOf(node, input.restraint),
    intents: intentReports(node),
    degraded: input.degraded,
    settings: node.settings,
    configuration: input.configuration,
    store: input.store,
    observedAtMs: input.observedAtMs,
    ...(input.budget === undefined ? {} : { budget: input.budget }),
    ...(input.reach.length === 0 ? {} : { reach: input.reach }),
    ...(input.orphans === undefined ? {} : { orphans: input.orphans }),
    ...(input.fleet === undefined ? {} : { fleet: input.fleet }),
    ...(input.agent === undefined ? {} : { agent: input.agent }),
  };
}

/** Where the addresses are: interfaces in subnets, or the node's own ranges. */
function placesOf(node: NodeState, restraint: Restraint) {
  if (node.hasRanges) {
    return { ranges: rangeReports(node), interfaces: [], subnets: [], refusedSubnets: [], securityGroups: [] };
  }
  return {
    interfaces: interfaceReports(node),
    subnets: subnetReports(node, restraint),
    refusedSubnets: node.resolution?.refused ?? [],
    securityGroups: node.resolution?.securityGroups ?? [],
  };
}

function interfaceReports(node: NodeState): InterfaceReport[] {
  const counts = new Map(node.pool.interfaceCounts().map((entry) => [entry.id, entry]));
  return [...node.interfaces.values()]
    .sort((a, b) => a.deviceIndex - b.deviceIndex)
    .map((record) => {
      const unusableBecause = node.unusableBecause(record);
      const entry = counts.get(record.id);
      const own: Counts =
        entry === undefined
          ? NO_ADDRESSES
          : {
              total: entry.total,
              free: entry.free,
              leased: entry.leased,
              cooling: entry.cooling,
              releasing: entry.releasing,
            };
      return {
        id: record.id,
        deviceIndex: record.deviceIndex,
        networkCard: record.networkCard,
        mac: record.mac,
        subnetId: record.subnetId,
        primaryAddress: record.primaryAddress,
        madeBy: record.madeBy,
        usable: unusableBecause === "",
        unusableBecause,
        slots: node.facts === undefined ? 0 : node.facts.limits.ipv4PerInterface - 1,
        counts: own,
      };
    });
}

function subnetReports(node: NodeState, restraint: Restraint): SubnetReport[] {
  const free = new Map(planSubnets(node, restraint).map((subnet) => [subnet.id, subnet]));
  return (node.resolution?.subnets ?? []).map((subnet) => ({
    ...subnet,
    freeAddresses: free.get(subnet.id)?.freeAddresses ?? subnet.freeAddresses,
    blockedUntilMs: free.get(subnet.id)?.blockedUntilMs ?? 0,
    prefixesBlockedUntilMs: free.get(subnet.id)?.prefixesBlockedUntilMs ?? 0,
    readAtMs: node.resolvedAtMs,
  }));
}

function intentReports(node: NodeState): IntentReport[] {
  return [...node.intents.values()].map(({ intent, state }) => ({
    id: intent.id,
    kind: intent.step.kind,
    target: intent.interfaceId ?? ("interfaceId" in intent.step ? intent.step.interfaceId : intent.step.subnetId),
    count: blocksOfStep(intent.step),
    openedAtMs: intent.openedAtMs,
    state,
  }));
}
