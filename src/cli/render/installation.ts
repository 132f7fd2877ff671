import type { InstallReport, UninstallReport } from "../../installation/index.ts";
import type { Output } from "../output.ts";
import { indent, table } from "./text.ts";

const COLOURS = { ok: "green", advice: "yellow", failed: "red", "not checked": "yellow" } as const;

/** What `enid install` did, or would do: files, services, then what was looked at. */
export function renderInstall(report: InstallReport, style: Output["style"]): string[] {
  const { dryRun, changed, version, files, services, checks, notes } = report;
  const verb = dryRun ? "would be " : "";
  const moved = files.filter(({ action }) => action !== "in place");
  const width = Math.max(0, ...checks.map(({ name }) => name.length));
  return [
    ...table(
      moved.map(({ action, path, kept }) => [
        action === "left" || action === "abandoned" ? `${action}, not enid's` : `${verb}${action}`,
        path,
        kept === undefined ? "" : `the one before: ${kept}`,
      ]),
    ),
    ...services.map(({ command, failed }) => `${failed === "" ? "ran" : style("red", "failed")} ${command}`),
    ...checks.flatMap(({ name, verdict, reason, remedy }) => [
      `${name.padEnd(width)}  ${style(COLOURS[verdict], verdict)}: ${reason}`,
      ...(remedy === "" ? [] : indent([remedy], " ".repeat(width + 2))),
    ]),
    ...notes,
    style("bold", lastLine(dryRun, changed, `enid ${version}`)),
  ];
}

function lastLine(dryRun: boolean, changed: boolean, what: string): string {
  if (!changed) return `${what} is in place: nothing ${dryRun ? "would be" : "was"} changed`;
  return dryRun ? `${what} would be installed: nothing was changed` : `${what} is installed`;
}

export function renderUninstall(report: UninstallReport, style: Output["style"]): string[] {
  const { dryRun, changed, version, files, services, notes } = report;
  const verb = dryRun ? "would be " : "";
  return [
    ...table(files.map(({ path, action, why }) => [action === "removed" ? `${verb}removed` : action, path, why])),
    ...services.map(({ command, failed }) => `${failed === "" ? "ran" : style("red", "failed")} ${command}`),
    ...notes,
    ...(changed
      ? [style("bold", `enid ${version ?? ""}${dryRun ? " would be" : " is"} uninstalled`.replace("  ", " "))]
      : []),
  ];
}
