import type { FixedEntry } from "../../fleet/index.ts";
import type { FixedRecord } from "../../manager/ports/index.ts";
import type { FixedList, Released, ShownFixed } from "../fleet/fixed.ts";
import type { Output } from "../output.ts";
import { ago, duration, moment, plural, table } from "./text.ts";

type Style = Output["style"];

export function renderFixedList({ entries, total, nowMs }: FixedList, limit: number, style: Style): string[] {
  if (total === 0) return ["the fleet has no fixed addresses"];
  const counts = new Map<string, number>();
  for (const { record } of entries) counts.set(record.state, (counts.get(record.state) ?? 0) + 1);
  const states = [...counts].map(([state, count]) => `${count} ${state}`).join(", ");
  const shown = entries.slice(0, limit);
  const header = ["POD", "ADDRESS", "STATE", "NODE", "ZONE", "SUBNET", "KEPT", "WANTED BY", "NODE SEEN"];
  const [first = "", ...rows] = table([header, ...shown.map((entry) => row(entry, nowMs))]);
  return [
    `${plural(total, "fixed address", "fixed addresses")}, ${entries.length} as asked${states === "" ? "" : ` (${states})`}`,
    ...(shown.length === 0 ? [] : ["", style("bold", first), ...rows]),
    ...(entries.length > shown.length ? [`and ${entries.length - shown.length} more: --limit N shows them`] : []),
  ];
}

function row(entry: FixedEntry, nowMs: number): string[] {
  const { record, wantedBy, holderSeenAtMs } = entry;
  return [
    record.pod,
    record.address,
    stateText(entry),
    nodeText(record),
    record.zone || "-",
    record.subnetId || "-",
    keptText(record, nowMs),
    wantedBy || "-",
    record.holder === "" ? "-" : ago(holderSeenAtMs ?? 0, nowMs),
  ];
}

export function renderFixed(shown: ShownFixed, style: Style): string[] {
  const { record, wantedBy, holderSeenAtMs, nowMs } = shown;
  const seen = record.holder === "" ? [] : [["node's last sign of life", ago(holderSeenAtMs ?? 0, nowMs)]];
  return [
    style("bold", record.pod),
    ...table([
      ["  address", record.address],
      ["  state", stateText(shown)],
      ["  node", nodeText(record)],
      ...seen.map(([name, value]) => [`  ${name}`, value ?? ""]),
      ["  wanted by", wantedBy || "nobody else"],
      ["  subnet", record.subnetId === "" ? "-" : `${record.subnetId}, ${record.zone}`],
      ["  kept", keptText(record, nowMs)],
      ["  epoch", String(record.epoch)],
    ]),
  ];
}

function stateText({ record, ending }: FixedEntry): string {
  return ending ? `${record.state}, being given back` : record.state;
}

function nodeText({ holder, holderName }: FixedRecord): string {
  if (holder === "") return "none";
  return holderName === "" || holderName === holder ? holder : `${holderName} (${holder})`;
}

function keptText({ state, keepMs, expiresAtMs }: FixedRecord, nowMs: number): string {
  if (state === "parked" && expiresAtMs !== undefined) {
    return expiresAtMs <= nowMs ? `over since ${moment(expiresAtMs)}` : `until ${moment(expiresAtMs)}`;
  }
  return keepMs === 0 || state === "parked" ? "for ever" : `${duration(keepMs)} after its pod`;
}

export function renderReleased({ kind, record }: Released): string[] {
  if (kind === "dropped") return [`${record.address} is no longer fixed: ${record.pod} has no record any more`];
  const node = nodeText(record);
  return [`${record.address} of ${record.pod} is over now: ${node} gives it back when it next speaks to the store`];
}

export function renderPinned({ pod, address }: FixedRecord): string[] {
  return [
    `${pod} gets ${address} when it starts, if a rule or its annotation makes its address fixed`,
    "Nothing holds the address until then: on AWS keep it out of automatic assignment by a subnet CIDR reservation.",
  ];
}
