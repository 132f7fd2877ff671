import type { Dice } from "../../engine/index.ts";
import type { FaultHands, FaultMaker } from "./maker.ts";
import { MINUTE_MS, machineOf } from "./maker.ts";

/** The Kubernetes API of the world; these faults are drawn for worlds that have one. */
function kubernetesOf({ kubernetes }: FaultHands) {
  if (kubernetes === undefined) throw new RangeError("the world has no agents");
  return kubernetes;
}

export const kubernetesAway: FaultMaker = (dice) => ({
  text: "nobody reaches the Kubernetes API",
  forMs: dice.pick([5_000, MINUTE_MS, 10 * MINUTE_MS, 60 * MINUTE_MS]),
  begin: (hands) => kubernetesOf(hands).away(),
});

export const kubernetesPartition: FaultMaker = (dice, { nodes }) => {
  const machine = dice.between(0, nodes - 1);
  const what = dice.pick(["both", "answers"] as const);
  return {
    text: what === "both" ? "the Kubernetes API is cut off" : "the Kubernetes API is reached, its answers do not come",
    forMs: dice.pick([5_000, 2 * MINUTE_MS, 20 * MINUTE_MS]),
    machine,
    begin: (hands) => kubernetesOf(hands).cutOff(machineOf(hands, machine).name, what),
  };
};

export const kubernetesWatchCut: FaultMaker = (dice) => {
  const isCompacted = dice.chance(0.5);
  return {
    text: isCompacted ? "all watches end and have to begin anew (410)" : "all watches end",
    forMs: 0,
    begin: (hands) => {
      kubernetesOf(hands).cutWatches(isCompacted);
      return undefined;
    },
  };
};

export const ciliumNodeDeleted: FaultMaker = (dice, { nodes }) => {
  const machine = dice.between(0, nodes - 1);
  return {
    text: "somebody deletes the CiliumNode",
    forMs: 0,
    machine,
    begin: (hands) => {
      kubernetesOf(hands).deleteCiliumNode(machineOf(hands, machine).name);
      return undefined;
    },
  };
};

export const agentCrash: FaultMaker = (dice, { nodes }) => {
  const machine = dice.between(0, nodes - 1);
  const downMs = downTime(dice);
  return {
    text: `Cilium's agent dies and is back after ${downMs / 1_000} s`,
    forMs: 0,
    machine,
    begin: (hands) => {
      machineOf(hands, machine).agent?.crash(downMs);
      return undefined;
    },
  };
};

/** One by one, as a DaemonSet is rolled. */
export const agentUpgrade: FaultMaker = (dice, { nodes }) => {
  const machine = dice.between(0, nodes - 1);
  const downMs = downTime(dice);
  return {
    text: `Cilium's agent is exchanged for one of the other release within ${downMs / 1_000} s`,
    forMs: 0,
    machine,
    begin: (hands) => {
      machineOf(hands, machine).agent?.exchange(downMs);
      return undefined;
    },
  };
};

function downTime(dice: Dice): number {
  return dice.pick([1_000, 10_000, 3 * MINUTE_MS]);
}
