/** Input and output of planning: plain data, so that a plan can be made, printed and replayed anywhere. */

/** Watermarks as the settings want them; Cilium's words and meanings (docs/watermarks.md). */
export interface Watermarks {
  /** Free addresses to keep ready. */
  readonly preAllocate: number;
  /** Addresses the node holds at least. 0 = no floor. */
  readonly minAllocate: number;
  /** Addresses the node holds at most. 0 = what the instance can hold. */
  readonly maxAllocate: number;
  /** Addresses taken beyond what is needed, in the same call. */
  readonly maxAboveWatermark: number;
}

/** What a slot of an interface can hold, and how many addresses that is; an IPv6 prefix takes a slot of its own kind. */
export type BlockUnit = "address" | "prefix" | "ipv6-prefix";

/** `preferred`: single addresses where no prefix can be had. `required`: nothing then. */
export type PrefixMode = "off" | "preferred" | "required";

/** A block of which every address is free and past cooling, so that it could be given back. */
export interface FreeBlock {
  readonly cidr: string;
  readonly unit: "address" | "prefix";
}

/** An interface that exists or is being made. */
export interface PlanInterface {
  readonly id: string;
  /** On its network card. */
  readonly deviceIndex: number;
  /** Absent = 0. Interfaces on cards that the limits do not name do not count. */
  readonly networkCard?: number;
  readonly subnetId: string;
  /** False: nothing is added to it (index below first-interface-index, subnet not allowed, managed by others). */
  readonly usable: boolean;
  /** Pod address slots in all: addresses per interface minus the primary one. */
  readonly slots: number;
  /** Slots taken by blocks the node holds. */
  readonly slotsTaken: number;
  /** Slots asked for by steps under way. */
  readonly slotsPending: number;
  /** Absent = false. True: a step changes it now, so that nothing is given back of it and it is not removed. */
  readonly busy?: boolean;
  /** Absent = false. True: enid made it, it is not the primary one and nobody else's: it may be removed once idle. */
  readonly removable?: boolean;
  /** Addresses on it, of either family, that are leased or cooling. Absent = not known, so nothing is given back of it. */
  readonly used?: number;
  /** Since when nothing on it is leased. Wall ms; absent while something is. */
  readonly idleSinceMs?: number;
  /** What could be given back of it. Absent = nothing. */
  readonly freeBlocks?: readonly FreeBlock[];
  /** IPv6 prefixes it holds or steps under way bring. Absent = 0. */
  readonly ipv6Prefixes?: number;
  /** Its security groups; compared with `PlanInput.securityGroups`. Absent = not known. */
  readonly securityGroups?: readonly string[];
}

/** Where an interface hangs on the instance: device indexes count per network card. */
export interface Place {
  readonly card: number;
  readonly deviceIndex: number;
}

export interface PlanSubnet {
  readonly id: string;
  /** Free addresses as EC2 last said, less what was asked for since. */
  readonly freeAddresses: number;
  /** Growth in it is held back until then (exhausted, back-off). Wall ms. */
  readonly blockedUntilMs?: number;
  /** No prefix is asked for in it until then: it had no contiguous /28. Wall ms. */
  readonly prefixesBlockedUntilMs?: number;
  /** Whether it has an IPv6 CIDR. Absent = no. */
  readonly ipv6?: boolean;
}

/** What the instance type and the settings allow. */
export interface PlanLimits {
  /** Interfaces the instance takes, the primary one included. */
  readonly maxInterfaces: number;
  /** IPv4 addresses per interface, its primary one included. */
  readonly addressesPerInterface: number;
  /** Interfaces with a lower device index carry no pods. */
  readonly firstInterfaceIndex: number;
  /**
   * Interfaces by network card, the default card first; `maxInterfaces` is that of the default card. Absent = the
   * default card alone. Cards are filled in this order; device indexes count per card, from 1 on cards but the default.
   */
  readonly cards?: readonly { readonly card: number; readonly maxInterfaces: number }[];
  /** Whether the instance takes prefixes (Nitro and bare metal). Absent = no. */
  readonly prefixes?: boolean;
  /** The primary address of interfaces that enid makes is for pods too (`use-primary-address`). Absent = no. */
  readonly usePrimaryAddress?: boolean;
}

export interface PlanInput {
  readonly nowMs: number;
  readonly watermarks: Watermarks;
  /** Pod addresses the node holds on usable interfaces, in any state but releasing. */
  readonly available: number;
  /** Of these, not to be given to a pod now: leased and cooling. */
  readonly used: number;
  /** Pods that wait in ADD now. */
  readonly waiting: number;
  /** Addresses that steps under way will bring. */
  readonly pending: number;
  /** All interfaces attached to the instance, foreign ones too (not usable): each takes one of its places. */
  readonly interfaces: readonly PlanInterface[];
  /** Device indexes on the default card that steps under way will take. Not read when there are `pendingPlaces`. */
  readonly pendingDeviceIndexes: readonly number[];
  /**
   * Places on any card that steps under way will take. An entry of `interfaces` at such a place is being made: nothing
   * can be added to it yet, but its free slots are waited for before another interface is created.
   */
  readonly pendingPlaces?: readonly Place[];
  /** Allowed subnets only; planning never sees another one. */
  readonly subnets: readonly PlanSubnet[];
  readonly limits: PlanLimits;
  /** All growth is held back until then (throttled, permission, cloud away) and why: code and text of the error. */
  readonly blocked?: { readonly untilMs: number; readonly reason: string };
  /** Absent = "off". What the settings say; whether the instance takes prefixes is in the limits. */
  readonly prefixMode?: PrefixMode;
  /** Absent = "ipv4". Counts above are of IPv4; an IPv6 pod needs nothing but one IPv6 prefix on the node. */
  readonly families?: "ipv4" | "ipv6" | "dual";
  /**
   * What may be given back now: the excess that lasted. Absent = nothing is given back, no interface is removed, and no
   * single address makes place for a prefix.
   */
  readonly giveBack?: GiveBack;
  /** The groups that interfaces made by enid should have. Absent = they stay as they are. */
  readonly securityGroups?: readonly string[];
  /**
   * The node has addresses that are given to it once and for all (podCIDRs): nothing can be added, nothing goes back, and
   * of what stands above only watermarks, available, used and waiting count. Absent = they come from the cloud.
   */
  readonly given?: GivenAddresses;
}

/** Addresses of ranges that are the node's own; for dual-stack pods of the family with fewer free ones. */
export interface GivenAddresses {
  /** The ranges that pods get addresses of. */
  readonly ranges: readonly string[];
  /** What pods can get now: never more than max-allocate leaves. */
  readonly free: number;
  /** Free whatever max-allocate says. */
  readonly unused: number;
  readonly leased: number;
  readonly cooling: number;
  /** Of the ranges, what no pod gets: network, broadcast, gateway, excluded, the node's own. */
  readonly reserved: number;
  /** Leased or cooling in ranges that are no longer named. */
  readonly draining: number;
}

export interface GiveBack {
  /** Addresses (IPv4) that were beyond the watermarks for the whole quiet time. 0 = none; idle interfaces still go. */
  readonly count: number;
  /** An interface with nothing leased for this long is removed. */
  readonly interfaceIdleMs: number;
  /**
   * True: nothing is given back but interfaces that may carry no pods, where they keep others from being made. Absent =
   * false.
   */
  readonly uselessOnly?: boolean;
}

export interface AddBlocksStep {
  readonly kind: "add-blocks";
  readonly interfaceId: string;
  readonly subnetId: string;
  /** Blocks to take, in one call. */
  readonly count: number;
  /** What the blocks are. Absent = "address". */
  readonly unit?: BlockUnit;
  /**
   * This very address (canonical IPv4), away from whichever interface has it: `count` is 1 and `unit` "address" then. For a
   * pod whose address is fixed. Absent = whichever the subnet gives.
   */
  readonly address?: string;
  readonly reason: string;
}

export interface CreateInterfaceStep {
  readonly kind: "create-interface";
  readonly subnetId: string;
  /** On its network card. */
  readonly deviceIndex: number;
  /** Absent = 0. */
  readonly networkCard?: number;
  /** Blocks it is created with. 0 = its primary address alone (it is made for an IPv6 prefix, or for that address). */
  readonly count: number;
  /** What the blocks are. Absent = "address". */
  readonly unit?: "address" | "prefix";
  /** IPv6 prefixes that it is created with as well. Absent = 0. */
  readonly ipv6Prefixes?: number;
  readonly reason: string;
}

export interface ReleaseBlocksStep {
  readonly kind: "release-blocks";
  readonly interfaceId: string;
  readonly cidrs: readonly string[];
  readonly reason: string;
}

export interface RemoveInterfaceStep {
  readonly kind: "remove-interface";
  readonly interfaceId: string;
  /** The cluster of which it is a leftover: another node made it, it hangs on nothing. Absent = this node made it. */
  readonly orphanOf?: string;
  readonly reason: string;
}

/** Replaces all groups of an interface. */
export interface SetSecurityGroupsStep {
  readonly kind: "set-security-groups";
  readonly interfaceId: string;
  readonly securityGroups: readonly string[];
  readonly reason: string;
}

export type Step =
  | AddBlocksStep
  | CreateInterfaceStep
  | ReleaseBlocksStep
  | RemoveInterfaceStep
  | SetSecurityGroupsStep;

/** Why a plan brings fewer addresses than the demand asks for. */
export type ShortfallReason =
  | { readonly kind: "instance-full"; readonly capacity: number }
  | { readonly kind: "max-allocate"; readonly maxAllocate: number }
  | { readonly kind: "subnets-empty"; readonly subnets: readonly PlanSubnet[] }
  /** Prefixes are required, and no allowed subnet has a contiguous /28 now. */
  | { readonly kind: "subnets-fragmented"; readonly subnets: readonly PlanSubnet[] }
  /** Prefixes are required, and the instance takes none. */
  | { readonly kind: "prefixes-unsupported" }
  /** Pods get IPv6 addresses, and no allowed subnet that an interface could be in has an IPv6 CIDR. */
  | { readonly kind: "no-ipv6-subnet"; readonly subnets: readonly PlanSubnet[] }
  /** The node's own ranges have fewer free addresses than are asked for. */
  | ({ readonly kind: "ranges-full" } & Omit<GivenAddresses, "unused">)
  | { readonly kind: "no-subnet" }
  | { readonly kind: "no-usable-interface" }
  | { readonly kind: "blocked"; readonly untilMs: number; readonly reason: string };

export interface Plan {
  readonly steps: readonly Step[];
  /** By the watermarks, after what is pending. */
  readonly needed: number;
  /** Extra for pods already waiting beyond `needed`, as far as no free or pending address is there for them. */
  readonly surge: number;
  /**
   * needed + max-above-watermark (when anything is needed) + surge, at most up to max-allocate and to what the instance
   * can hold: what the steps try to bring in one go, before whole prefixes round it up.
   */
  readonly wanted: number;
  /** Addresses (IPv4) that the steps bring. */
  readonly planned: number;
  /** Addresses (IPv4) that the steps give back. Absent = 0. */
  readonly givenBack?: number;
  /** Of `wanted`, what is asked for later, of an interface that is being made. Absent = 0. */
  readonly deferred?: number;
  /** Present when planned + deferred < needed + surge, or when pods need an IPv6 prefix and none can be had. */
  readonly shortfall?: ShortfallReason;
  /** The reasoning, a sentence a line, with the numbers. */
  readonly explanation: readonly string[];
}
