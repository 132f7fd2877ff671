import { Counter, Gauge, type Registry } from "prom-client";
import type { StatusReport } from "../manager/index.ts";

const ANSWERS = ["asked", "letGo", "kept"] as const;
const LABELS = { asked: "asked", letGo: "let-go", kept: "kept" } as const satisfies Record<
  (typeof ANSWERS)[number],
  string
>;

/** The hand-off by the CiliumNode. */
export function agentMetrics(registry: Registry): (status: StatusReport) => void {
  const registers = [registry];
  const writes = new Counter({
    name: "enid_cilium_node_writes_total",
    help: "Writes of the CiliumNode since the start, those of the lease apart. Rising steadily while no pod comes or goes: somebody else writes what enid owns; look for a cilium-operator that serves this node too.",
    registers,
  });
  const conflicts = new Counter({
    name: "enid_cilium_node_conflicts_total",
    help: "Writes that met a change of somebody else and were done anew. The agent causes some; as many as writes: two programs serve the node.",
    registers,
  });
  const handshake = new Gauge({
    name: "enid_cilium_node_handshake_addresses",
    help: "Addresses that the agent is asked to let go (asked), has let go and keeps. asked above 0 for an hour with no answer: the agent does not run, or speaks another dialect than `enid status` says.",
    labelNames: ["answer"],
    registers,
  });
  const waiting = new Gauge({
    name: "enid_cilium_node_waiting_pods",
    help: "Pods bound to the node that have no address yet, where watch-pods is on. Above 0 for minutes: `enid status` says why the node cannot give more.",
    registers,
  });
  const dialect = new Gauge({
    name: "enid_cilium_node_dialect",
    help: "1 for the dialect in which the CiliumNode is kept; none while it is not known. Another one than your agents speak: set cilium-dialect.",
    labelNames: ["dialect"],
    registers,
  });
  return ({ agent }) => {
    for (const metric of [writes, conflicts, handshake, waiting, dialect]) metric.reset();
    if (agent === undefined) return;
    writes.inc(agent.writes);
    conflicts.inc(agent.conflicts);
    for (const answer of ANSWERS) handshake.set({ answer: LABELS[answer] }, agent.handshake[answer]);
    waiting.set(agent.waitingPods);
    if (agent.dialect !== "") dialect.set({ dialect: agent.dialect }, 1);
  };
}
