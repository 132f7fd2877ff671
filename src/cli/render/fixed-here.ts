import type { FixedReport } from "../../manager/index.ts";
import type { Output } from "../output.ts";
import { duration, indent, plural, table } from "./text.ts";

/** More would push what matters off the screen; `--json` has all. */
const SHOWN = 20;

/** Fixed addresses that have to do with this node; those in trouble first. */
export function fixedHere(fixed: readonly FixedReport[], nowMs: number, style: Output["style"]): string[] {
  if (fixed.length === 0) return [];
  const sorted = [...fixed].sort((one, other) => Number(other.state === "lost") - Number(one.state === "lost"));
  const rows = sorted.slice(0, SHOWN).map((one) => [one.pod, one.address, stateText(one, nowMs)]);
  const more = fixed.length - rows.length;
  return [
    "",
    style("bold", `FIXED ADDRESSES (${plural(fixed.length, "pod", "pods")})`),
    ...indent(table(rows)),
    ...(more > 0 ? [`  and ${more} more`] : []),
  ];
}

function stateText({ state, holder, expiresAtMs }: FixedReport, nowMs: number): string {
  switch (state) {
    case "lost":
      return `LOST to ${holder || "nobody"}: the pod here cannot be reached`;
    case "leaving":
      return `with ${holder || "nobody"} by now, until it has left`;
    case "coming":
      return "on its way here";
    case "parked":
      return expiresAtMs === undefined
        ? "waits for its pod"
        : `waits for its pod, for ${duration(Math.max(0, expiresAtMs - nowMs))} more`;
    case "bound":
      return "its pod has it";
  }
}
