import type { BirdReport, HostRoutesReport, ReachReport } from "../../manager/ports/index.ts";
import type { Output } from "../output.ts";
import { ago, duration, indent, plural, table } from "./text.ts";

type Style = Output["style"];

/** More would push what matters off the screen; `--json` has all. */
const PREFIXES_SHOWN = 8;

/** Of everything that makes addresses reachable, one row for the summary. */
export function reachSummary(reports: readonly ReachReport[], nowMs: number): string[][] {
  return reports.flatMap((report) =>
    report.kind === "host-routes" ? hostRoutesSummary(report, nowMs) : birdSummary(report, nowMs),
  );
}

/** The devices that carry pods, and BIRD's sessions. */
export function reachTables(reports: readonly ReachReport[], nowMs: number, style: Style): string[] {
  return reports.flatMap((report) =>
    report.kind === "host-routes" ? deviceTable(report, style) : sessionTable(report, nowMs, style),
  );
}

function hostRoutesSummary(report: HostRoutesReport, nowMs: number): string[][] {
  const { devices, rules, repaired, repairedAtMs, checkedAtMs } = report;
  if (checkedAtMs === 0) return [["host routes", "not looked at yet"]];
  const troubled = devices.filter(({ problem }) => problem !== "").length;
  const trouble = troubled === 0 ? "" : `, ${troubled} with a problem`;
  const repairs = repaired === 0 ? "" : `; ${repaired} repaired since the start, last ${ago(repairedAtMs, nowMs)}`;
  const of = plural(devices.length, "interface", "interfaces");
  return [
    [
      "host routes",
      `${plural(rules, "rule", "rules")} for ${of}${trouble}, checked ${ago(checkedAtMs, nowMs)}${repairs}`,
    ],
  ];
}

function deviceTable(report: HostRoutesReport, style: Style): string[] {
  if (report.devices.length === 0) return [];
  const devices = report.devices.toSorted((one, other) => one.table - other.table);
  const rows = devices.map(({ device, interfaceId, table: number, problem }) => [
    device === "" ? "none" : device,
    interfaceId,
    String(number),
    problem,
  ]);
  const [header = "", ...lines] = table([["DEVICE", "INTERFACE", "TABLE", ""], ...rows], [2]);
  return ["", style("bold", header), ...lines.map((line, index) => redIf(devices[index]?.problem !== "", line, style))];
}

function birdSummary({ announced, sessions, configuredAtMs, checkedAtMs }: BirdReport, nowMs: number): string[][] {
  if (announced.length === 0 && sessions.length === 0 && configuredAtMs === 0) return [];
  const prefixes = plural(announced.length, "prefix", "prefixes");
  if (checkedAtMs === 0) return [["bird", `does not answer; ${prefixes} to announce`]];
  const up = sessions.filter((session) => session.up).length;
  const parts = [
    sessions.length === 0 ? "no session" : `${up} of ${plural(sessions.length, "session", "sessions")} up`,
    `${prefixes} to announce`,
    configuredAtMs === 0 ? "unchanged since the start" : `changed ${ago(configuredAtMs, nowMs)}`,
    `checked ${ago(checkedAtMs, nowMs)}`,
  ];
  return [["bird", parts.join(", ")]];
}

function sessionTable({ announced, sessions }: BirdReport, nowMs: number, style: Style): string[] {
  const rows = sessions.map(({ name, neighbor, state, bfd, exported, sinceMs }) => [
    name,
    neighbor,
    state,
    bfd === "" ? "off" : bfd,
    `${exported} of ${announced.length}`,
    sinceMs === 0 ? "" : duration(nowMs - sinceMs),
  ]);
  const header = ["SESSION", "NEIGHBOR", "STATE", "BFD", "EXPORTED", "FOR"];
  const [first = "", ...lines] = rows.length === 0 ? [] : table([header, ...rows], [4]);
  return [
    ...(rows.length === 0 ? [] : ["", style("bold", first)]),
    ...lines.map((line, index) => redIf(sessions[index]?.up !== true, line, style)),
    ...announcedText(announced, rows.length === 0),
  ];
}

function announcedText(announced: readonly string[], first: boolean): string[] {
  if (announced.length === 0) return [];
  const more = announced.length - PREFIXES_SHOWN;
  const shown = announced.slice(0, PREFIXES_SHOWN).join(", ");
  const line = `to announce: ${shown}${more > 0 ? ` and ${more} more` : ""}`;
  return first ? ["", line] : indent([line]);
}

function redIf(bad: boolean, line: string, style: Style): string {
  return bad ? style("red", line) : line;
}
