import { createHash } from "node:crypto";
import type { Announcements } from "./announcements.ts";

/** The text of the file that bird.conf includes. */

/** BIRD's names of the protocols in it, which the filters of bird.conf go by: `proto ~ "enid?"`. */
export const PROTOCOLS = { ipv4: "enid4", ipv6: "enid6" } as const;

/** How every file that enid wrote begins; what begins otherwise is somebody else's. */
const HEADER = "# This file is written by enid; what is changed by hand is written over. See docs/bird.md.\n";

const OWNER = "# Its daemon has the state ";

export interface IncludeFile {
  readonly text: string;
  /** What BIRD shows as the description of the protocols once it has read this text; empty when there are none. */
  readonly description: string;
}

/**
 * Of announcements that are undefined nothing is announced, and BIRD knows no protocol of enid's. `owner`: what tells
 * this daemon from another one on the machine.
 */
export function includeFile(announcements: Announcements | undefined, owner: string): IncludeFile {
  const head = `${HEADER}${OWNER}${owner}\n`;
  if (announcements === undefined) return { text: `${head}# bgp.asn is 0: nothing is announced.\n`, description: "" };
  const { ranges, hosts } = announcements;
  const routes = [
    // The kernel sees none of them (protocol kernel: export none), so what they say there does not matter; the two
    // words tell a range from an address in filters.
    ...ranges.map((cidr) => ({ cidr, line: `  route ${cidr} unreachable;\n` })),
    ...hosts.map((cidr) => ({ cidr, line: `  route ${cidr} blackhole;\n` })),
  ];
  const lines = (isIpv6: boolean) =>
    routes
      .filter(({ cidr }) => cidr.includes(":") === isIpv6)
      .map(({ line }) => line)
      .join("");
  const [ipv4, ipv6] = [lines(false), lines(true)];
  const version = createHash("sha256").update(`${ipv4}${ipv6}`).digest("hex").slice(0, 16);
  const description = `enid ${version}`;
  // Both are there even when empty: BIRD says by their descriptions which text it has read.
  return {
    text: `${head}${protocol("ipv4", description, ipv4)}${protocol("ipv6", description, ipv6)}`,
    description,
  };
}

export function isWrittenByEnid(text: string): boolean {
  return text.startsWith(HEADER);
}

/** The owner that a file of enid's names. */
export function ownerOf(text: string): string {
  return text.startsWith(OWNER, HEADER.length) ? (text.slice(HEADER.length + OWNER.length).split("\n")[0] ?? "") : "";
}

function protocol(family: "ipv4" | "ipv6", description: string, routes: string): string {
  return `protocol static ${PROTOCOLS[family]} {\n  description "${description}";\n  ${family};\n${routes}}\n`;
}
