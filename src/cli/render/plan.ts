import type { PlannedCall, PlanReport } from "../../manager/index.ts";
import type { BlockUnit, PlanSubnet, ShortfallReason, Step } from "../../planning/index.ts";
import type { Output } from "../output.ts";
import { moment, plural } from "./text.ts";

/** `enid plan` for a person: the steps with their calls, the reasoning, and what is missing. */
export function renderPlan(report: PlanReport, style: Output["style"]): string[] {
  const { plan, error, waiting } = report;
  if (error !== undefined) {
    return [
      style("red", `no plan can be made: ${error.code}: ${error.message}`),
      `  ${error.remedy}`,
      ...reasoning(plan.explanation),
    ];
  }
  const assumed = waiting === 0 ? "" : ` with ${plural(waiting, "pod", "pods")} waiting`;
  const steps = plan.steps.length === 0 ? "nothing to do" : plural(plan.steps.length, "step", "steps");
  const head = `${steps}${assumed}${effects(plan)}`;
  return [
    style("bold", head),
    ...plan.steps.flatMap((step, index) => stepLines(step, index, report.calls[index] ?? [])),
    // A step's own reason stands under the step already.
    ...reasoning(plan.explanation.filter((line) => !plan.steps.some((step) => step.reason === line))),
    ...(plan.shortfall === undefined ? [] : ["", style("yellow", `shortfall: ${shortfallText(plan.shortfall)}`)]),
  ];
}

function effects({ wanted, planned, givenBack = 0 }: PlanReport["plan"]): string {
  const list = [
    ...(wanted === 0 ? [] : [wantedText(planned, wanted)]),
    ...(givenBack === 0 ? [] : [`${plural(givenBack, "address", "addresses")} given back`]),
  ];
  return list.length === 0 ? "" : `: ${list.join(", ")}`;
}

/** Whole prefixes may bring more than is wanted. */
function wantedText(planned: number, wanted: number): string {
  if (planned > wanted) return `${planned} addresses for the ${wanted} wanted`;
  return `${planned} of ${wanted} wanted addresses`;
}

function reasoning(lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : ["", "because", ...lines.map((line) => `  ${line}`)];
}

function stepLines(step: Step, index: number, calls: readonly PlannedCall[]): string[] {
  return [
    "",
    `${index + 1}. ${stepText(step)}`,
    `   ${step.reason}`,
    ...calls.map(({ action, parameters }) => {
      const list = Object.entries(parameters).map(([name, value]) => `${name}=${value}`);
      return `   → ${[action, ...list].join(" ")}`;
    }),
  ];
}

function stepText(step: Step): string {
  switch (step.kind) {
    case "add-blocks":
      return `add ${blocksText(step.count, step.unit)} to ${step.interfaceId} in ${step.subnetId}`;
    case "create-interface": {
      const card = step.networkCard === undefined ? "" : ` of network card ${step.networkCard}`;
      const ipv6 = step.ipv6Prefixes ? ` and ${blocksText(step.ipv6Prefixes, "ipv6-prefix")}` : "";
      return `create an interface in ${step.subnetId} at device index ${step.deviceIndex}${card} with ${blocksText(step.count, step.unit)}${ipv6}`;
    }
    case "release-blocks":
      return `release ${plural(step.cidrs.length, "block", "blocks")} of ${step.interfaceId}: ${step.cidrs.join(", ")}`;
    case "remove-interface":
      return step.orphanOf === undefined
        ? `remove ${step.interfaceId}`
        : `delete ${step.interfaceId}, which another node of cluster ${step.orphanOf} left behind`;
    case "set-security-groups":
      return `give ${step.interfaceId} the security groups ${step.securityGroups.join(", ")}`;
    default:
      return step satisfies never;
  }
}

/** An IPv4 prefix is said with its addresses, which is what the watermarks count. */
function blocksText(count: number, unit: BlockUnit = "address"): string {
  switch (unit) {
    case "address":
      return plural(count, "address", "addresses");
    case "prefix":
      return `${plural(count, "prefix", "prefixes")} (${count * ADDRESSES_PER_PREFIX} addresses)`;
    case "ipv6-prefix":
      return plural(count, "IPv6 prefix", "IPv6 prefixes");
    default:
      return unit satisfies never;
  }
}

/** Of a /28. */
const ADDRESSES_PER_PREFIX = 16;

function shortfallText(shortfall: ShortfallReason): string {
  switch (shortfall.kind) {
    case "instance-full":
      return `the instance holds all ${shortfall.capacity} pod addresses it can; lower max-pods or use a larger instance type`;
    case "max-allocate":
      return `max-allocate ${shortfall.maxAllocate} is reached; raise it or lower max-pods`;
    case "subnets-empty":
      return `the allowed subnets have too few free addresses: ${freeText(shortfall.subnets)}; tag another subnet or free addresses in these`;
    case "subnets-fragmented":
      return `no allowed subnet has 16 contiguous free addresses for a prefix: ${freeText(shortfall.subnets)}; reserve a range for prefixes, tag another subnet, or let prefix-delegation be preferred`;
    case "prefixes-unsupported":
      return "prefixes are required and this instance type takes none; let prefix-delegation be preferred or off, or use a Nitro instance type";
    case "no-ipv6-subnet":
      return `no allowed subnet has an IPv6 CIDR: ${shortfall.subnets.map(({ id }) => id).join(", ")}; give one an IPv6 CIDR, or let ip-families be ipv4`;
    case "ranges-full":
      return `the node's own ranges ${shortfall.ranges.join(", ")} have ${shortfall.free} free addresses (${shortfall.leased} leased, ${shortfall.cooling} cooling, ${shortfall.reserved} for no pod); add a range to podCIDRs`;
    case "no-subnet":
      return "no subnet is allowed; correct eni.subnet-ids or eni.subnet-tags";
    case "no-usable-interface":
      return "no interface may carry pods; check eni.first-interface-index against the instance type";
    case "blocked":
      return `growth is held back until ${moment(shortfall.untilMs)}: ${shortfall.reason}`;
    default:
      return shortfall satisfies never;
  }
}

function freeText(subnets: readonly PlanSubnet[]): string {
  return subnets.map(({ id, freeAddresses }) => `${id} (${freeAddresses} free)`).join(", ");
}
