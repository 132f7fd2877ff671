import type { Degradation, InterfaceReport, LostReport, StatusReport, SubnetReport } from "../../manager/index.ts";
import type { Counts } from "../../pool/index.ts";
import type { DaemonStatus } from "../control-routes.ts";
import type { Output } from "../output.ts";
import { agentRows } from "./agent.ts";
import { fixedHere } from "./fixed-here.ts";
import { fleetRows, profileRows } from "./fleet-state.ts";
import { orphanedLeases, orphanSummary } from "./orphans.ts";
import { rangeTable } from "./ranges.ts";
import { reachSummary, reachTables } from "./reach.ts";
import { ago, duration, indent, plural, size, table } from "./text.ts";

type Style = Output["style"];

/** `enid status` for a person: what counts first, then what gives way, then the parts. */
export function renderStatus(status: DaemonStatus, nowMs: number, style: Style): string[] {
  return [
    ...head(status, nowMs, style),
    ...summary(status, nowMs, style),
    ...degraded(status.degraded, nowMs, style),
    ...slowedActions(status.budget ?? []),
    ...lostAddresses(status.lost ?? [], nowMs, style),
    ...orphanedLeases(status.orphans, status.settings.values["orphan-grace-seconds"], nowMs, style),
    ...waitingPods(status, nowMs, style),
    ...fixedHere(status.fixed ?? [], nowMs, style),
    ...interfaces(status, style),
    ...rangeTable(status.ranges ?? [], style),
    ...subnets(status, nowMs, style),
    ...reachTables(status.reach ?? [], nowMs, style),
    ...intents(status, nowMs, style),
  ];
}

const PHASE_STYLE = { ready: "green", growing: "yellow", starting: "yellow", stopping: "yellow" } as const;

function head(status: DaemonStatus, nowMs: number, style: Style): string[] {
  const { node } = status;
  const word = status.degraded.length > 0 ? `${status.phase}, degraded` : status.phase;
  const colour = status.degraded.length > 0 ? "red" : PHASE_STYLE[status.phase];
  const waitsFor = status.waitingFor === "" ? "" : `: ${status.waitingFor}`;
  return [
    `${style(colour, style("bold", word))}${waitsFor}`,
    `enid ${status.version}, ${status.provider}, up ${duration(nowMs - status.startedAtMs)}; ${whereText(node)}`,
    "",
  ];
}

function whereText(node: StatusReport["node"]): string {
  if (node === undefined) return "node not known yet";
  if (node.hostname !== undefined) return `${node.hostname} (${node.instanceId})`;
  return `${node.instanceId} (${node.instanceType}) in ${node.availabilityZone}, ${node.vpcId}`;
}

function summary(status: StatusReport, nowMs: number, style: Style): string[] {
  const { pool, watermarks: marks } = status;
  const isGiven = status.ranges !== undefined;
  // Of ranges IPv6 addresses can be counted, and where pods get nothing else they are what matters.
  const held = isGiven && status.ipFamilies === "ipv6" ? (pool.ipv6 ?? pool) : pool;
  const capacity = status.capacity === 0 ? ", capacity unknown" : ` of at most ${status.capacity}`;
  const maxAllocate =
    marks.maxAllocate === 0 ? `0 (what the ${isGiven ? "ranges hold" : "instance holds"})` : String(marks.maxAllocate);
  return [
    ...table([
      ["addresses", `${held.total} held${capacity}: ${countsText(held)}`],
      ...ipv6Text(status),
      ...prefixesText(status),
      [
        "watermarks",
        `pre-allocate ${marks.preAllocate}, min-allocate ${marks.minAllocate}, max-allocate ${maxAllocate}, max-above-watermark ${marks.maxAboveWatermark}`,
      ],
      [
        "demand",
        `${marks.used} used of ${marks.available} available; ${isGiven ? headroomText(status) : `${neededText(status, nowMs)}, ${excessText(status, nowMs)}`}`,
      ],
      ...givenBackText(status),
      ...orphanSummary(status.orphans),
      ...reachSummary(status.reach ?? [], nowMs),
      ...agentRows(status.agent, nowMs),
      ["configuration", configurationText(status.configuration, nowMs)],
      ...profileRows(status.settings),
      ...overridesText(status),
      ...fleetRows(status.fleet, nowMs, style),
      [
        "observed",
        isGiven
          ? `the node's devices ${ago(Math.max(status.observedAtMs.metadata, status.observedAtMs.cloud), nowMs)}`
          : `metadata ${ago(status.observedAtMs.metadata, nowMs)}, cloud ${ago(status.observedAtMs.cloud, nowMs)}`,
      ],
      ["state", `${status.store.location}, schema ${status.store.schemaVersion}, ${size(status.store.sizeBytes)}`],
    ]),
    ...configurationRemarks(status.configuration),
  ];
}

function countsText(counts: Counts): string {
  return `${counts.free} free, ${counts.leased} leased, ${counts.cooling} cooling, ${counts.releasing} releasing`;
}

/** What is free in a /80 is beyond counting, so only what is taken of it is said. */
function ipv6Text({ ipFamilies = "ipv4", pool }: StatusReport): string[][] {
  if (ipFamilies === "ipv4" && pool.ipv6 === undefined) return [];
  const pods = { ipv4: "pods get IPv4 only", ipv6: "pods get IPv6 only", dual: "pods get both families" }[ipFamilies];
  const held =
    pool.ipv6 === undefined || pool.ipv6.total === 0
      ? "no prefix held yet"
      : `${pool.ipv6.leased} leased, ${pool.ipv6.cooling} cooling`;
  return [["ipv6", `${held}; ${pods}`]];
}

function prefixesText({ prefixMode = "off", pool }: StatusReport): string[][] {
  const { prefixes = 0, freeInFreeBlocks } = pool;
  if (prefixMode === "off" && prefixes === 0) return [];
  const free = freeInFreeBlocks === undefined ? "" : `; ${freeInFreeBlocks} addresses in wholly free blocks`;
  return [["prefixes", `${prefixMode}, ${prefixes} held${free}`]];
}

function neededText({ watermarks: { needed, refillAtMs } }: StatusReport, nowMs: number): string {
  const waitMs = refillAtMs === undefined ? 0 : refillAtMs - nowMs;
  if (needed === 0 || waitMs <= 0) return `${needed} needed`;
  return `${needed} needed (the buffer is half full: fetched together within ${duration(waitMs)})`;
}

/** Ranges are neither fetched nor given back: what the watermarks say is how much room is left. */
function headroomText({ watermarks: { needed, preAllocate } }: StatusReport): string {
  if (needed === 0) return `at least the ${preAllocate} of pre-allocate are free`;
  return `${needed} fewer are free than pre-allocate asks for: add a range to podCIDRs`;
}

function excessText({ pool, watermarks, settings }: StatusReport, nowMs: number): string {
  const excess = pool.excess ?? watermarks.excess;
  if (excess === 0) return "0 excess";
  if (settings.values["release-excess"] === false) return `${excess} excess, kept because release-excess is false`;
  if (pool.releasableAtMs === undefined) return `${excess} excess`;
  const waitMs = pool.releasableAtMs - nowMs;
  if (waitMs > 0)
    return `${excess} excess, to be given back in ${duration(waitMs)} as far as they are whole free blocks`;
  if (pool.releasing > 0) return `${excess} excess, ${pool.releasing} being given back`;
  return `${excess} excess, in blocks that pods use as well or on interfaces that are not idle long enough`;
}

function givenBackText({ givenBack }: StatusReport): string[][] {
  if (givenBack === undefined || (givenBack.addresses === 0 && givenBack.interfaces === 0)) return [];
  const { addresses, interfaces } = givenBack;
  return [
    [
      "given back",
      `${plural(addresses, "address", "addresses")}, ${plural(interfaces, "interface", "interfaces")} since the start`,
    ],
  ];
}

function configurationText(configuration: StatusReport["configuration"], nowMs: number): string {
  const { file, source, readAtMs, error } = configuration;
  if (source === "file") return `${file}, read ${ago(readAtMs, nowMs)}`;
  if (source === "none")
    return error === undefined ? "no file; defaults and overrides" : `none in force (${error.code})`;
  const why =
    error === undefined
      ? "the daemon was started without a file"
      : `the file as it is now is not in force (${error.code})`;
  return `LAST VALID one of ${file}, read ${ago(readAtMs, nowMs)}; ${why}`;
}

function configurationRemarks({ notices, differences }: StatusReport["configuration"]): string[] {
  return indent([
    ...notices.map((notice) => `notice: ${notice}`),
    ...differences.map(
      ({ name, stated, actual }) =>
        `notice: the file says ${name} ${stated}; instance metadata says ${actual} and wins`,
    ),
  ]);
}

function overridesText({ settings }: StatusReport): string[][] {
  const overridden = Object.entries(settings.values).filter(
    ([name]) => settings.origins[name as keyof typeof settings.origins].kind === "override",
  );
  if (overridden.length === 0) return [];
  return [["overrides", overridden.map(([name, value]) => `${name}=${JSON.stringify(value)}`).join(", ")]];
}

function degraded(states: readonly Degradation[], nowMs: number, style: Style): string[] {
  if (states.length === 0) return [];
  return [
    "",
    style("red", style("bold", "DEGRADED")),
    ...states.flatMap(({ name, sinceMs, error }) => [
      `  ${style("red", name)} for ${duration(nowMs - sinceMs)}: ${error.code}: ${error.message.replaceAll("\n", "\n    ")}`,
      `    ${error.remedy}`,
    ]),
  ];
}

/** EC2 actions that the node calls more slowly than it could, because the account was throttled, or waits to call. */
function slowedActions(budget: NonNullable<StatusReport["budget"]>): string[] {
  const slowed = budget.filter(
    (one) => one.waiting > 0 || one.ratePerSecond < one.fullRatePerSecond || one.source === "node",
  );
  if (slowed.length === 0) return [];
  const rows = slowed.map(({ action, ratePerSecond, fullRatePerSecond, waiting, throttledTimes, source }) => [
    action,
    `${ratePerSecond.toFixed(2)} of ${fullRatePerSecond.toFixed(2)} calls/s`,
    `${plural(waiting, "call", "calls")} waiting`,
    `throttled ${plural(throttledTimes, "time", "times")}`,
    source === undefined ? "" : source === "fleet" ? "tokens of the fleet" : "tokens of its own: the fleet is away",
  ]);
  return ["", "EC2 is called more slowly", ...indent(table(rows))];
}

/** More would push what matters off the screen; `--json` has all. */
const PODS_SHOWN = 10;

function lostAddresses(lost: readonly LostReport[], nowMs: number, style: Style): string[] {
  if (lost.length === 0) return [];
  const rows = lost
    .slice(0, PODS_SHOWN)
    .map(({ address, pod, sinceMs }) => [address, `${pod.namespace}/${pod.name}`, `for ${duration(nowMs - sinceMs)}`]);
  return [
    "",
    style("red", style("bold", `LOST: EC2 denies ${plural(lost.length, "leased address", "leased addresses")}`)),
    ...indent(table(rows)),
    ...andMore(lost.length - rows.length),
    "  The leases stay. Delete these pods, and find who took the addresses.",
  ];
}

function andMore(count: number): string[] {
  return count > 0 ? [`  and ${count} more`] : [];
}

function waitingPods({ waiting }: StatusReport, nowMs: number, style: Style): string[] {
  if (waiting.length === 0) return [];
  const rows = waiting
    .slice(0, PODS_SHOWN)
    .map(({ pod, sinceMs, deadlineMs, waitingFor = "" }) => [
      `${pod.namespace}/${pod.name}`,
      `for ${duration(nowMs - sinceMs)}`,
      `gives up in ${duration(deadlineMs - nowMs)}${waitingFor === "" ? "" : `; waits for ${waitingFor}`}`,
    ]);
  return [
    "",
    style("bold", `WAITING FOR AN ADDRESS (${plural(waiting.length, "pod", "pods")})`),
    ...indent(table(rows)),
    ...andMore(waiting.length - rows.length),
  ];
}

function interfaces(status: StatusReport, style: Style): string[] {
  if (status.interfaces.length === 0) return [];
  const rows = status.interfaces.map((one) => [
    one.id,
    one.networkCard ? `${one.networkCard}/${one.deviceIndex}` : String(one.deviceIndex),
    one.subnetId,
    one.primaryAddress,
    origin(one, status),
    heldOfMost(one, status),
    String(one.counts.free),
    String(one.counts.leased),
    String(one.counts.cooling),
    String(one.counts.releasing),
    one.usable ? "" : `no pods: ${one.unusableBecause}`,
  ]);
  const header = [
    "INTERFACE",
    "INDEX",
    "SUBNET",
    "PRIMARY",
    "MADE BY",
    "HELD",
    "FREE",
    "LEASED",
    "COOLING",
    "RELEASING",
    "",
  ];
  return ["", ...boldFirst(table([header, ...rows], [1, 5, 6, 7, 8, 9]), style)];
}

/** The primary interface came with the instance; another one that enid did not make was found on it. */
function origin({ id, madeBy }: InterfaceReport, { node }: StatusReport): string {
  if (madeBy === "enid") return madeBy;
  return id === node?.primaryInterfaceId ? "instance" : "other";
}

const ADDRESSES_PER_PREFIX = 16;

/** Pod addresses (IPv4) that it holds, of those that its slots could hold under the settings. */
function heldOfMost({ slots, counts }: InterfaceReport, { prefixMode = "off" }: StatusReport): string {
  const most = prefixMode === "off" ? slots : slots * ADDRESSES_PER_PREFIX;
  return most < counts.total ? String(counts.total) : `${counts.total} of ${most}`;
}

function subnets(status: StatusReport, nowMs: number, style: Style): string[] {
  if (status.subnets.length === 0 && status.refusedSubnets.length === 0) return [];
  const allowed = status.subnets.map((subnet) => [
    subnet.id,
    subnet.ipv6Cidr === undefined ? subnet.cidr : `${subnet.cidr}, ${subnet.ipv6Cidr}`,
    String(subnet.freeAddresses),
    ago(subnet.readAtMs, nowMs),
    heldBackText(subnet, nowMs),
  ]);
  const refused = status.refusedSubnets.map(({ id, why }) => `  ${id} is not used: ${why}`);
  return ["", ...boldFirst(table([["SUBNET", "CIDR", "FREE", "READ", ""], ...allowed], [2]), style), ...refused];
}

function heldBackText({ blockedUntilMs, prefixesBlockedUntilMs = 0 }: SubnetReport, nowMs: number): string {
  if (blockedUntilMs > nowMs) return `held back for ${duration(blockedUntilMs - nowMs)}`;
  return prefixesBlockedUntilMs > nowMs
    ? `no prefix fits; tried again in ${duration(prefixesBlockedUntilMs - nowMs)}`
    : "";
}

function intents(status: StatusReport, nowMs: number, style: Style): string[] {
  if (status.intents.length === 0) return [];
  const rows = status.intents.map((intent) => [
    intent.kind,
    intent.target,
    String(intent.count),
    intent.state,
    duration(nowMs - intent.openedAtMs),
    intent.id,
  ]);
  return ["", ...boldFirst(table([["STEP UNDER WAY", "TARGET", "COUNT", "STATE", "FOR", "ID"], ...rows], [2]), style)];
}

function boldFirst(lines: readonly string[], style: Style): string[] {
  return lines.map((line, index) => (index === 0 ? style("bold", line) : line));
}
