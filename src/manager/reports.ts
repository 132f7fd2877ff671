import type { AdoptionText } from "../adoption/index.ts";
import type { Settings } from "../configuration/index.ts";
import type { ErrorCode } from "../errors.ts";
import type { AgentHandOffReport } from "../handoff/cilium-node/port.ts";
import type { Plan, PrefixMode } from "../planning/index.ts";
import type { AddressState, Attachment, Counts, Families, Lease, Pod } from "../pool/index.ts";
import type {
  CallBudget,
  FleetReport,
  NodeFacts,
  OtherIpam,
  PlannedCall,
  ReachReport,
  StoreFacts,
  SubnetFact,
} from "./ports/index.ts";

/** What the manager tells when asked: plain data, ready for `--json`. All times are wall ms since the epoch. */

/** An error as reports carry it. */
export interface ReportedError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly remedy: string;
}

/** A way in which enid gives way at the moment; gone when its cause is. */
export interface Degradation {
  /** Stable kebab-case name, e.g. "configuration-rejected", "ec2-throttled", "metadata-away", "state-write-failing". */
  readonly name: string;
  readonly sinceMs: number;
  readonly error: ReportedError;
}

export interface InterfaceReport {
  readonly id: string;
  /** On its network card. */
  readonly deviceIndex: number;
  /** Absent = 0, the default card. */
  readonly networkCard?: number;
  readonly mac: string;
  readonly subnetId: string;
  readonly primaryAddress: string;
  readonly madeBy: "enid" | "other";
  readonly usable: boolean;
  /** Why it carries no pods; empty when usable. */
  readonly unusableBecause: string;
  readonly slots: number;
  readonly counts: Counts;
}

/** A block of the node's own ranges. */
export interface RangeReport {
  readonly cidr: string;
  /**
   * `serving`: pods get addresses of it. `draining`: podCIDRs no longer names it, it leaves with the last of its pods.
   * `joining`: podCIDRs names it, and it is not in use yet: it is on its way to the disk.
   */
  readonly state: "serving" | "draining" | "joining";
  /** The range of podCIDRs that it is a part of, because pods of an earlier range are in the way. Absent = it is whole. */
  readonly partOf?: string;
  /** Undefined where it is so small that it has none. */
  readonly gateway: string | undefined;
  readonly counts: Counts;
  /** Addresses that no pod gets: network, broadcast, gateway, excluded, the node's own. */
  readonly reserved: number;
  /** Of these, what devices of the node have: address and device. */
  readonly own: readonly { readonly address: string; readonly device: string }[];
}

export interface SubnetReport extends SubnetFact {
  /** Wall ms until which no growth is tried in it; 0 = not held back. */
  readonly blockedUntilMs: number;
  /** Wall ms until which no prefix is asked for in it; 0 or absent = not held back. */
  readonly prefixesBlockedUntilMs?: number;
  /** When freeAddresses was read. */
  readonly readAtMs: number;
}

export interface WaitingReport {
  readonly pod: Pod;
  readonly attachment: Attachment;
  readonly sinceMs: number;
  readonly deadlineMs: number;
  /** Of a pod that keeps its address: what that address waits for. Absent = any address would do. */
  readonly waitingFor?: string;
}

/** A fixed address as this node knows it. */
export interface FixedReport {
  /** "namespace/name". */
  readonly pod: string;
  readonly address: string;
  readonly epoch: number;
  /** `lost`: a pod has it here, and another node has it by now. `leaving`: the same, without a pod. */
  readonly state: "coming" | "parked" | "bound" | "leaving" | "lost";
  /** The node that has it now, if not this one; may be empty. */
  readonly holder?: string;
  /** Wall ms; absent = never, or not while its pod has it. */
  readonly expiresAtMs?: number;
}

export interface IntentReport {
  readonly id: string;
  readonly kind: string;
  readonly target: string;
  readonly count: number;
  readonly openedAtMs: number;
  /** `running` a call is under way; `unsettled` its outcome is unknown and is being found out. */
  readonly state: "running" | "unsettled";
}

export interface ConfigurationReport {
  readonly file: string;
  /** `file`: as the file says now. `last-valid`: the file is missing or broken, the last valid one is in force. `none`. */
  readonly source: "file" | "last-valid" | "none";
  readonly readAtMs: number;
  /** Why the present content of the file is not in force. */
  readonly error: ReportedError | undefined;
  readonly notices: readonly string[];
  /** Facts of the file that differ from instance metadata (metadata wins). */
  readonly differences: readonly { readonly name: string; readonly stated: string; readonly actual: string }[];
}

/** Counts of IPv4 addresses, and what else there is to say of the pool. */
export interface PoolReport extends Counts {
  /** IPv6 addresses; of each /80 the first 4,095 that a pod may have. Absent = the node holds none. */
  readonly ipv6?: Counts;
  /** IPv4 prefixes (/28) held. */
  readonly prefixes?: number;
  /** Free addresses in blocks of which every address is free: what could be given back without moving a pod. */
  readonly freeInFreeBlocks?: number;
  /** Addresses beyond the watermarks. */
  readonly excess?: number;
  /** Wall ms at which the excess has lasted for release-delay-seconds. Undefined without excess, or when none is given back. */
  readonly releasableAtMs?: number | undefined;
}

/** A leased address that EC2 denies: the lease stays, and nobody else gets the address. */
export interface LostReport {
  readonly address: string;
  readonly pod: Pod;
  readonly sinceMs: number;
}

/** A lease that seems to be nobody's any more: no DEL came. All of it ends by itself. */
export interface OrphanReport {
  readonly address: string;
  readonly ipv6Address?: string;
  readonly pod: Pod;
  readonly sinceMs: number;
  /** `not-listed`: the runtime leaves it out of its lists (GC) while its sandbox may be there. */
  readonly because: "sandbox-gone" | "not-listed";
}

export interface OrphansReport {
  readonly leases: readonly OrphanReport[];
  /** Leases that ended without a DEL since the daemon started. */
  readonly released: number;
}

/** What was given back to EC2 since the daemon started. */
export interface GivenBackReport {
  /** Addresses (IPv4), those of prefixes included. */
  readonly addresses: number;
  readonly interfaces: number;
}

export interface StatusReport {
  /** `starting` until the node is known and the first plan was made, then `ready` or `growing`, `stopping` at the end. */
  readonly phase: "starting" | "growing" | "ready" | "stopping";
  /** min-allocate (or the watermark's first fill) is reached and ADD is served. */
  readonly ready: boolean;
  /** What it waits for while not ready; empty otherwise. */
  readonly waitingFor: string;
  readonly startedAtMs: number;
  readonly provider: string;
  readonly node: NodeFacts | undefined;
  /** Most pod addresses the node can hold under the settings; 0 while unknown. */
  readonly capacity: number;
  readonly pool: PoolReport;
  /** What a pod gets. Absent = "ipv4". */
  readonly ipFamilies?: Families;
  /** What the settings say of IPv4 prefixes. Absent = "off". */
  readonly prefixMode?: PrefixMode;
  /** Absent = none. */
  readonly lost?: readonly LostReport[];
  /** Absent = nothing. */
  readonly givenBack?: GivenBackReport;
  /** Absent = no lease was left behind, now or since the start. */
  readonly orphans?: OrphansReport;
  readonly watermarks: {
    readonly preAllocate: number;
    readonly minAllocate: number;
    readonly maxAllocate: number;
    readonly maxAboveWatermark: number;
    readonly available: number;
    readonly used: number;
    readonly needed: number;
    readonly excess: number;
    /** Wall ms: what is needed for the buffer alone comes then at the latest, for it is half full. Absent = at once. */
    readonly refillAtMs?: number;
  };
  readonly waiting: readonly WaitingReport[];
  /** Addresses that follow their pods, as far as this node has to do with them. Absent = none. */
  readonly fixed?: readonly FixedReport[];
  /** Empty on a node with ranges of its own, as are subnets and security groups. */
  readonly interfaces: readonly InterfaceReport[];
  /** The node's own ranges. Absent = its addresses come from EC2. */
  readonly ranges?: readonly RangeReport[];
  readonly subnets: readonly SubnetReport[];
  readonly refusedSubnets: readonly { readonly id: string; readonly why: string }[];
  readonly securityGroups: readonly string[];
  readonly intents: readonly IntentReport[];
  readonly degraded: readonly Degradation[];
  readonly settings: Settings;
  readonly configuration: ConfigurationReport;
  readonly store: StoreFacts;
  readonly observedAtMs: { readonly metadata: number; readonly cloud: number };
  /** How fast each action of the cloud may be called now. Absent = the provider keeps no budget. */
  readonly budget?: readonly CallBudget[];
  /** What makes pod addresses reachable. Absent = nothing does, or somebody else. */
  readonly reach?: readonly ReachReport[];
  /** The fleet that the node is of. Absent = none. */
  readonly fleet?: FleetReport;
  /** The hand-off by the CiliumNode. Absent = pods ask for their addresses by CNI. */
  readonly agent?: AgentHandOffReport;
}

/** The answer of `enid plan`. */
export interface PlanReport {
  readonly plan: Plan;
  /** Pods assumed to be waiting. */
  readonly waiting: number;
  /** The cloud calls of each step, in the order of plan.steps. */
  readonly calls: readonly (readonly PlannedCall[])[];
  /** Why no plan can be made now, if so (configuration matches no subnet, node unknown, …). */
  readonly error: ReportedError | undefined;
}

/** Something that happened to a pod or an address, oldest first. */
export interface HistoryEntry {
  readonly atMs: number;
  readonly what: string;
}

/** The answer of `enid explain POD|ADDRESS`. */
export interface Explanation {
  readonly subject: string;
  /** The conclusion in one sentence: why this address, or why none. */
  readonly answer: string;
  /** The reasoning, a sentence a line, with values. */
  readonly because: readonly string[];
  readonly leases: readonly (Lease & { readonly interfaceId: string; readonly subnetId: string })[];
  readonly address:
    | {
        readonly address: string;
        readonly state: AddressState;
        readonly block: string;
        readonly interfaceId: string;
        readonly subnetId: string;
        /** When cooling ends; 0 otherwise. */
        readonly coolingUntilMs: number;
      }
    | undefined;
  readonly history: readonly HistoryEntry[];
}

/** A lease of another IPAM, and what becomes of it here. */
export interface AdoptedLease {
  readonly address: string;
  readonly ipv6Address?: string;
  /** "namespace/name", or the name alone where no namespace is known. */
  readonly pod: string;
  /** The interface that carries the address; empty when none of this node is known to. */
  readonly interfaceId: string;
  /** `taken`: entered now, or would be. `known`: was entered before. `refused`: `why` says why not. */
  readonly outcome: "taken" | "known" | "refused";
  readonly why: string;
  /** What the other IPAM's record says beyond that. */
  readonly note?: string;
}

export interface AdoptedInterface {
  readonly id: string;
  readonly subnetId: string;
  /** `held`: enid gives its addresses to pods. `taken-over`: will, once `adopt-interfaces-of` says so. `left`: never. */
  readonly outcome: "held" | "taken-over" | "left";
  /** Why it is not held yet, or never. */
  readonly why: string;
  /** Leases of the record on it. */
  readonly leases: number;
}

/** What `enid adopt` took over, or would. */
export interface AdoptionReport {
  readonly from: OtherIpam;
  readonly file: string;
  readonly dryRun: boolean;
  readonly leases: readonly AdoptedLease[];
  readonly interfaces: readonly AdoptedInterface[];
  readonly notes: readonly string[];
  /** The setting `adopt-interfaces-of` in force. */
  readonly adopting: readonly OtherIpam[];
}

/** What of the manager the command line and the telemetry read and drive; the manager class implements it. */
export interface ManagerControl {
  status(): StatusReport;
  /** A dry run over the present state; `waiting` pods are assumed beside those that wait now. Changes nothing. */
  dryRun(waiting: number): PlanReport;
  /** NAMESPACE/POD, POD or an address. Throws ENID_NOTHING_KNOWN. */
  explain(subject: string): Explanation;
  leases(): readonly Lease[];
  /** Takes over the leases that another IPAM's record states; see adopting.ts. Throws ENID_ADOPTION_FILE_INVALID. */
  adoptLeases(request: AdoptionText, dryRun: boolean): Promise<AdoptionReport>;
  /** "pre-allocate=16"; resolves once durable and applied. Throws ENID_SETTING_UNKNOWN / ENID_SETTING_INVALID. */
  setOverride(assignment: string): Promise<Settings>;
  /** "pre-allocate"; without such an override nothing changes. */
  unsetOverride(name: string): Promise<Settings>;
}
