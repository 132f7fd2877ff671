import type { Dice } from "../../engine/index.ts";
import type { FaultHands, FaultMaker } from "./maker.ts";
import { MINUTE_MS, machineOf } from "./maker.ts";

/** The store of the world's fleet; these faults are drawn for worlds that have one. */
function storeOf({ store }: FaultHands) {
  if (store === undefined) throw new RangeError("the world has no fleet");
  return store;
}

export const redisAway: FaultMaker = (dice) => ({
  text: "nobody reaches the fleet's store",
  forMs: dice.pick([5_000, 30_000, 2 * MINUTE_MS, 10 * MINUTE_MS]),
  begin: (hands) => storeOf(hands).away(),
});

export const redisPartition: FaultMaker = (dice, { nodes }) => {
  const machines = someOf(dice, nodes);
  const what = dice.pick(["both", "answers"] as const);
  const names = machines.map((machine) => `node-${machine + 1}`).join(", ");
  return {
    text: `${names}: ${what === "both" ? "the fleet's store is cut off" : "steps reach the fleet's store, answers do not come"}`,
    forMs: dice.pick([5_000, 40_000, 3 * MINUTE_MS, 8 * MINUTE_MS]),
    ...(machines.length === 1 && machines[0] !== undefined ? { machine: machines[0] } : {}),
    begin: (hands) => {
      const ends = machines.map((machine) => storeOf(hands).cutOff(machineOf(hands, machine).name, what));
      return () => {
        for (const end of ends) end();
      };
    },
  };
};

export const redisSlow: FaultMaker = (dice) => {
  const most = dice.pick([200, 900, 2_500]);
  return {
    text: `the fleet's store answers within ${most} ms`,
    forMs: dice.between(1, 10) * MINUTE_MS,
    begin: (hands) => storeOf(hands).slow([most / 10, most]),
  };
};

export const redisFailOver: FaultMaker = (dice) => {
  const lostMs = dice.pick([0, 500, 3_000]);
  const awayMs = dice.pick([0, 1_000, 15_000]);
  return {
    text: `a replica becomes the fleet's store after ${awayMs / 1_000} s; the last ${lostMs / 1_000} s are lost`,
    forMs: awayMs,
    begin: (hands) => {
      const store = storeOf(hands);
      if (awayMs === 0) {
        store.failOver(lostMs);
        return undefined;
      }
      // What was written last was lost when the master died; it is away until the replica takes over.
      const back = store.away();
      store.failOver(lostMs);
      return back;
    },
  };
};

export const redisDataLoss: FaultMaker = (dice) => {
  const awayMs = dice.pick([0, 5_000, 30_000]);
  return {
    text: `the fleet's store starts anew without data after ${awayMs / 1_000} s`,
    forMs: awayMs,
    begin: (hands) => {
      const store = storeOf(hands);
      if (awayMs === 0) {
        store.loseEverything();
        return undefined;
      }
      const back = store.away();
      store.loseEverything();
      return back;
    },
  };
};

/** The wall is wrong by up to minutes, and goes on drifting. Nothing of the fleet may depend on it. */
export const clockSkew: FaultMaker = (dice, { nodes }) => {
  const machine = dice.between(0, nodes - 1);
  const skewMs = dice.pick([-5 * MINUTE_MS, -20_000, -800, 800, 20_000, 5 * MINUTE_MS]);
  const driftPerMinuteMs = dice.pick([-30, 0, 0, 30]);
  return {
    text: `the wall clock is ${skewMs / 1_000} s off and drifts by ${driftPerMinuteMs} ms a minute`,
    forMs: dice.between(5, 40) * MINUTE_MS,
    machine,
    begin: (hands) => {
      const target = machineOf(hands, machine);
      const { clock } = target;
      clock.wallOffsetMs += skewMs;
      target.wallWasSet = true;
      let goesOn = driftPerMinuteMs !== 0;
      const drift = () => {
        if (!goesOn) return;
        clock.wallOffsetMs += driftPerMinuteMs;
        hands.scheduler.after(MINUTE_MS, drift);
      };
      drift();
      return () => {
        goesOn = false;
      };
    },
  };
};

/** The machine is dead, its instance and its interfaces are there. */
export const nodeDead: FaultMaker = (dice, { nodes }) => {
  const machine = dice.between(0, nodes - 1);
  const forMs = dice.pick([1, 3, 10]) * MINUTE_MS + dice.between(0, 59_000);
  return {
    text: "the machine is dead",
    forMs,
    machine,
    begin: (hands) => {
      machineOf(hands, machine).die(forMs);
      return undefined;
    },
  };
};

/** The machine lives and reaches nothing: not EC2, not the store, not Kubernetes, which gives its pods up. */
export const nodePartition: FaultMaker = (dice, { nodes }) => {
  const machine = dice.between(0, nodes - 1);
  return {
    text: "the machine is cut off from everything",
    forMs: dice.pick([30_000, 2 * MINUTE_MS, 8 * MINUTE_MS]),
    machine,
    begin: (hands) => {
      const target = machineOf(hands, machine);
      const ends = [
        storeOf(hands).cutOff(target.name, "both"),
        target.callFaults.add({ hits: () => true, probability: 1, effect: { kind: "hang", moment: "before" } }),
        target.beUnreachable(),
      ];
      return () => {
        for (const end of ends) end();
      };
    },
  };
};

function someOf(dice: Dice, nodes: number): readonly number[] {
  const count = Math.min(nodes, dice.pick([1, 1, 2, Math.ceil(nodes / 2)]));
  const machines = new Set<number>();
  while (machines.size < count) machines.add(dice.between(0, nodes - 1));
  return [...machines].sort((one, other) => one - other);
}
