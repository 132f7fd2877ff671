/**
 * `npm run bench`: what enid costs, measured in one run against the bundled build. `--json` prints one JSON object on
 * standard output and nothing else; progress goes to standard error.
 */
import { mkdirSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { buildDaemon } from "../scripts/build.ts";
import { ROOT } from "../scripts/lab/daemon.ts";
import { buildRelease } from "../scripts/release/release.ts";
import { type AddTimes, measureAdd } from "./add-process.ts";
import { type BurstFigures, measureBurst } from "./burst.ts";
import { type CloudScale, measureCloudScale } from "./cloud-scale.ts";
import { type Footprint, measureFootprint } from "./daemon-footprint.ts";
import { measureDurableLeases } from "./durable-leases.ts";
import { measureLeaseTime } from "./lease-time.ts";
import { round } from "./median.ts";
import { measureWorldSpeed, type WorldSpeed } from "./world-speed.ts";

interface Figures {
  readonly add: AddTimes;
  /** By the number of leases in flight. */
  readonly leasesPerSecond: Readonly<Record<string, number>>;
  /** By the size of the pool. */
  readonly leaseNs: Readonly<Record<string, number>>;
  /** 110 ADDs at once on a node of EC2 with host routes. Absent = not root, who alone can make network namespaces. */
  readonly burst?: Awaited<ReturnType<typeof measureBurst>>;
  /** Of the bundle, which runs on this machine's Node. */
  readonly memoryMb: Footprint["memoryMb"];
  readonly readyMs: number;
  readonly release: ReleaseFigures;
  /** The simulated cloud by the number of its nodes. */
  readonly simulatedCloud: CloudScale;
  readonly simulatedWorlds: WorldSpeed;
}

/** The release: the same program, in one executable. */
interface ReleaseFigures extends Footprint {
  /** Of the tarball, in megabytes of 2^20 bytes. */
  readonly tarballMb: number;
  /** Its `readyMs` as a share of the bundle's, in the same run. */
  readonly readyRatio: number;
}

const BURST_PODS = 110;

const { values } = parseArgs({ options: { json: { type: "boolean", default: false } } });
const parent = join(ROOT, ".enid");
mkdirSync(parent, { recursive: true });
const folder = mkdtempSync(join(parent, "bench-build-"));
try {
  const figures = await measure(folder);
  process.stdout.write(values.json ? `${JSON.stringify(figures)}\n` : describe(figures));
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** One after the other: each has the machine for itself. */
async function measure(folder: string): Promise<Figures> {
  const command = await step("building the bundle", () => buildDaemon(join(folder, "dist")));
  // First: what the others leave to be written to the disk would delay the commits of enid, and only those.
  const add = await step("ADD through enid-ipam, host-local and a Node script", () => measureAdd(command));
  const burst = await measureBurstAsRoot();
  const leaseNs = await step("lease time by pool size", async () => measureLeaseTime([30, 750, 60_000]));
  const leasesPerSecond = await step("durable leases", () => measureDurableLeases([1, 16, 128]));
  const { memoryMb, readyMs } = await step("memory after 1,000 leases, and starts", () => measureFootprint(command));
  const release = await measureRelease(folder, readyMs);
  const simulatedCloud = await step("simulated cloud by nodes", async () => measureCloudScale([100, 5_000]));
  const simulatedWorlds = await step("simulated worlds", () => measureWorldSpeed());
  const others = { leasesPerSecond, leaseNs, memoryMb, readyMs, release, simulatedCloud, simulatedWorlds };
  return burst === undefined ? { add, ...others } : { add, burst, ...others };
}

async function measureRelease(folder: string, bundleReadyMs: number): Promise<ReleaseFigures> {
  const platform = `${process.platform}-${process.arch}`;
  const say = (line: string) => process.stderr.write(`  ${line}\n`);
  const made = await step("building the release", () =>
    buildRelease({ platform, output: join(folder, "release"), say }),
  );
  const footprint = await step("the same of the release", () => measureFootprint([join(made.folder, "enid")]));
  const tarballMb = round(statSync(made.tarball).size / 2 ** 20, 1);
  return { ...footprint, tarballMb, readyRatio: round(footprint.readyMs / bundleReadyMs, 2) };
}

async function measureBurstAsRoot(): Promise<Figures["burst"]> {
  const title = `${BURST_PODS} ADDs at once with host routes`;
  if (process.getuid?.() === 0) return step(title, () => measureBurst(BURST_PODS, 10));
  process.stderr.write(`${title}: left out, it needs root\n`);
  return undefined;
}

async function step<T>(title: string, work: () => Promise<T>): Promise<T> {
  const began = performance.now();
  process.stderr.write(`${title} ...`);
  const result = await work();
  process.stderr.write(` ${((performance.now() - began) / 1000).toFixed(1)} s\n`);
  return result;
}

function describe(figures: Figures): string {
  const { add, leasesPerSecond, leaseNs, memoryMb, readyMs, release, simulatedCloud, simulatedWorlds } = figures;
  const rows: [string, string, string?][] = [
    ["ADD, whole process, enid-ipam", `${add.enidMs.toFixed(2)} ms`, `${add.ratio.toFixed(2)} of host-local`],
    ["ADD, whole process, host-local", `${add.hostLocalMs.toFixed(2)} ms`],
    ["ADD, whole process, Node script", `${add.nodeScriptMs.toFixed(2)} ms`],
    ...burstRows(figures.burst),
    ...Object.entries(leasesPerSecond).map(([n, rate]): [string, string] => [
      `durable leases/s, ${n} in flight`,
      thousands(rate),
    ]),
    ...Object.entries(leaseNs).map(([size, ns]): [string, string] => [
      `lease + release, ${thousands(Number(size))} addresses`,
      `${ns} ns`,
    ]),
    ["memory after 1,000 leases, resident", `${memoryMb.resident} MB`],
    ["memory after 1,000 leases, private", `${memoryMb.private} MB`, `${memoryMb.privateDirty} MB of it written`],
    ["start to ready with warm state", `${readyMs} ms`],
    ["release, resident", `${release.memoryMb.resident} MB`, `${release.memoryMb.privateDirty} MB of it written`],
    ["release, start to ready", `${release.readyMs} ms`, `${release.readyRatio} of the bundle`],
    ["release, tarball", `${release.tarballMb} MB`],
    ...Object.entries(simulatedCloud.callUs).map(([call, us]): [string, string, string] => [
      call,
      `${us["5000"]} µs`,
      `in a cloud of 5,000 nodes, ${ratio(us)} of that with 100`,
    ]),
    ["heap of a simulated node", `${thousands(simulatedCloud.nodeBytes["5000"] ?? Number.NaN)} bytes`],
    ...worldRows(simulatedWorlds),
  ];
  const [first, second] = [0, 1].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) as [
    number,
    number,
  ];
  const lines = rows.map(([title, value, remark]) =>
    `${title.padEnd(first)}  ${value.padStart(second)}  ${remark ?? ""}`.trimEnd(),
  );
  return `\n${lines.join("\n")}\n`;
}

function burstRows(burst: Figures["burst"]): [string, string, string?][] {
  const row = (way: string, { p50Ms, p99Ms, ipProcesses }: BurstFigures): [string, string, string] => [
    `${BURST_PODS} ADDs at once with host routes, ${way}`,
    `${p99Ms} ms`,
    `p99; median ${p50Ms} ms, ${ipProcesses} processes of ip`,
  ];
  return burst === undefined ? [] : [row("requests", burst.requests), row("plugin processes", burst.processes)];
}

function worldRows(worlds: WorldSpeed): [string, string, string?][] {
  const { nodeHoursPerSecond, inThreads, eventsPerNodeHour, podsPerNodeHour, startsPerSecond } = worlds;
  const drawn = `${podsPerNodeHour} pods and ${eventsPerNodeHour} events in each`;
  return [
    ["simulated node-hours/s, without pods", thousands(nodeHoursPerSecond.idle)],
    ["simulated node-hours/s, drawn pods", thousands(nodeHoursPerSecond.pods), drawn],
    ["simulated node-hours/s, drawn pods and all faults", thousands(nodeHoursPerSecond.faults)],
    [`simulated node-hours/s, drawn pods, ${inThreads.threads} threads`, thousands(inThreads.pods), "their sum"],
    ["simulated starts/s, launch to ready", thousands(startsPerSecond)],
  ];
}

function ratio(us: Readonly<Record<string, number>>): string {
  return ((us["5000"] ?? Number.NaN) / (us["100"] ?? Number.NaN)).toFixed(2);
}

function thousands(value: number): string {
  return value.toLocaleString("en-US");
}
