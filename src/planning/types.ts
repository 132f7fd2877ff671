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

/** An interface that exists or is being made. */
export interface PlanInterface {
  readonly id: string;
  /** On its network card. */
  readonly deviceIndex: number;
  /** Absent = 0, the default card. On other cards nothing is planned, and their interfaces do not count. */
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
}

export interface PlanSubnet {
  readonly id: string;
  /** Free addresses as EC2 last said, less what was asked for since. */
  readonly freeAddresses: number;
  /** Growth in it is held back until then (exhausted, back-off). Wall ms. */
  readonly blockedUntilMs?: number;
}

/** What the instance type and the settings allow. */
export interface PlanLimits {
  /** Interfaces the instance takes, the primary one included. */
  readonly maxInterfaces: number;
  /** IPv4 addresses per interface, its primary one included. */
  readonly addressesPerInterface: number;
  /** Interfaces with a lower device index carry no pods. */
  readonly firstInterfaceIndex: number;
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
  /**
   * Device indexes that steps under way will take. An entry of `interfaces` at such an index is being made: nothing can
   * be added to it yet, but its free slots are waited for before another interface is created.
   */
  readonly pendingDeviceIndexes: readonly number[];
  /** Allowed subnets only; planning never sees another one. */
  readonly subnets: readonly PlanSubnet[];
  readonly limits: PlanLimits;
  /** All growth is held back until then (throttled, permission, cloud away) and why: code and text of the error. */
  readonly blocked?: { readonly untilMs: number; readonly reason: string };
}

export interface AddBlocksStep {
  readonly kind: "add-blocks";
  readonly interfaceId: string;
  readonly subnetId: string;
  /** Secondary addresses to take, in one call. */
  readonly count: number;
  readonly reason: string;
}

export interface CreateInterfaceStep {
  readonly kind: "create-interface";
  readonly subnetId: string;
  readonly deviceIndex: number;
  /** Secondary addresses it is created with. */
  readonly count: number;
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
  readonly reason: string;
}

export type Step = AddBlocksStep | CreateInterfaceStep | ReleaseBlocksStep | RemoveInterfaceStep;

/** Why a plan brings fewer addresses than the demand asks for. */
export type ShortfallReason =
  | { readonly kind: "instance-full"; readonly capacity: number }
  | { readonly kind: "max-allocate"; readonly maxAllocate: number }
  | { readonly kind: "subnets-empty"; readonly subnets: readonly PlanSubnet[] }
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
   * can hold: what the steps try to bring in one go.
   */
  readonly wanted: number;
  /** What the steps bring. */
  readonly planned: number;
  /** Of `wanted`, what is asked for later, of an interface that is being made. Absent = 0. */
  readonly deferred?: number;
  /** Present when planned + deferred < needed + surge. */
  readonly shortfall?: ShortfallReason;
  /** The reasoning, a sentence a line, with the numbers. */
  readonly explanation: readonly string[];
}
