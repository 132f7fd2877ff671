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
import { leaks, notOnTheNode } from "./cloud-checks.ts";
import { PodLoad } from "./pod-load.ts";

const KILLS = 200;
/** A new node now and then, so that kills meet interface creation and not only a full node. */
const KILLS_PER_NODE = 8;
const NODES_AT_ONCE = 3;
const INSTANCE = "i-0c100000000000001";
const POD_SUBNET = "subnet-0c100000000000001";
const SEED = Number(process.env.ENID_KILL_SEED ?? 20_261_123);

/**
 * Nodes take turns. Where prefixes are taken, an interface holds one of them and the instance two, so that these nodes
 * make and remove interfaces too.
 */
const KINDS = [
  { name: "single addresses", instanceType: "m5.large", prefixes: "off", families: "ipv4", coolingSeconds: 0 },
  { name: "prefixes", instanceType: "t3.nano", prefixes: "required", families: "ipv4", coolingSeconds: 0 },
  { name: "dual stack", instanceType: "m5.large", prefixes: "off", families: "dual", coolingSeconds: 1 },
  {
    name: "prefixes and dual stack",
    instanceType: "t3.nano",
    prefixes: "preferred",
    families: "dual",
    coolingSeconds: 1,
  },
] as const;
type Kind = (typeof KINDS)[number];

/** How many pods a life is about. Few after many: what the many held becomes excess. */
const AROUND = [20, 2, 20, 1];

/** Everything that is given back goes almost at once: a life between two kills is about half a second. */
const configurationOf = ({ prefixes, families, coolingSeconds }: Kind) =>
  JSON.stringify({
    cniVersion: "1.0.0",
    name: "cilium",
    type: "cilium-cni",
    eni: {
      "first-interface-index": 0,
      "subnet-tags": { "enid.io/pods": "true" },
      "prefix-delegation": prefixes,
      "interface-idle-seconds": 0,
      "start-jitter-seconds": 0,
    },
    ipam: {
      type: "enid-ipam",
      "min-allocate": 4,
      "pre-allocate": 3,
      "cooling-seconds": coolingSeconds,
      "add-wait-seconds": 3,
      "ip-families": families,
      "release-delay-seconds": 0,
    },
  });

const modelOf = ({ instanceType }: Kind) => ({
  region: "eu-central-1",
  account: "111122223333",
  vpcs: [{ id: "vpc-0c100000000000001", cidrs: ["10.0.0.0/16"], ipv6Cidrs: ["2001:db8:1::/56"] }],
  subnets: [
    {
      id: POD_SUBNET,
      vpc: "vpc-0c100000000000001",
      cidr: "10.0.1.0/24",
      ipv6Cidr: "2001:db8:1:1::/64",
      zone: "eu-central-1a",
      tags: { "enid.io/pods": "true" },
    },
    { id: "subnet-0c100000000000002", vpc: "vpc-0c100000000000001", cidr: "10.0.2.0/24", zone: "eu-central-1a" },
  ],
  instances: [{ id: INSTANCE, type: instanceType, subnet: POD_SUBNET }],
  settings: { speed: 6 },
});

let folder: string;
let command: readonly string[];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "enid-kill-"));
  command = await buildDaemon(join(folder, "dist"));
}, 60_000);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe(`a daemon that is killed (-9) at ${KILLS} random moments under ADD and DEL`, () => {
  it(
    "gives no address twice, loses no acknowledged lease, gives back nothing that a pod has and leaks nothing",
    async () => {
      const nodes = Math.ceil(KILLS / KILLS_PER_NODE);
      const told: NodeReport[] = [];
      let next = 0;
      // Several nodes side by side: each mostly waits for its simulated cloud.
      const worker = async () => {
        while (next < nodes && told.every(({ violations }) => violations.length === 0)) {
          const node = next++;
          const kills = Math.min(KILLS_PER_NODE, KILLS - node * KILLS_PER_NODE);
          const kind = KINDS[node % KINDS.length] ?? KINDS[0];
          told.push(await oneNode(kind, join(folder, `node-${node}`), kills, SEED + node));
        }
      };
      await Promise.all(Array.from({ length: NODES_AT_ONCE }, worker));
      const violations = told.flatMap(({ kind, seed, violations }) =>
        violations.map((text) => `${kind}, seed ${seed}: ${text}`),
      );
      const total = (count: (report: NodeReport) => number) => told.reduce((sum, report) => sum + count(report), 0);
      const calls = (action: string) => total((report) => report.calls[action] ?? 0);
      const cut = (step: string) => total((report) => report.cut.get(step) ?? 0);
      if (process.env.ENID_KILL_FIGURES !== undefined) {
        const figures = told.map(({ kind, adds, calls, cut }) => ({ kind, adds, calls, cut: Object.fromEntries(cut) }));
        writeFileSync(process.env.ENID_KILL_FIGURES, JSON.stringify(figures, undefined, 1));
      }
      expect(violations).toEqual([]);
      // The load was real: pods came and went, and so did addresses, prefixes and interfaces.
      expect(total(({ kills }) => kills)).toBe(KILLS);
      expect(total(({ adds }) => adds)).toBeGreaterThan(KILLS * 3);
      expect(total(({ deletes }) => deletes)).toBeGreaterThan(KILLS);
      expect(calls("AttachNetworkInterface")).toBeGreaterThan(nodes);
      expect(calls("UnassignPrivateIpAddresses")).toBeGreaterThan(nodes);
      expect(calls("DeleteNetworkInterface")).toBeGreaterThan(nodes / 2);
      // And kills met steps of every kind half-way: the next life found their intents.
      for (const step of ["add-blocks", "create-interface", "release-blocks", "remove-interface"]) {
        expect([step, cut(step)], "steps that a kill cut").toEqual([step, expect.toSatisfy((n: number) => n > 0)]);
      }
    },
    12 * 60_000,
  );
});

interface NodeReport {
  readonly kind: string;
  readonly seed: number;
  readonly kills: number;
  readonly adds: number;
  readonly deletes: number;
  /** Calls that succeeded, by action. */
  readonly calls: Readonly<Record<string, number>>;
  /** Steps that a kill cut, by kind. */
  readonly cut: ReadonlyMap<string, number>;
  readonly violations: readonly string[];
}

interface Scene {
  readonly simulator: RunningSimulator;
  readonly daemon: DaemonProcess;
  readonly load: PodLoad;
}

async function oneNode(kind: Kind, nodeFolder: string, kills: number, seed: number): Promise<NodeReport> {
  const random = seededRandom(seed);
  const fraction = () => random.fraction();
  const simulator = await startSimulator({
    description: loadModel(modelOf(kind), "kill.test.ts"),
    listen: { host: "127.0.0.1", port: 0 },
    clock: systemClock,
    random: systemRandom,
  });
  mkdirSync(nodeFolder);
  const configurationFile = join(nodeFolder, "enid.conf");
  const configuration = configurationOf(kind);
  writeFileSync(configurationFile, configuration);
  const environment = simulator.environment(INSTANCE);
  const daemon = new DaemonProcess({ folder: nodeFolder, configurationFile, environment, command });
  const load = new PodLoad(daemon, configuration, kind.families === "dual" ? 2 : 1, fraction);
  const scene = { simulator, daemon, load };
  const cut = new Map<string, string>();
  const { violations } = load;
  const watch = setInterval(() => violations.push(...takenFromPods(scene)), 25);
  try {
    for (let kill = 0; kill < kills && violations.length === 0; kill++) {
      daemon.start();
      let over = false;
      const running = load.run(6, AROUND[kill % AROUND.length] ?? 1, () => over);
      await momentToKill(scene, kill, fraction, cut);
      await daemon.kill();
      over = true;
      await running;
      if (kill % 4 !== 3) continue;
      violations.push(...(await differences(scene, cut)));
      await daemon.kill();
    }
    violations.push(...(await differences(scene, cut)));
    violations.push(...(await differencesOnceQuiet(scene, () => true)));
    await load.deleteAll();
    const left = await daemon.leases();
    if (left.length > 0) violations.push(`${left.length} leases are left after every pod was deleted`);
    // Without pods the node comes down to its floor: one prefix, or min-allocate.
    const floor = kind.prefixes === "off" ? 4 : 16;
    violations.push(...(await differencesOnceQuiet(scene, ({ pool }) => pool.total <= floor && pool.cooling === 0)));
    const code = await daemon.stop();
    if (code !== 0) violations.push(`the daemon ended with ${code}`);
    const counts = Object.entries(simulator.cloud.log.counts());
    const calls = Object.fromEntries(counts.map(([action, { succeeded }]) => [action, succeeded]));
    const byKind = new Map<string, number>();
    for (const step of cut.values()) byKind.set(step, (byKind.get(step) ?? 0) + 1);
    const { acknowledgedAdds: adds, acknowledgedDeletes: deletes } = load;
    return { kind: kind.name, seed, kills, violations, adds, deletes, calls, cut: byKind };
  } finally {
    clearInterval(watch);
    await daemon.kill().catch(() => {});
    await simulator.close();
  }
}

/** Resolves at a random moment: of a start, of a time under load, or of a step towards the cloud. */
async function momentToKill(
  { daemon, load }: Scene,
  kill: number,
  fraction: () => number,
  cut: Map<string, string>,
): Promise<void> {
  const aim = fraction();
  const pause = (limitMs: number) => new Promise((resolve) => setTimeout(resolve, fraction() * limitMs));
  // Some kills meet a daemon that is just starting, of which nobody knows yet that it lives.
  if (aim < 0.15) return void (await pause(600));
  await untilStarted(daemon, cut);
  const callsAtStart = load.acknowledgedCalls;
  const calls = 4 + fraction() * 12;
  const isFalling = kill % 2 === 1;
  const isAtStep = ({ intents }: StatusReport) =>
    intents.some(({ kind }) => !isFalling || kind === "release-blocks" || kind === "remove-interface");
  // Not every life comes to such a step; then it is killed all the same.
  const deadline = performance.now() + 2_500;
  await daemon.until<StatusReport>(
    "/v1/status",
    (status) =>
      performance.now() > deadline ||
      (load.acknowledgedCalls - callsAtStart >= calls && (aim < 0.4 || isAtStep(status))),
  );
  await pause(100);
}

/** Waits until the daemon serves; notes the steps that the life before left half-way. */
function untilStarted(daemon: DaemonProcess, cut: Map<string, string>): Promise<StatusReport> {
  return daemon.until<StatusReport>("/v1/status", ({ phase, intents }) => {
    for (const { id, kind, state } of intents) if (state === "unsettled") cut.set(id, kind);
    return phase !== "starting";
  });
}

/** Addresses that a pod was told and that the cloud no longer has on the node. */
function takenFromPods({ simulator, load }: Scene): string[] {
  const held = [...load.mustHold().values()].flat();
  return notOnTheNode(simulator, held).map((address) => `${address} was given back while a pod has it`);
}

/** Starts the daemon and holds its leases against what the pods were told. */
async function differences({ daemon, load }: Scene, cut: Map<string, string>): Promise<string[]> {
  daemon.start();
  const status = await untilStarted(daemon, cut);
  const leases = await daemon.leases();
  const addressesOf = ({ address, ipv6Address }: (typeof leases)[number]) =>
    [address, ipv6Address].filter((one) => one !== undefined);
  const held = new Map(leases.map((lease) => [lease.attachment.containerId, addressesOf(lease).join(" and ")]));
  const wrong: string[] = [];
  const all = leases.flatMap(addressesOf);
  if (new Set(all).size !== all.length) wrong.push("the daemon holds two leases of one address");
  for (const [containerId, addresses] of load.mustHold()) {
    const [told, now] = [addresses.join(" and "), held.get(containerId) ?? "nothing"];
    if (told !== now) wrong.push(`${containerId.slice(0, 5)} was told ${told}; after the restart it has ${now}`);
  }
  for (const containerId of load.mustNotHold()) {
    if (held.has(containerId))
      wrong.push(`${containerId.slice(0, 5)} was deleted and still has ${held.get(containerId)}`);
  }
  if (status.degraded.some(({ name }) => name === "invariant-broken"))
    wrong.push("the daemon found its pool inconsistent");
  return wrong;
}

/**
 * Where pool and cloud still differ when nothing is under way. While they do, the daemon is given time: what it learns
 * late from a cloud that lags is no leak, what it never learns is.
 */
async function differencesOnceQuiet(
  { daemon, simulator }: Scene,
  isDown: (status: StatusReport) => boolean,
): Promise<string[]> {
  const limitMs = 120_000;
  const deadline = performance.now() + limitMs;
  let found: string[] = [];
  while (performance.now() < deadline) {
    const status = await daemon.until<StatusReport>(
      "/v1/status",
      ({ intents, ready, waiting }) => ready && intents.length === 0 && waiting.length === 0,
      60_000,
    );
    const { pool } = status;
    found = leaks(simulator, status, POD_SUBNET);
    if (!isDown(status)) found.push(`the pool holds ${pool.total} addresses, ${pool.cooling} cooling`);
    if (found.length === 0) return [];
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return found.map((text) => `after ${limitMs / 1_000} s of quiet: ${text}`);
}
