import type { StatusReport } from "../../manager/index.ts";
import { ago, plural } from "./text.ts";

/** The hand-off by the CiliumNode; nothing where pods ask for their addresses by CNI. */
export function agentRows(agent: StatusReport["agent"], nowMs: number): string[][] {
  if (agent === undefined) return [];
  const { nodeName, dialect, waitingFor, readAtMs, writtenAtMs, handshake, waitingPods, restoring } = agent;
  const speaks = dialect === "" ? "dialect not known yet" : `dialect ${dialect}`;
  const asked =
    handshake.asked === 0 ? [] : [`asked back ${handshake.asked}, let go ${handshake.letGo}, kept ${handshake.kept}`];
  const notes = [
    `read ${ago(readAtMs, nowMs)}, written ${ago(writtenAtMs, nowMs)}`,
    ...asked,
    ...(waitingPods === 0 ? [] : [`${plural(waitingPods, "pod", "pods")} without an address`]),
    ...(restoring ? ["the agent is restoring its pods"] : []),
  ];
  const wait = waitingFor === "" ? [] : [["", waitingFor]];
  return [["CiliumNode", `${nodeName}, ${speaks}; ${notes.join("; ")}`], ...wait];
}
