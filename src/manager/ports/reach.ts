import type { EnidError } from "../../errors.ts";
import type { BlockKind } from "../../pool/index.ts";

/**
 * Makes that packets find the way to and from the pods: host routes on the node (handoff/routes), routes announced by
 * BIRD (handoff/bird). It compares what the manager's picture asks for with what is really there, and mends it again and
 * again. It changes nothing that it did not make.
 */
export interface Reach {
  readonly name: ReachReport["kind"];

  /**
   * Begins. `look` gives the picture as it is now: synchronous, to be called whenever it is needed. `tell` is to be called
   * when `trouble` begins or ends.
   */
  start(look: () => ReachPicture, tell: () => void): void;

  /** The picture changed: a cheap notice, taken in the same turn in which it did. Never throws. */
  changed(): void;

  /**
   * Resolves once the addresses of a new lease are reachable as far as this node has to do with it; called after the lease
   * is durable and before ADD is answered. Those that come together are served together. Rejects with an EnidError that
   * has a CNI code, within seconds, when they cannot be made so.
   */
  ready(addresses: readonly ReachAddress[]): Promise<void>;

  /** What is wrong now. Pods may have limited connectivity then, unless it is ENID_NODE_PORT_MARKS. */
  trouble(): EnidError | undefined;

  report(): ReachReport;

  /** Stops mending; what was made stays, for the pods go on. */
  stop(): Promise<void>;
}

/** What should be reachable. */
export interface ReachPicture {
  /** Empty while the node is not known. */
  readonly primaryInterfaceId: string;
  /** All that hang on the node and may be touched, whether they carry pods or not. */
  readonly interfaces: readonly ReachInterface[];
  readonly blocks: readonly ReachBlock[];
  /** Of each lease, one entry for each of its addresses. */
  readonly addresses: readonly ReachAddress[];
  readonly bgp: BgpPicture;
}

/** The settings of the section `bgp`. */
export interface BgpPicture {
  /** 0 = BIRD announces nothing for enid. */
  readonly asn: number;
  readonly includeFile: string;
  readonly controlSocket: string;
  /** Neighbours of the uplinks: the sessions that count. Absent or empty = all that BIRD has. */
  readonly neighbors?: readonly string[];
}

export interface ReachInterface {
  readonly id: string;
  /** Lower case, colons. */
  readonly mac: string;
  readonly networkCard: number;
  /** On its network card. */
  readonly deviceIndex: number;
  readonly subnetCidr: string;
  readonly primaryAddress: string;
  /** Its primary address is a pod's, or will be (use-primary-address): the host must not have it. */
  readonly primaryIsForPods: boolean;
  /** False: no pod gets an address of it; those that have one keep it. */
  readonly usable: boolean;
}

export interface ReachBlock {
  readonly cidr: string;
  readonly kind: BlockKind;
  readonly interfaceId: string;
  /** False: its leases stay, no pod gets an address of it anew. Of a node CIDR: it drains. */
  readonly usable: boolean;
}

export interface ReachAddress {
  /** Canonical text, no prefix length. */
  readonly address: string;
  readonly interfaceId: string;
}

/** What a reach tells in the status. All times are wall ms since the epoch; 0 = never. */
export type ReachReport = HostRoutesReport | BirdReport;

export interface HostRoutesReport {
  readonly kind: "host-routes";
  /** Devices that carry pods. */
  readonly devices: readonly {
    readonly interfaceId: string;
    /** Empty while no link has its MAC. */
    readonly device: string;
    readonly table: number;
    /** What is wrong with it; empty when all is in place. */
    readonly problem: string;
  }[];
  /** Rules in place for pod addresses. */
  readonly rules: number;
  /** Rules and routes that were missing though they had been made, since the start. */
  readonly repaired: number;
  readonly repairedAtMs: number;
  readonly checkedAtMs: number;
}

export interface BirdReport {
  readonly kind: "bird";
  /** CIDRs that the include file announces. */
  readonly announced: readonly string[];
  readonly sessions: readonly {
    /** BIRD's name of the protocol. */
    readonly name: string;
    readonly neighbor: string;
    /** BIRD's word: "Established", "Connect", …; "unknown" while BIRD does not answer. */
    readonly state: string;
    readonly up: boolean;
    readonly exported: number;
    /** BIRD's word; empty without BFD. */
    readonly bfd: string;
    /** When enid first saw it in this state. */
    readonly sinceMs: number;
  }[];
  /** When BIRD last took over a change of the file. */
  readonly configuredAtMs: number;
  /** When BIRD last said how the sessions are. */
  readonly checkedAtMs: number;
}
