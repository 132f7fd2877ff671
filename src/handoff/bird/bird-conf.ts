import ipaddr from "ipaddr.js";
import type { BgpUplink, SettingValues } from "../../configuration/index.ts";
import { EnidError } from "../../errors.ts";
import { PROTOCOLS } from "./include-file.ts";

/** A whole bird.conf for a node, for BIRD 2.0 and later (https://bird.network.cz, "BIRD 2 User's Guide", chapters 5 and 6). */

/** The session's password: the text; "hidden": there is one, and the file is not to be used as it is. */
export type UplinkPassword = { readonly text: string } | "hidden" | undefined;

export interface BirdConfInput {
  readonly values: Pick<
    SettingValues,
    "asn" | "router-id" | "uplinks" | "bfd" | "graceful-restart" | "bird-include-file" | "ip-families"
  >;
  /** IPv4 address for an empty router-id; undefined: the node has none. */
  readonly nodeAddress: string | undefined;
  /** Of each uplink, in their order. */
  readonly passwords: readonly UplinkPassword[];
}

/** @throws EnidError ENID_BGP_INCOMPLETE when the settings do not make a node that can speak BGP. */
export function birdConf({ values, nodeAddress, passwords }: BirdConfInput): string {
  const { asn, uplinks } = values;
  if (asn === 0) throw incomplete("bgp.asn is 0");
  if (uplinks.length === 0) throw incomplete("bgp.uplinks names no router");
  const routerId = values["router-id"] || nodeAddress;
  if (routerId === undefined) throw incomplete("bgp.router-id is empty and the node has no IPv4 address");
  const families = FAMILIES[values["ip-families"]];
  return [
    head(routerId, values),
    kernels(families),
    ...(values.bfd ? [bfd(uplinks)] : []),
    exportFilter(),
    template(values),
    ...uplinks.map((uplink, at) => session(uplink, at, { values, families, password: passwords[at] })),
  ].join("\n");
}

type Family = "ipv4" | "ipv6";

/** The families that pods get addresses of: no other one is announced. */
const FAMILIES: Readonly<Record<SettingValues["ip-families"], readonly Family[]>> = {
  ipv4: ["ipv4"],
  ipv6: ["ipv6"],
  dual: ["ipv4", "ipv6"],
};

function head(routerId: string, values: BirdConfInput["values"]): string {
  return `# bird.conf of a node, made by \`enid export bird\` from the section bgp of its configuration. See docs/bird.md.
# To be made again when that section changes; which addresses the node announces is in the included file,
# which enid keeps by itself.

log syslog all;
router id ${routerId};
${values["graceful-restart"] ? RESTART_WAIT : ""}
# Notices devices and addresses that come and go.
protocol device {
  scan time 10;
}

# What enid announces: protocols ${PROTOCOLS.ipv4} and ${PROTOCOLS.ipv6}. A pattern, so that BIRD starts before enid has written it.
include "${pattern(values["bird-include-file"])}";
`;
}

/**
 * BIRD announces nothing while it recovers, and recovery is over when every uplink is back or this time is: by default
 * 240 s, while the uplinks that are there drop what they kept after 120 s.
 */
const RESTART_WAIT = `# After a graceful restart an uplink that stays away holds up the others for so many seconds.
graceful restart wait 20;
`;

/**
 * BIRD takes it as an error when a file that is named is missing, but not when a pattern (glob) finds none. This one
 * finds the one file: characters of patterns, and else one other, are put into brackets. "!" and "^" mean something else
 * there, so that a name of nothing but these stays a name.
 */
function pattern(path: string): string {
  const literal = path.replace(/[*?[]/g, "[$&]");
  const start = literal.lastIndexOf("/") + 1;
  const name = literal.slice(start);
  if (name.includes("[")) return literal;
  return literal.slice(0, start) + name.replace(/[^!^\]]/, "[$&]");
}

function kernels(families: readonly Family[]): string {
  const each = families.map(
    (family) => `protocol kernel kernel${family === "ipv4" ? 4 : 6} {
  merge paths on;
  ${family} {
    import none;
    export none;
  };
}
`,
  );
  return `# The kernel's table stays as it is: the node leaves by its own default route, and pods are reached by the routes of the
# datapath. Should a default route be let in from the uplinks one day, both are used (merge paths).
${each.join("")}`;
}

function bfd(uplinks: readonly BgpUplink[]): string {
  const timers = `    min rx interval 100 ms;
    min tx interval 100 ms;
    idle tx interval 300 ms;
    multiplier 10;
`;
  const multihop = uplinks.some((uplink) => uplink.multihop !== undefined);
  return `# A dead uplink is noticed after 10 times 100 ms.
protocol bfd {
  interface "*" {
${timers}  };
${multihop ? `  multihop {\n${timers}  };\n` : ""}}
`;
}

function exportFilter(): string {
  return `filter enid_routes {
  if proto = "${PROTOCOLS.ipv4}" || proto = "${PROTOCOLS.ipv6}" then accept;
  reject;
}
`;
}

function template(values: BirdConfInput["values"]): string {
  return `template bgp enid_uplink {
  local as ${values.asn};
  graceful restart ${values["graceful-restart"] ? "on" : "off"};
  hold time 90;
  # A router that comes back is met within seconds; the defaults are 120 s, and up to 300 s after an error.
  connect retry time 5;
  connect delay time 2;
  error wait time 2, 30;
}
`;
}

interface SessionContext {
  readonly values: BirdConfInput["values"];
  readonly families: readonly Family[];
  readonly password: UplinkPassword;
}

function session(uplink: BgpUplink, at: number, { values, families, password }: SessionContext): string {
  const local = uplink["local-address"];
  if (uplink.multihop !== undefined && values.bfd && local === undefined) {
    const detail = `the uplink ${uplink.neighbor} is hops away and says no local-address, which BFD needs there`;
    throw incomplete(detail);
  }
  const options = [
    ...(local === undefined ? [] : [`local ${local} as ${values.asn};`]),
    `neighbor ${uplink.neighbor} as ${uplink.asn};`,
    ...(uplink.interface === undefined ? [] : [`interface "${uplink.interface}";`]),
    // Without a word eBGP is direct and iBGP is not.
    uplink.multihop === undefined ? "direct;" : `multihop ${uplink.multihop};`,
    ...(values.bfd ? ["bfd on;"] : []),
    ...passwordLines(password),
  ];
  const channels = families.map((family) => channel(family, uplink));
  const name = `uplink${at + 1}`;
  return `protocol bgp ${name} from enid_uplink {\n${options.map((line) => `  ${line}\n`).join("")}${channels.join("")}}\n`;
}

/** BIRD refuses the line of a hidden one: a file without its passwords must not go into service unnoticed. */
function passwordLines(password: UplinkPassword): string[] {
  if (password === undefined) return [];
  if (password === "hidden") return ["password HIDDEN; # shown with --output or --with-passwords"];
  return [`password "${password.text}";`];
}

function channel(family: Family, uplink: BgpUplink): string {
  // RFC 8950: IPv4 routes over a session of IPv6 addresses, where the link may have no IPv4 address at all.
  const overIpv6 = family === "ipv4" && ipaddr.parse(uplink.neighbor).kind() === "ipv6";
  return `  ${family} {
    import none;
    export filter enid_routes;
    next hop self on;
${overIpv6 ? "    extended next hop on;\n" : ""}  };
`;
}

function incomplete(detail: string): EnidError {
  return new EnidError("ENID_BGP_INCOMPLETE", { detail });
}
