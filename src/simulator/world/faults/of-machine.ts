import { changeSections } from "../draw/sections.ts";
import { type FaultMaker, MINUTE_MS, machineOf } from "./maker.ts";

/** The process ends in order, or dies, now or between two of the next effects that leave it or reach it. */
export const crash: FaultMaker = (dice, { nodes }) => {
  const machine = dice.between(0, nodes - 1);
  if (dice.chance(0.2)) {
    return {
      text: "the daemon is stopped in order and started again",
      forMs: 0,
      machine,
      begin: (hands) => {
        machineOf(hands, machine).upgrade();
        return undefined;
      },
    };
  }
  const moments = dice.chance(0.2) ? 0 : dice.between(1, 40);
  return {
    text: moments === 0 ? "the daemon is killed" : `the daemon is killed at its ${moments}th next moment`,
    // For so long the moments may take to come; what has not come then never does.
    forMs: moments === 0 ? 0 : 10 * MINUTE_MS,
    machine,
    begin: (hands) => {
      const target = machineOf(hands, machine);
      if (moments === 0) {
        target.crash();
        return undefined;
      }
      target.crashAtMoment(moments);
      return () => target.spare();
    },
  };
};

export const powerLoss: FaultMaker = (dice, { nodes }) => {
  const machine = dice.between(0, nodes - 1);
  return {
    text: "the machine loses power",
    forMs: 0,
    machine,
    begin: (hands) => {
      machineOf(hands, machine).reboot("power-loss");
      return undefined;
    },
  };
};

export const reboot: FaultMaker = (dice, { nodes }) => {
  const machine = dice.between(0, nodes - 1);
  return {
    text: "the machine reboots",
    forMs: 0,
    machine,
    begin: (hands) => {
      machineOf(hands, machine).reboot("crash");
      return undefined;
    },
  };
};

export const replace: FaultMaker = (dice, { nodes }) => {
  const machine = dice.between(0, nodes - 1);
  const keepsDisk = dice.chance(0.4);
  return {
    text: `the instance is replaced, ${keepsDisk ? "with its old disk" : "with a new disk"}`,
    forMs: 0,
    machine,
    begin: (hands) => {
      machineOf(hands, machine).replace(keepsDisk);
      return undefined;
    },
  };
};

/** Forward or back; a step back is what breaks programs that keep deadlines as wall times. */
export const clockJump: FaultMaker = (dice, { nodes }) => {
  const machine = dice.between(0, nodes - 1);
  const stepMs = dice.pick([-24 * 3_600_000, -3_600_000, -60_000, 60_000, 3_600_000, 30 * 24 * 3_600_000]);
  return {
    text: `the wall clock is set ${Math.abs(stepMs) / 60_000} min ${stepMs < 0 ? "back" : "forward"}`,
    forMs: 0,
    machine,
    begin: (hands) => {
      const target = machineOf(hands, machine);
      target.clock.wallOffsetMs += stepMs;
      target.wallWasSet = true;
      return undefined;
    },
  };
};

export const diskFull: FaultMaker = (dice, { nodes }) => {
  const machine = dice.between(0, nodes - 1);
  const room = dice.pick(["none", "for-endings"] as const);
  const refusal = dice.chance(0.3) ? dice.pick([0.2, 0.5]) : 0;
  return {
    text: refusal > 0 ? `the disk refuses ${refusal * 100} % of the writes` : `the disk is full (room: ${room})`,
    forMs: dice.between(1, 12) * MINUTE_MS,
    machine,
    begin: (hands) => {
      const { disk } = machineOf(hands, machine);
      if (refusal > 0) disk.refuse(refusal);
      else disk.fill(room);
      return () => {
        disk.refuse(0);
        disk.free();
      };
    },
  };
};

export const diskSlow: FaultMaker = (dice, { nodes }) => {
  const machine = dice.between(0, nodes - 1);
  const maxMs = dice.pick([100, 1_000, 4_000]);
  return {
    text: `a write takes up to ${maxMs} ms`,
    forMs: dice.between(1, 20) * MINUTE_MS,
    machine,
    begin: (hands) => {
      const { disk } = machineOf(hands, machine);
      disk.slow(maxMs / 10, maxMs);
      return () => disk.slow(0, 6);
    },
  };
};

export const settings: FaultMaker = (dice, { nodes, sections, hasIpv6 }) => {
  const machine = dice.between(0, nodes - 1);
  const before = sections[machine];
  if (before === undefined) throw new RangeError(`no machine ${machine}`);
  const after = changeSections(dice, before, hasIpv6);
  return {
    text: `the file says ${JSON.stringify({ eni: after.eni, ipam: after.ipam })}`,
    forMs: 0,
    machine,
    begin: (hands) => {
      machineOf(hands, machine).configure(after);
      return undefined;
    },
  };
};

export const badFile: FaultMaker = (dice, { nodes }) => {
  const machine = dice.between(0, nodes - 1);
  const kind = dice.pick(["invalid", "missing"] as const);
  return {
    text: `the file is ${kind === "invalid" ? "broken" : "gone"}`,
    forMs: dice.between(1, 25) * MINUTE_MS,
    machine,
    begin: (hands) => {
      const target = machineOf(hands, machine);
      target.spoilFile(kind);
      return () => target.restoreFile();
    },
  };
};
