import type { RunningSimulator } from "../../src/simulator/index.ts";

/** What the cloud itself says at the end, independent of what the daemon believes. */
export interface CloudTruth {
  readonly callsByAction: Readonly<Record<string, number>>;
  /** Interfaces attached to nothing: leaked. */
  readonly orphans: number;
  /** Interfaces in a subnet that is not tagged for pods. */
  readonly interfacesOutside: number;
  readonly interfaces: readonly {
    readonly id: string;
    readonly subnetId: string;
    readonly deviceIndex: number;
    readonly addresses: readonly string[];
  }[];
  readonly subnets: readonly {
    readonly id: string;
    readonly name: string;
    readonly cidr: string;
    readonly forPods: boolean;
  }[];
}

export function cloudTruth({ cloud }: Pick<RunningSimulator, "cloud">): CloudTruth {
  const truth = cloud.truth();
  const subnets = truth.subnets.map(({ id, cidr, tags }) => ({
    id,
    name: tags.Name ?? id,
    cidr,
    forPods: tags["enid.io/pods"] === "true",
  }));
  const forPods = new Set(subnets.filter((subnet) => subnet.forPods).map(({ id }) => id));
  return {
    callsByAction: Object.fromEntries(
      Object.entries(cloud.log.counts()).map(([action, { requests }]) => [action, requests]),
    ),
    orphans: truth.orphans.length,
    interfacesOutside: truth.interfaces.filter(({ subnetId }) => !forPods.has(subnetId)).length,
    interfaces: truth.interfaces
      .map((one) => ({
        id: one.id,
        subnetId: one.subnetId,
        deviceIndex: one.attachment?.deviceIndex ?? -1,
        addresses: one.secondaryAddresses,
      }))
      .sort((a, b) => a.deviceIndex - b.deviceIndex),
    subnets,
  };
}

/** Which of the addresses EC2 has on interfaces of allowed subnets; the rest is wrong. */
export function inSubnets(
  truth: CloudTruth,
  addresses: readonly string[],
): { readonly bySubnet: ReadonlyMap<string, number>; readonly wrong: number } {
  const bySubnet = new Map<string, number>();
  let wrong = 0;
  for (const address of addresses) {
    const holder = truth.interfaces.find((one) => one.addresses.includes(address));
    const subnet = truth.subnets.find(({ id, forPods }) => forPods && id === holder?.subnetId);
    if (subnet === undefined) wrong += 1;
    else bySubnet.set(subnet.id, (bySubnet.get(subnet.id) ?? 0) + 1);
  }
  return { bySubnet, wrong };
}
