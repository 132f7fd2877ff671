import {
  type _InstanceType,
  AssignIpv6AddressesCommand,
  AssignPrivateIpAddressesCommand,
  AttachNetworkInterfaceCommand,
  CreateNetworkInterfaceCommand,
  DeleteNetworkInterfaceCommand,
  DescribeInstanceTypesCommand,
  DescribeNetworkInterfacesCommand,
  DescribeSecurityGroupsCommand,
  DescribeSubnetsCommand,
  DetachNetworkInterfaceCommand,
  GetSubnetCidrReservationsCommand,
  type InstanceTypeInfo,
  ModifyNetworkInterfaceAttributeCommand,
  type NetworkInterface,
  type SecurityGroup,
  type Subnet,
  type SubnetCidrReservation,
  UnassignIpv6AddressesCommand,
  UnassignPrivateIpAddressesCommand,
} from "@aws-sdk/client-ec2";
import type { BlockUnit } from "../../planning/index.ts";
import { addressBlock, type Carried, canonicalIpv6 } from "./block-units.ts";
import { type Call, type Ec2Transport, type Filters, whole } from "./ec2-transport.ts";
import type { Ec2Sender } from "./options.ts";

/** A call that takes blocks out of a subnet: its failure says what could not be had. */
interface TakingCall extends Call {
  readonly subnetId: string;
  readonly unit: BlockUnit;
}

/** What an interface is created with. Equal for equal tokens, or EC2 answers IdempotentParameterMismatch. */
export interface InterfaceRequest {
  readonly subnetId: string;
  readonly securityGroups: readonly string[];
  readonly description: string;
  /** How many blocks it gets, of what; one call takes one kind. */
  readonly count: number;
  readonly unit: "address" | "prefix";
  readonly ipv6Prefixes: number;
  /** True: it asks for no IPv6 address in so many words, whatever the subnet gives of itself. */
  readonly refuseIpv6Addresses: boolean;
  readonly tags: Readonly<Record<string, string>>;
  readonly clientToken: string;
}

/**
 * The calls of EC2 that enid makes: requests and what is taken out of the answers. Every method rejects with an EnidError
 * whose details are an Ec2Failure. How they are sent is the transport's (ec2-transport.ts).
 */
export class Ec2 {
  readonly #client: Ec2Sender;
  readonly #transport: Ec2Transport;

  constructor(client: Ec2Sender, transport: Ec2Transport) {
    this.#client = client;
    this.#transport = transport;
  }

  describeInterfaces(filters: Filters, signal?: AbortSignal): Promise<NetworkInterface[]> {
    return this.#transport.pages(
      "DescribeNetworkInterfaces",
      filters,
      (page, options) => this.#client.send(new DescribeNetworkInterfacesCommand(page), options),
      (answer) => answer.NetworkInterfaces,
      signal,
    );
  }

  describeSubnets(filters: Filters, signal?: AbortSignal): Promise<Subnet[]> {
    return this.#transport.pages(
      "DescribeSubnets",
      filters,
      (page, options) => this.#client.send(new DescribeSubnetsCommand(page), options),
      (answer) => answer.Subnets,
      signal,
    );
  }

  describeSecurityGroups(filters: Filters, signal?: AbortSignal): Promise<SecurityGroup[]> {
    return this.#transport.pages(
      "DescribeSecurityGroups",
      filters,
      (page, options) => this.#client.send(new DescribeSecurityGroupsCommand(page), options),
      (answer) => answer.SecurityGroups,
      signal,
    );
  }

  /** Of both kinds and families, of one subnet: EC2 knows no question about several. */
  subnetReservations(subnetId: string, signal?: AbortSignal): Promise<SubnetCidrReservation[]> {
    return this.#transport.pages(
      "GetSubnetCidrReservations",
      { "subnet-id": [subnetId] },
      (page, options) => {
        return this.#client.send(new GetSubnetCidrReservationsCommand({ ...page, SubnetId: subnetId }), options);
      },
      ({ SubnetIpv4CidrReservations: ipv4 = [], SubnetIpv6CidrReservations: ipv6 = [] }) => [...ipv4, ...ipv6],
      signal,
    );
  }

  async describeInstanceType(instanceType: string, signal?: AbortSignal): Promise<InstanceTypeInfo | undefined> {
    const command = new DescribeInstanceTypesCommand({ InstanceTypes: [instanceType as _InstanceType] });
    const call = { action: "DescribeInstanceTypes", mutation: false };
    const answer = await this.#transport.persist(call, (options) => this.#client.send(command, options), signal);
    return answer.InstanceTypes?.[0];
  }

  /** The interface as EC2 answers; the same one for a token used before. */
  createInterface(request: InterfaceRequest, signal?: AbortSignal): Promise<NetworkInterface> {
    const command = new CreateNetworkInterfaceCommand({
      SubnetId: request.subnetId,
      Groups: [...request.securityGroups],
      Description: request.description,
      ...(request.count > 0 ? ipv4Count(request) : {}),
      // One of the two at most, or it is InvalidParameterCombination.
      ...(request.ipv6Prefixes > 0
        ? { Ipv6PrefixCount: request.ipv6Prefixes }
        : request.refuseIpv6Addresses
          ? { Ipv6AddressCount: 0 }
          : {}),
      TagSpecifications: [
        {
          ResourceType: "network-interface",
          Tags: Object.entries(request.tags).map(([Key, Value]) => ({ Key, Value })),
        },
      ],
      ClientToken: request.clientToken,
    });
    const { subnetId, unit } = request;
    const call: TakingCall = { action: "CreateNetworkInterface", mutation: true, subnetId, unit };
    return this.#transport.mutate(
      call,
      request.clientToken,
      (options) => this.#client.send(command, options),
      (answer) => (answer.NetworkInterface?.NetworkInterfaceId ? answer.NetworkInterface : undefined),
      signal,
    );
  }

  /** The attachment id. */
  attach(
    request: {
      readonly interfaceId: string;
      readonly instanceId: string;
      readonly deviceIndex: number;
      readonly networkCard: number;
    },
    signal?: AbortSignal,
  ): Promise<string> {
    const command = new AttachNetworkInterfaceCommand({
      NetworkInterfaceId: request.interfaceId,
      InstanceId: request.instanceId,
      DeviceIndex: request.deviceIndex,
      NetworkCardIndex: request.networkCard,
    });
    return this.#transport.mutate(
      { action: "AttachNetworkInterface", mutation: true },
      request.interfaceId,
      (options) => this.#client.send(command, options),
      (answer) => answer.AttachmentId,
      signal,
    );
  }

  async deleteOnTermination(interfaceId: string, attachmentId: string, signal?: AbortSignal): Promise<void> {
    const command = new ModifyNetworkInterfaceAttributeCommand({
      NetworkInterfaceId: interfaceId,
      Attachment: { AttachmentId: attachmentId, DeleteOnTermination: true },
    });
    await this.#change(
      "ModifyNetworkInterfaceAttribute",
      interfaceId,
      (options) => this.#client.send(command, options),
      signal,
    );
  }

  /** Replaces all groups of the interface. */
  async setSecurityGroups(interfaceId: string, groups: readonly string[], signal?: AbortSignal): Promise<void> {
    const command = new ModifyNetworkInterfaceAttributeCommand({
      NetworkInterfaceId: interfaceId,
      Groups: [...groups],
    });
    await this.#change(
      "ModifyNetworkInterfaceAttribute",
      interfaceId,
      (options) => this.#client.send(command, options),
      signal,
    );
  }

  /** Takes `count` further blocks, all or none, and answers which (canonical CIDRs). Never to be repeated blindly. */
  assign(request: AssignRequest, signal?: AbortSignal): Promise<readonly string[]> {
    return request.unit === "ipv6-prefix" ? this.#assignIpv6(request, signal) : this.#assignIpv4(request, signal);
  }

  #assignIpv4(
    { interfaceId, subnetId, count, unit = "address" }: AssignRequest,
    signal?: AbortSignal,
  ): Promise<readonly string[]> {
    const command = new AssignPrivateIpAddressesCommand({
      NetworkInterfaceId: interfaceId,
      ...ipv4Count({ count, unit }),
    });
    const call: TakingCall = { action: "AssignPrivateIpAddresses", mutation: true, subnetId, unit };
    return this.#transport.mutate(
      call,
      interfaceId,
      (options) => this.#client.send(command, options),
      (answer) => {
        const addresses = (answer.AssignedPrivateIpAddresses ?? []).flatMap((one) => one.PrivateIpAddress ?? []);
        const prefixes = (answer.AssignedIpv4Prefixes ?? []).flatMap((one) => one.Ipv4Prefix ?? []);
        return someOf(unit === "prefix" ? prefixes : addresses.map(addressBlock));
      },
      signal,
    );
  }

  /** Brings one address as a secondary one, from another interface of the subnet if need be. To be repeated at will. */
  async moveHere(
    { interfaceId, subnetId, address }: Omit<AssignRequest, "count" | "unit"> & { readonly address: string },
    signal?: AbortSignal,
  ): Promise<void> {
    const command = new AssignPrivateIpAddressesCommand({
      NetworkInterfaceId: interfaceId,
      PrivateIpAddresses: [address],
      AllowReassignment: true,
    });
    const call: TakingCall = { action: "AssignPrivateIpAddresses", mutation: true, subnetId, unit: "address" };
    await this.#transport.mutate(call, interfaceId, (options) => this.#client.send(command, options), whole, signal);
  }

  #assignIpv6({ interfaceId, subnetId, count }: AssignRequest, signal?: AbortSignal): Promise<readonly string[]> {
    const command = new AssignIpv6AddressesCommand({ NetworkInterfaceId: interfaceId, Ipv6PrefixCount: count });
    const call: TakingCall = { action: "AssignIpv6Addresses", mutation: true, subnetId, unit: "ipv6-prefix" };
    return this.#transport.mutate(
      call,
      interfaceId,
      (options) => this.#client.send(command, options),
      (answer) => someOf((answer.AssignedIpv6Prefixes ?? []).map(canonicalIpv6)),
      signal,
    );
  }

  /** Gives secondary addresses and IPv4 prefixes back, all or none. */
  async unassignIpv4(
    interfaceId: string,
    { addresses, prefixes }: Pick<Carried, "addresses" | "prefixes">,
    signal?: AbortSignal,
  ): Promise<void> {
    const command = new UnassignPrivateIpAddressesCommand({
      NetworkInterfaceId: interfaceId,
      ...(addresses.length > 0 ? { PrivateIpAddresses: [...addresses] } : {}),
      ...(prefixes.length > 0 ? { Ipv4Prefixes: [...prefixes] } : {}),
    });
    await this.#change(
      "UnassignPrivateIpAddresses",
      interfaceId,
      (options) => this.#client.send(command, options),
      signal,
    );
  }

  /** Gives IPv6 prefixes back. */
  async unassignIpv6(interfaceId: string, prefixes: readonly string[], signal?: AbortSignal): Promise<void> {
    const command = new UnassignIpv6AddressesCommand({ NetworkInterfaceId: interfaceId, Ipv6Prefixes: [...prefixes] });
    await this.#change("UnassignIpv6Addresses", interfaceId, (options) => this.#client.send(command, options), signal);
  }

  /** Never with Force: that is for failed instances, and leaves metadata and device indexes stale. */
  async detach(interfaceId: string, attachmentId: string, signal?: AbortSignal): Promise<void> {
    const command = new DetachNetworkInterfaceCommand({ AttachmentId: attachmentId });
    await this.#change("DetachNetworkInterface", interfaceId, (options) => this.#client.send(command, options), signal);
  }

  async deleteInterface(interfaceId: string, signal?: AbortSignal): Promise<void> {
    const command = new DeleteNetworkInterfaceCommand({ NetworkInterfaceId: interfaceId });
    await this.#change("DeleteNetworkInterface", interfaceId, (options) => this.#client.send(command, options), signal);
  }

  close(): void {
    this.#client.destroy();
  }

  /** A change of which the answer tells nothing but that it was made. */
  async #change(action: string, interfaceId: string, send: SendPlain, signal: AbortSignal | undefined): Promise<void> {
    await this.#transport.mutate({ action, mutation: true }, interfaceId, send, whole, signal);
  }
}

/** What every answer has. */
type SendPlain = Parameters<Ec2Transport["mutate"]>[2];

interface AssignRequest {
  readonly interfaceId: string;
  readonly subnetId: string;
  readonly count: number;
  /** Absent = "address". */
  readonly unit?: BlockUnit;
}

function ipv4Count({ count, unit }: { readonly count: number; readonly unit: BlockUnit }) {
  return unit === "prefix" ? { Ipv4PrefixCount: count } : { SecondaryPrivateIpAddressCount: count };
}

/** An assign that succeeded assigned something: an answer without it was cut off. */
function someOf(blocks: readonly string[]): readonly string[] | undefined {
  return blocks.length > 0 ? blocks : undefined;
}
