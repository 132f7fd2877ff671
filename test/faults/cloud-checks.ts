import { BlockList } from "node:net";
import type { StatusReport } from "../../src/manager/index.ts";
import type { RunningSimulator } from "../../src/simulator/index.ts";

const ADDRESSES_PER_PREFIX = 16;
/** Of a /80, 4,096 addresses without the first are for pods (docs/watermarks.md). */
const ADDRESSES_PER_IPV6_PREFIX = 4_095;

/** Which of the addresses no attached interface has, by the cloud's own truth: given back, or never there. */
export function notOnTheNode({ cloud }: RunningSimulator, addresses: readonly string[]): string[] {
  const held = new BlockList();
  for (const one of cloud.truth().interfaces) {
    if (one.attachment === undefined || one.attachment.status === "detaching") continue;
    for (const address of one.secondaryAddresses) held.addAddress(address, "ipv4");
    for (const [blocks, family] of [[one.prefixes, "ipv4"] as const, [one.ipv6Prefixes, "ipv6"] as const]) {
      for (const block of blocks) {
        const [network = "", length = ""] = block.split("/");
        held.addSubnet(network, Number(length), family);
      }
    }
  }
  return addresses.filter((address) => !held.check(address, address.includes(":") ? "ipv6" : "ipv4"));
}

/** Where the daemon's pool and the cloud's truth differ, and what belongs to nobody. */
export function leaks({ cloud }: RunningSimulator, status: StatusReport, podSubnet: string): string[] {
  const { interfaces, orphans } = cloud.truth();
  const found: string[] = orphans.map((id) => `interface ${id} belongs to nobody`);
  for (const one of interfaces) {
    if (one.subnetId !== podSubnet) found.push(`interface ${one.id} is in subnet ${one.subnetId}`);
    const pool = status.interfaces.find(({ id }) => id === one.id)?.counts.total ?? 0;
    const inCloud = one.secondaryAddresses.length + one.prefixes.length * ADDRESSES_PER_PREFIX;
    if (inCloud !== pool) found.push(`${one.id} has ${inCloud} addresses in the cloud and ${pool} in the pool`);
    if (one.attachment !== undefined && one.attachment.deviceIndex > 0 && !one.attachment.deleteOnTermination) {
      found.push(`${one.id} would outlive its instance`);
    }
  }
  for (const { id } of status.interfaces) {
    if (!interfaces.some((one) => one.id === id)) found.push(`${id} is in the pool and not in the cloud`);
  }
  const ipv6Prefixes = interfaces.reduce((sum, one) => sum + one.ipv6Prefixes.length, 0);
  const ipv6InPool = (status.pool.ipv6?.total ?? 0) / ADDRESSES_PER_IPV6_PREFIX;
  if (ipv6Prefixes !== ipv6InPool) found.push(`${ipv6Prefixes} IPv6 prefixes in the cloud, ${ipv6InPool} in the pool`);
  if (ipv6Prefixes > 1) found.push(`${ipv6Prefixes} IPv6 prefixes where one is enough`);
  return found;
}
