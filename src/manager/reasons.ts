import { EnidError } from "../errors.ts";
import type { GivenAddresses, Plan, PlanSubnet, ShortfallReason } from "../planning/index.ts";
import type { Degradations } from "./degradations.ts";
import { LIMITS } from "./limits.ts";
import type { NodeState, RunningIntent } from "./node.ts";
import { givenAddresses } from "./range-supply.ts";
import type { Restraint } from "./restraint.ts";
import { isGrowth, stepCount, stepIpv6Prefixes, stepSaid } from "./step-sizes.ts";
import { subnetsWithRoom } from "./subnets-with-room.ts";
import type { Surveyor } from "./surveying.ts";

export interface ReasonInput {
  readonly node: NodeState;
  readonly restraint: Restraint;
  readonly surveyor: Pick<Surveyor, "current" | "resolveError" | "fresh">;
  readonly degradations: Degradations;
  /** The disk refused lately, so no step is begun. */
  readonly diskError: EnidError | undefined;
  readonly plan: Plan | undefined;
  readonly nowMs: number;
}

/** Why a pod that asks now gets no address: the first obstacle on the way to one. */
export function whyNone(input: ReasonInput): EnidError {
  const { node, surveyor, degradations, plan } = input;
  if (node.hasRanges) return whyNoneOfRanges(input);
  if (node.facts === undefined) {
    return growing("instance metadata to say who this node is", degradations.messageOf("node-unknown"));
  }
  if (node.resolution === undefined) return surveyor.resolveError ?? growing("EC2 to say which subnets are allowed");
  if (!surveyor.current) return growing("EC2 to say what the node holds", degradations.messageOf("cloud-away"));
  const unsettled = whatIsUnsettled(node);
  const shortfall = plan?.shortfall;
  if (shortfall !== undefined && isHard(shortfall) && unsettled === undefined) return shortfallError(shortfall, input);
  if (input.diskError !== undefined) return input.diskError;
  const asks = (plan?.steps.length ?? 0) > 0 || (shortfall !== undefined && "subnets" in shortfall);
  if (asks && !surveyor.fresh(input.nowMs)) {
    return surveyor.resolveError ?? growing("EC2 to say how many addresses the subnets have");
  }
  if (shortfall !== undefined && !isHard(shortfall)) return shortfallError(shortfall, input);
  const running = [...node.intents.values()].filter(({ state, intent }) => state === "running" && brings(intent));
  const doing = running.map(({ intent }) => stepSaid(intent.step));
  if (doing.length > 0) return growing(`EC2 to carry out ${doing.join(", ")}`);
  return unsettled ?? growing("the next plan");
}

/** The same where addresses are of the node's own ranges: nothing has to be asked for, so little can be in the way. */
function whyNoneOfRanges({ node, degradations, plan, diskError }: ReasonInput): EnidError {
  if (node.facts === undefined) return growing("the machine's identity", degradations.messageOf("node-unknown"));
  if (diskError !== undefined) return diskError;
  if (node.rangesJoin) return growing("new ranges to be written to the disk");
  const given = givenAddresses(node);
  const isMost = plan?.shortfall?.kind === "max-allocate" || (given.free === 0 && given.unused > 0);
  return isMost ? mostReached(node) : new EnidError("ENID_RANGES_FULL", rangesFull(given));
}

function mostReached(node: NodeState): EnidError {
  const maxAllocate = node.watermarks().maxAllocate;
  return new EnidError("ENID_MAX_ALLOCATE", { maxAllocate, used: node.pool.leaseCount });
}

function rangesFull({ ranges, free, leased, cooling, reserved, draining }: Omit<GivenAddresses, "unused">) {
  return { ranges: ranges.join(", "), free, leased, cooling, reserved, draining };
}

/** A plan's shortfall as an error of the catalogue, with the node's values. */
export function shortfallError(
  shortfall: ShortfallReason,
  { node, restraint }: Pick<ReasonInput, "node" | "restraint">,
): EnidError {
  const { used } = node.supply();
  switch (shortfall.kind) {
    case "instance-full":
      return new EnidError("ENID_INSTANCE_FULL", {
        instanceType: node.facts?.instanceType ?? "the instance",
        capacity: shortfall.capacity,
        used,
      });
    case "ranges-full":
      return new EnidError("ENID_RANGES_FULL", rangesFull(shortfall));
    case "max-allocate":
      return new EnidError("ENID_MAX_ALLOCATE", { maxAllocate: shortfall.maxAllocate, used });
    case "no-usable-interface": {
      const reasons = [...node.interfaces.values()].map(
        (record) => `${record.id}: ${node.unusableBecause(record) || "usable"}`,
      );
      return new EnidError("ENID_NO_USABLE_INTERFACE", {
        detail: reasons.join("; ") || "the node has no interface yet",
      });
    }
    case "subnets-empty":
      return subnetsEmpty(shortfall.subnets, node);
    case "subnets-fragmented":
      return new EnidError("ENID_SUBNET_FRAGMENTED", {
        subnets: shortfall.subnets.map(({ id, freeAddresses }) => `${id}: ${freeAddresses} free`).join(", "),
        retryAt: againAt(
          shortfall.subnets.map(({ prefixesBlockedUntilMs }) => prefixesBlockedUntilMs),
          node,
        ),
      });
    case "prefixes-unsupported":
      return new EnidError("ENID_PREFIXES_UNSUPPORTED", { instanceType: node.facts?.instanceType ?? "the instance" });
    case "no-ipv6-subnet":
      return new EnidError("ENID_NO_IPV6_SUBNET", {
        subnets: shortfall.subnets.map(({ id }) => id).join(", ") || "none",
      });
    case "no-subnet":
      return growing("EC2 to say which subnets are allowed");
    case "blocked":
      return restraint.blocked()?.error ?? growing(`EC2 to be asked again: ${shortfall.reason}`);
    default:
      return shortfall satisfies never;
  }
}

const HARD: ReadonlySet<ShortfallReason["kind"]> = new Set([
  "instance-full",
  "max-allocate",
  "no-usable-interface",
  "prefixes-unsupported",
  "no-ipv6-subnet",
  "ranges-full",
]);

/** True when waiting does not help: only pods that end, or an operator, can. */
export function isHard(shortfall: ShortfallReason): boolean {
  return HARD.has(shortfall.kind);
}

/**
 * How many of those that wait nothing can serve: not the pool, not what is under way, not the addresses whose cooling
 * ends before the pods' time is over. While it is unknown what became of a step, nobody is given up.
 */
export function hopelessCount(
  plan: Plan,
  supply: { waiting: number; pending: number; free: number; coolingInTime: number },
  node: NodeState,
): number {
  if (plan.shortfall === undefined || !isHard(plan.shortfall) || whatIsUnsettled(node) !== undefined) return 0;
  if (node.rangesJoin) return 0;
  // What is being given back or removed makes room for something else.
  if ([...node.intents.values()].some(({ intent }) => !isGrowth(intent.step))) return 0;
  return Math.max(0, supply.waiting - supply.pending - supply.free - supply.coolingInTime);
}

function growing(waitingFor: string, detail?: string): EnidError {
  return new EnidError("ENID_GROWING", { waitingFor: detail === undefined ? waitingFor : `${waitingFor} (${detail})` });
}

/** Whether a step that would bring addresses waits for EC2 to tell what became of it. */
export function awaitsSettling(node: NodeState): boolean {
  return whatIsUnsettled(node) !== undefined;
}

/** The steps that would bring addresses if it were known what became of them. */
function whatIsUnsettled(node: NodeState): EnidError | undefined {
  const unsettled = [...node.intents.values()].filter(({ state, intent }) => state === "unsettled" && brings(intent));
  if (unsettled.length === 0) return undefined;
  const kinds = unsettled.map(({ intent }) => intent.step.kind).join(", ");
  const error = unsettled.find((running) => running.error !== undefined)?.error;
  return growing(`EC2 to tell what became of ${kinds}`, error?.message);
}

/** Only the subnets that could still give something to this node. */
function subnetsEmpty(all: readonly PlanSubnet[], node: NodeState): EnidError {
  const carrying = subnetsWithRoom(node);
  const short = carrying === "any" ? all : all.filter(({ id }) => carrying.has(id));
  const subnets = short.length > 0 ? short : all;
  const retryAt = againAt(
    subnets.map(({ blockedUntilMs }) => blockedUntilMs),
    node,
  );
  const [only, ...others] = subnets.map(freeSaid);
  if (only !== undefined && others.length === 0) {
    return new EnidError("ENID_SUBNET_EMPTY", { subnetId: only.id, freeAddresses: only.said, retryAt });
  }
  const said = subnets.map(freeSaid).map(({ id, said }) => `${id} has ${said} free`);
  return new EnidError("ENID_SUBNETS_EMPTY", { subnets: said.join(", "), retryAt });
}

/** EC2 may refuse what its own count promises: the count lags, and what it reserves does not show. */
function freeSaid({ id, freeAddresses, blockedUntilMs }: PlanSubnet): { id: string; said: string } {
  const refused = blockedUntilMs !== undefined && freeAddresses > 0;
  return { id, said: refused ? `too few (${freeAddresses} by EC2's count)` : `${freeAddresses}` };
}

/** When the first of these subnets is asked again: at the end of its pause, or when its facts are read anew. */
function againAt(pauses: readonly (number | undefined)[], node: NodeState): string {
  const readAgainMs = node.resolvedAtMs + LIMITS.resolutionFreshMs;
  return new Date(Math.min(readAgainMs, ...pauses.map((untilMs) => untilMs ?? readAgainMs))).toISOString();
}

function brings(intent: RunningIntent["intent"]): boolean {
  return stepCount(intent) + stepIpv6Prefixes(intent) > 0;
}
