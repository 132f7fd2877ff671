/** What a model file says: the cloud as it is when the simulator starts. docs/simulator.md explains each key. */
import type { InstanceState, MetadataOptions, Route, Tags } from "./records.ts";
import type { SettingsPatch } from "./settings.ts";

export interface ModelDescription {
  readonly region: string;
  /** Twelve digits. */
  readonly account: string;
  readonly vpcs: readonly VpcDescription[];
  readonly subnets: readonly SubnetDescription[];
  readonly securityGroups?: readonly SecurityGroupDescription[];
  readonly routeTables?: readonly RouteTableDescription[];
  readonly instances?: readonly InstanceDescription[];
  readonly interfaces?: readonly InterfaceDescription[];
  readonly settings?: SettingsPatch;
}

export interface VpcDescription {
  readonly id: string;
  readonly cidrs: readonly string[];
  readonly tags?: Tags;
  readonly isDefault?: boolean;
}

export interface SubnetDescription {
  readonly id: string;
  readonly vpc: string;
  readonly cidr: string;
  readonly zone: string;
  readonly tags?: Tags;
  /** Taken by others: that many addresses at random places, or these addresses and CIDRs. */
  readonly used?: number | readonly string[];
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
  readonly imageId?: string;
  readonly role?: string;
  readonly metadata?: Partial<MetadataOptions>;
}

/** A further interface: an orphan, one of another owner, or one that is attached from the start. */
export interface InterfaceDescription {
  readonly id?: string;
  readonly subnet: string;
  readonly primaryAddress?: string;
  readonly secondaryAddresses?: readonly string[];
  readonly prefixes?: readonly string[];
  readonly securityGroups?: readonly string[];
  readonly description?: string;
  readonly interfaceType?: string;
  readonly requesterId?: string;
  readonly requesterManaged?: boolean;
  readonly tags?: Tags;
  readonly attachment?: {
    readonly instance: string;
    readonly deviceIndex: number;
    readonly networkCard?: number;
    readonly deleteOnTermination?: boolean;
  };
}
