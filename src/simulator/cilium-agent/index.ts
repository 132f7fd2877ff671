/** A stand-in of Cilium's agent, as far as the addresses of its node go: crd, eni up to 1.19, eni from 1.20 on. */
export { CiliumAgent } from "./agent.ts";
export { CidrPool } from "./cidr-pool.ts";
export { AgentSocket, type SocketOptions } from "./socket.ts";
export {
  type AgentConfiguration,
  type AgentOptions,
  type AgentSnapshot,
  type AgentState,
  BREACH_KINDS,
  type Breach,
  type BreachKind,
  REJECTION_RULES,
  type Rejection,
  type RejectionRule,
} from "./types.ts";
