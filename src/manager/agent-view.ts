import ipaddr from "ipaddr.js";
import type { Dialect } from "../handoff/cilium-node/port.ts";

/** What of Cilium's agent the rest of the manager goes by, where the agent takes the addresses itself. */
export interface AgentView {
  /** Undefined until it is known. */
  readonly dialect: Dialect | undefined;
  /** Addresses in use that the agent does not name. */
  readonly usedCount: number;
  /** Pods that are bound to the node and have no address yet. */
  readonly waiting: number;
  /** CIDRs of the blocks of which the agent uses nothing and will use nothing. */
  readonly letGo: ReadonlySet<string>;
  /** The agent said something since the start of this process. */
  readonly reported: boolean;
}

export function isUntold(
  view: AgentView | undefined,
  said: Pick<AgentView, "dialect" | "usedCount" | "waiting">,
): boolean {
  return (
    view?.reported !== true ||
    view.dialect !== said.dialect ||
    view.usedCount !== said.usedCount ||
    view.waiting !== said.waiting
  );
}

/** The addresses of an IPv4 block: one, or the 16 of a prefix. */
export function addressesOfBlock(cidr: string): readonly string[] {
  const [base, length] = ipaddr.parseCIDR(cidr);
  const [a = 0, b = 0, c = 0, d = 0] = base.toByteArray();
  const first = ((a * 256 + b) * 256 + c) * 256 + d;
  return Array.from({ length: 2 ** (32 - length) }, (_, at) => {
    const one = first + at;
    return [one / 2 ** 24, one / 2 ** 16, one / 2 ** 8, one].map((part) => Math.floor(part) % 256).join(".");
  });
}
