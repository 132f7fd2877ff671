import type { RangeReport } from "../../manager/index.ts";
import type { Output } from "../output.ts";
import { plural, table } from "./text.ts";

/** The node's own ranges, with what no pod gets of them. */
export function rangeTable(ranges: readonly RangeReport[], style: Output["style"]): string[] {
  if (ranges.length === 0) return [];
  const rows = ranges.map(({ cidr, gateway = "", state, counts, reserved, ...more }) => [
    cidr,
    gateway,
    state,
    String(counts.free),
    String(counts.leased),
    String(counts.cooling),
    String(reserved),
    remarks(more),
  ]);
  const header = ["RANGE", "GATEWAY", "STATE", "FREE", "LEASED", "COOLING", "RESERVED", ""];
  return [
    "",
    ...table([header, ...rows], [3, 4, 5, 6]).map((line, index) => (index === 0 ? style("bold", line) : line)),
  ];
}

function remarks({ partOf, own }: Pick<RangeReport, "partOf" | "own">): string {
  const parts = partOf === undefined ? [] : [`part of ${partOf}`];
  const [first] = own;
  if (first !== undefined) {
    const others = own.length === 1 ? "" : ` and ${plural(own.length - 1, "other", "others")}`;
    parts.push(`the node has ${first.address} on ${first.device}${others}`);
  }
  return parts.join("; ");
}
