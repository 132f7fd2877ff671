import { Counter, Gauge, type Registry } from "prom-client";
import type { StatusReport } from "../manager/index.ts";
import type { BirdReport, HostRoutesReport, ReachReport } from "../manager/ports/index.ts";

/** A node has two uplinks, rarely four; whatever else BIRD says, no more sessions become labels. */
const SESSIONS_LIMIT = 32;

/** What makes pod addresses reachable: host routes, and what BIRD announces. */
export function reachMetrics(registry: Registry): (status: StatusReport, nowMs: number) => void {
  const hostRoutes = hostRouteMetrics(registry);
  const bgp = bgpMetrics(registry);
  return ({ reach = [] }, nowMs) => {
    hostRoutes(ofKind(reach, "host-routes"), nowMs);
    bgp(ofKind(reach, "bird"), nowMs);
  };
}

function hostRouteMetrics(registry: Registry): (report: HostRoutesReport | undefined, nowMs: number) => void {
  const registers = [registry];
  const rules = new Gauge({
    name: "enid_host_routes_rules",
    help: "Routing rules in place for pod addresses, two for each. 0 with leased addresses on AWS: `enid status` says which device has a problem.",
    registers,
  });
  const repaired = new Counter({
    name: "enid_host_routes_repaired_total",
    help: "Rules and routes of enid that were missing and were made again, since the start. Rising: something on the node flushes them; docs/cilium.md says how to keep systemd-networkd and NetworkManager from it.",
    registers,
  });
  const problem = new Gauge({
    name: "enid_host_routes_device_problem",
    help: "1 for each interface whose device, table or rules are not in place, 0 for the others; no sample where enid keeps no host routes. 1 for a minute: `enid status` says what is wrong.",
    labelNames: ["interface"],
    registers,
  });
  const age = new Gauge({
    name: "enid_host_routes_check_age_seconds",
    help: "Time since rules and routes were last compared with what they should be; no sample before the first time. Above 120: look for host-routes-failing in `enid status`.",
    labelNames: [],
    registers,
  });
  return (report, nowMs) => {
    rules.set(report?.rules ?? 0);
    repaired.reset();
    repaired.inc(report?.repaired ?? 0);
    problem.reset();
    for (const one of report?.devices ?? []) problem.set({ interface: one.interfaceId }, one.problem === "" ? 0 : 1);
    setAge(age, report?.checkedAtMs ?? 0, nowMs);
  };
}

function bgpMetrics(registry: Registry): (report: BirdReport | undefined, nowMs: number) => void {
  const registers = [registry];
  const labelNames = ["session", "neighbor"] as const;
  const up = new Gauge({
    name: "enid_bgp_session_up",
    help: "1 for each BGP session of BIRD that is established, 0 for one that is not; no sample without BIRD. 0 for a minute: `birdc show protocols all NAME` says why; pods go on over the other uplink.",
    labelNames,
    registers,
  });
  const exported = new Gauge({
    name: "enid_bgp_session_exported_routes",
    help: "Routes that each session exports, as BIRD counts them. Below enid_bgp_announced_routes of an established session: its export filter, or bird.conf does not include enid's file.",
    labelNames,
    registers,
  });
  const announced = new Gauge({
    name: "enid_bgp_announced_routes",
    help: "CIDRs that enid's include file has BIRD announce: the node's ranges, and addresses that live outside of theirs. 0 on a node with a bgp section: `enid status` says why.",
    registers,
  });
  const age = new Gauge({
    name: "enid_bgp_check_age_seconds",
    help: "Time since BIRD last answered for its sessions; no sample before the first time. Above 120: BIRD is away; look for bird-failing in `enid status`.",
    labelNames: [],
    registers,
  });
  return (report, nowMs) => {
    up.reset();
    exported.reset();
    for (const session of (report?.sessions ?? []).slice(0, SESSIONS_LIMIT)) {
      const labels = { session: session.name, neighbor: session.neighbor };
      up.set(labels, session.up ? 1 : 0);
      exported.set(labels, session.exported);
    }
    announced.set(report?.announced.length ?? 0);
    setAge(age, report?.checkedAtMs ?? 0, nowMs);
  };
}

function setAge(age: Gauge, atMs: number, nowMs: number): void {
  if (atMs > 0) age.set(Math.max(0, nowMs - atMs) / 1000);
  else age.remove();
}

function ofKind<K extends ReachReport["kind"]>(reach: readonly ReachReport[], kind: K) {
  return reach.find((report): report is Extract<ReachReport, { kind: K }> => report.kind === kind);
}
