/** Settings: the effective configuration with the origin of every value. Names are those of the file. */
export interface SettingValues {
  // ipam
  readonly "min-allocate": number;
  readonly "pre-allocate": number;
  readonly "max-allocate": number;
  readonly "max-above-watermark": number;
  readonly "static-ip-tags": Readonly<Record<string, string>>;
  readonly podCIDRs: readonly string[];
  /** enid's own: addresses and ranges inside podCIDRs that no pod gets. */
  readonly "excluded-addresses": readonly string[];
  /** enid's own: seconds that a released address waits before it is leased again. */
  readonly "cooling-seconds": number;
  /** enid's own: seconds that an ADD waits for a planned address before it fails with the reason. */
  readonly "add-wait-seconds": number;
  /** enid's own: which families a pod gets an address of. */
  readonly "ip-families": "ipv4" | "ipv6" | "dual";
  /** enid's own: seconds for which a lease outlives its sandbox when no DEL comes; 0 = for ever. */
  readonly "orphan-grace-seconds": number;
  /** enid's own: addresses beyond the watermarks are given back. */
  readonly "release-excess": boolean;
  /** enid's own: seconds for which addresses must have been beyond the watermarks before they are given back. */
  readonly "release-delay-seconds": number;
  /** enid's own: pods that keep their address for life. */
  readonly fixed: readonly FixedRule[];
  /** enid's own: pods may ask for a fixed address by annotation. */
  readonly "fixed-annotations": boolean;
  /** enid's own: where a fixed address of a rule's ranges waits for its pod on AWS. */
  readonly "fixed-parking": "node" | "reservation";
  /** enid's own: seconds for which a fixed address is kept after its pod, where no rule says otherwise; 0 = for ever. */
  readonly "fixed-keep-seconds": number;
  // eni
  readonly "first-interface-index": number;
  readonly "security-groups": readonly string[];
  readonly "security-group-tags": Readonly<Record<string, string>>;
  readonly "subnet-ids": readonly string[];
  readonly "subnet-tags": Readonly<Record<string, string>>;
  readonly "exclude-interface-tags": Readonly<Record<string, string>>;
  readonly "delete-on-termination": boolean;
  readonly "use-primary-address": boolean;
  readonly "disable-prefix-delegation": boolean;
  /** enid's own: whether blocks are /28 prefixes. "off" also when disable-prefix-delegation is true. */
  readonly "prefix-delegation": "off" | "preferred" | "required";
  /** enid's own: seconds without a pod after which an interface that enid made is removed. */
  readonly "interface-idle-seconds": number;
  /** enid's own: interfaces of these other IPAMs are taken over. */
  readonly "adopt-interfaces-of": readonly ("vpc-cni" | "cilium")[];
  /** enid's own: tag of the interfaces; empty = leftovers of other nodes are not looked for. */
  readonly "cluster-name": string;
  /** enid's own: the cloud calls of a start with a known state are spread over as many seconds. */
  readonly "start-jitter-seconds": number;
  /** enid's own: those of a start without a known state, where the node is in no fleet. */
  readonly "first-start-jitter-seconds": number;
  // bgp, all enid's own
  /** The node's autonomous system; 0 = BIRD announces nothing for enid. */
  readonly asn: number;
  /** IPv4 notation; empty = the node's first IPv4 address. */
  readonly "router-id": string;
  readonly uplinks: readonly BgpUplink[];
  readonly bfd: boolean;
  readonly "graceful-restart": boolean;
  /** The file that bird.conf includes, written by enid. */
  readonly "bird-include-file": string;
  /** BIRD's control socket, for birdc. */
  readonly "bird-control-socket": string;
  // fleet, all enid's own
  /** Name of the fleet: nodes of one name share everything. */
  readonly "fleet-name": string;
  /** Servers as "host:port"; empty = no fleet. */
  readonly redis: readonly string[];
  readonly "redis-kind": "single" | "sentinel" | "cluster";
  /** Name of the master that the sentinels watch. */
  readonly "redis-master": string;
  readonly "redis-username": string;
  /** File that holds the password, mode 0600; empty = none. */
  readonly "redis-password-file": string;
  readonly "sentinel-password-file": string;
  readonly "redis-tls": boolean;
  /** PEM files; empty = those of the system, or none. */
  readonly "redis-ca-file": string;
  readonly "redis-certificate-file": string;
  readonly "redis-key-file": string;
  /** Replicas that must have a write of a fixed address before it counts. */
  readonly "redis-replica-acks": number;
  /** Percent of each of the account's buckets that is left to others. */
  readonly "budget-reserved-percent": number;
  /** Buckets that are not AWS's defaults, by EC2 action. */
  readonly "budget-buckets": Readonly<
    Record<string, { readonly capacity: number; readonly "refill-per-second": number }>
  >;
  // kubernetes, all enid's own; they count from the next start on
  /** How pods come by addresses: by the CNI plugin, or by Cilium's agent and the node's CiliumNode. */
  readonly "hand-off": "cni" | "cilium-node";
  readonly "cilium-dialect": "auto" | "crd" | "eni-classic" | "eni-1.20";
  /** File; empty = the service account of the pod that enid runs in. */
  readonly kubeconfig: string;
  /** Empty = NODE_NAME, else the machine's name. */
  readonly "kubernetes-node-name": string;
  readonly "lease-namespace": string;
  /** Pods that are bound to the node and have no address yet count as demand. */
  readonly "watch-pods": boolean;
  /** Keys of taints; empty = none. */
  readonly "startup-taint": string;
  readonly "full-taint": string;
}

/** Names pods whose address is fixed. The first rule that fits a pod is the pod's. */
export interface FixedRule {
  /** `*` stands for any characters. */
  readonly namespace: string;
  /** Name of the pod, `*` for any characters. One of `pod` and `stateful-set`. */
  readonly pod?: string;
  /** Name of a StatefulSet: its pods are NAME-0, NAME-1, and so on. */
  readonly "stateful-set"?: string;
  /** Of the StatefulSet: "0-4,7". Absent = all. */
  readonly ordinals?: string;
  /** Seconds for which the address is kept after its pod; 0 = for ever. Absent = fixed-keep-seconds. */
  readonly "keep-seconds"?: number;
  /**
   * Ranges that their addresses come from: on-premises they must be named, and be in no node's podCIDRs. On AWS absent = the
   * allowed subnets.
   */
  readonly addresses?: readonly string[];
}

/** A router that the node has a BGP session with. */
export interface BgpUplink {
  /** IPv4 or IPv6 address. */
  readonly neighbor: string;
  readonly asn: number;
  /** The node's address of the session. Absent = as the kernel's route to the neighbour says. */
  readonly "local-address"?: string;
  /** The device of the session, for link-local neighbours. Absent = as routed. */
  readonly interface?: string;
  /** File that holds the session's TCP MD5 password. Absent = none. */
  readonly "password-file"?: string;
  /** Most hops to the neighbour; absent = it is on the link. */
  readonly multihop?: number;
}

export type SettingName = keyof SettingValues;

/** Where a value comes from. */
export type Origin =
  | { readonly kind: "default" }
  /** The fleet's profile of that name (docs/fleet.md). */
  | { readonly kind: "fleet"; readonly profile: string }
  | { readonly kind: "file"; readonly place: Place }
  | { readonly kind: "override"; readonly setAtMs: number };

/** Something that settings cannot be, or cannot be together. */
export interface SettingProblem {
  readonly names: readonly string[];
  /** A sentence with the values, their origins, and what is allowed. */
  readonly message: string;
}

/** A place in a file. Line and column count from 1. */
export interface Place {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  /** JSON pointer (RFC 6901), e.g. "/plugins/0/ipam/min-allocate". */
  readonly pointer: string;
}

export interface Settings {
  readonly values: SettingValues;
  readonly origins: Readonly<Record<SettingName, Origin>>;
}

/** Facts that the file states about the node; instance metadata wins over them. */
export interface StatedFacts {
  readonly "vpc-id"?: string;
  readonly "availability-zone"?: string;
  readonly "node-subnet-id"?: string;
  readonly "instance-id"?: string;
  readonly "instance-type"?: string;
}

/** Something valid that the operator should know: a deprecated spelling, a key of another program that is not read. */
export interface Notice {
  readonly place: Place;
  readonly message: string;
}

/** A valid file, read. */
export interface Configuration {
  readonly file: string;
  /** The text as read: kept in the state. */
  readonly text: string;
  /** A single network configuration, or a list with `plugins`. */
  readonly form: "single" | "list";
  /** Name of the CNI network, "" if the file has none. */
  readonly network: string;
  readonly cniVersion: string;
  /** Only what the file says, canonical. */
  readonly values: Partial<SettingValues>;
  readonly places: Readonly<Partial<Record<SettingName, Place>>>;
  readonly facts: StatedFacts;
  readonly factPlaces: Readonly<Partial<Record<keyof StatedFacts, Place>>>;
  readonly notices: readonly Notice[];
}
