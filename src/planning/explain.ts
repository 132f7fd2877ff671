import { addressesIn } from "./blocks.ts";
import type { Demand } from "./demand.ts";
import type { GivingBack } from "./giving-back.ts";
import type { Growth } from "./growth.ts";
import type { Ipv6Need } from "./ipv6.ts";
import { freeSingles } from "./recovery.ts";
import { isHeldBack } from "./stock.ts";
import type { PlanInput, PlanSubnet, ShortfallReason, Step } from "./types.ts";

/** What a plan came to. */
export interface Outcome {
  readonly wanted: number;
  readonly growth: Growth;
  readonly back: GivingBack;
  readonly steps: readonly Step[];
  readonly ipv6: Ipv6Need;
  readonly shortfall: ShortfallReason | undefined;
  readonly ipv6Shortfall: ShortfallReason | undefined;
}

/** The whole reasoning of a plan, a sentence a line. */
export function explain(input: PlanInput, demand: Demand, outcome: Outcome): readonly string[] {
  const { growth, back, steps, shortfall, ipv6Shortfall } = outcome;
  const lines = [...demandSaid(input, demand, outcome), ...steps.map(({ reason }) => reason)];
  if (growth.deferred > 0) lines.push(`${growth.deferred} wait for the free slots of an interface that is being made`);
  if (shortfall !== undefined) {
    const missing = demand.required - growth.planned - growth.deferred;
    lines.push(`${missing} cannot be had: ${shortfallSaid(shortfall, input)}`);
  }
  if (ipv6Shortfall !== undefined) {
    lines.push(`the IPv6 prefix that pods need cannot be had: ${shortfallSaid(ipv6Shortfall, input)}`);
  }
  lines.push(...back.waits);
  const says = steps.length + growth.deferred > 0 || outcome.ipv6.kind === "waits";
  if (!says && shortfall === undefined && ipv6Shortfall === undefined) lines.push("nothing is to be done");
  if (demand.excess > 0) lines.push(excessSaid(input, demand, back));
  return lines;
}

function demandSaid(input: PlanInput, demand: Demand, { wanted, growth, ipv6 }: Outcome): string[] {
  const { available, used, pending, waiting, families = "ipv4" } = input;
  const lines = [
    `the node holds ${available} addresses, ${used} of them leased or cooling; steps under way bring ${pending} more`,
  ];
  if (ipv6.kind === "held") lines.push(`${ipv6.interfaceId} has the IPv6 prefix that pods need`);
  if (ipv6.kind === "waits")
    lines.push(`the IPv6 prefix that pods need waits for ${ipv6.interfaceId}: a step changes it`);
  if (families === "ipv6")
    return [...lines, "pods get IPv6 addresses alone: the watermarks, which are of IPv4, ask for none"];
  lines.push(`needed ${demand.needed}: ${neededBecause(input, demand)}`);
  if (waiting > 0) lines.push(surgeSaid(waiting, demand));
  lines.push(...fragmentedSaid(input, demand));
  if (demand.required > 0) lines.push(`wanted ${wanted}: ${wantedBecause(demand, wanted)}`);
  if (growth.recovers) {
    lines.push(
      `recovery ${demand.recovery}: prefixes can be had, so ${freeSingles(input)} free single addresses are no buffer, ` +
        `and without them ${demand.recovery} are lacking`,
    );
  }
  return lines;
}

/** Where prefixes are wanted, the subnets that cannot give one now. */
function fragmentedSaid({ subnets, nowMs }: PlanInput, { units }: Demand): string[] {
  if (!units.includes("prefix")) return [];
  const fragmented = subnets.filter(({ prefixesBlockedUntilMs }) => isHeldBack(prefixesBlockedUntilMs, nowMs));
  if (fragmented.length === 0) return [];
  const said = fragmented.map(({ id, freeAddresses }) => `${id} (${freeAddresses} free)`).join(", ");
  return [`no /28 fits into ${said} now, so no prefix is asked for there`];
}

function surgeSaid(waiting: number, { needed, surge, unserved, units }: Demand): string {
  const served = `${waiting} pods wait, ${waiting - unserved} of them for addresses that are free or under way`;
  if (units.includes("prefix")) return `surge ${surge}: ${served}, and the buffer is to be there when all are served`;
  return `surge ${surge}: ${served}, and ${Math.min(needed, unserved)} are served by what is needed anyway`;
}

function neededBecause({ watermarks }: PlanInput, { held, free }: Demand): string {
  const { preAllocate, minAllocate, maxAllocate } = watermarks;
  const parts = [`pre-allocate asks for ${preAllocate} free addresses, ${free} are or will be`];
  if (minAllocate > 0) parts.push(`min-allocate asks for ${minAllocate} in all, ${held} are or will be`);
  if (maxAllocate > 0) parts.push(`max-allocate allows ${maxAllocate} in all`);
  return parts.join("; ");
}

function wantedBecause({ needed, above, surge, required, ceiling }: Demand, wanted: number): string {
  const sum = `needed ${needed} + max-above-watermark ${above} + surge ${surge}`;
  if (wanted >= required + above) return sum;
  return `${sum} = ${required + above}, of which ${wanted === ceiling ? "max-allocate" : "the instance"} allows ${wanted}`;
}

function excessSaid(
  { watermarks, giveBack, families }: PlanInput,
  { excess }: Demand,
  { givenBack, waits }: GivingBack,
): string {
  const { minAllocate, preAllocate, maxAboveWatermark } = watermarks;
  const beyond =
    families === "ipv6"
      ? "IPv4 addresses are for no pod"
      : `addresses are beyond min-allocate ${minAllocate}, pre-allocate ${preAllocate} and max-above-watermark ${maxAboveWatermark}`;
  const may =
    giveBack === undefined || giveBack.uselessOnly === true
      ? "none may be given back now"
      : `${Math.min(giveBack.count, excess)} may be given back now`;
  const due = giveBack !== undefined && Math.min(giveBack.count, excess) > 0;
  // What waits for its interface to be idle is said already.
  const kept = due && givenBack === 0 && waits.length === 0 ? ", but no wholly free block fits into that" : "";
  return `${excess} ${beyond}; ${may}${kept}`;
}

function shortfallSaid(shortfall: ShortfallReason, input: PlanInput): string {
  switch (shortfall.kind) {
    case "instance-full":
      return `the instance can hold ${shortfall.capacity} pod addresses and no more`;
    case "max-allocate":
      return `max-allocate ${shortfall.maxAllocate} ${input.prefixMode === "required" ? "leaves no room for a prefix" : "is reached"}`;
    case "subnets-empty":
      return `no allowed subnet has enough free addresses (${subnetsSaid(shortfall.subnets, input)})`;
    case "subnets-fragmented":
      return `prefixes are required, and no allowed subnet can give one (${subnetsSaid(shortfall.subnets, input)})`;
    case "prefixes-unsupported":
      return "prefixes are required, and the instance takes none";
    case "no-ipv6-subnet":
      return `no allowed subnet that an interface could be in has an IPv6 CIDR (${subnetsSaid(shortfall.subnets, input)})`;
    case "ranges-full":
      return `the node's own ranges have ${shortfall.free} free addresses`;
    case "no-subnet":
      return "no subnet is allowed";
    case "no-usable-interface":
      return "no interface of the instance may carry pods";
    case "blocked":
      return `growth is held back ${during(shortfall.untilMs, input.nowMs)}: ${shortfall.reason}`;
  }
}

/** Each subnet with its free addresses and why it gives nothing now. */
function subnetsSaid(subnets: readonly PlanSubnet[], input: PlanInput): string {
  return subnets.map((subnet) => subnetSaid(subnet, input)).join(", ");
}

function subnetSaid(subnet: PlanSubnet, { nowMs, prefixMode = "off", limits }: PlanInput): string {
  const { id, freeAddresses, blockedUntilMs, prefixesBlockedUntilMs } = subnet;
  const said = [`${id}: ${Math.max(0, freeAddresses)} free`];
  if (blockedUntilMs !== undefined && isHeldBack(blockedUntilMs, nowMs)) {
    said.push(`held back ${during(blockedUntilMs, nowMs)}`);
  }
  if (prefixMode !== "off" && limits.prefixes === true) {
    if (prefixesBlockedUntilMs !== undefined && isHeldBack(prefixesBlockedUntilMs, nowMs)) {
      said.push(`no /28 fits, not asked again ${during(prefixesBlockedUntilMs, nowMs)}`);
    } else if (freeAddresses < addressesIn("prefix")) said.push("no /28 fits");
  }
  return said.join(", ");
}

function during(untilMs: number, nowMs: number): string {
  return Number.isFinite(untilMs) ? `for ${Math.ceil((untilMs - nowMs) / 1000)} s more` : "until further notice";
}
