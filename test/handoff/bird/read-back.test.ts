import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { BirdAnswer } from "../../../src/handoff/bird/control.ts";
import { readBfdSessions, readProtocols } from "../../../src/handoff/bird/read-back.ts";
import { Sessions } from "../../../src/handoff/bird/sessions.ts";
import type { EnidEvent } from "../../../src/manager/ports/index.ts";

/** What a BIRD 2.0.12 wrote to its control socket, with five sessions: two up, one of them link-local, three not. */
const protocols = fixture("show-protocols-all.txt");
const bfd = fixture("show-bfd-sessions.txt");

/** The lines of one answer behind the greeting. */
function fixture(name: string): BirdAnswer {
  const text = readFileSync(join(import.meta.dirname, "fixtures", name), "utf8");
  const lines: { code: number; text: string }[] = [];
  for (const line of text.trimEnd().split("\n").slice(1)) {
    const [, code, rest = ""] = /^(\d{4})[- ](.*)$/.exec(line) ?? [];
    if (code === undefined) lines.push({ code: lines.at(-1)?.code ?? 0, text: line.slice(1) });
    else lines.push({ code: Number(code), text: rest });
  }
  return { code: lines.at(-1)?.code ?? 0, lines };
}

describe("what BIRD says of itself", () => {
  it("is read: protocols, sessions, channels", () => {
    const shown = readProtocols(protocols);
    expect(shown.map(({ name, kind, state, session }) => `${name} ${kind} ${state} ${session}`.trim())).toEqual([
      "device1 Device up",
      "kernel4 Kernel up",
      "enid4 Static up",
      "enid6 Static up",
      "bfd1 BFD up",
      "uplink1 BGP up Established",
      "uplink2 BGP up Established",
      "uplink3 BGP start Active",
      "uplink4 BGP start Active",
      "uplink5 BGP down Down",
    ]);
    const byName = Object.fromEntries(shown.map((protocol) => [protocol.name, protocol]));
    expect(byName.enid4).toMatchObject({ description: "enid 0123456789abcdef", neighbor: "", lastError: "" });
    expect(byName.uplink1).toMatchObject({
      neighbor: "10.0.1.1",
      channels: [
        { name: "ipv4", up: true, exported: 2 },
        { name: "ipv6", up: true, exported: 1 },
      ],
    });
    expect(byName.uplink2).toMatchObject({
      neighbor: "fe80::1%eth0",
      channels: [{ name: "ipv4", up: true, exported: 2 }],
    });
    expect(byName.uplink3).toMatchObject({
      lastError: "Socket: No route to host",
      channels: [{ name: "ipv4", up: false, exported: 0 }],
    });
  });

  it("is read: BFD, and that there is none", () => {
    expect(Object.fromEntries(readBfdSessions(bfd))).toEqual({
      "fe80::1%eth0": "Up",
      "10.0.1.1": "Up",
      "10.0.1.7": "Down",
    });
    const none = { code: 9001, lines: [{ code: 9001, text: "There is no BFD protocol running" }] };
    expect(readBfdSessions(none).size).toBe(0);
  });

  it("may be anything: nothing is thrown, and what is known is read all the same", () => {
    const code = fc.constantFrom(0, 1002, 1006, 1020, 2002, 9001);
    const text = fc.oneof(
      fc.string(),
      fc.constantFrom(
        "  Channel ipv4",
        "    State:   UP",
        "Routes: x",
        "a b c d",
        "BGP state:",
        ": :",
        "Neighbor address: ",
      ),
    );
    const noise = fc.array(fc.record({ code, text }), { maxLength: 12 });
    fc.assert(
      fc.property(noise, (lines) => {
        readBfdSessions({ code: 0, lines });
        const shown = readProtocols({ code: 0, lines: [...lines, ...protocols.lines] });
        expect(shown.slice(-10)).toEqual(readProtocols(protocols));
      }),
    );
  });
});

describe("sessions", () => {
  const shown = readProtocols(protocols);
  const announced = (ranges: string[]) => ({ ranges, hosts: [], covers: () => false });
  const begin = () => {
    const events: EnidEvent[] = [];
    const sessions = new Sessions({ event: (event) => void events.push(event), cloudCall() {}, served() {} });
    return { sessions, events };
  };

  it("are reported with their state since when it was first seen", () => {
    const { sessions, events } = begin();
    sessions.see(shown, readBfdSessions(bfd), 1_000);
    sessions.see(shown, readBfdSessions(bfd), 2_000);
    const [first, second, third] = sessions.reports;
    expect(first).toEqual({
      name: "uplink1",
      neighbor: "10.0.1.1",
      state: "Established",
      up: true,
      exported: 3,
      bfd: "Up",
      sinceMs: 1_000,
    });
    expect(second).toMatchObject({ neighbor: "fe80::1%eth0", bfd: "Up", exported: 2 });
    expect(third).toMatchObject({ state: "Active", up: false, exported: 0, bfd: "Down" });
    expect(events.map(({ name, fields }) => [name, fields?.protocol])).toEqual([
      ["bird-session-up", "uplink1"],
      ["bird-session-up", "uplink2"],
    ]);
  });

  it("are told when they go down, once, with the reason", () => {
    const { sessions, events } = begin();
    sessions.see(shown, new Map(), 1_000);
    events.length = 0;
    const down = shown.map((protocol) =>
      protocol.name === "uplink1" ? { ...protocol, session: "Idle", lastError: "BFD session down" } : protocol,
    );
    sessions.see(down, new Map(), 2_000);
    sessions.see(down, new Map(), 3_000);
    sessions.lose(4_000);
    sessions.lose(5_000);
    expect(events.map(({ message }) => message)).toEqual([
      "the BGP session uplink1 with 10.0.1.1 is down: Idle, BFD session down",
      "the BGP session uplink2 with fe80::1%eth0 is down: BIRD does not answer",
    ]);
    expect(sessions.reports.map(({ state, up, sinceMs }) => [state, up, sinceMs])).toEqual(
      Array(5).fill(["unknown", false, 4_000]),
    );
    sessions.see(shown, new Map(), 6_000);
    sessions.see([], new Map(), 7_000);
    expect(events.slice(-2).map(({ message }) => message)).toEqual([
      "the BGP session uplink1 with 10.0.1.1 is down: BIRD has it no longer",
      "the BGP session uplink2 with fe80::1%eth0 is down: BIRD has it no longer",
    ]);
  });

  it("lack something when none of the uplinks is up, or one that is up tells less than is announced", () => {
    const { sessions } = begin();
    sessions.see(shown, new Map(), 0);
    const lack = (ranges: string[], neighbors: string[] = []) => sessions.lack(announced(ranges), neighbors)?.detail;
    expect(lack(["10.9.0.0/24", "10.8.0.1/32", "fd09::/64"])).toBeUndefined();
    expect(lack([])).toBeUndefined();
    expect(lack(["10.9.0.0/24", "10.8.0.1/32", "10.7.0.0/24"])).toBe(
      "uplink1 exports 2 of 3 IPv4 routes; see the export filter of its ipv4 channel",
    );
    expect(lack(["fd09::/64"], ["FE80:0::1"])).toBe("no BGP session that is up carries IPv6");
    expect(lack(["10.9.0.0/24"], ["10.0.1.7"])).toBe(
      "no BGP session is up: uplink3 with 10.0.1.7 is Active (Socket: No route to host)",
    );
    expect(lack(["10.9.0.0/24"], ["10.0.1.1", "10.0.99.1"])).toMatch(
      /^it has no session with the uplink 10\.0\.99\.1; /,
    );
    expect(lack(["10.9.0.0/24"], ["10.0.99.1"])).toBe(
      "no BGP session is up: BIRD has none with the uplinks of the settings",
    );
  });
});
