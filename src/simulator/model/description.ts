/** What a model file says: the cloud as it is when the simulator starts. docs/simulator.md explains each key. */
import type { InstanceState, MetadataOptions, Route, Tags } from "./records.ts";
import type { SettingsPatch } from "./settings.ts";

export interface ModelDescription extends AccountDescription {
  readonly region: string;
  /** Further accounts, each with VPCs of its own: nothing of one is seen with the credentials of another. */
  readonly accounts?: readonly AccountDescription[];
  readonly settings?: SettingsPatch;
}

export interface AccountDescription {
  /** Twelve digits. */
  readonly account: string;
  /** Access keys that belong to it. Keys of no account belong to the first one. */
  readonly accessKeyIds?: readonly string[];
  /** Actions that its callers may not do; a `*` at the end stands for any ending. */
  readonly deniedActions?: readonly string[];
  readonly vpcs: readonly VpcDescription[];
  readonly subnets: readonly SubnetDescription[];
  readonly securityGroups?: readonly SecurityGroupDescription[];
  readonly routeTables?: readonly RouteTableDescription[];
  readonly instances?: readonly InstanceDescription[];
  readonly interfaces?: readonly InterfaceDescription[];
}

export interface VpcDescription {
  readonly id: string;
  readonly cidrs: readonly string[];
  readonly ipv6Cidrs?: readonly string[];
  readonly tags?: Tags;
  readonly isDefault?: boolean;
}

export interface SubnetDescription {
  readonly id: string;
  readonly vpc: string;
  readonly cidr: string;
  /** A /64 within an IPv6 CIDR of the VPC. */
  readonly ipv6Cidr?: string;
  readonly zone: string;
  readonly tags?: Tags;
  readonly reservations?: readonly ReservationDescription[];
  /** True: one address is taken in every /28, so that no prefix fits. */
  readonly fragmented?: boolean;
  /** Taken by others: that many addresses at random places, or these addresses and CIDRs. */
  readonly used?: number | readonly string[];
}

export interface ReservationDescription {
  readonly id?: string;
  readonly cidr: string;
  readonly type: "prefix" | "explicit";
  readonly description?: string;
  readonly tags?: Tags;
}

export interface SecurityGroupDescription {
  readonly id: string;
  readonly vpc: string;
  readonly name?: string;
  readonly description?: string;
  readonly tags?: Tags;
}

export interface RouteTableDescription {
  readonly id: string;
  readonly vpc: string;
  readonly main?: boolean;
  readonly subnets?: readonly string[];
  readonly routes?: readonly Route[];
  readonly tags?: Tags;
}

export interface InstanceDescription {
  /** Drawn when absent. */
  readonly id?: string;
  readonly type: string;
  readonly subnet: string;
  /** Only checked: an instance is in the zone of its subnet. */
  readonly zone?: string;
  readonly state?: Exclude<InstanceState, "terminated">;
  readonly tags?: Tags;
  /** The VPC's default group when absent. */
  readonly securityGroups?: readonly string[];
  readonly primaryInterface?: string;
  readonly primaryAddress?: string;
  readonly secondaryAddresses?: readonly string[];
  readonly prefixes?: readonly string[];
  readonly ipv6Addresses?: readonly string[];
  readonly ipv6Prefixes?: readonly string[];
  /** Tags that the launch gives to its interfaces. */
  readonly interfaceTags?: Tags;
  /** Further interfaces of the launch. */
  readonly interfaces?: readonly LaunchedInterfaceDescription[];
  readonly imageId?: string;
  readonly role?: string;
  readonly metadata?: Partial<MetadataOptions>;
}

export type LaunchedInterfaceDescription = Omit<InterfaceDescription, "subnet" | "attachment"> & {
  /** The instance's when absent. */
  readonly subnet?: string;
  readonly deviceIndex: number;
  readonly networkCard?: number;
  /** True when absent. */
  readonly deleteOnTermination?: boolean;
};

/** A further interface: an orphan, one of another owner, or one that is attached from the start. */
export interface InterfaceDescription {
  readonly id?: string;
  readonly subnet: string;
  readonly primaryAddress?: string;
  readonly secondaryAddresses?: readonly string[];
  readonly prefixes?: readonly string[];
  readonly ipv6Addresses?: readonly string[];
  readonly ipv6Prefixes?: readonly string[];
  readonly securityGroups?: readonly string[];
  readonly description?: string;
  readonly interfaceType?: string;
  readonly requesterId?: string;
  /** True when absent for every interface type but `interface`. */
  readonly requesterManaged?: boolean;
  /** The service that operates it (`operator.principal`). */
  readonly operator?: string;
  readonly tags?: Tags;
  readonly attachment?: {
    readonly instance: string;
    readonly deviceIndex: number;
    readonly networkCard?: number;
    readonly deleteOnTermination?: boolean;
  };
}
