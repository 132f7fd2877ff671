/** What the simulated cloud consists of. Records are immutable: a change makes a new record, so that views can lag. */
import type { Range } from "./ipv4.ts";

export type Tags = Readonly<Record<string, string>>;

export interface Vpc {
  readonly id: string;
  readonly cidrs: readonly string[];
  readonly ipv6Cidrs: readonly string[];
  readonly tags: Tags;
  readonly isDefault: boolean;
}

export interface Subnet {
  readonly id: string;
  readonly vpcId: string;
  readonly cidr: string;
  readonly range: Range;
  /** A canonical /64; undefined: the subnet has no IPv6. */
  readonly ipv6Cidr: string | undefined;
  readonly zone: string;
  readonly tags: Tags;
}

/** A subnet CIDR reservation. */
export interface Reservation {
  readonly id: string;
  readonly subnetId: string;
  /** Canonical, of either family. */
  readonly cidr: string;
  /** `prefix`: automatic prefixes come from such ranges only. `explicit`: nothing automatic comes from it. */
  readonly kind: "prefix" | "explicit";
  readonly description: string;
  readonly tags: Tags;
}

export interface SecurityGroup {
  readonly id: string;
  readonly vpcId: string;
  readonly name: string;
  readonly description: string;
  readonly tags: Tags;
}

export interface RouteTable {
  readonly id: string;
  readonly vpcId: string;
  readonly main: boolean;
  readonly subnetIds: readonly string[];
  readonly routes: readonly Route[];
  readonly tags: Tags;
}

export interface Route {
  readonly destination: string;
  /** "local", or the id of a gateway, NAT gateway, transit gateway, interface or instance. */
  readonly target: string;
}

export type InstanceState = "pending" | "running" | "stopped" | "terminated";

export interface Instance {
  readonly id: string;
  readonly type: string;
  readonly vpcId: string;
  readonly subnetId: string;
  readonly zone: string;
  readonly state: InstanceState;
  readonly tags: Tags;
  readonly imageId: string;
  /** Name of the IAM role of its instance profile. */
  readonly role: string;
  readonly launchedAtMs: number;
  readonly primaryInterfaceId: string;
  readonly metadata: MetadataOptions;
}

/** The metadata options of an instance, and where its caller sits. */
export interface MetadataOptions {
  readonly enabled: boolean;
  /** "required": IMDSv2 only. */
  readonly tokens: "required" | "optional";
  /** HttpPutResponseHopLimit, 1 to 64. */
  readonly hopLimit: number;
  /** Network hops between the caller and the instance: 1 in the host's namespace, 2 in a container's. */
  readonly callerHops: number;
  /** InstanceMetadataTags. */
  readonly instanceTags: boolean;
}

export type InterfaceStatus = "available" | "in-use" | "detaching";
export type AttachmentStatus = "attaching" | "attached" | "detaching";

export interface Attachment {
  readonly id: string;
  readonly instanceId: string;
  readonly deviceIndex: number;
  readonly networkCard: number;
  readonly status: AttachmentStatus;
  readonly attachedAtMs: number;
  readonly deleteOnTermination: boolean;
  /** When metadata shows everything of the interface; before that only its MAC, with device number 0. */
  readonly metadataCompleteAtMs: number;
}

export interface NetworkInterface {
  readonly id: string;
  readonly mac: string;
  readonly subnetId: string;
  readonly vpcId: string;
  readonly zone: string;
  readonly description: string;
  readonly status: InterfaceStatus;
  /** Empty for an interface without addresses: `efa-only`. */
  readonly primaryAddress: string;
  /** Secondary addresses in the order of their assignment. */
  readonly secondaryAddresses: readonly string[];
  /** Delegated /28 prefixes as canonical CIDRs. */
  readonly prefixes: readonly string[];
  readonly ipv6Addresses: readonly string[];
  /** Delegated /80 prefixes as canonical CIDRs. */
  readonly ipv6Prefixes: readonly string[];
  readonly securityGroups: readonly string[];
  readonly sourceDestCheck: boolean;
  readonly interfaceType: string;
  readonly requesterId: string;
  readonly requesterManaged: boolean;
  /** The service that operates it; undefined: none. */
  readonly operator: string | undefined;
  readonly attachment: Attachment | undefined;
  readonly tags: Tags;
  /** Before this moment every call that names the interface is told that it does not exist. */
  readonly visibleFromMs: number;
}

/** Who holds an address of a subnet. `other`: something outside the model. */
export interface Holder {
  readonly role: "primary" | "secondary" | "prefix" | "other";
  /** Empty for `other`. */
  readonly interfaceId: string;
}

/** Its IPv4 addresses, the primary one first; prefixes are none of them. */
export function ipv4Of(one: Pick<NetworkInterface, "primaryAddress" | "secondaryAddresses">): readonly string[] {
  return one.primaryAddress === "" ? one.secondaryAddresses : [one.primaryAddress, ...one.secondaryAddresses];
}
