import type { Cancel } from "../../../adapters/index.ts";
import type { Dice, Scheduler } from "../../engine/index.ts";
import type { SettingsPatch, SimulatedCloud } from "../../index.ts";
import type { NodeSections } from "../../scenario/index.ts";
import type { WorldKubernetes } from "../agents/world-kubernetes.ts";
import type { StoreServer } from "../fleet/store-server.ts";
import type { Machine } from "../machine.ts";

/** What a fault can get its hands on. */
export interface FaultHands {
  readonly cloud: SimulatedCloud;
  readonly scheduler: Scheduler;
  readonly machines: readonly Machine[];
  /** Absent = the world has no fleet. */
  readonly store: StoreServer | undefined;
  /** Absent = the world has no agents. */
  readonly kubernetes: WorldKubernetes | undefined;
  /** EC2's settings with this over them, until the answer is called. */
  overlay(patch: SettingsPatch): Cancel;
  /** Somebody else took these addresses away from their node: what becomes of pods that have them is not enid's doing. */
  taint(addresses: readonly string[]): void;
}

/** What is known when faults are drawn. */
export interface FaultPlace {
  readonly nodes: number;
  readonly hasIpv6: boolean;
  readonly hasFleet: boolean;
  readonly hasAgents: boolean;
  /** The configuration before anything changes it, by machine. */
  readonly sections: readonly NodeSections[];
}

/** A fault as drawn; nothing has happened yet. */
export interface Drawn {
  /** In words, with its figures. */
  readonly text: string;
  /** 0 = it happens at one moment. */
  readonly forMs: number;
  /** Absent = all machines. */
  readonly machine?: number;
  /** Begins it; the answer ends it. */
  readonly begin: (hands: FaultHands) => Cancel | undefined;
}

/** Draws one fault of a kind. The dice are this fault's own; `begin` may go on drawing from them. */
export type FaultMaker = (dice: Dice, place: FaultPlace) => Drawn;

export const MINUTE_MS = 60_000;

/** The machine that a fault concerns. */
export function machineOf(hands: FaultHands, number: number): Machine {
  const machine = hands.machines[number];
  if (machine === undefined) throw new RangeError(`no machine ${number}`);
  return machine;
}

export function percent(probability: number): string {
  return `${Math.round(probability * 100)} %`;
}
