import { describe, expect, it } from "vitest";
import { type Clock, systemClock } from "../../src/adapters/index.ts";
import type { StatusReport } from "../../src/manager/index.ts";
import { createLogger, createTelemetry } from "../../src/telemetry/index.ts";
import { birdReport, hostRoutesReport, NOON_MS, statusReport } from "./status-report.ts";

const clock: Clock = { ...systemClock, nowMs: () => NOON_MS };

/** Scrapes after each of the reports, in order, from one telemetry. */
async function scrapes(...reaches: (StatusReport["reach"] | undefined)[]): Promise<string[]> {
  const logger = createLogger({ clock, level: "silent", stream: { write: () => {} } });
  const telemetry = createTelemetry({ clock, logger, version: "1.2.3" });
  const texts: string[] = [];
  for (const reach of reaches) {
    const status = statusReport(reach === undefined ? {} : { reach });
    telemetry.watch({ status: () => status, loopAgeMs: () => 0 });
    texts.push(await telemetry.scrape());
  }
  return texts;
}

/** The samples of a metric as Prometheus reads them, "" where it has none. */
function samples(text = "", name: string): string {
  return text
    .split("\n")
    .filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`))
    .join("\n");
}

describe("the metrics of host routes", () => {
  it("count rules and repairs, and name the interface that has a problem", async () => {
    const [first, second] = hostRoutesReport().devices;
    if (first === undefined || second === undefined) throw new Error("the report has two devices");
    const sick = hostRoutesReport({ devices: [first, { ...second, problem: "no default route" }], repaired: 7 });
    const [text, later] = await scrapes([sick], [hostRoutesReport({ repaired: 9 })]);
    expect(samples(text, "enid_host_routes_rules")).toBe("enid_host_routes_rules 38");
    expect(samples(text, "enid_host_routes_repaired_total")).toBe("enid_host_routes_repaired_total 7");
    expect(samples(text, "enid_host_routes_check_age_seconds")).toBe("enid_host_routes_check_age_seconds 4");
    expect(samples(text, "enid_host_routes_device_problem")).toBe(
      'enid_host_routes_device_problem{interface="eni-a"} 0\nenid_host_routes_device_problem{interface="eni-b"} 1',
    );
    expect(samples(later, "enid_host_routes_repaired_total")).toBe("enid_host_routes_repaired_total 9");
    expect(samples(later, "enid_host_routes_device_problem")).toContain('{interface="eni-b"} 0');
  });

  it("say nothing of a device that is gone, and no age before the first look", async () => {
    const [, later] = await scrapes([hostRoutesReport()], [hostRoutesReport({ devices: [], checkedAtMs: 0 })]);
    expect(samples(later, "enid_host_routes_device_problem")).toBe("");
    expect(samples(later, "enid_host_routes_check_age_seconds")).toBe("");
  });
});

describe("the metrics of BGP", () => {
  it("tell each session, what it exports, and what is announced", async () => {
    const [first, second] = birdReport().sessions;
    if (first === undefined || second === undefined) throw new Error("the report has two sessions");
    const [text] = await scrapes([birdReport({ sessions: [first, { ...second, up: false, exported: 0 }] })]);
    expect(samples(text, "enid_bgp_session_up")).toBe(
      'enid_bgp_session_up{session="uplink1",neighbor="10.0.12.1"} 1\nenid_bgp_session_up{session="uplink2",neighbor="10.0.12.2"} 0',
    );
    expect(samples(text, "enid_bgp_session_exported_routes")).toBe(
      'enid_bgp_session_exported_routes{session="uplink1",neighbor="10.0.12.1"} 2\nenid_bgp_session_exported_routes{session="uplink2",neighbor="10.0.12.2"} 0',
    );
    expect(samples(text, "enid_bgp_announced_routes")).toBe("enid_bgp_announced_routes 2");
    expect(samples(text, "enid_bgp_check_age_seconds")).toBe("enid_bgp_check_age_seconds 4");
  });

  it("have at most 32 sessions, whatever BIRD says", async () => {
    const [session] = birdReport().sessions;
    if (session === undefined) throw new Error("the report has sessions");
    const sessions = Array.from({ length: 100 }, (_, index) => ({ ...session, name: `s${index}` }));
    const [text] = await scrapes([birdReport({ sessions })]);
    expect(samples(text, "enid_bgp_session_up").split("\n")).toHaveLength(32);
  });

  it("have no session and no age on a node without BIRD", async () => {
    const [without, , again] = await scrapes(undefined, [birdReport(), hostRoutesReport()], undefined);
    for (const text of [without, again]) {
      expect(samples(text, "enid_bgp_session_up")).toBe("");
      expect(samples(text, "enid_bgp_check_age_seconds")).toBe("");
      expect(samples(text, "enid_bgp_announced_routes")).toBe("enid_bgp_announced_routes 0");
      expect(samples(text, "enid_host_routes_rules")).toBe("enid_host_routes_rules 0");
    }
  });
});
