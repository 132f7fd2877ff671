import type { Actual, Family, Link, LinkAddress, Route, Rule } from "./actual.ts";
import { canonical } from "./cidr.ts";
import { hostRoutesError } from "./errors.ts";
import type { Host, Program } from "./host.ts";
import { markedDevice, TABLE_ARGUMENTS } from "./marks.ts";

/** What of the node's picture says where to look. */
export interface ReadingScope {
  /** MACs of the node's interfaces. */
  readonly macs: ReadonlySet<string>;
}

/**
 * Reads what the node has. All processes at once, none of which changes anything.
 *
 * @throws EnidError ENID_HOST_ROUTES
 */
export async function readActual(host: Host, scope: ReadingScope): Promise<Actual> {
  // Numeric: names of tables and protocols come from files that anybody may write.
  const ask = async (...args: readonly string[]) => parse(host, "ip", ["-N", "-json", "-details", ...args]);
  const [links, rules, rules6, routes, routes6, marked] = await Promise.all([
    ask("addr", "show"),
    ask("-4", "rule", "show"),
    ask("-6", "rule", "show"),
    ask("-4", "route", "show", "table", "all"),
    ask("-6", "route", "show", "table", "all"),
    readMarked(host),
  ]);
  const known = links.map(linkOf);
  const devices = known.filter(({ mac }) => scope.macs.has(mac)).map(({ device }) => device);
  return {
    links: known,
    rules: [...rules.map((entry) => ruleOf(entry, "ipv4")), ...rules6.map((entry) => ruleOf(entry, "ipv6"))],
    routes: [...routes.map((entry) => routeOf(entry, "ipv4")), ...routes6.map((entry) => routeOf(entry, "ipv6"))],
    filters: await readFilters(host, ["all", "default", ...devices]),
    marked,
  };
}

export function filterSetting(device: string): string {
  return `ipv4/conf/${device}/rp_filter`;
}

async function readFilters(host: Host, devices: readonly string[]): Promise<ReadonlyMap<string, number>> {
  const values = await Promise.all(devices.map((device) => host.readSetting(filterSetting(device))));
  const pairs = devices.map((device, at) => [device, Number(values[at] ?? Number.NaN)] as const);
  return new Map(pairs.filter(([, value]) => Number.isInteger(value)));
}

/** No table is no error of nft's worth telling: setting it says more. */
async function readMarked(host: Host): Promise<string | undefined> {
  try {
    const { code, stdout } = await host.run("nft", ["-j", "list", "table", ...TABLE_ARGUMENTS]);
    return code === 0 ? markedDevice(stdout) : "";
  } catch {
    return undefined;
  }
}

type Json = Readonly<Record<string, unknown>>;

async function parse(host: Host, program: Program, args: readonly string[]): Promise<readonly Json[]> {
  const what = `${program} ${args.join(" ")}`;
  const { code, stdout, stderr } = await host.run(program, args);
  // A kernel without IPv6 has neither its rules nor its routes.
  if (code !== 0 && /not supported/i.test(stderr)) return [];
  if (code !== 0) throw hostRoutesError("this node", `${what} failed: ${stderr.trim().split("\n")[0] ?? ""}`);
  try {
    // `ip -json` prints nothing at all for an empty list.
    const answer: unknown = stdout.trim() === "" ? [] : JSON.parse(stdout);
    // Without its details an entry is not JSON's null but {}.
    if (Array.isArray(answer)) return answer.filter((entry) => typeof entry === "object" && entry !== null);
  } catch (cause) {
    throw hostRoutesError("this node", `${what} prints no JSON; iproute2 4.20 or newer is needed`, cause);
  }
  throw hostRoutesError("this node", `${what} prints no list`);
}

const MEMBER_KINDS = new Set(["bond", "bridge", "team", "openvswitch"]);
const STACKED_KINDS = new Set(["vlan", "macvlan", "macvtap", "ipvlan", "ipvtap"]);

export function linkOf(entry: Json): Link {
  const flags = list(entry.flags);
  const info = (entry.linkinfo ?? {}) as Json;
  return {
    index: Number(entry.ifindex ?? 0),
    device: text(entry.ifname),
    mac: text(entry.address).toLowerCase(),
    up: flags.includes("UP"),
    mtuBytes: Number(entry.mtu ?? 0),
    member: flags.includes("SLAVE") || MEMBER_KINDS.has(text(info.info_slave_kind)),
    stacked: STACKED_KINDS.has(text(info.info_kind)),
    addresses: (list(entry.addr_info) as Json[]).flatMap(addressOf),
  };
}

function addressOf(entry: Json): LinkAddress[] {
  if (typeof entry.local !== "string") return [];
  return [
    {
      address: canonical(entry.local),
      prefixLength: Number(entry.prefixlen ?? 0),
      dynamic: entry.dynamic === true,
      withoutRoute: entry.noprefixroute === true,
    },
  ];
}

const RULE_KEYS = new Set(["priority", "src", "srclen", "dst", "dstlen", "fwmark", "fwmask", "table", "protocol"]);

export function ruleOf(entry: Json, family: Family): Rule {
  return {
    family,
    priority: Number(entry.priority ?? 0),
    from: selector(entry.src, entry.srclen),
    to: selector(entry.dst, entry.dstlen),
    mark: entry.fwmark === undefined ? "" : `${hex(entry.fwmark)}/${hex(entry.fwmask ?? "0xffffffff")}`,
    table: numberOf(entry.table, TABLES),
    protocol: numberOf(entry.protocol, PROTOCOLS),
    special: Object.keys(entry).some((key) => !RULE_KEYS.has(key)),
  };
}

function selector(address: unknown, length: unknown): string {
  const name = text(address);
  if (name === "" || name === "all") return "";
  return length === undefined ? canonical(name) : `${canonical(name)}/${Number(length)}`;
}

export function routeOf(entry: Json, family: Family): Route {
  const type = text(entry.type);
  return {
    family,
    table: entry.table === undefined ? TABLES.main : numberOf(entry.table, TABLES),
    destination: canonical(text(entry.dst)),
    gateway: canonical(text(entry.gateway)),
    device: text(entry.dev),
    protocol: numberOf(entry.protocol, PROTOCOLS),
    scope: entry.scope === undefined ? 0 : numberOf(entry.scope, SCOPES),
    metric: Number(entry.metric ?? 0),
    special: (type !== "" && type !== "1" && type !== "unicast") || entry.nexthops !== undefined,
  };
}

// Numbers are asked for; an older iproute2 writes some of them as names.
const TABLES = { local: 255, main: 254, default: 253, unspec: 0 } as const;
const PROTOCOLS = { unspec: 0, redirect: 1, kernel: 2, boot: 3, static: 4, ra: 9, dhcp: 16 } as const;
const SCOPES = { global: 0, site: 200, link: 253, host: 254, nowhere: 255 } as const;

/** -1 for a name that is not known. */
function numberOf(value: unknown, names: Readonly<Record<string, number>>): number {
  const name = text(value);
  if (name === "") return 0;
  return /^\d+$/.test(name) ? Number(name) : (names[name] ?? -1);
}

function hex(value: unknown): string {
  return `0x${Number(value).toString(16)}`;
}

function text(value: unknown): string {
  return typeof value === "string" ? value : typeof value === "number" ? String(value) : "";
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
