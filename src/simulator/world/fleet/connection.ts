import type { Clock } from "../../../adapters/index.ts";
import { FleetNode, type FleetSettings, type MemoryServer, memoryFleetStore } from "../../../fleet/index.ts";
import type { Telemetry } from "../../../manager/index.ts";
import type { Dice, ProcessClock } from "../../engine/index.ts";
import type { FleetPlan } from "../draw/fleet.ts";
import type { Weakness } from "../options.ts";
import { weakenedStore } from "./weak-store.ts";

/** Of steps that were under way when their process died: those that arrive all the same. */
const ARRIVES = 0.5;

/** The store of a fleet as one machine finds it. */
export interface FleetAccess {
  readonly server: MemoryServer;
  readonly plan: Pick<FleetPlan, "reservedPercent">;
  /** Buckets that are not AWS's, by action. Absent = all are. */
  readonly buckets?: FleetSettings["buckets"];
  /** Before a step of the machine is sent, and when its answer has come. */
  readonly moment: () => void;
}

export interface FleetProcess {
  readonly access: FleetAccess;
  readonly machineName: string;
  /** Of the machine: what was sent travels on when the process has died. */
  readonly machineClock: Clock;
  readonly clock: ProcessClock;
  readonly dice: Dice;
  readonly telemetry: Telemetry;
  readonly isOver: () => boolean;
  readonly weakness: Weakness | undefined;
}

/** What one process of a machine has of the fleet: the production parts over the twin of the store. */
export function fleetOf(process: FleetProcess): FleetNode {
  const { access, machineName, machineClock, clock, dice, telemetry, isOver } = process;
  const flight = flightOf(machineClock, dice.fork("ways"), isOver);
  const store = memoryFleetStore(access.server, machineName, clock, { flight, moment: access.moment });
  return new FleetNode({
    store: weakenedStore(store, process.weakness),
    clock,
    random: dice.fork("fleet"),
    telemetry,
    settings: { name: "default", reservedShare: access.plan.reservedPercent / 100, buckets: access.buckets ?? {} },
    servers: ["redis.example:6379"],
    nodeName: machineName,
  });
}

/**
 * What carries the steps of a process. When it has died, what it had sent is carried out, or was still in its buffers: that
 * is drawn when it would arrive.
 */
export function flightOf(machineClock: Clock, dice: Dice, isOver: () => boolean): Clock {
  return {
    nowMs: () => machineClock.nowMs(),
    monotonicMs: () => machineClock.monotonicMs(),
    nextTurn: (callback) => machineClock.nextTurn(callback),
    after: (delayMs, callback) =>
      machineClock.after(delayMs, () => {
        if (!isOver() || dice.chance(ARRIVES)) callback();
      }),
  };
}
