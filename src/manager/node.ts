import type { Settings } from "../configuration/index.ts";
import type { EnidError } from "../errors.ts";
import {
  effectivePreAllocate,
  nodeMaximum,
  type PlanInput,
  type PlanInterface,
  type PlanSubnet,
  type Step,
} from "../planning/index.ts";
import { Pool } from "../pool/index.ts";
import { LIMITS } from "./limits.ts";
import type { Intent, InterfaceRecord, NodeFacts, Resolution } from "./ports/index.ts";
import type { Restraint } from "./restraint.ts";

/** A step under way: its durable intent and what is known of it in this process. */
export interface RunningIntent {
  intent: Intent;
  /** `running`: a call is under way. `unsettled`: its outcome is unknown and has to be found out. */
  state: "running" | "unsettled";
  /** When it became unsettled or was tried last; wall ms. */
  sinceMs: number;
  nextTryMs: number;
  tries: number;
  /** Why it is unknown, or was last. */
  error?: EnidError;
}

/** All that the manager knows of its node: the pool and the facts around it. Only the manager changes it. */
export class NodeState {
  pool = new Pool();
  readonly interfaces = new Map<string, InterfaceRecord>();
  readonly intents = new Map<string, RunningIntent>();
  facts: NodeFacts | undefined;
  resolution: Resolution | undefined;
  resolvedAtMs = 0;
  /** Addresses asked for in each subnet since `resolvedAtMs`. */
  readonly takenSince = new Map<string, number>();
  /** Addresses on an interface that the pool holds under another one, where a lease keeps them; they take slots here. */
  readonly strays = new Map<string, number>();
  settings: Settings;
  /** Subnets that the same selection allowed when EC2 was asked last: the warm start serves from them until it is asked. */
  trusted: ReadonlySet<string> = new Set();

  constructor(settings: Settings) {
    this.settings = settings;
  }

  /** Everything that belonged to another instance goes; the settings stay. */
  forget(): void {
    this.pool = new Pool();
    this.interfaces.clear();
    this.intents.clear();
    this.takenSince.clear();
    this.strays.clear();
    this.trusted = new Set();
  }

  /** Why the interface carries no pods under the settings; empty when it may. */
  unusableBecause(record: InterfaceRecord): string {
    const firstIndex = this.settings.values["first-interface-index"];
    if (record.foreign) return "managed by somebody else or excluded by eni.exclude-interface-tags";
    if (record.deviceIndex < 0) return "not attached";
    if (record.deviceIndex < firstIndex)
      return `device index ${record.deviceIndex} is below first-interface-index ${firstIndex}`;
    if (this.resolution === undefined) {
      return this.trusted.has(record.subnetId) ? "" : "the allowed subnets are not known yet";
    }
    const allowed = this.resolution.subnets.some((subnet) => subnet.id === record.subnetId);
    return allowed ? "" : `subnet ${record.subnetId} is not among the allowed ones`;
  }

  /** Brings the pool's view of every interface in line with settings and resolution; true if one became usable. */
  refreshUsability(): boolean {
    let more = false;
    for (const record of this.interfaces.values()) {
      const usable = this.unusableBecause(record) === "";
      more ||= usable && this.pool.interface(record.id)?.usable === false;
      this.pool.upsertInterface({ id: record.id, index: record.deviceIndex, usable });
    }
    return more;
  }

  /** Pod addresses the node can hold at most under the settings; 0 while the limits are unknown. */
  capacity(): number {
    return this.facts === undefined ? 0 : nodeMaximum(this.#planLimits(this.facts));
  }

  watermarks(): PlanInput["watermarks"] {
    const { values, origins } = this.settings;
    const configured = values["pre-allocate"];
    const preAllocate =
      this.facts === undefined
        ? configured
        : effectivePreAllocate(configured, origins["pre-allocate"].kind === "default", this.#planLimits(this.facts));
    return {
      preAllocate,
      minAllocate: values["min-allocate"],
      maxAllocate: values["max-allocate"],
      maxAboveWatermark: values["max-above-watermark"],
    };
  }

  /** Addresses on usable interfaces: what the watermarks count. Cooling ones are not to be given out, so they are used. */
  supply(): { available: number; used: number; free: number } {
    const counts = this.pool.usableCounts();
    return { available: counts.total - counts.releasing, used: counts.leased + counts.cooling, free: counts.free };
  }

  planInput(facts: NodeFacts, nowMs: number, waiting: number, restraint: Restraint): PlanInput {
    const counting = [...this.intents.values()].filter((running) => countsAsPending(running, nowMs));
    const blocked = restraint.blocked();
    const blocks = new Map(this.pool.interfaceCounts().map((counts) => [counts.id, counts.blocks]));
    const slots = facts.limits.ipv4PerInterface - 1;
    const interfaces = [...this.interfaces.values()]
      .filter((record) => record.deviceIndex >= 0)
      .map((record): PlanInterface => {
        const pendingHere = counting.filter(({ intent }) => addsTo(intent, record));
        const pending = pendingHere.reduce((sum, { intent }) => sum + stepCount(intent), 0);
        // While a step cannot be settled nothing more is added here, so growth goes on elsewhere.
        const stuck = this.isBusy(record.id) && pendingHere.length === 0;
        return {
          id: record.id,
          deviceIndex: record.deviceIndex,
          networkCard: record.networkCard,
          subnetId: record.subnetId,
          usable: this.unusableBecause(record) === "",
          slots,
          slotsTaken: (blocks.get(record.id) ?? 0) + (this.strays.get(record.id) ?? 0),
          slotsPending: stuck ? slots : pending,
        };
      });
    const { available, used } = this.supply();
    const creating = [...this.intents.values()].filter(({ intent }) => intent.step.kind === "create-interface");
    const making = counting.flatMap(({ intent }) => this.#beingMade(intent, interfaces, slots));
    return {
      nowMs,
      watermarks: this.watermarks(),
      available,
      used,
      waiting,
      pending: counting.reduce((sum, { intent }) => sum + stepCount(intent), 0),
      interfaces: [...interfaces, ...making],
      pendingDeviceIndexes: creating.flatMap(({ intent }) =>
        "deviceIndex" in intent.step ? [intent.step.deviceIndex] : [],
      ),
      subnets: this.planSubnets(restraint),
      limits: this.#planLimits(facts),
      ...(blocked === undefined ? {} : { blocked: { untilMs: blocked.untilMs, reason: blocked.error.message } }),
    };
  }

  /** An interface that a step makes and nobody has seen yet: planning waits for its free slots instead of making another. */
  #beingMade({ step, interfaceId, id }: Intent, seen: readonly PlanInterface[], slots: number): PlanInterface[] {
    if (step.kind !== "create-interface" || seen.some((one) => one.id === interfaceId)) return [];
    const { deviceIndex, subnetId, count } = step;
    return [{ id: interfaceId ?? id, deviceIndex, subnetId, usable: true, slots, slotsTaken: 0, slotsPending: count }];
  }

  /** Allowed subnets, their free counts less what was asked for since they were read. */
  planSubnets(restraint: Restraint): PlanSubnet[] {
    return (this.resolution?.subnets ?? []).map((subnet) => {
      const blockedUntilMs = restraint.subnetBlockedUntilMs(subnet.id);
      return {
        id: subnet.id,
        freeAddresses: Math.max(0, subnet.freeAddresses - (this.takenSince.get(subnet.id) ?? 0)),
        ...(blockedUntilMs === 0 ? {} : { blockedUntilMs }),
      };
    });
  }

  /** Subnets of the usable interfaces with free slots; "any" while another interface can be made. */
  subnetsWithRoom(): ReadonlySet<string> | "any" {
    const limits = this.facts?.limits;
    const attached = [...this.interfaces.values()].filter(({ deviceIndex }) => deviceIndex >= 0);
    const making = [...this.intents.values()].filter(({ intent }) => intent.step.kind === "create-interface");
    if (limits === undefined || attached.length + making.length < limits.maxInterfaces) return "any";
    const blocks = new Map(this.pool.interfaceCounts().map((counts) => [counts.id, counts.blocks]));
    const open = attached.filter(
      (record) => this.unusableBecause(record) === "" && (blocks.get(record.id) ?? 0) < limits.ipv4PerInterface - 1,
    );
    return new Set(open.map(({ subnetId }) => subnetId));
  }

  /** What a step takes out of its subnet (`sign` 1), or did not take after all (-1). */
  takeFromSubnet(step: Step, sign: 1 | -1): void {
    if (step.kind !== "add-blocks" && step.kind !== "create-interface") return;
    // A new interface takes a primary address too.
    const count = step.count + (step.kind === "create-interface" ? 1 : 0);
    const taken = (this.takenSince.get(step.subnetId) ?? 0) + sign * count;
    // Below zero, it was taken before the free addresses were read last.
    this.takenSince.set(step.subnetId, Math.max(0, taken));
  }

  /** A step under way makes this interface, or takes it away: nobody else may touch it before that ended. */
  isInTheMaking(interfaceId: string): boolean {
    return [...this.intents.values()].some(
      ({ intent: { step, interfaceId: made } }) =>
        (step.kind === "create-interface" && made === interfaceId) ||
        (step.kind === "remove-interface" && step.interfaceId === interfaceId),
    );
  }

  /** Whether a step changes this interface at the moment. */
  isBusy(interfaceId: string): boolean {
    return [...this.intents.values()].some(
      ({ intent }) =>
        intent.interfaceId === interfaceId || ("interfaceId" in intent.step && intent.step.interfaceId === interfaceId),
    );
  }

  #planLimits(facts: NodeFacts): PlanInput["limits"] {
    return {
      maxInterfaces: facts.limits.maxInterfaces,
      addressesPerInterface: facts.limits.ipv4PerInterface,
      firstInterfaceIndex: this.settings.values["first-interface-index"],
    };
  }
}

/** Addresses that an intent will bring. */
export function stepCount(intent: Intent): number {
  return intent.step.kind === "add-blocks" || intent.step.kind === "create-interface" ? intent.step.count : 0;
}

/** Also a create whose interface was observed before the step ended: its addresses are still to come into the pool. */
function addsTo({ step, interfaceId }: Intent, record: InterfaceRecord): boolean {
  if (step.kind === "add-blocks") return step.interfaceId === record.id;
  return step.kind === "create-interface" && interfaceId === record.id;
}

/** An intent that cannot be settled must not hold back growth for ever; its device index stays taken all the same. */
function countsAsPending(running: RunningIntent, nowMs: number): boolean {
  return running.state === "running" || nowMs - running.sinceMs < LIMITS.unsettledCountsMs;
}
