/** The state as it is, not as any lagging view shows it: what tests and people look at. */
import { freeCount, spaceOf } from "./addresses.ts";
import { includes, parseAddress } from "./ipv4.ts";
import type { Instance, NetworkInterface, Reservation, RouteTable, SecurityGroup, Tags, Vpc } from "./records.ts";
import { reservationsOf } from "./reservations.ts";
import type { Settings } from "./settings.ts";
import { allInterfaces, findInterface, type World } from "./state.ts";

export interface Truth {
  /** Wall ms since the epoch. */
  readonly nowMs: number;
  readonly region: string;
  readonly account: string;
  readonly settings: Settings;
  readonly vpcs: readonly Vpc[];
  readonly subnets: readonly TruthOfSubnet[];
  readonly securityGroups: readonly SecurityGroup[];
  readonly routeTables: readonly RouteTable[];
  readonly instances: readonly Instance[];
  readonly interfaces: readonly NetworkInterface[];
  /** Ids of the interfaces that are attached to nothing. */
  readonly orphans: readonly string[];
  /** Attachments that time has not brought to their end. */
  readonly pendingTransitions: number;
}

export interface TruthOfSubnet {
  readonly id: string;
  readonly vpcId: string;
  readonly cidr: string;
  readonly zone: string;
  readonly tags: Tags;
  readonly ipv6Cidr: string | undefined;
  readonly freeAddresses: number;
  readonly usedByInterfaces: number;
  readonly usedByOthers: number;
  readonly reservations: readonly Reservation[];
}

export function truthOf(world: World): Truth {
  const { state } = world;
  const interfaces = allInterfaces(state);
  return {
    nowMs: world.nowMs,
    region: state.region,
    account: state.account,
    settings: world.settings,
    vpcs: [...state.vpcs.values()],
    subnets: [...state.subnets.values()].map((subnet) => {
      const { holders, usedByOthers } = spaceOf(state, subnet.id);
      return {
        id: subnet.id,
        vpcId: subnet.vpcId,
        cidr: subnet.cidr,
        ipv6Cidr: subnet.ipv6Cidr,
        zone: subnet.zone,
        tags: subnet.tags,
        freeAddresses: freeCount(state, subnet),
        usedByInterfaces: holders.size - usedByOthers,
        usedByOthers,
        reservations: reservationsOf(world, subnet.id),
      };
    }),
    securityGroups: [...state.securityGroups.values()],
    routeTables: [...state.routeTables.values()],
    instances: [...state.instances.values()],
    interfaces,
    orphans: interfaces.filter((one) => one.attachment === undefined).map((one) => one.id),
    pendingTransitions: state.agenda.size,
  };
}

/** The interface that holds the IPv4 address, in the named subnet or in any; undefined when none does. */
export function ownerIn({ state }: World, address: string, subnetId?: string): string | undefined {
  const number = parseAddress(address);
  if (number === undefined) return undefined;
  for (const subnet of state.subnets.values()) {
    if ((subnetId !== undefined && subnetId !== subnet.id) || !includes(subnet.range, number)) continue;
    const holder = spaceOf(state, subnet.id).holders.get(number);
    if (holder && holder.role !== "other") return holder.interfaceId;
  }
  return undefined;
}

/** Interfaces with that tag as they are, in the order in which they came to be. */
export function interfacesTaggedIn({ state }: World, key: string, value: string): NetworkInterface[] {
  const found: NetworkInterface[] = [];
  for (const id of state.index.having(`tag:${key}`, value) ?? []) {
    const one = findInterface(state, id);
    if (one && Object.hasOwn(one.tags, key) && one.tags[key] === value) found.push(one);
  }
  return found.sort(state.index.bySerial);
}
