import type { ReachInterface } from "../../manager/ports/index.ts";

/** Priorities, tables and addresses: those of Cilium's agent in its ENI mode, so that either finds the other's work done. */
export const PRIORITY_TO_POD = 20;
export const PRIORITY_NODE_PORT = 109;
export const PRIORITY_FROM_POD = 111;

/** The router of every subnet of EC2, on the link. */
export const IPV6_ROUTER = "fe80:ec2::1";

const FIRST_TABLE = 10;
/** Below the kernel's own tables (253 to 255). */
const LAST_TABLE = 252;
/**
 * Further network cards count their devices from 0 again. Free of Cilium's 2004 and 2005 and of amazon-ec2-net-utils'
 * 10000 and above.
 */
const FIRST_CARD_TABLE = 4_000;
const TABLES_PER_CARD = 100;
const LAST_CARD_TABLE = 9_999;

/** The routing table of an interface: 10 + device index on the first network card, as Cilium has it. */
export function tableOf({ networkCard, deviceIndex }: Pick<ReachInterface, "networkCard" | "deviceIndex">): number {
  return networkCard === 0 ? FIRST_TABLE + deviceIndex : FIRST_CARD_TABLE + TABLES_PER_CARD * networkCard + deviceIndex;
}

/** Whether it can be the table of an interface. */
export function isTable(table: number): boolean {
  return (
    (table >= FIRST_TABLE && table <= LAST_TABLE) ||
    (table >= FIRST_CARD_TABLE + TABLES_PER_CARD && table <= LAST_CARD_TABLE)
  );
}
