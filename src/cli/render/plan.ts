import type { PlannedCall, PlanReport } from "../../manager/index.ts";
import type { ShortfallReason, Step } from "../../planning/index.ts";
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
  const brings = plan.wanted === 0 ? "" : `: ${plan.planned} of ${plan.wanted} wanted addresses`;
  const head = `${steps}${assumed}${brings}`;
  return [
    style("bold", head),
    ...plan.steps.flatMap((step, index) => stepLines(step, index, report.calls[index] ?? [])),
    // A step's own reason stands under the step already.
    ...reasoning(plan.explanation.filter((line) => !plan.steps.some((step) => step.reason === line))),
    ...(plan.shortfall === undefined ? [] : ["", style("yellow", `shortfall: ${shortfallText(plan.shortfall)}`)]),
  ];
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
      return `add ${plural(step.count, "address", "addresses")} to ${step.interfaceId} in ${step.subnetId}`;
    case "create-interface":
      return `create an interface in ${step.subnetId} at device index ${step.deviceIndex} with ${plural(step.count, "address", "addresses")}`;
    case "release-blocks":
      return `release ${plural(step.cidrs.length, "block", "blocks")} of ${step.interfaceId}: ${step.cidrs.join(", ")}`;
    case "remove-interface":
      return `remove ${step.interfaceId}`;
    default:
      return step satisfies never;
  }
}

function shortfallText(shortfall: ShortfallReason): string {
  switch (shortfall.kind) {
    case "instance-full":
      return `the instance holds all ${shortfall.capacity} pod addresses it can; lower max-pods or use a larger instance type`;
    case "max-allocate":
      return `max-allocate ${shortfall.maxAllocate} is reached; raise it or lower max-pods`;
    case "subnets-empty": {
      const list = shortfall.subnets.map(({ id, freeAddresses }) => `${id} (${freeAddresses} free)`).join(", ");
      return `the allowed subnets have too few free addresses: ${list}; tag another subnet or free addresses in these`;
    }
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
