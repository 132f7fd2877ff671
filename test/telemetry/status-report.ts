import {
  defaultSettings,
  type Origin,
  type SettingName,
  type Settings,
  type SettingValues,
} from "../../src/configuration/index.ts";
import type { StatusReport } from "../../src/manager/index.ts";
import type { BirdReport, HostRoutesReport } from "../../src/manager/ports/index.ts";

/** Noon of 1 August 2026 UTC: the present of the reports below. */
export const NOON_MS = Date.UTC(2026, 7, 1, 12);

const MINUTE_MS = 60_000;

const VALUES: SettingValues = {
  ...defaultSettings,
  "min-allocate": 10,
  "subnet-tags": { "enid.io/pods": "true" },
};

/** Settings as a file with min-allocate and subnet-tags and an override of pre-allocate give them. */
export function settings(): Settings {
  const origins = Object.fromEntries(
    Object.keys(VALUES).map((name): [string, Origin] => [name, { kind: "default" }]),
  ) as Record<SettingName, Origin>;
  const file = "/etc/cni/net.d/05-cilium.conf";
  origins["min-allocate"] = { kind: "file", place: { file, line: 5, column: 25, pointer: "/ipam/min-allocate" } };
  origins["subnet-tags"] = { kind: "file", place: { file, line: 3, column: 20, pointer: "/eni/subnet-tags" } };
  origins["pre-allocate"] = { kind: "override", setAtMs: NOON_MS - 60 * MINUTE_MS };
  return { values: VALUES, origins };
}

/** An m5.large that is well: two interfaces, 19 leases, one address cooling. */
export function statusReport(changes: Partial<StatusReport> = {}): StatusReport {
  return {
    phase: "ready",
    ready: true,
    waitingFor: "",
    startedAtMs: NOON_MS - 192 * MINUTE_MS,
    provider: "aws",
    node: {
      instanceId: "i-0abc",
      instanceType: "m5.large",
      region: "eu-west-1",
      availabilityZone: "eu-west-1a",
      vpcId: "vpc-1",
      accountId: "123456789012",
      primaryInterfaceId: "eni-a",
      primarySubnetId: "subnet-a",
      limits: { maxInterfaces: 3, ipv4PerInterface: 10, source: "ec2", hypervisor: "nitro", bareMetal: false },
    },
    capacity: 27,
    pool: { total: 18, free: 8, leased: 9, cooling: 1, releasing: 0 },
    watermarks: {
      preAllocate: 8,
      minAllocate: 10,
      maxAllocate: 0,
      maxAboveWatermark: 0,
      available: 18,
      used: 10,
      needed: 0,
      excess: 0,
    },
    waiting: [],
    interfaces: [
      {
        id: "eni-a",
        deviceIndex: 0,
        mac: "02:00:00:00:00:0a",
        subnetId: "subnet-a",
        primaryAddress: "10.0.1.4",
        madeBy: "other",
        usable: true,
        unusableBecause: "",
        slots: 9,
        counts: { total: 9, free: 0, leased: 8, cooling: 1, releasing: 0 },
      },
      {
        id: "eni-b",
        deviceIndex: 1,
        mac: "02:00:00:00:00:0b",
        subnetId: "subnet-b",
        primaryAddress: "10.0.2.4",
        madeBy: "enid",
        usable: true,
        unusableBecause: "",
        slots: 9,
        counts: { total: 9, free: 8, leased: 1, cooling: 0, releasing: 0 },
      },
    ],
    subnets: [
      {
        id: "subnet-a",
        cidr: "10.0.1.0/24",
        freeAddresses: 200,
        tags: {},
        blockedUntilMs: 0,
        readAtMs: NOON_MS - MINUTE_MS,
      },
      {
        id: "subnet-b",
        cidr: "10.0.2.0/24",
        freeAddresses: 3,
        tags: {},
        blockedUntilMs: 0,
        readAtMs: NOON_MS - MINUTE_MS,
      },
    ],
    refusedSubnets: [{ id: "subnet-x", why: "tag enid.io/pods is missing" }],
    securityGroups: ["sg-1"],
    intents: [],
    degraded: [],
    settings: settings(),
    configuration: {
      file: "/etc/cni/net.d/05-cilium.conf",
      source: "file",
      readAtMs: NOON_MS - 192 * MINUTE_MS,
      error: undefined,
      notices: [],
      differences: [],
    },
    store: {
      location: "/var/lib/enid/state.db",
      schemaVersion: 1,
      sizeBytes: 40_960,
      transactions: 31,
      changes: 74,
      failures: 0,
    },
    observedAtMs: { metadata: NOON_MS - 30_000, cloud: NOON_MS - 10 * MINUTE_MS },
    ...changes,
  };
}

/** Two devices whose rules are all in place. */
export function hostRoutesReport(changes: Partial<HostRoutesReport> = {}): HostRoutesReport {
  return {
    kind: "host-routes",
    devices: [
      { interfaceId: "eni-a", device: "ens5", table: 10, problem: "" },
      { interfaceId: "eni-b", device: "ens6", table: 11, problem: "" },
    ],
    rules: 38,
    repaired: 0,
    repairedAtMs: 0,
    checkedAtMs: NOON_MS - 4_000,
    ...changes,
  };
}

/** Two uplinks that take both prefixes. */
export function birdReport(changes: Partial<BirdReport> = {}): BirdReport {
  const established = { state: "Established", up: true, exported: 2, bfd: "Up", sinceMs: NOON_MS - 180 * MINUTE_MS };
  return {
    kind: "bird",
    announced: ["10.12.5.0/24", "10.12.9.7/32"],
    sessions: [
      { name: "uplink1", neighbor: "10.0.12.1", ...established },
      { name: "uplink2", neighbor: "10.0.12.2", ...established },
    ],
    configuredAtMs: NOON_MS - 180 * MINUTE_MS,
    checkedAtMs: NOON_MS - 4_000,
    ...changes,
  };
}
