import { describe, expect, it } from "vitest";
import { renderStatus } from "../../src/cli/render/status.ts";
import type { StatusReport } from "../../src/manager/index.ts";
import type { BirdReport, HostRoutesReport } from "../../src/manager/ports/index.ts";
import { birdReport, hostRoutesReport, NOON_MS, statusReport } from "../telemetry/status-report.ts";
import { startFakeDaemon } from "./fake-daemon.ts";
import { callEnid } from "./run-enid.ts";

const plain = (_style: string, text: string) => text;
const marked = (style: string, text: string) => `<${style}>${text}</${style}>`;
const MINUTE_MS = 60_000;

function status(changes: Partial<StatusReport>, style: (style: string, text: string) => string = plain): string {
  return `\n${renderStatus({ version: "0.1.0", ...statusReport(changes) }, NOON_MS, style).join("\n")}\n`;
}

const line = (name: string, text: string) => text.match(new RegExp(`^${name} +(.*)$`, "m"))?.[1];

describe("enid status where host routes are kept", () => {
  const routes = (changes: Partial<HostRoutesReport> = {}) => status({ reach: [hostRoutesReport(changes)] });

  it("says how many rules are in place, and each device with its table", () => {
    const text = routes();
    expect(line("host routes", text)).toBe("38 rules for 2 interfaces, checked 4 s ago");
    expect(text).toContain(`
DEVICE  INTERFACE  TABLE
ens5    eni-a         10
ens6    eni-b         11
`);
  });

  it("says what was repaired and when, and what is wrong with a device, in red", () => {
    const [first] = hostRoutesReport().devices;
    if (first === undefined) throw new Error("the report has devices");
    const devices = [first, { interfaceId: "eni-b", device: "", table: 11, problem: "no link has 02:00:00:00:00:0b" }];
    const changes = { devices, rules: 1, repaired: 3, repairedAtMs: NOON_MS - 2 * MINUTE_MS };
    const text = routes(changes);
    expect(line("host routes", text)).toBe(
      "1 rule for 2 interfaces, 1 with a problem, checked 4 s ago; 3 repaired since the start, last 2 min ago",
    );
    expect(text).toMatch(/^none +eni-b +11 {2}no link has 02:00:00:00:00:0b$/m);
    const coloured = status({ reach: [hostRoutesReport(changes)] }, marked);
    expect(coloured).toMatch(/^<red>none .*<\/red>$/m);
    expect(coloured).toMatch(/^ens5 /m);
  });

  it("says that nothing was looked at yet right after the start", () => {
    const text = routes({ devices: [], rules: 0, checkedAtMs: 0 });
    expect(line("host routes", text)).toBe("not looked at yet");
    expect(text).not.toContain("DEVICE");
  });

  it("shows routes that cannot be set among what is degraded", () => {
    const error = {
      code: "ENID_HOST_ROUTES" as const,
      message: "the host routes of ens6 are not in place",
      remedy: "R.",
    };
    const degraded = [{ name: "host-routes-failing", sinceMs: NOON_MS - MINUTE_MS, error }];
    expect(status({ degraded })).toContain(`
DEGRADED
  host-routes-failing for 1 min: ENID_HOST_ROUTES: the host routes of ens6 are not in place
    R.
`);
  });
});

describe("enid status where BIRD announces", () => {
  const bird = (changes: Partial<BirdReport> = {}) => status({ reach: [birdReport(changes)] });

  it("says how many sessions are up, what is announced, and how much of it each session exports", () => {
    const text = bird();
    expect(line("bird", text)).toBe("2 of 2 sessions up, 2 prefixes to announce, changed 3 h ago, checked 4 s ago");
    expect(text).toContain(`
SESSION  NEIGHBOR   STATE        BFD  EXPORTED  FOR
uplink1  10.0.12.1  Established  Up     2 of 2  3 h
uplink2  10.0.12.2  Established  Up     2 of 2  3 h
  to announce: 10.12.5.0/24, 10.12.9.7/32
`);
  });

  it("shows a session that is down, in red", () => {
    const [first, second] = birdReport().sessions;
    if (first === undefined || second === undefined) throw new Error("the report has two sessions");
    const sessions = [first, { ...second, up: false, state: "Connect", bfd: "", exported: 0, sinceMs: 0 }];
    expect(line("bird", bird({ sessions }))).toMatch(/^1 of 2 sessions up, /);
    expect(bird({ sessions })).toMatch(/^uplink2 {2}10\.0\.12\.2 {2}Connect +off +0 of 2$/m);
    expect(status({ reach: [birdReport({ sessions })] }, marked)).toMatch(/^<red>uplink2 .*<\/red>$/m);
  });

  it("says that BIRD does not answer, and that it has no session", () => {
    const away = bird({ sessions: [], configuredAtMs: 0, checkedAtMs: 0 });
    expect(line("bird", away)).toBe("does not answer; 2 prefixes to announce");
    const text = bird({ sessions: [], configuredAtMs: 0 });
    expect(line("bird", text)).toBe("no session, 2 prefixes to announce, unchanged since the start, checked 4 s ago");
    expect(text).not.toContain("NEIGHBOR");
    expect(text).toContain("\n\nto announce: 10.12.5.0/24, 10.12.9.7/32\n");
  });

  it("lists at most eight prefixes and says how many more there are", () => {
    const announced = Array.from({ length: 11 }, (_, index) => `10.12.5.${index}/32`);
    expect(bird({ announced })).toMatch(/^ {2}to announce: 10\.12\.5\.0\/32, .*, 10\.12\.5\.7\/32 and 3 more$/m);
  });

  it("is not mentioned on a node that uses no BGP", () => {
    const text = bird({ announced: [], sessions: [], configuredAtMs: 0, checkedAtMs: 0 });
    expect(text).toBe(status({}));
  });
});

describe("enid status of interfaces", () => {
  it("tells the instance's own interface from one that was found", () => {
    const text = status({ interfaces: statusReport().interfaces.map((one) => ({ ...one, madeBy: "other" as const })) });
    expect(text).toMatch(/^eni-a .* instance /m);
    expect(text).toMatch(/^eni-b .* other /m);
  });

  it("says how much it holds of what it could, prefixes or not", () => {
    const [first] = statusReport().interfaces;
    if (first === undefined) throw new Error("the report has interfaces");
    const held = { ...first, counts: { total: 48, free: 39, leased: 8, cooling: 1, releasing: 0 } };
    expect(status({ interfaces: [held], prefixMode: "preferred" })).toMatch(/^eni-a .* 48 of 144 /m);
    expect(status({ interfaces: [held] })).toMatch(/^eni-a .* instance {4}48 /m);
    expect(status({ interfaces: [{ ...first, slots: 0 }] })).toMatch(/^eni-a .* instance {5}9 /m);
  });
});

describe("enid status --json", () => {
  it("has all that is said of reachability, and the text is of the same report", async () => {
    const { socket, manager } = await startFakeDaemon();
    const reach = [hostRoutesReport({ repaired: 2, repairedAtMs: NOON_MS }), birdReport()];
    manager.report = statusReport({ reach });
    const { code, stdout } = await callEnid(["status", "--json", "--socket", socket]);
    expect(code).toBe(0);
    expect(JSON.parse(stdout).reach).toEqual(reach);
    const text = (await callEnid(["status", "--socket", socket])).stdout;
    expect(line("host routes", text)).toMatch(/^38 rules for 2 interfaces, .*; 2 repaired since the start/);
    expect(line("bird", text)).toMatch(/^2 of 2 sessions up/);
  });
});
