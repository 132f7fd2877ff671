/** The words of the pool; docs/architecture.md has the glossary. Pure data, no behaviour. */

/** `free` may be leased; `leased` is bound to a pod; `cooling` waits after a release; `releasing` goes back to the cloud. */
export type AddressState = "free" | "leased" | "cooling" | "releasing";

/** What an address is of. A pod has one family, or both (dual stack). */
export type Family = "ipv4" | "ipv6";

/** Which families a pod gets an address of. */
export type Families = "ipv4" | "ipv6" | "dual";

/** A secondary address (/32), a delegated prefix (/28 or /80), or a node CIDR. */
export type BlockKind = "address" | "prefix" | "node-cidr";

/**
 * A CIDR that the node owns as a whole. `cidr` is canonical ("10.0.1.7/32", "2001:db8:0:1::/80") and unique in the pool.
 * IPv4: "address" is a /32, "prefix" a /28, "node-cidr" /12 to /32. IPv6: "prefix" is a /80, "node-cidr" /48 to /120.
 */
export interface Block {
  readonly cidr: string;
  readonly interfaceId: string;
  readonly kind: BlockKind;
  /**
   * True: it was found on an interface that enid did not make, so who put it there is not known, and it is never given
   * back. Absent = false. The pool itself makes no difference.
   */
  readonly found?: boolean;
  /**
   * True: EC2 denied twice that the node has it while a pod had an address of it. It is kept so over a restart: what is
   * free of it may be somebody else's. Absent = false. The pool itself makes no difference.
   */
  readonly lost?: boolean;
  /**
   * Addresses of a node CIDR that no pod ever gets (router, gateway). Of other kinds every address is for pods, but of an
   * IPv6 block only the first 4,096, and never the very first (RFC 4291 2.6.1: it is every router's).
   */
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

/** The network namespace of a sandbox, as it was seen at its ADD. */
export interface Sandbox {
  /** CNI_NETNS. */
  readonly path: string;
  /** Device and inode of the namespace, "4:4026532281": another namespace at the same path is another sandbox. */
  readonly identity: string;
  /**
   * Device and inode of the folder that the path lies in; of a path in /proc those of the PID namespace. Where it is not
   * the same any more, nobody can tell what the path being gone means.
   */
  readonly folder: string;
}

/** The durable binding of an address to an attachment. */
export interface Lease {
  /** Canonical text, no prefix length. IPv4, or the IPv6 address of a pod that has no other (RFC 5952). */
  readonly address: string;
  /** The IPv6 address of a dual-stack pod (RFC 5952); absent otherwise. */
  readonly ipv6Address?: string;
  readonly attachment: Attachment;
  readonly pod: Pod;
  /** Wall time, ms since the epoch. */
  readonly leasedAtMs: number;
  /** Absent when the ADD named none that could be seen: then nobody can tell whether it is gone. */
  readonly sandbox?: Sandbox;
}

/** An address that waits before it may be leased again. Both addresses of a dual-stack lease wait equally long. */
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
  /** Blocks of the family on the interface; on AWS each takes one slot of its family. */
  readonly blocks: number;
}

/** A block of IPv4 of which every address is free, so that it could be given back. */
export type WholeBlock = Pick<Block, "cidr" | "kind" | "found">;

/** What a lease is made with beside its pod. */
export interface LeaseExtras {
  /** Canonical addresses that the pod is to have, at most one of each family. Absent = any. */
  readonly wanted?: readonly string[] | undefined;
  readonly sandbox?: Sandbox | undefined;
  /** The pod is the one that the blocks of `wanted` are kept for. Absent = false. */
  readonly isKept?: boolean;
}

/** What becomes of asking for an address: the one the attachment has, a new one, or none is free. */
export type LeaseResult =
  | { readonly kind: "leased" | "existing"; readonly lease: Lease }
  /** `lacks`: the family of which none is free; IPv4 when both were asked for and neither is. */
  | { readonly kind: "none"; readonly lacks: Family }
  /** The first of the addresses wanted that cannot be had. */
  | { readonly kind: "unavailable"; readonly address: string; readonly why: Unavailable };

/** Why one address in particular cannot be leased. */
export type Unavailable =
  /** No block of the pool lends it, or the text is not canonical. */
  | { readonly because: "not-here" }
  /** The pod gets no address of its family, or two of one are wanted. */
  | { readonly because: "other-family" }
  | { readonly because: "reserved" }
  | { readonly because: "releasing" }
  /** The block or its interface gives no addresses to pods. */
  | { readonly because: "unusable" }
  /** It is the fixed address of another pod. */
  | { readonly because: "kept" }
  | { readonly because: "leased"; readonly pod: Pod }
  /** Wall ms. */
  | { readonly because: "cooling"; readonly untilMs: number };

export interface BlockCounts extends Counts {
  readonly block: Block;
  /** False: its leases stay, but no pod gets an address of it. Also of a block that is kept. */
  readonly usable: boolean;
  /** It is for one pod alone. Absent = false. */
  readonly kept?: boolean;
}
