/** The words of the pool; docs/architecture.md has the glossary. Pure data, no behaviour. */

/** `free` may be leased; `leased` is bound to a pod; `cooling` waits after a release; `releasing` goes back to the cloud. */
export type AddressState = "free" | "leased" | "cooling" | "releasing";

/** A secondary address (/32), a delegated prefix (/28 or /80), or a node CIDR. */
export type BlockKind = "address" | "prefix" | "node-cidr";

/** A CIDR that the node owns as a whole. `cidr` is canonical ("10.0.1.7/32") and unique in the pool. */
export interface Block {
  readonly cidr: string;
  readonly interfaceId: string;
  readonly kind: BlockKind;
  /** Addresses of a node CIDR that no pod ever gets (router, gateway). Of other kinds every address is for pods. */
  readonly reserved?: readonly string[];
}

/** What the pool must know of an interface. */
export interface PoolInterface {
  readonly id: string;
  /** Order of filling among equally full interfaces; on AWS the device index. */
  readonly index: number;
  /** False: its leases stay, but no pod gets an address of it (index too low, subnet no longer allowed, leaving). */
  readonly usable: boolean;
}

/** What an address is leased to: one network interface of one sandbox in one network. */
export interface Attachment {
  /** Name of the CNI network configuration. */
  readonly network: string;
  readonly containerId: string;
  /** Name of the interface in the sandbox, e.g. "eth0". */
  readonly interfaceName: string;
}

export interface Pod {
  readonly namespace: string;
  readonly name: string;
  /** Empty when the runtime does not pass it. */
  readonly uid: string;
}

/** The durable binding of an address to an attachment. */
export interface Lease {
  /** Canonical text, no prefix length. */
  readonly address: string;
  readonly attachment: Attachment;
  readonly pod: Pod;
  /** Wall time, ms since the epoch. */
  readonly leasedAtMs: number;
}

/** An address that waits before it may be leased again. */
export interface Cooling {
  readonly address: string;
  /** Wall time, ms since the epoch, at which it becomes free. */
  readonly untilMs: number;
}

/** How many addresses are in each state. total = free + leased + cooling + releasing. */
export interface Counts {
  readonly total: number;
  readonly free: number;
  readonly leased: number;
  readonly cooling: number;
  readonly releasing: number;
}

export interface InterfaceCounts extends Counts {
  readonly id: string;
  readonly index: number;
  readonly usable: boolean;
  /** Blocks on the interface; on AWS each takes one address slot. */
  readonly blocks: number;
}

/** What becomes of asking for an address: the one the attachment has, a new one, or none is free. */
export type LeaseResult = { readonly kind: "leased" | "existing"; readonly lease: Lease } | { readonly kind: "none" };

export interface BlockCounts extends Counts {
  readonly block: Block;
  /** False: its leases stay, but no pod gets an address of it. */
  readonly usable: boolean;
}
