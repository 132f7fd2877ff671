import type { BirdAnswer } from "./control.ts";

/**
 * What `show protocols all` and `show bfd sessions` say, as BIRD 2.0.12 prints them (nest/proto.c proto_cmd_show,
 * proto/bgp/bgp.c bgp_show_proto_info, proto/bfd/bfd.c bfd_show_sessions). Lines that are not known are passed over.
 */

export interface ShownProtocol {
  readonly name: string;
  /** BIRD's word: "Static", "BGP", … */
  readonly kind: string;
  /** BIRD's word: "up", "start", "down", … */
  readonly state: string;
  /** Empty when it has none. */
  readonly description: string;
  /** Of BGP: the neighbour's address; a link-local one with its device, "fe80::1%eth0". Empty for others. */
  readonly neighbor: string;
  /** Of BGP: BIRD's word for the session, "Established", "Active", … Empty for others. */
  readonly session: string;
  /** Of BGP: why the session went down last. Empty when BIRD does not say. */
  readonly lastError: string;
  readonly channels: readonly ShownChannel[];
}

export interface ShownChannel {
  /** "ipv4", "ipv6", … */
  readonly name: string;
  readonly up: boolean;
  readonly exported: number;
}

/** Codes of BIRD: protocol list, protocol details, BFD sessions. */
const LIST = 1002;
const DETAILS = 1006;
const BFD = 1020;

export function readProtocols(answer: BirdAnswer): ShownProtocol[] {
  const protocols: Writable[] = [];
  for (const { code, text } of answer.lines) {
    if (code === LIST) {
      // Name, kind, table, state; the time and the rest are said again below, or not needed.
      const [, name, kind = "", state = ""] = /^(\S+)\s+(\S+)\s+\S+\s+(\S+)/.exec(text) ?? [];
      if (name !== undefined) protocols.push({ name, kind, state, ...UNSAID, channels: [] });
      continue;
    }
    const protocol = protocols.at(-1);
    if (code === DETAILS && protocol !== undefined) readDetail(protocol, text.trim());
  }
  return protocols;
}

/**
 * State of each session in BIRD's word: "Up", "Down", "Init", "AdminDown"; by the neighbour's address, a link-local one
 * with its device as in `ShownProtocol.neighbor`.
 */
export function readBfdSessions(answer: BirdAnswer): ReadonlyMap<string, string> {
  const states = new Map<string, string>();
  for (const { code, text } of answer.lines) {
    const [, address = "", device, state = ""] = /^([0-9a-f]*[.:][0-9a-f.:]*)\s+(\S+)\s+([A-Z]\w*)\s/i.exec(text) ?? [];
    if (code !== BFD || address === "") continue;
    states.set(/^fe[89ab]/i.test(address) ? `${address}%${device}` : address, state);
  }
  return states;
}

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };
type Writable = Mutable<Omit<ShownProtocol, "channels">> & { channels: Mutable<ShownChannel>[] };

const UNSAID = { description: "", neighbor: "", session: "", lastError: "" };

function readDetail(protocol: Writable, line: string): void {
  const channel = protocol.channels.at(-1);
  const [, channelName] = /^Channel (\S+)/.exec(line) ?? [];
  if (channelName !== undefined) {
    protocol.channels.push({ name: channelName, up: false, exported: 0 });
    return;
  }
  const [, key, value = ""] = /^([A-Z][\w ]*?):\s*(.*)$/i.exec(line) ?? [];
  if (key === "Description") protocol.description ||= value;
  else if (key === "Neighbor address") protocol.neighbor ||= value;
  else if (key === "BGP state") protocol.session ||= value;
  else if (key === "Last error") protocol.lastError ||= value;
  else if (key === "State" && channel !== undefined) channel.up = value === "UP";
  else if (key === "Routes" && channel !== undefined) channel.exported = Number(/(\d+) exported/.exec(value)?.[1] ?? 0);
}
