import type { CleanupItem } from "../../handoff/routes/index.ts";
import type { Output } from "../output.ts";
import { plural } from "./text.ts";

export interface CleanupResult {
  readonly dryRun: boolean;
  /** What told enid's things from those of others. */
  readonly toldBy: "state" | "shape";
  readonly items: readonly CleanupItem[];
}

/** The commands, what was refused of them, and how many. */
export function renderCleanup({ dryRun, toldBy, items }: CleanupResult, style: Output["style"]): string[] {
  const refused = items.filter((item) => item.refused !== "");
  const lines = items.flatMap((item) =>
    item.refused === "" ? [`  ${item.command}`] : [`  ${item.command}`, `    ${style("red", item.refused)}`],
  );
  const verb = dryRun ? "would be removed" : "removed";
  const by = toldBy === "state" ? "" : ", told by their shape alone";
  if (items.length === 0) return ["nothing of enid's is left on this node"];
  return [
    ...lines,
    `${plural(items.length - refused.length, "thing", "things")} ${verb}${by}`,
    ...(refused.length === 0 ? [] : [style("red", `${refused.length} refused`)]),
  ];
}
