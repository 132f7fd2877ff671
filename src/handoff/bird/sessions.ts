import ipaddr from "ipaddr.js";
import type { BirdReport, Telemetry } from "../../manager/ports/index.ts";
import type { Announcements } from "./announcements.ts";
import type { ShownProtocol } from "./read-back.ts";

export type SessionReport = BirdReport["sessions"][number];

/** What BIRD's sessions lack: none is up, or one that is up does not tell its neighbour all that it should. */
export interface Lack {
  readonly of: "sessions" | "routes";
  readonly detail: string;
}

/** BIRD's BGP sessions as they were last seen. Tells when one goes up or down. */
export class Sessions {
  readonly #telemetry: Telemetry;
  #shown: readonly ShownProtocol[] = [];
  #reports: readonly SessionReport[] = [];

  constructor(telemetry: Telemetry) {
    this.#telemetry = telemetry;
  }

  get reports(): readonly SessionReport[] {
    return this.#reports;
  }

  /** Takes over what BIRD says. `bfd`: by the neighbour's address. */
  see(protocols: readonly ShownProtocol[], bfd: ReadonlyMap<string, string>, nowMs: number): void {
    this.#shown = protocols.filter(({ kind }) => kind === "BGP");
    const seen = this.#shown.map(({ name, neighbor, session, state, channels }) => ({
      name,
      neighbor,
      state: session || state,
      up: session === "Established",
      exported: channels.reduce((sum, { up, exported }) => sum + (up ? exported : 0), 0),
      bfd: bfd.get(neighbor) ?? "",
      sinceMs: nowMs,
    }));
    this.#become(seen, "BIRD has it no longer");
  }

  /** BIRD does not answer: how the sessions are is not known. */
  lose(nowMs: number): void {
    this.#shown = [];
    const unknown = { state: "unknown", up: false, exported: 0, bfd: "", sinceMs: nowMs };
    this.#become(
      this.#reports.map((report) => ({ ...report, ...unknown })),
      "",
    );
  }

  /** Nothing is announced any more: the sessions are no business of enid's. */
  forget(): void {
    this.#shown = [];
    this.#reports = [];
  }

  /** `neighbors`: those whose sessions count; empty = all. */
  lack({ ranges, hosts }: Announcements, neighbors: readonly string[]): Lack | undefined {
    const counting = new Set(neighbors.map(canonical));
    const sessions = this.#shown.filter(({ neighbor }) => counting.size === 0 || counting.has(canonical(neighbor)));
    const up = sessions.filter(({ session }) => session === "Established");
    if (up.length === 0) return { of: "sessions", detail: `no BGP session is up${states(sessions)}` };
    const announced = [...ranges, ...hosts];
    for (const family of ["ipv4", "ipv6"] as const) {
      const count = announced.filter((cidr) => cidr.includes(":") === (family === "ipv6")).length;
      if (count === 0) continue;
      const channels = up.flatMap(({ name, channels }) =>
        channels.filter((channel) => channel.name === family && channel.up).map(({ exported }) => ({ name, exported })),
      );
      if (channels.length === 0) return { of: "routes", detail: `no BGP session that is up carries ${TEXT[family]}` };
      const short = channels.find(({ exported }) => exported < count);
      if (short === undefined) continue;
      const detail = `${short.name} exports ${short.exported} of ${count} ${TEXT[family]} routes; see the export filter of its ${family} channel`;
      return { of: "routes", detail };
    }
    const known = new Set(sessions.map(({ neighbor }) => canonical(neighbor)));
    const missing = [...counting].find((neighbor) => !known.has(neighbor));
    if (missing === undefined) return undefined;
    const detail = `it has no session with the uplink ${missing}; its configuration is older than the section bgp (enid export bird)`;
    return { of: "sessions", detail };
  }

  #become(seen: readonly SessionReport[], whyGone: string): void {
    const before = new Map(this.#reports.map((report) => [report.name, report]));
    this.#reports = seen.map((now) => {
      const was = before.get(now.name);
      before.delete(now.name);
      if (now.up && was?.up !== true) this.#tell("bird-session-up", now, "is up");
      if (!now.up && was?.up === true) this.#tell("bird-session-down", now, `is down: ${this.#reason(now)}`);
      return was?.state === now.state ? { ...now, sinceMs: was.sinceMs } : now;
    });
    for (const gone of before.values()) if (gone.up) this.#tell("bird-session-down", gone, `is down: ${whyGone}`);
  }

  #reason({ name, state }: SessionReport): string {
    if (state === "unknown") return "BIRD does not answer";
    const lastError = this.#shown.find((shown) => shown.name === name)?.lastError ?? "";
    return lastError === "" ? state : `${state}, ${lastError}`;
  }

  #tell(
    name: "bird-session-up" | "bird-session-down",
    { name: session, neighbor, state }: SessionReport,
    what: string,
  ) {
    const level = name === "bird-session-up" ? "info" : "warn";
    // Not "session": what is logged under such a name is taken for a secret.
    const fields = { protocol: session, neighbor, state };
    this.#telemetry.event({ name, level, message: `the BGP session ${session} with ${neighbor} ${what}`, fields });
  }
}

const TEXT = { ipv4: "IPv4", ipv6: "IPv6" } as const;

function states(sessions: readonly ShownProtocol[]): string {
  if (sessions.length === 0) return ": BIRD has none with the uplinks of the settings";
  const each = sessions.map(({ name, neighbor, session, state, lastError }) => {
    const error = lastError === "" ? "" : ` (${lastError})`;
    return `${name} with ${neighbor} is ${session || state}${error}`;
  });
  return `: ${each.join(", ")}`;
}

/** One text for each address, whatever the settings or BIRD write; without the device of a link-local one. */
function canonical(text: string): string {
  const address = text.replace(/%.*$/, "");
  return ipaddr.isValid(address) ? ipaddr.parse(address).toString() : address;
}
