/** The hand-off by the CiliumNode: keeps the node's own in step with the manager. docs/cilium-node.md describes it. */
export { type CiliumNodeOptions, createCiliumNodeHandOff } from "./hand-off.ts";
export type { AgentHandOff, AgentHandOffReport, AgentOffer, AgentReport, AgentService, Dialect } from "./port.ts";
