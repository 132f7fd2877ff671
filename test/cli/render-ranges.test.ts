import { Registry } from "prom-client";
import { describe, expect, it } from "vitest";
import { renderPlan } from "../../src/cli/render/plan.ts";
import { renderStatus } from "../../src/cli/render/status.ts";
import type { NodeFacts, RangeReport, StatusReport } from "../../src/manager/index.ts";
import { statusMetrics } from "../../src/telemetry/status-metrics.ts";
import { NOON_MS, statusReport } from "../telemetry/status-report.ts";

const plain = (_style: string, text: string) => text;

const RANGES: readonly RangeReport[] = [
  {
    cidr: "10.12.5.0/28",
    state: "serving",
    partOf: "10.12.5.0/27",
    gateway: "10.12.5.1",
    counts: { total: 11, free: 8, leased: 2, cooling: 1, releasing: 0 },
    reserved: 5,
    own: [
      { address: "10.12.5.1", device: "cni0" },
      { address: "10.12.5.4", device: "cilium_host" },
    ],
  },
  {
    cidr: "10.12.9.7/32",
    state: "draining",
    gateway: undefined,
    counts: { total: 1, free: 0, leased: 1, cooling: 0, releasing: 0 },
    reserved: 0,
    own: [],
  },
];

const NODE: NodeFacts = {
  instanceId: "node-9ad3498f",
  hostname: "rack-7",
  instanceType: "",
  region: "",
  availabilityZone: "",
  vpcId: "",
  accountId: undefined,
  primaryInterfaceId: "node",
  primarySubnetId: "node",
  limits: { maxInterfaces: 1, ipv4PerInterface: 1, source: "none", hypervisor: "", bareMetal: false },
};

function onPremises(changes: Partial<StatusReport> = {}): StatusReport {
  const places = { interfaces: [], subnets: [], refusedSubnets: [], securityGroups: [] };
  return statusReport({ provider: "node-cidr", node: NODE, capacity: 12, ranges: RANGES, ...places, ...changes });
}

function lines(changes: Partial<StatusReport> = {}): string[] {
  return renderStatus({ version: "0.1.0", ...onPremises(changes) }, NOON_MS, plain);
}

describe("enid status of a node with ranges of its own", () => {
  it("names the machine, its ranges, and nothing of EC2", () => {
    const text = lines().join("\n");
    expect(lines()[1]).toBe("enid 0.1.0, node-cidr, up 3 h 12 min; rack-7 (node-9ad3498f)");
    expect(text).toContain("max-allocate 0 (what the ranges hold)");
    expect(lines().slice(-3)).toEqual([
      "RANGE         GATEWAY    STATE     FREE  LEASED  COOLING  RESERVED",
      "10.12.5.0/28  10.12.5.1  serving      8       2        1         5  part of 10.12.5.0/27; the node has 10.12.5.1 on cni0 and 1 other",
      "10.12.9.7/32             draining     0       1        0         0",
    ]);
    expect(text).not.toMatch(/EC2|SUBNET|INTERFACE|metadata|cloud|instance/);
  });

  it("says how much room is missing, and how to come by it", () => {
    expect(lines().join("\n")).toContain("10 used of 18 available; at least the 8 of pre-allocate are free");
    const { watermarks } = onPremises();
    const short = lines({ watermarks: { ...watermarks, needed: 5 } }).join("\n");
    expect(short).toContain("5 fewer are free than pre-allocate asks for: add a range to podCIDRs");
  });
});

it("enid plan names ranges that are full", () => {
  const shortfall = {
    kind: "ranges-full",
    ranges: ["10.12.5.0/28"],
    free: 0,
    leased: 12,
    cooling: 1,
    reserved: 3,
    draining: 0,
  } as const;
  const plan = { steps: [], needed: 8, surge: 2, wanted: 0, planned: 0, shortfall, explanation: [] };
  expect(renderPlan({ plan, waiting: 2, calls: [], error: undefined }, plain).at(-1)).toBe(
    "shortfall: the node's own ranges 10.12.5.0/28 have 0 free addresses (12 leased, 1 cooling, 3 for no pod); add a range to podCIDRs",
  );
});

it("metrics have the addresses of each range by state, and forget a range that left", async () => {
  const registry = new Registry();
  const refresh = statusMetrics(registry);
  const text = async (ranges: readonly RangeReport[]) => {
    refresh({ status: () => onPremises({ ranges }), loopAgeMs: () => 0 }, NOON_MS);
    return registry.getSingleMetricAsString("enid_range_addresses");
  };
  const first = await text(RANGES);
  expect(first).toContain('enid_range_addresses{range="10.12.5.0/28",range_state="serving",state="reserved"} 5');
  expect(first).toContain('enid_range_addresses{range="10.12.9.7/32",range_state="draining",state="leased"} 1');
  expect(await text(RANGES.slice(0, 1))).not.toContain("10.12.9.7");
});
