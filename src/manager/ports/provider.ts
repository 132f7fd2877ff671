import type { BlockUnit, Step } from "../../planning/index.ts";
import type { Intent, InterfaceRecord } from "./records.ts";

/**
 * The cloud adapter: observes what the node has and executes steps. Implementations: providers/aws (and node-cidr).
 * test/contracts/provider.ts is the suite that each passes.
 *
 * Every method rejects with an EnidError only. The manager never calls `execute` without a committed intent, and never
 * two steps for one interface at a time; a provider must still be safe when told to settle the same intent twice.
 */
export interface Provider {
  readonly name: string;

  /** Who and where the node is, and what it can hold. Fixed for the life of the process; costs describes only. */
  identify(signal?: AbortSignal): Promise<NodeFacts>;

  /**
   * The subnets and security groups that the selection allows. STRICT: nothing matches = ENID_SUBNET_NO_MATCH or
   * ENID_SECURITY_GROUP_NO_MATCH, which list what was seen and why each was refused; never another one. `maxAgeMs`: what is
   * known of subnets may be so old at most, where the provider has it from others; absent = as old as it sees fit.
   */
  resolve(selection: Selection, signal?: AbortSignal, maxAgeMs?: number): Promise<Resolution>;

  /**
   * What the node has now. `metadata` costs no EC2 call and may be late in both directions; `cloud` asks EC2 itself
   * (one DescribeNetworkInterfaces, paginated) and may still lag mutations by seconds. Interfaces of `cloud` include
   * those that enid made for this node and that are not attached.
   */
  observe(source: ObservationSource, signal?: AbortSignal): Promise<Observation>;

  /**
   * Carries out the intent's step. `progress` must be awaited before the next call to the cloud: it commits what a
   * crash would otherwise forget (interface id, attachment id).
   */
  execute(intent: Intent, progress: ReportProgress, signal?: AbortSignal): Promise<StepOutcome>;

  /**
   * After a crash or an unknown outcome: finds out what became of the intent and finishes it (`finish`) or undoes it
   * (`undo`), so that nothing of it leaks. Idempotent; safe when nothing had happened yet.
   */
  settle(intent: Intent, how: "finish" | "undo", progress: ReportProgress, signal?: AbortSignal): Promise<StepOutcome>;

  /**
   * Interfaces that enid made in this cluster, for whichever node, and that hang on nothing now. One filtered describe.
   * May lag; who removes one must have seen it twice.
   */
  leftovers(clusterName: string, signal?: AbortSignal): Promise<readonly Leftover[]>;

  /**
   * The parts of these subnets that are set apart, whoever did it. One describe for each, which may be some minutes old where
   * the provider has it from others. Absent = the cloud has none.
   */
  reservations?(subnetIds: readonly string[], signal?: AbortSignal): Promise<readonly Reservation[]>;

  /** How fast each action of the cloud may be called now, by action. Absent = the provider keeps no budget. */
  budget?(): readonly CallBudget[];

  /** The cloud calls that a step would make, in order, for dry runs. Makes none. */
  calls(step: Step): readonly PlannedCall[];

  close(): Promise<void>;
}

/** The token bucket of one action: the node's share of the account's, as learnt from what was throttled. */
export interface CallBudget {
  readonly action: string;
  /** Requests that could be sent at once. */
  readonly tokens: number;
  /** The rate allowed now, and the one when nothing is throttled. */
  readonly ratePerSecond: number;
  readonly fullRatePerSecond: number;
  /** Requests that wait for a token. */
  readonly waiting: number;
  /** Answers of the cloud since the start that said "throttled". */
  readonly throttledTimes: number;
  /**
   * In a fleet: whose tokens the last call took. `fleet`: those of all nodes, and the rates are the account's; `node`: its
   * own, for the fleet is away. Absent = there is no fleet, or nothing was called yet.
   */
  readonly source?: "fleet" | "node";
  /** Tokens that the fleet gave since the start, and calls for which it could not be asked. */
  readonly sharedTimes?: number;
  readonly awayTimes?: number;
}

export type ReportProgress = (progress: Pick<Intent, "interfaceId" | "attachmentId">) => Promise<void>;

export type ObservationSource = "metadata" | "cloud";

export interface NodeFacts {
  /** Names the machine for good: another one means that the state is of another machine. */
  readonly instanceId: string;
  /** Name of a machine that is no instance of EC2; what follows is empty then, and its limits say nothing. Absent = on EC2. */
  readonly hostname?: string;
  readonly instanceType: string;
  readonly region: string;
  readonly availabilityZone: string;
  readonly vpcId: string;
  /** IPv4 CIDRs of the VPC, the primary one first. Absent = not known, or there is no VPC. */
  readonly vpcCidrs?: readonly string[];
  /** Undefined while STS does not answer: nothing depends on it but reports. */
  readonly accountId: string | undefined;
  readonly primaryInterfaceId: string;
  readonly primarySubnetId: string;
  readonly limits: InstanceLimits;
}

/** An interface of the cluster that hangs on nothing. */
export interface Leftover {
  readonly id: string;
  /** The node that made it, as its tag says. */
  readonly instanceId: string;
  /** Wall ms, as its tag says. */
  readonly createdAtMs: number;
}

export interface InstanceLimits {
  /** Interfaces on the default network card, the primary one included. */
  readonly maxInterfaces: number;
  /** IPv4 addresses per interface, its primary one included. */
  readonly ipv4PerInterface: number;
  /** Interfaces by network card, the default card first. Absent = the default card alone. */
  readonly cards?: readonly { readonly card: number; readonly maxInterfaces: number }[];
  /** Where the figures come from: EC2 itself, the table shipped with enid, or nowhere: the machine is not EC2's. */
  readonly source: "ec2" | "table" | "none";
  readonly hypervisor: "nitro" | "xen" | "";
  readonly bareMetal: boolean;
}

/** What the settings say about subnets and security groups. Empty = not said. */
export interface Selection {
  readonly subnetIds: readonly string[];
  readonly subnetTags: Readonly<Record<string, string>>;
  readonly securityGroups: readonly string[];
  readonly securityGroupTags: Readonly<Record<string, string>>;
  readonly excludeInterfaceTags: Readonly<Record<string, string>>;
  readonly deleteOnTermination: boolean;
  /** Interfaces of these other IPAMs are not foreign. Absent = none. */
  readonly adoptInterfacesOf?: readonly OtherIpam[];
}

/** IPAM programs whose interfaces are known by their tags (docs/adoption.md). */
export type OtherIpam = "vpc-cni" | "cilium";

export interface Resolution {
  /** Allowed subnets of the node's VPC and zone, at least one. */
  readonly subnets: readonly SubnetFact[];
  /** Seen but not allowed, with why. */
  readonly refused: readonly { readonly id: string; readonly why: string }[];
  /** At least one. */
  readonly securityGroups: readonly string[];
}

export interface SubnetFact {
  readonly id: string;
  readonly cidr: string;
  readonly freeAddresses: number;
  /** Absent = it has none. */
  readonly ipv6Cidr?: string;
  readonly tags: Readonly<Record<string, string>>;
}

/** A part of a subnet that is set apart (on EC2 a subnet CIDR reservation). */
export interface Reservation {
  /** "scr-…" */
  readonly id: string;
  readonly subnetId: string;
  /** Canonical, of either family. */
  readonly cidr: string;
  /**
   * `explicit`: the cloud gives none of its addresses to anybody who does not name it. `prefix`: prefixes come from it, single
   * addresses do not, unless named.
   */
  readonly kind: "explicit" | "prefix";
}

export interface Observation {
  readonly source: ObservationSource;
  /** False: a part could not be read, so absence of anything means nothing. */
  readonly complete: boolean;
  /** Wall ms at which the reading began: what changed later is newer than the observation. */
  readonly startedAtMs: number;
  readonly interfaces: readonly ObservedInterface[];
  /** Addresses that devices of the node have, canonical: no pod gets one of them. Absent = not looked for. */
  readonly nodeAddresses?: readonly NodeAddress[];
}

export interface NodeAddress {
  readonly address: string;
  readonly device: string;
}

export interface ObservedInterface extends InterfaceRecord {
  readonly attached: boolean;
  /** Secondary IPv4 addresses as text, without the primary one. */
  readonly addresses: readonly string[];
  /** Delegated IPv4 prefixes as canonical CIDRs. */
  readonly prefixes: readonly string[];
  /** Delegated IPv6 prefixes (/80) as canonical CIDRs. Absent = none. */
  readonly ipv6Prefixes?: readonly string[];
}

export type StepOutcome =
  /** Done and seen in the answers. `added` are canonical CIDRs that the pool may use now. */
  | { readonly kind: "done"; readonly interface: ObservedInterface; readonly added: readonly string[] }
  /** Settled by undoing, or found never to have happened: nothing of it is left in the cloud. */
  | { readonly kind: "undone" }
  /** Released blocks or a removed interface are gone. */
  | { readonly kind: "gone"; readonly cidrs: readonly string[]; readonly interfaceId: string };

/** How the manager reacts to a failed step; carried as `details` of the EnidError that execute or settle rejects with. */
export interface StepFailure {
  readonly class: FailureClass;
  /** EC2's code, for logs and metrics. */
  readonly ec2Code: string;
  /** `none`: certainly no effect, the intent can be closed. `unknown`: it must be settled. */
  readonly effect: "none" | "unknown";
  readonly subnetId?: string;
  /** Of `subnet-exhausted`: what the subnet could not give. Absent = "address". */
  readonly unit?: BlockUnit;
}

/** docs/ec2.md has the code → class table (source: ec2 error catalogue). */
export const FAILURE_CLASSES = [
  "throttled", // back off all mutations
  "subnet-exhausted", // back off that subnet
  "limit", // our picture is stale: observe, then plan anew
  "unauthorized", // slow probe
  "configuration", // needs the operator
  "transient", // short back-off
  "gone", // the object does not exist: observe
  "bug", // enid asked something wrong; long back-off
] as const;
export type FailureClass = (typeof FAILURE_CLASSES)[number];

export interface PlannedCall {
  readonly action: string;
  readonly parameters: Readonly<Record<string, string | number | boolean>>;
}
