import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { buildDaemon } from "../../scripts/build.ts";
import { DaemonProcess } from "../../scripts/lab/daemon.ts";
import { systemClock, systemRandom } from "../../src/adapters/index.ts";
import type { StatusReport } from "../../src/manager/index.ts";
import { loadModel, type RunningSimulator, startSimulator } from "../../src/simulator/index.ts";
import { seededRandom } from "../support/virtual-clock.ts";
import { PodLoad } from "./pod-load.ts";

const KILLS = 200;
/** A new node now and then, so that kills meet interface creation and not only a full node. */
const KILLS_PER_NODE = 8;
const NODES_AT_ONCE = 3;
const INSTANCE = "i-0c100000000000001";
const SEED = Number(process.env.ENID_KILL_SEED ?? 20_261_123);

const CONFIGURATION = JSON.stringify({
  cniVersion: "1.0.0",
  name: "cilium",
  type: "cilium-cni",
  eni: { "first-interface-index": 0, "subnet-tags": { "enid.io/pods": "true" } },
  ipam: { type: "enid-ipam", "min-allocate": 4, "pre-allocate": 3, "cooling-seconds": 1, "add-wait-seconds": 3 },
});

const MODEL = {
  region: "eu-central-1",
  account: "111122223333",
  vpcs: [{ id: "vpc-0c100000000000001", cidrs: ["10.0.0.0/16"] }],
  subnets: [
    {
      id: "subnet-0c100000000000001",
      vpc: "vpc-0c100000000000001",
      cidr: "10.0.1.0/24",
      zone: "eu-central-1a",
      tags: { "enid.io/pods": "true" },
    },
    { id: "subnet-0c100000000000002", vpc: "vpc-0c100000000000001", cidr: "10.0.2.0/24", zone: "eu-central-1a" },
  ],
  instances: [{ id: INSTANCE, type: "m5.large", subnet: "subnet-0c100000000000001" }],
  settings: { speed: 6 },
};

let folder: string;
let command: readonly string[];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "enid-kill-"));
  command = await buildDaemon(join(folder, "dist"));
}, 60_000);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe(`a daemon that is killed (-9) at ${KILLS} random moments under ADD and DEL`, () => {
  it(
    "gives no address twice, loses no acknowledged lease and leaks neither interface nor address",
    async () => {
      const nodes = Math.ceil(KILLS / KILLS_PER_NODE);
      const told: NodeReport[] = [];
      let next = 0;
      // Several nodes side by side: each mostly waits for its simulated cloud.
      const worker = async () => {
        while (next < nodes && told.every(({ violations }) => violations.length === 0)) {
          const node = next++;
          const kills = Math.min(KILLS_PER_NODE, KILLS - node * KILLS_PER_NODE);
          told.push(await oneNode(join(folder, `node-${node}`), kills, SEED + node));
        }
      };
      await Promise.all(Array.from({ length: NODES_AT_ONCE }, worker));
      const violations = told.flatMap((report) => report.violations.map((text) => `seed ${report.seed}: ${text}`));
      const total = (count: (report: NodeReport) => number) => told.reduce((sum, report) => sum + count(report), 0);
      expect(violations).toEqual([]);
      // The load was real: every node grew beyond its first interface on the way, and pods came and went.
      expect(total(({ kills }) => kills)).toBe(KILLS);
      expect(total(({ adds }) => adds)).toBeGreaterThan(KILLS * 3);
      expect(total(({ deletes }) => deletes)).toBeGreaterThan(KILLS);
      expect(total(({ interfaces }) => interfaces)).toBeGreaterThan(nodes * 1.5);
    },
    9 * 60_000,
  );
});

interface NodeReport {
  readonly seed: number;
  readonly kills: number;
  readonly adds: number;
  readonly deletes: number;
  readonly interfaces: number;
  readonly violations: readonly string[];
}

async function oneNode(nodeFolder: string, kills: number, seed: number): Promise<NodeReport> {
  const random = seededRandom(seed);
  const fraction = () => random.fraction();
  const simulator = await startSimulator({
    description: loadModel(MODEL, "kill.test.ts"),
    listen: { host: "127.0.0.1", port: 0 },
    clock: systemClock,
    random: systemRandom,
  });
  mkdirSync(nodeFolder);
  const configurationFile = join(nodeFolder, "enid.conf");
  writeFileSync(configurationFile, CONFIGURATION);
  const daemon = new DaemonProcess({
    folder: nodeFolder,
    configurationFile,
    environment: simulator.environment(INSTANCE),
    command,
  });
  const load = new PodLoad(daemon, CONFIGURATION, fraction);
  const violations: string[] = load.violations;
  try {
    for (let kill = 0; kill < kills && violations.length === 0; kill++) {
      daemon.start();
      let over = false;
      const running = load.run(6, () => over);
      // Most kills meet a daemon at work, some one that is just starting.
      if (fraction() < 0.8) await daemon.until<StatusReport>("/v1/status", ({ phase }) => phase !== "starting");
      await new Promise((resolve) => setTimeout(resolve, fraction() * 450));
      await daemon.kill();
      over = true;
      await running;
      if (kill % 3 !== 2) continue;
      violations.push(...(await differences(daemon, load)));
      await daemon.kill();
    }
    violations.push(...(await differences(daemon, load)));
    violations.push(...(await leaks(daemon, simulator)));
    await load.deleteAll();
    const left = await daemon.leases();
    if (left.length > 0) violations.push(`${left.length} leases are left after every pod was deleted`);
    const code = await daemon.stop();
    if (code !== 0) violations.push(`the daemon ended with ${code}`);
    const interfaces = simulator.cloud.truth().interfaces.length;
    return { seed, kills, violations, adds: load.acknowledgedAdds, deletes: load.acknowledgedDeletes, interfaces };
  } finally {
    await daemon.kill().catch(() => {});
    await simulator.close();
  }
}

/** Starts the daemon and holds its leases against what the pods were told. */
async function differences(daemon: DaemonProcess, load: PodLoad): Promise<string[]> {
  daemon.start();
  const status = await daemon.until<StatusReport>("/v1/status", ({ phase }) => phase !== "starting");
  const leases = await daemon.leases();
  const held = new Map(leases.map((lease) => [lease.attachment.containerId, lease.address]));
  const wrong: string[] = [];
  if (new Set(held.values()).size !== held.size) wrong.push("the daemon holds two leases of one address");
  for (const [containerId, address] of load.mustHold()) {
    if (held.get(containerId) !== address) {
      wrong.push(
        `${containerId.slice(0, 5)} was told ${address}; after the restart it has ${held.get(containerId) ?? "nothing"}`,
      );
    }
  }
  for (const containerId of load.mustNotHold()) {
    if (held.has(containerId))
      wrong.push(`${containerId.slice(0, 5)} was deleted and still has ${held.get(containerId)}`);
  }
  if (status.degraded.some(({ name }) => name === "invariant-broken"))
    wrong.push("the daemon found its pool inconsistent");
  return wrong;
}

/** Waits until nothing is under way, then holds the daemon's pool against the cloud's truth. */
async function leaks(daemon: DaemonProcess, simulator: RunningSimulator): Promise<string[]> {
  const status = await daemon.until<StatusReport>(
    "/v1/status",
    ({ intents, ready, waiting }) => ready && intents.length === 0 && waiting.length === 0,
    60_000,
  );
  const truth = simulator.cloud.truth();
  const found: string[] = truth.orphans.map((id) => `interface ${id} belongs to nobody`);
  for (const one of truth.interfaces) {
    if (one.subnetId !== MODEL.subnets[0]?.id) found.push(`interface ${one.id} is in subnet ${one.subnetId}`);
    const known = status.interfaces.find(({ id }) => id === one.id);
    const total = known?.counts.total ?? 0;
    if (one.secondaryAddresses.length !== total) {
      found.push(`${one.id} has ${one.secondaryAddresses.length} addresses in the cloud and ${total} in the pool`);
    }
    if (one.attachment !== undefined && one.attachment.deviceIndex > 0 && !one.attachment.deleteOnTermination) {
      found.push(`${one.id} would outlive its instance`);
    }
  }
  return found;
}
