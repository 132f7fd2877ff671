/**
 * `npm run bench`: what enid costs, measured in one run against the bundled build. `--json` prints one JSON object on
 * standard output and nothing else; progress goes to standard error.
 */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { buildDaemon } from "../scripts/build.ts";
import { ROOT } from "../scripts/lab/daemon.ts";
import { type AddTimes, measureAdd } from "./add-process.ts";
import { type Footprint, measureFootprint } from "./daemon-footprint.ts";
import { measureDurableLeases } from "./durable-leases.ts";
import { measureLeaseTime } from "./lease-time.ts";

interface Figures {
  readonly add: AddTimes;
  /** By the number of leases in flight. */
  readonly leasesPerSecond: Readonly<Record<string, number>>;
  /** By the size of the pool. */
  readonly leaseNs: Readonly<Record<string, number>>;
  readonly memoryMb: Footprint["memoryMb"];
  readonly readyMs: number;
}

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
  const leaseNs = await step("lease time by pool size", async () => measureLeaseTime([30, 750, 60_000]));
  const leasesPerSecond = await step("durable leases", () => measureDurableLeases([1, 16, 128]));
  const { memoryMb, readyMs } = await step("memory after 1,000 leases, and starts", () => measureFootprint(command));
  return { add, leasesPerSecond, leaseNs, memoryMb, readyMs };
}

async function step<T>(title: string, work: () => Promise<T>): Promise<T> {
  const began = performance.now();
  process.stderr.write(`${title} ...`);
  const result = await work();
  process.stderr.write(` ${((performance.now() - began) / 1000).toFixed(1)} s\n`);
  return result;
}

function describe({ add, leasesPerSecond, leaseNs, memoryMb, readyMs }: Figures): string {
  const rows: [string, string, string?][] = [
    ["ADD, whole process, enid-ipam", `${add.enidMs.toFixed(2)} ms`, `${add.ratio.toFixed(2)} of host-local`],
    ["ADD, whole process, host-local", `${add.hostLocalMs.toFixed(2)} ms`],
    ["ADD, whole process, Node script", `${add.nodeScriptMs.toFixed(2)} ms`],
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

function thousands(value: number): string {
  return value.toLocaleString("en-US");
}
