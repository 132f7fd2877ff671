import type { Dice } from "../../engine/index.ts";
import { EC2_ERROR_CASES, type FaultEffect } from "../../index.ts";
import { type Drawn, type FaultMaker, type FaultPlace, MINUTE_MS, machineOf, percent } from "./maker.ts";

const MUTATIONS = [
  "AssignPrivateIpAddresses",
  "UnassignPrivateIpAddresses",
  "AssignIpv6Addresses",
  "UnassignIpv6Addresses",
  "CreateNetworkInterface",
  "AttachNetworkInterface",
  "ModifyNetworkInterfaceAttribute",
  "DetachNetworkInterface",
  "DeleteNetworkInterface",
] as const;
const DESCRIBES = ["DescribeNetworkInterfaces", "DescribeSubnets", "DescribeSecurityGroups"] as const;

const isChange = (action: string) => !/^(Describe|Get)/.test(action);

/** Which actions a fault hits: one, all changes, or everything. */
function drawActions(dice: Dice): { readonly text: string; readonly hits: (action: string) => boolean } {
  const draw = dice.fraction();
  if (draw < 0.5) {
    const one = dice.pick(MUTATIONS);
    return { text: one, hits: (action) => action === one };
  }
  if (draw < 0.65) {
    const one = dice.pick(DESCRIBES);
    return { text: one, hits: (action) => action === one };
  }
  if (draw < 0.9) return { text: "every change", hits: isChange };
  return { text: "every call", hits: () => true };
}

/** For a while, calls of one machine meet `effect` at a rate. */
function ofMachine(
  dice: Dice,
  { nodes }: FaultPlace,
  what: string,
  effectOf: (dice: Dice) => FaultEffect,
  longestMinutes = 30,
): Drawn {
  const machine = dice.between(0, nodes - 1);
  const { text, hits } = drawActions(dice);
  const probability = dice.pick([0.1, 0.3, 0.6, 1]);
  // A rate of one hits everything: not for long, or nothing else can be seen.
  const forMs = dice.between(1, probability === 1 ? Math.min(10, longestMinutes) : longestMinutes) * MINUTE_MS;
  const effect = effectOf(dice);
  return {
    text: `${what}, ${percent(probability)} of ${text}`,
    forMs,
    machine,
    begin: (hands) => machineOf(hands, machine).callFaults.add({ hits, probability, effect }),
  };
}

/** Any code that EC2 is known to answer with, whether it makes sense there or not. */
export const ec2Error: FaultMaker = (dice, place) => {
  const { code, message } = dice.pick(EC2_ERROR_CASES);
  return ofMachine(dice, place, code, () => ({ kind: "error", code, message }));
};

export const ec2Slow: FaultMaker = (dice, place) => {
  const delayMs = dice.pick([2_000, 8_000, 15_000]);
  return ofMachine(dice, place, `calls take ${delayMs / 1_000} s longer`, () => ({ kind: "latency", delayMs }));
};

export const ec2LostReply: FaultMaker = (dice, place) =>
  ofMachine(dice, place, "done, and the answer is lost", () => ({ kind: "lost-reply" }));

export const ec2NoAnswer: FaultMaker = (dice, place) => {
  const effect = dice.pick<FaultEffect>([
    { kind: "reset" },
    { kind: "hang", moment: "before" },
    { kind: "hang", moment: "after" },
  ]);
  const text = effect.kind === "hang" ? `no answer, ${effect.moment} the effect` : "connection reset";
  return ofMachine(dice, place, text, () => effect, 20);
};

export const ec2Garbled: FaultMaker = (dice, place) => {
  const effect = dice.pick<FaultEffect>([{ kind: "truncated" }, { kind: "html" }]);
  return ofMachine(dice, place, effect.kind === "html" ? "a page of a proxy" : "half an answer", () => effect);
};

export const ec2Away: FaultMaker = (dice, { nodes }) => {
  const machine = dice.between(0, nodes - 1);
  return {
    text: "EC2 cannot be reached",
    forMs: dice.between(1, 30) * MINUTE_MS,
    machine,
    begin: (hands) =>
      machineOf(hands, machine).callFaults.add({ hits: () => true, probability: 1, effect: { kind: "reset" } }),
  };
};

export const ec2Denied: FaultMaker = (dice, { nodes }) => {
  const machine = dice.between(0, nodes - 1);
  const { text, hits } = drawActions(dice);
  return {
    text: `permission lost for ${text}`,
    forMs: dice.between(2, 25) * MINUTE_MS,
    machine,
    begin: (hands) =>
      machineOf(hands, machine).callFaults.add({
        hits,
        probability: 1,
        effect: {
          kind: "error",
          code: "UnauthorizedOperation",
          message: "You are not authorized to perform this operation.",
          httpStatus: 403,
        },
      }),
  };
};

export const ec2Throttling: FaultMaker = (dice) => {
  const refillPerSecond = dice.pick([0.05, 0.2, 1]);
  const capacity = dice.pick([1, 3, 10]);
  const actions = dice.chance(0.5) ? [dice.pick(MUTATIONS)] : [...MUTATIONS, ...DESCRIBES];
  const buckets = Object.fromEntries(actions.map((action) => [action, { capacity, refillPerSecond }]));
  const what = actions.length === 1 ? actions[0] : "every action";
  return {
    text: `${what} has ${refillPerSecond} tokens/s and room for ${capacity}`,
    forMs: dice.between(2, 30) * MINUTE_MS,
    begin: (hands) => hands.overlay({ buckets }),
  };
};
