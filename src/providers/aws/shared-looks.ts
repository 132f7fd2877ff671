import type { InstanceTypeInfo, SecurityGroup, Subnet, SubnetCidrReservation } from "@aws-sdk/client-ec2";
import type { SharedFacts } from "../../manager/ports/index.ts";
import type { Ec2 } from "./ec2.ts";
import type { Filters } from "./ec2-transport.ts";

/** Oldest that a shared answer may be. Free counts are among what is said of subnets. */
export const SUBNETS_AGE_MS = 60_000;
export const GROUPS_AGE_MS = 10 * 60_000;
export const TYPE_AGE_MS = 24 * 3_600_000;
/** A subnet's range never changes. */
export const RANGES_AGE_MS = 24 * 3_600_000;
/** Somebody who makes a reservation waits for nodes to see it. */
export const RESERVATIONS_AGE_MS = 5 * 60_000;
/** What is asked once more before bad news is believed. */
export const FRESH_AGE_MS = 1_000;

/**
 * The describes whose answers are the same for every node: with a fleet they are its facts, of which one node asks EC2.
 * Facts hold what is used of an answer and no more; who reads them applies the settings anew. Without a fleet, EC2 is asked.
 */
export class SharedLooks {
  readonly #facts: SharedFacts | undefined;

  constructor(facts?: SharedFacts) {
    this.#facts = facts;
  }

  /** Whether answers may be older than the question. */
  get areShared(): boolean {
    return this.#facts !== undefined;
  }

  subnets(ec2: Ec2, filters: Filters, maxAgeMs: number, signal?: AbortSignal): Promise<readonly Subnet[]> {
    const describe = () => ec2.describeSubnets(filters, signal);
    return this.#list(`subnets ${nameOf(filters)}`, maxAgeMs, describe, usedOfSubnet, signal);
  }

  securityGroups(
    ec2: Ec2,
    filters: Filters,
    maxAgeMs: number,
    signal?: AbortSignal,
  ): Promise<readonly SecurityGroup[]> {
    const describe = () => ec2.describeSecurityGroups(filters, signal);
    return this.#list(`security-groups ${nameOf(filters)}`, maxAgeMs, describe, usedOfGroup, signal);
  }

  reservations(ec2: Ec2, subnetId: string, signal?: AbortSignal): Promise<readonly SubnetCidrReservation[]> {
    const ask = () => ec2.subnetReservations(subnetId, signal);
    return this.#list(`reservations ${subnetId}`, RESERVATIONS_AGE_MS, ask, usedOfReservation, signal);
  }

  async instanceType(ec2: Ec2, type: string, signal?: AbortSignal): Promise<InstanceTypeInfo | undefined> {
    const describe = async () => {
      const info = await ec2.describeInstanceType(type, signal);
      return info === undefined ? [] : [info];
    };
    const [info] = await this.#list(`instance-type ${type}`, TYPE_AGE_MS, describe, usedOfType, signal);
    return info;
  }

  async #list<Item>(
    name: string,
    maxAgeMs: number,
    describe: () => Promise<readonly Item[]>,
    used: (item: Item) => Item,
    signal?: AbortSignal,
  ): Promise<readonly Item[]> {
    if (this.#facts === undefined) return describe();
    const fetch = async () => (await describe()).map(used);
    const fact: unknown = await this.#facts.read(name, maxAgeMs, fetch, signal);
    // Written by whoever has the store's password.
    return isListOfObjects<Item>(fact) ? fact : describe();
  }
}

/** The same for the same filters, however they are ordered. */
function nameOf(filters: Filters): string {
  const sorted = Object.entries(filters).map(([name, values]) => [name, [...values].sort()] as const);
  return JSON.stringify(sorted.sort(([a], [b]) => (a < b ? -1 : 1)));
}

function isListOfObjects<Item>(fact: unknown): fact is Item[] {
  return Array.isArray(fact) && fact.every((one) => typeof one === "object" && one !== null);
}

function usedOfSubnet(subnet: Subnet): Subnet {
  const { SubnetId, VpcId, AvailabilityZone, State, CidrBlock, AvailableIpAddressCount, Tags } = subnet;
  const Ipv6CidrBlockAssociationSet = subnet.Ipv6CidrBlockAssociationSet?.map(
    ({ Ipv6CidrBlock, Ipv6CidrBlockState }) => ({
      Ipv6CidrBlock,
      Ipv6CidrBlockState: { State: Ipv6CidrBlockState?.State },
    }),
  );
  const plain = { SubnetId, VpcId, AvailabilityZone, State, CidrBlock, AvailableIpAddressCount };
  return { ...plain, Tags: plainTags(Tags), Ipv6CidrBlockAssociationSet };
}

function usedOfGroup({ GroupId, GroupName, VpcId, Tags }: SecurityGroup): SecurityGroup {
  return { GroupId, GroupName, VpcId, Tags: plainTags(Tags) };
}

function usedOfReservation({
  SubnetCidrReservationId,
  SubnetId,
  Cidr,
  ReservationType,
}: SubnetCidrReservation): SubnetCidrReservation {
  return { SubnetCidrReservationId, SubnetId, Cidr, ReservationType };
}

function usedOfType({ Hypervisor, BareMetal, NetworkInfo }: InstanceTypeInfo): InstanceTypeInfo {
  return {
    Hypervisor,
    BareMetal,
    NetworkInfo: {
      MaximumNetworkInterfaces: NetworkInfo?.MaximumNetworkInterfaces,
      Ipv4AddressesPerInterface: NetworkInfo?.Ipv4AddressesPerInterface,
      DefaultNetworkCardIndex: NetworkInfo?.DefaultNetworkCardIndex,
      NetworkCards: NetworkInfo?.NetworkCards?.map(({ NetworkCardIndex, MaximumNetworkInterfaces }) => ({
        NetworkCardIndex,
        MaximumNetworkInterfaces,
      })),
    },
  };
}

function plainTags(tags: Subnet["Tags"]): Subnet["Tags"] {
  return tags?.map(({ Key, Value }) => ({ Key, Value }));
}
