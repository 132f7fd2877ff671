import { Registry } from "prom-client";
import { describe, expect, it } from "vitest";
import { CallTally } from "../../src/telemetry/call-tally.ts";
import { fleetMetrics } from "../../src/telemetry/fleet-metrics.ts";
import { settings, statusReport } from "./status-report.ts";

const MINUTE_MS = 60_000;

describe("cloud calls lately", () => {
  it("are counted by action over five minutes and what there is of the present one", () => {
    const tally = new CallTally();
    expect(tally.lately(0)).toEqual({});
    for (let minute = 0; minute < 20; minute++) {
      tally.add("DescribeSubnets", minute * MINUTE_MS);
      if (minute % 2 === 0) tally.add("AssignPrivateIpAddresses", minute * MINUTE_MS + 1_000);
    }
    expect(tally.lately(19 * MINUTE_MS + 30_000)).toEqual({ DescribeSubnets: 6, AssignPrivateIpAddresses: 3 });
    expect(tally.lately(24 * MINUTE_MS)).toEqual({ DescribeSubnets: 1 });
    expect(tally.lately(25 * MINUTE_MS)).toEqual({});
  });
});

describe("metrics of the fleet", () => {
  const report = {
    name: "prod",
    servers: [],
    connected: true,
    sinceMs: 0,
    because: "",
    nodes: 12,
    singletons: [
      { task: "sweep", holds: true },
      { task: "other", holds: false },
    ],
  };

  it("say nothing without one, and whether it answers with one", async () => {
    const registry = new Registry();
    const refresh = fleetMetrics(registry);
    const samples = async () => (await registry.metrics()).split("\n").filter((line) => line.startsWith("enid_"));
    refresh(statusReport());
    expect(await samples()).toEqual([]);
    const base = settings();
    const origins = { ...base.origins, "pre-allocate": { kind: "fleet", profile: "web" } as const };
    refresh(statusReport({ fleet: report, settings: { ...base, origins } }));
    expect(await samples()).toEqual([
      'enid_fleet_connected{fleet="prod"} 1',
      'enid_fleet_nodes{fleet="prod"} 12',
      'enid_fleet_task_held{task="sweep"} 1',
      'enid_fleet_task_held{task="other"} 0',
      'enid_setting_from_fleet{setting="pre-allocate",profile="web"} 1',
    ]);
    refresh(statusReport({ fleet: { ...report, connected: false } }));
    expect((await samples())[0]).toBe('enid_fleet_connected{fleet="prod"} 0');
  });
});
