import type { StatusReport } from "../../src/manager/index.ts";
import { type CloudInterface, SLOTS } from "../support/world-cloud.ts";
import { cidrsOn, holds } from "../support/world-subnets.ts";
import type { Process, World } from "./world.ts";

/** Degradations that may stay when all troubles are over: each tells of something that is so. */
const MAY_STAY = ["instance-full", "subnet-exhausted", "subnet-fragmented"];

/** What is not yet as it must be once the troubles are over. */
export function unquiet(world: World, { manager }: Process): string[] {
  const status = manager.status();
  const open: string[] = [];
  if (status.phase === "starting" || status.phase === "stopping") open.push(`it is still ${status.phase}`);
  for (const intent of status.intents) open.push(`${intent.kind} ${intent.id} is ${intent.state}`);
  if (status.waiting.length > 0) open.push(`${status.waiting.length} pods wait`);
  const canIpv6 = canHaveIpv6(world, status);
  for (const { name, error } of status.degraded) {
    const isTrue = MAY_STAY.includes(name) || (name === "no-ipv6" && !canIpv6);
    if (!isTrue) open.push(`${name}: ${error.message}`);
  }
  open.push(...differences(world, status));
  const { needed } = status.watermarks;
  const { values } = status.settings;
  const wantsIpv4 = values["ip-families"] !== "ipv6";
  if (wantsIpv4 && needed > 0 && !cannotGrow(world, status))
    open.push(`${needed} addresses are missing: ${status.waitingFor}`);
  if (values["ip-families"] !== "ipv4" && canIpv6 && (status.pool.ipv6?.total ?? 0) === 0)
    open.push(`an IPv6 prefix is missing: ${status.waitingFor}`);
  for (const lease of manager.leases()) {
    if (world.pods.isOver(lease)) open.push(`${lease.address} is leased to a pod that ended`);
  }
  // How old they are is told by the wall clock.
  if (values["cluster-name"] !== "" && !world.climate.wallSteps) {
    for (const id of world.cloud.cluster.leftBehind(values["cluster-name"])) open.push(`${id} is left behind`);
  }
  return open;
}

/** Pool and state against the truth of the cloud. */
function differences({ cloud, disk }: World, status: StatusReport): string[] {
  const wrong: string[] = [];
  const stored = disk.load();
  const { values } = status.settings;
  for (const entry of cloud.interfaces.values()) {
    if (entry.deviceIndex < 0) {
      if (entry.madeBy === "enid") wrong.push(`${entry.id} is attached nowhere`);
      continue;
    }
    const named = values["security-groups"].length > 0;
    const groups = `${entry.securityGroups}`;
    if (entry.madeBy === "enid" && !named && groups !== `${cloud.primary.securityGroups}`)
      wrong.push(`${entry.id} has the groups ${groups}, not those of the primary interface`);
    const report = status.interfaces.find(({ id }) => id === entry.id);
    if (report === undefined) wrong.push(`the manager does not know ${entry.id}`);
    if (report?.usable !== true) continue;
    const blocks = stored.blocks.filter(({ interfaceId }) => interfaceId === entry.id).map(({ cidr }) => cidr);
    const primary = `${entry.primaryAddress}/32`;
    const carried = cidrsOn(entry).filter((cidr) => !cidr.includes(":") || values["ip-families"] !== "ipv4");
    const there = [...carried, ...(blocks.includes(primary) ? [primary] : [])];
    const missing = there.filter((cidr) => !blocks.includes(cidr));
    const extra = blocks.filter((cidr) => !there.includes(cidr) && !cidrsOn(entry).includes(cidr));
    if (missing.length > 0) wrong.push(`${entry.id} has ${missing}, which the state does not know`);
    if (extra.length > 0) wrong.push(`${entry.id} does not have ${extra}, which the state holds`);
    const stocked = blocks.reduce((sum, cidr) => sum + sizeOf(cidr), 0);
    if (report.counts.total !== stocked)
      wrong.push(`${entry.id} has ${report.counts.total} addresses in the pool and ${stocked} in the state`);
  }
  const isThere = ({ id }: { readonly id: string }) => (cloud.interfaces.get(id)?.deviceIndex ?? -1) >= 0;
  for (const one of stored.interfaces) if (!isThere(one)) wrong.push(`the state keeps ${one.id}`);
  for (const one of status.interfaces) if (!isThere(one)) wrong.push(`the manager keeps ${one.id}`);
  return wrong;
}

/** What should have been given back by now: what is beyond the watermarks, as far as whole blocks allow. */
export function lingering(world: World, { manager }: Process): string[] {
  const { cloud, disk } = world;
  const status = manager.status();
  const { values } = status.settings;
  if (!values["release-excess"]) return [];
  const { leases, cooling, blocks } = disk.load();
  const used = [...leases.flatMap((lease) => [lease.address, lease.ipv6Address ?? lease.address])];
  used.push(...cooling.map(({ address }) => address));
  const isFree = (cidr: string) => !used.some((address) => holds(cidr, address));
  const { excess = 0, free } = status.pool;
  const takesPrefixes = values["prefix-delegation"] !== "off";
  const usable = new Set(status.interfaces.filter((one) => one.usable).map(({ id }) => id));
  const primaries = new Set([...cloud.interfaces.values()].map(({ primaryAddress }) => `${primaryAddress}/32`));
  // What somebody put on an interface of somebody is theirs to take back.
  const own = blocks.filter(({ found = false, interfaceId }) => !found && usable.has(interfaceId));
  const going = own.filter(({ cidr }) => isFree(cidr));
  const ipv4 = going.filter(({ cidr }) => !cidr.includes(":"));
  const single = ipv4.filter(({ cidr }) => cidr.endsWith("/32") && !primaries.has(cidr));
  // Where prefixes are taken, free single addresses are no buffer.
  const solid = status.watermarks.available - (takesPrefixes ? single.length : 0);
  const spare = Math.min(
    excess,
    solid - status.watermarks.used - status.watermarks.preAllocate,
    solid - values["min-allocate"],
  );
  const wrong: string[] = [];
  const said = `${excess} addresses are beyond the watermarks (${free} free)`;
  if (excess > 0 && single.length > 0) wrong.push(`${said}: ${single.map(({ cidr }) => cidr)} could go`);
  const prefix = ipv4.filter(({ cidr }) => cidr.endsWith("/28"));
  const countsIpv4 = values["ip-families"] !== "ipv6";
  if (prefix.length > 0 && (countsIpv4 || !takesPrefixes) && (takesPrefixes ? spare : excess) >= 16)
    wrong.push(`${said}: ${prefix.map(({ cidr }) => cidr)} could go`);
  for (const entry of countsIpv4 ? cloud.interfaces.values() : []) {
    if (entry.madeBy !== "enid" || entry.foreign || entry.deviceIndex < 0) continue;
    const on = blocks.filter(({ interfaceId }) => interfaceId === entry.id).map(({ cidr }) => cidr);
    if (!on.every(isFree) || (entry.ipv6Prefixes.length > 0 && values["ip-families"] !== "ipv4")) continue;
    const size = on.reduce((sum, cidr) => sum + sizeOf(cidr), values["use-primary-address"] ? 1 : 0);
    const isSpare = !usable.has(entry.id) || (size <= excess && (!takesPrefixes || size <= Math.max(0, spare)));
    if (isSpare) wrong.push(`${said}: nothing else is on ${entry.id}, which is idle`);
  }
  if (wrong.length > 0) world.say(`the plan is ${manager.dryRun(0).plan.explanation.join(" ")}`);
  return wrong;
}

/** IPv4 addresses in a block. */
function sizeOf(cidr: string): number {
  if (cidr.includes(":")) return 0;
  return cidr.endsWith("/28") ? 16 : 1;
}

function carries({ foreign, deviceIndex, networkCard }: CloudInterface, { settings: { values } }: StatusReport) {
  return !foreign && deviceIndex >= 0 && (networkCard > 0 || deviceIndex >= values["first-interface-index"]);
}

/** The truth about whether the node could have more. */
function cannotGrow({ cloud }: World, status: StatusReport): boolean {
  const { values } = status.settings;
  const { watermarks } = status;
  if (watermarks.maxAllocate > 0 && watermarks.available >= watermarks.maxAllocate) return true;
  const subnets = cloud.allowed({ subnetIds: values["subnet-ids"], subnetTags: values["subnet-tags"] });
  const prefixesOnly = values["prefix-delegation"] === "required";
  const least = prefixesOnly ? 16 : 1;
  if (prefixesOnly && watermarks.maxAllocate > 0 && watermarks.available + least > watermarks.maxAllocate) return true;
  const canGive = ({ id, free }: { readonly id: string; readonly free: readonly string[] }) =>
    prefixesOnly && !cloud.hasPrefix(id) ? 0 : free.length;
  const free = new Map(subnets.map((subnet) => [subnet.id, canGive(subnet)]));
  const room = [...cloud.interfaces.values()].some(
    (entry) =>
      carries(entry, status) &&
      entry.addresses.length + entry.prefixes.length < SLOTS &&
      (free.get(entry.subnetId) ?? 0) >= least,
  );
  const places = cloud.freePlaces() > 0 && [...free.values()].some((count) => count > least);
  return !room && !places;
}

/** The truth about whether the node could have an IPv6 prefix. */
function canHaveIpv6({ cloud }: World, status: StatusReport): boolean {
  const { values } = status.settings;
  const allowed = cloud.allowed({ subnetIds: values["subnet-ids"], subnetTags: values["subnet-tags"] });
  const able = new Map(allowed.filter(({ ipv6 }) => ipv6).map(({ id, free }) => [id, free.length]));
  const has = [...cloud.interfaces.values()].some((entry) => carries(entry, status) && able.has(entry.subnetId));
  return has || (cloud.freePlaces() > 0 && [...able.values()].some((free) => free > 0));
}
