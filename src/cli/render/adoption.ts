import type { AdoptedInterface, AdoptedLease, AdoptionReport } from "../../manager/index.ts";
import type { Output } from "../output.ts";
import { plural, table } from "./text.ts";

/** `enid adopt` for a person: a line for each lease and interface, and the totals. */
export function renderAdoption(report: AdoptionReport, style: Output["style"]): string[] {
  const { leases, interfaces, notes } = report;
  return [
    style("bold", totals(report)),
    ...section(
      table([
        ["ADDRESS", "POD", "INTERFACE", "LEASE", ""],
        ...leases.map((lease) => [
          addresses(lease),
          lease.pod,
          lease.interfaceId || "-",
          word(report, lease),
          lease.why,
        ]),
      ]),
      leases.length,
    ),
    ...section(
      table([
        ["INTERFACE", "SUBNET", "LEASES", "INTERFACE IS", ""],
        ...interfaces.map((one) => [one.id, one.subnetId, String(one.leases), fate(report, one), one.why]),
      ]),
      interfaces.length,
    ),
    ...section(notes, notes.length),
  ];
}

export function countOf(report: AdoptionReport, outcome: AdoptedLease["outcome"]): number {
  return report.leases.filter((lease) => lease.outcome === outcome).length;
}

function totals(report: AdoptionReport): string {
  const of = report.from === "vpc-cni" ? "the VPC CNI" : "Cilium";
  const taken = `${countOf(report, "taken")} ${report.dryRun ? "would be taken over" : "taken over"}`;
  const parts = [taken, `${countOf(report, "known")} known already`, `${countOf(report, "refused")} refused`];
  const end = report.dryRun ? "; nothing was changed" : "";
  return `${plural(report.leases.length, "lease", "leases")} of ${of}: ${parts.join(", ")}${end}`;
}

function section(lines: readonly string[], count: number): string[] {
  return count === 0 ? [] : ["", ...lines];
}

function addresses({ address, ipv6Address }: AdoptedLease): string {
  return ipv6Address === undefined ? address : `${address} ${ipv6Address}`;
}

function word({ dryRun }: AdoptionReport, { outcome }: AdoptedLease): string {
  if (outcome !== "taken") return outcome;
  return dryRun ? "would be taken" : "taken";
}

function fate({ dryRun }: AdoptionReport, { outcome }: AdoptedInterface): string {
  if (outcome === "held") return "enid's";
  if (outcome === "left") return "left alone";
  return dryRun ? "would be taken over" : "being taken over";
}
