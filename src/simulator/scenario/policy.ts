import type { Clock } from "../../adapters/index.ts";
import type { LeaseService } from "../../handoff/cni/port.ts";
import type { Dice } from "../engine/index.ts";
import type { SimulatedCloud } from "../index.ts";

/** What manages the pod addresses of a simulated fleet: enid itself, or a peer written down from its documentation. */
export interface Policy {
  readonly name: string;
  /** One line for people: what it stands for. */
  readonly description: string;
  /** The fleet of one run; what its nodes share (an operator, a clairvoyant) lives in it. */
  createFleet(world: FleetContext): PolicyFleet;
}

export interface PolicyFleet {
  /** The agent of a node comes up, for the first time or after `cut()` of the one before; its instance runs. */
  start(node: NodeContext): Agent;
}

export interface FleetContext {
  readonly cloud: SimulatedCloud;
  readonly clock: Clock;
  readonly dice: Dice;
  readonly nodeCount: number;
  /** Something worth a line in the log of the run. `node` undefined: of no one node. */
  readonly log: (kind: string, text: string, node?: number) => void;
}

export interface NodeContext {
  /** From 0. */
  readonly node: number;
  readonly name: string;
  readonly instanceId: string;
  readonly instanceType: string;
  /** Identity of this boot of the machine. */
  readonly bootId: string;
  /** The sections `eni` and `ipam` of the node's configuration file; peers read the watermarks they know. */
  readonly settings: NodeSections;
  /** The clock of the machine. */
  readonly clock: Clock;
  readonly dice: Dice;
}

export interface NodeSections {
  readonly eni: Readonly<Record<string, unknown>>;
  readonly ipam: Readonly<Record<string, unknown>>;
  /** Absent = the node works alone. */
  readonly fleet?: Readonly<Record<string, unknown>>;
  /** Absent = pods ask for their addresses by CNI. */
  readonly kubernetes?: Readonly<Record<string, unknown>>;
}

/** What answers the container runtime on one node. `notReady()` is undefined as soon as pods can be served as configured. */
export interface Agent extends LeaseService {
  /** Addresses that the node holds for pods and that no pod has: free and cooling ones. */
  idleAddresses(): number;
  /** The process is gone between two instructions: what it sent is carried out, nobody answers. */
  cut(): void;
}
