import { prefixModeOf } from "../configuration/index.ts";
import {
  type FreeBlock,
  type GiveBack,
  type PlanInput,
  type PlanInterface,
  type PlanSubnet,
  primaryAddresses,
} from "../planning/index.ts";
import { familyOf } from "../pool/index.ts";
import { LIMITS } from "./limits.ts";
import type { NodeState, RunningIntent } from "./node.ts";
import type { Intent, InterfaceRecord, NodeFacts } from "./ports/index.ts";
import { givenAddresses } from "./range-supply.ts";
import type { Restraint } from "./restraint.ts";
import { addsTo, stepCount, stepIpv6Prefixes, stepSlots } from "./step-sizes.ts";

/** What planning asks of the restraint. */
export type HeldBack = Pick<
  Restraint,
  "blocked" | "subnetBlockedUntilMs" | "prefixesBlockedUntilMs" | "ipv6Blocked" | "givingBackBlockedUntilMs"
>;

export interface PlanQuestion {
  readonly facts: NodeFacts;
  readonly nowMs: number;
  /** Pods that wait. */
  readonly waiting: number;
  readonly restraint: HeldBack;
  /** What may be given back now; undefined = nothing. */
  readonly giveBack: GiveBack | undefined;
  /** Whether a block of which all is free must stay. Absent = what Cilium's agent may use. */
  readonly isHeld?: (cidr: string) => boolean;
}

/** What planning is asked: the node as it is, with what the steps under way will bring. */
export function planInput(node: NodeState, question: PlanQuestion): PlanInput {
  const { facts, nowMs, waiting, restraint, giveBack } = question;
  if (node.hasRanges) return givenInput(node, nowMs, waiting);
  const counting = [...node.intents.values()].filter((running) => countsAsPending(running, nowMs));
  const blocked = restraint.blocked();
  const interfaces = planInterfaces(node, facts, counting, question.isHeld);
  const { available, used } = node.supply("ipv4");
  const creating = [...node.intents.values()].flatMap(({ intent: { step } }) =>
    step.kind === "create-interface" ? [{ card: step.networkCard ?? 0, deviceIndex: step.deviceIndex }] : [],
  );
  const making = counting.flatMap(({ intent }) => beingMade(intent, interfaces, facts.limits.ipv4PerInterface - 1));
  // Interfaces that enid made follow the groups of the primary one; not while EC2 is spared.
  const follows = node.inheritsGroups && restraint.givingBackBlockedUntilMs() === 0;
  const limits = node.planLimits(facts);
  return {
    nowMs,
    watermarks: node.watermarks(),
    available,
    used,
    waiting,
    pending: sum(
      counting
        .filter(isForAnyPod)
        .map(({ intent }) => stepCount(intent) + (isCreate(intent) ? primaryAddresses(limits) : 0)),
    ),
    interfaces: [...interfaces, ...making],
    pendingDeviceIndexes: creating.filter(({ card }) => card === 0).map(({ deviceIndex }) => deviceIndex),
    pendingPlaces: creating,
    subnets: planSubnets(node, restraint),
    limits,
    prefixMode: prefixModeOf(node.settings),
    families: node.settings.values["ip-families"],
    ...(blocked === undefined ? {} : { blocked: { untilMs: blocked.untilMs, reason: blocked.error.message } }),
    ...(giveBack === undefined ? {} : { giveBack }),
    ...(follows ? { securityGroups: node.resolution?.securityGroups ?? [] } : {}),
  };
}

/** A node with ranges of its own: what it has is all there is. */
function givenInput(node: NodeState, nowMs: number, waiting: number): PlanInput {
  const { available, used } = node.supply();
  return {
    nowMs,
    watermarks: node.watermarks(),
    available,
    used,
    waiting,
    pending: 0,
    interfaces: [],
    pendingDeviceIndexes: [],
    subnets: [],
    limits: { maxInterfaces: 1, addressesPerInterface: 1, firstInterfaceIndex: 0 },
    families: node.settings.values["ip-families"],
    given: givenAddresses(node),
  };
}

/** Allowed subnets, their free counts less what was asked for since they were read. */
export function planSubnets(node: NodeState, restraint: HeldBack): PlanSubnet[] {
  return (node.resolution?.subnets ?? []).map((subnet) => {
    const blockedUntilMs = restraint.subnetBlockedUntilMs(subnet.id);
    const prefixesBlockedUntilMs = restraint.prefixesBlockedUntilMs(subnet.id);
    return {
      id: subnet.id,
      freeAddresses: Math.max(0, subnet.freeAddresses - (node.takenSince.get(subnet.id) ?? 0)),
      ...(blockedUntilMs === 0 ? {} : { blockedUntilMs }),
      ...(prefixesBlockedUntilMs === 0 ? {} : { prefixesBlockedUntilMs }),
      ...(subnet.ipv6Cidr === undefined || restraint.ipv6Blocked(subnet.id) ? {} : { ipv6: true }),
    };
  });
}

/** The interfaces as planning sees them, with what steps under way bring. */
export function interfacesNow(node: NodeState, facts: NodeFacts, nowMs: number): PlanInterface[] {
  const counting = [...node.intents.values()].filter((running) => countsAsPending(running, nowMs));
  return planInterfaces(node, facts, counting);
}

function planInterfaces(
  node: NodeState,
  facts: NodeFacts,
  counting: readonly RunningIntent[],
  isHeld: (cidr: string) => boolean = (cidr) => node.isHeldByAgent(cidr),
): PlanInterface[] {
  const ipv4Blocks = new Map(node.pool.interfaceCounts().map((counts) => [counts.id, counts.blocks]));
  // One that EC2 denies serves no pod, so another one is wanted.
  const ipv6Holders: string[] = [];
  if (node.pool.counts("ipv6").total > 0) {
    for (const { block, usable } of node.pool.blocks()) {
      if (usable && familyOf(block.cidr) === "ipv6") ipv6Holders.push(block.interfaceId);
    }
  }
  const slots = facts.limits.ipv4PerInterface - 1;
  // What waits for its pod stays, and so does the interface that carries it.
  const keeping = new Set(node.fixed.size === 0 ? [] : keepers(node));
  return [...node.interfaces.values()]
    .filter((record) => record.deviceIndex >= 0)
    .map((record) => {
      const pendingHere = counting.filter(({ intent }) => addsTo(intent, record)).map(({ intent }) => intent);
      const busy = node.isBusy(record.id);
      // While a step cannot be settled nothing more is added here, so growth goes on elsewhere.
      const stuck = busy && pendingHere.length === 0;
      const idleSinceMs = node.idleSinceMs.get(record.id);
      return {
        id: record.id,
        deviceIndex: record.deviceIndex,
        networkCard: record.networkCard,
        subnetId: record.subnetId,
        usable: node.unusableBecause(record) === "",
        slots,
        slotsTaken:
          (ipv4Blocks.get(record.id) ?? 0) - (node.holdsPrimary(record) ? 1 : 0) + (node.strays.get(record.id) ?? 0),
        slotsPending: stuck ? slots : sum(pendingHere.map(stepSlots)),
        busy,
        removable: isRemovable(record, facts) && !keeping.has(record.id) && !isPrimaryHeld(node, record, isHeld),
        used: node.pool.inUseOn(record.id),
        ...(idleSinceMs === undefined ? {} : { idleSinceMs }),
        freeBlocks: freeBlocks(node, record).filter(({ cidr }) => !isHeld(cidr)),
        ipv6Prefixes: ipv6Holders.filter((id) => id === record.id).length + sum(pendingHere.map(stepIpv6Prefixes)),
        securityGroups: record.securityGroups,
      };
    });
}

function keepers({ pool }: NodeState): string[] {
  return [...pool.blocks()].flatMap(({ block, kept }) => (kept === true ? [block.interfaceId] : []));
}

function isRemovable(record: InterfaceRecord, facts: NodeFacts): boolean {
  return record.madeBy === "enid" && !record.foreign && record.id !== facts.primaryInterfaceId;
}

/** The primary address goes with its interface alone; where it is for pods, whoever may have it must have let it go. */
function isPrimaryHeld(node: NodeState, record: InterfaceRecord, isHeld: (cidr: string) => boolean): boolean {
  return node.holdsPrimary(record) && isHeld(`${record.primaryAddress}/32`);
}

/** What could be given back of the interface: wholly free, not its primary address, and taken by enid itself. */
function freeBlocks(node: NodeState, record: InterfaceRecord): FreeBlock[] {
  if (record.foreign) return [];
  const primary = `${record.primaryAddress}/32`;
  const free: FreeBlock[] = [];
  for (const { cidr, kind, found } of node.pool.freeBlocksOn(record.id)) {
    if (cidr !== primary && found !== true && kind !== "node-cidr") free.push({ cidr, unit: kind });
  }
  return free;
}

/** An interface that a step makes and nobody has seen yet: planning waits for its free slots instead of making another. */
function beingMade(intent: Intent, seen: readonly PlanInterface[], slots: number): PlanInterface[] {
  const { step, interfaceId, id } = intent;
  if (step.kind !== "create-interface" || seen.some((one) => one.id === interfaceId)) return [];
  const { deviceIndex, subnetId, networkCard = 0 } = step;
  const slotsPending = stepSlots(intent);
  const ipv6Prefixes = stepIpv6Prefixes(intent);
  const id6 = ipv6Prefixes > 0 ? { ipv6Prefixes } : {};
  return [
    {
      id: interfaceId ?? id,
      deviceIndex,
      networkCard,
      subnetId,
      usable: true,
      slots,
      slotsTaken: 0,
      slotsPending,
      busy: true,
      ...id6,
    },
  ];
}

/** An intent that cannot be settled must not hold back growth for ever; its device index stays taken all the same. */
function countsAsPending(running: RunningIntent, nowMs: number): boolean {
  return running.state === "running" || nowMs - running.sinceMs < LIMITS.unsettledCountsMs;
}

/** What is brought for one pod is no part of what the others need. */
function isForAnyPod({ intent: { step }, keepsFor }: RunningIntent): boolean {
  return keepsFor === undefined && !(step.kind === "add-blocks" && step.address !== undefined);
}

function isCreate({ step }: Intent): boolean {
  return step.kind === "create-interface";
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0);
}
