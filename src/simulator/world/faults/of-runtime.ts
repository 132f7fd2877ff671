import type { Dice } from "../../engine/index.ts";
import type { Machine } from "../machine.ts";
import { type Drawn, type FaultMaker, type FaultPlace, MINUTE_MS, machineOf, percent } from "./maker.ts";

type Runtime = Machine["kubelet"]["faults"];

/** For a while, the container runtime of one machine does something at a rate. */
function ofRuntime(
  dice: Dice,
  { nodes }: FaultPlace,
  text: string,
  rates: readonly number[],
  set: (runtime: Runtime, probability: number) => void,
): Drawn {
  const machine = dice.between(0, nodes - 1);
  const probability = dice.pick(rates);
  return {
    text: `${text}, ${percent(probability)}`,
    forMs: dice.between(5, 60) * MINUTE_MS,
    machine,
    begin: (hands) => {
      const { faults } = machineOf(hands, machine).kubelet;
      set(faults, probability);
      return () => set(faults, 0);
    },
  };
}

export const delDuplicate: FaultMaker = (dice, place) =>
  ofRuntime(dice, place, "DEL comes twice", [0.2, 1], (runtime, probability) => runtime.duplicate(probability));

export const delLate: FaultMaker = (dice, place) =>
  ofRuntime(dice, place, "DEL comes again, up to half an hour later", [0.2, 0.6], (runtime, probability) =>
    runtime.late(probability, 30_000, 30 * MINUTE_MS),
  );

export const delMissing: FaultMaker = (dice, place) =>
  ofRuntime(dice, place, "DEL never comes", [0.1, 0.5], (runtime, probability) => runtime.missing(probability));

export const addHangUp: FaultMaker = (dice, place) =>
  ofRuntime(dice, place, "the caller of ADD goes away", [0.2, 0.6], (runtime, probability) =>
    runtime.hangUp(probability),
  );
