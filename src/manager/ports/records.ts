import type { Step } from "../../planning/index.ts";
import type { Block, Cooling, Lease } from "../../pool/index.ts";
import type { FixedRecord, FleetProfile } from "./fleet.ts";

/** An interface of the node as it is kept in the state. */
export interface InterfaceRecord {
  /** "eni-…" */
  readonly id: string;
  /** Lower case, colons. */
  readonly mac: string;
  /** -1 while not attached. */
  readonly deviceIndex: number;
  readonly networkCard: number;
  readonly subnetId: string;
  readonly subnetCidr: string;
  readonly primaryAddress: string;
  readonly securityGroups: readonly string[];
  /** Empty while not attached or when only metadata told of the interface. */
  readonly attachmentId: string;
  /** `enid`: made by enid for this node (tag). `other`: the primary one, or made by somebody else. */
  readonly madeBy: "enid" | "other";
  /** True: must not be touched (requester-managed, trunk, EFA, excluded by tags, of another IPAM). */
  readonly foreign: boolean;
  /** Why it is foreign, half a sentence: "of type trunk", "of the VPC CNI". Absent when it is not, or unknown. */
  readonly foreignBecause?: string;
}

/** The one interface of a node that has ranges of its own (podCIDRs): no device, it carries their blocks. */
export const NODE_INTERFACE = "node";

/** The same as it is kept. */
export const NODE_RECORD: InterfaceRecord = {
  id: NODE_INTERFACE,
  mac: "",
  deviceIndex: 0,
  networkCard: 0,
  subnetId: "",
  subnetCidr: "",
  primaryAddress: "",
  securityGroups: [],
  attachmentId: "",
  madeBy: "other",
  foreign: false,
};

/** Tags of a created interface that the manager gives it: which cluster it is of, and which node made it. */
export const TAG_CLUSTER = "enid.io/cluster";
export const TAG_NODE = "enid.io/node";

/** The durable record of a step that changes the cloud: committed before the call, closed after it was observed. */
export interface Intent {
  /** Unique; also the ClientToken (≤ 64 ASCII characters) and the value of the tag `enid.io/intent`. */
  readonly id: string;
  readonly step: Step;
  readonly openedAtMs: number;
  /** What the interface carried before, so that an unknown outcome can be told from what was there. */
  readonly before: readonly string[];
  /** Security groups and delete-on-termination that a created interface gets: fixed when the intent is opened. */
  readonly securityGroups: readonly string[];
  readonly deleteOnTermination: boolean;
  /** Further tags of a created interface (cluster and node). Absent = none. */
  readonly tags?: Readonly<Record<string, string>>;
  /** Known once the cloud answered; committed before the next call. */
  readonly interfaceId?: string;
  readonly attachmentId?: string;
}

/** One change of the state. The changes of one commit are durable together or not at all. */
export type Change =
  | { readonly kind: "lease-put"; readonly lease: Lease }
  /** Ends the lease and puts its addresses to cooling; `cooling` is that of `lease.address`, the other one waits as long. */
  | { readonly kind: "lease-end"; readonly lease: Lease; readonly cooling: Cooling }
  | { readonly kind: "cooling-end"; readonly addresses: readonly string[] }
  | { readonly kind: "interface-put"; readonly interface: InterfaceRecord }
  /** Removes the interface and its blocks. */
  | { readonly kind: "interface-remove"; readonly interfaceId: string }
  | { readonly kind: "blocks-put"; readonly blocks: readonly Block[] }
  | { readonly kind: "blocks-remove"; readonly cidrs: readonly string[] }
  /** Opens the intent, or replaces the record of the same id. */
  | { readonly kind: "intent-put"; readonly intent: Intent }
  | { readonly kind: "intent-close"; readonly id: string }
  | { readonly kind: "override-put"; readonly name: string; readonly value: unknown; readonly setAtMs: number }
  | { readonly kind: "override-remove"; readonly name: string }
  | { readonly kind: "configuration-put"; readonly configuration: StoredConfiguration }
  /** What the selection allows, as EC2 said last: until it is asked again, the warm start serves from these subnets. */
  | { readonly kind: "resolution-put"; readonly resolution: StoredResolution }
  /** What this node knows of a fixed address that it holds, or replaces that of the same pod. */
  | { readonly kind: "fixed-put"; readonly record: FixedRecord }
  | { readonly kind: "fixed-remove"; readonly pod: string }
  /** The fleet's profiles that are this node's, all of them: a restart without the fleet goes on with them. */
  | { readonly kind: "profiles-put"; readonly profiles: readonly FleetProfile[] }
  /** A new boot: ends all leases; cooling, blocks, interfaces, intents and settings stay. */
  | { readonly kind: "boot-started"; readonly bootId: string }
  /** The state belongs to this instance now: drops leases, cooling, blocks, interfaces, intents and resolution of another one. */
  | { readonly kind: "instance-adopted"; readonly instanceId: string };

/** The last valid configuration, whole, so that a restart without the file goes on with it. */
export interface StoredConfiguration {
  readonly file: string;
  readonly text: string;
  /** Wall ms. */
  readonly readAtMs: number;
}

export interface StoredResolution {
  /** Names the selection that was asked for; another one makes the answer worthless. */
  readonly selection: string;
  readonly subnetIds: readonly string[];
}

export interface StoredOverride {
  readonly value: unknown;
  readonly setAtMs: number;
}

export interface StoredState {
  /** Empty before the first boot was recorded. */
  readonly bootId: string;
  readonly instanceId: string;
  readonly leases: readonly Lease[];
  readonly cooling: readonly Cooling[];
  readonly interfaces: readonly InterfaceRecord[];
  readonly blocks: readonly Block[];
  readonly intents: readonly Intent[];
  readonly overrides: Readonly<Record<string, StoredOverride>>;
  readonly configuration: StoredConfiguration | undefined;
  /** Absent before EC2 was asked for the first time. */
  readonly resolution?: StoredResolution;
  /** Fixed addresses that this node holds. Absent = none. They outlive a boot, and go with another instance. */
  readonly fixed?: readonly FixedRecord[];
  /** Absent = none. They outlive a boot. */
  readonly profiles?: readonly FleetProfile[];
}
