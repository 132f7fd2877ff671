import type { EnidError } from "../errors.ts";
import { excess, needed } from "../planning/index.ts";
import type { Counts } from "../pool/index.ts";
import { type NodeState, stepCount } from "./node.ts";
import type { StoreFacts } from "./ports/index.ts";
import type {
  ConfigurationReport,
  Degradation,
  IntentReport,
  InterfaceReport,
  StatusReport,
  SubnetReport,
  WaitingReport,
} from "./reports.ts";
import type { Restraint } from "./restraint.ts";

export interface StatusInput {
  readonly phase: StatusReport["phase"];
  readonly notReady: EnidError | undefined;
  readonly startedAtMs: number;
  readonly provider: string;
  readonly node: NodeState;
  readonly restraint: Restraint;
  readonly waiting: readonly WaitingReport[];
  readonly degraded: readonly Degradation[];
  readonly configuration: ConfigurationReport;
  readonly store: StoreFacts;
  readonly observedAtMs: StatusReport["observedAtMs"];
}

const NO_ADDRESSES: Counts = { total: 0, free: 0, leased: 0, cooling: 0, releasing: 0 };

export function statusReport(input: StatusInput): StatusReport {
  const { node } = input;
  const watermarks = node.watermarks();
  const { available, used } = node.supply();
  return {
    phase: input.phase,
    ready: input.notReady === undefined,
    waitingFor: input.notReady?.message ?? "",
    startedAtMs: input.startedAtMs,
    provider: input.provider,
    node: node.facts,
    capacity: node.capacity(),
    pool: node.pool.counts(),
    watermarks: {
      ...watermarks,
      available,
      used,
      needed: needed({ available, used, ...watermarks }),
      excess: excess({ available, used, ...watermarks }),
    },
    waiting: input.waiting,
    interfaces: interfaceReports(node),
    subnets: subnetReports(node, input.restraint),
    refusedSubnets: node.resolution?.refused ?? [],
    securityGroups: node.resolution?.securityGroups ?? [],
    intents: intentReports(node),
    degraded: input.degraded,
    settings: node.settings,
    configuration: input.configuration,
    store: input.store,
    observedAtMs: input.observedAtMs,
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
  const free = new Map(node.planSubnets(restraint).map((subnet) => [subnet.id, subnet]));
  return (node.resolution?.subnets ?? []).map((subnet) => ({
    ...subnet,
    freeAddresses: free.get(subnet.id)?.freeAddresses ?? subnet.freeAddresses,
    blockedUntilMs: free.get(subnet.id)?.blockedUntilMs ?? 0,
    readAtMs: node.resolvedAtMs,
  }));
}

function intentReports(node: NodeState): IntentReport[] {
  return [...node.intents.values()].map(({ intent, state }) => ({
    id: intent.id,
    kind: intent.step.kind,
    target: intent.interfaceId ?? ("interfaceId" in intent.step ? intent.step.interfaceId : intent.step.subnetId),
    count: stepCount(intent),
    openedAtMs: intent.openedAtMs,
    state,
  }));
}
