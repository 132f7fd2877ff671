import { expect } from "vitest";
import type { FaultEffect } from "../../src/simulator/index.ts";
import { withIpv6 } from "./cloud.ts";
import { Lab, type LabOptions } from "./lab.ts";

const MINUTE_MS = 60_000;

/** What happens in a node's life, as data. */
export type Chapter =
  | { readonly kind: "pods-come"; readonly count: number }
  | { readonly kind: "pods-go"; readonly count: number }
  /** Nothing changes for so long: excess is given back, idle interfaces go. */
  | { readonly kind: "quiet"; readonly minutes: number }
  | { readonly kind: "configure"; readonly ipam?: object; readonly eni?: object };

export interface Life {
  readonly name: string;
  readonly lab: LabOptions;
  readonly chapters: readonly Chapter[];
  /** Actions that a life without faults calls at least once: the life really is what its name says. */
  readonly calls: readonly string[];
}

export const come = (count: number): Chapter => ({ kind: "pods-come", count });
export const go = (count: number): Chapter => ({ kind: "pods-go", count });
export const quiet = (minutes: number): Chapter => ({ kind: "quiet", minutes });

/** What befalls one mutating call. */
export interface Blow {
  readonly name: string;
  readonly effect?: FaultEffect;
  /** The daemon dies while the call is on its way, and is started again. */
  readonly crash?: boolean;
}

/** Each mutating step times out, is cut before its effect, or loses its reply after it. */
export const FAULTS: readonly Blow[] = [
  { name: "times out without effect", effect: { kind: "hang", moment: "before" } },
  { name: "times out after its effect", effect: { kind: "hang", moment: "after" } },
  { name: "is cut before its effect", effect: { kind: "reset" } },
  { name: "loses its reply after its effect", effect: { kind: "lost-reply" } },
];

/** Further ways to get half an answer, and to die. */
export const FURTHER: readonly Blow[] = [
  { name: "is answered with half of its XML", effect: { kind: "truncated" } },
  { name: "is answered with a proxy's page", effect: { kind: "html" } },
  { name: "outlives the daemon", crash: true },
  { name: "dies with the daemon", crash: true, effect: { kind: "reset" } },
];

/** A whole life; the `k`-th mutating call gets the blow. Answers how many mutating calls there were. */
export async function live(life: Life, k = 0, blow?: Blow): Promise<{ lab: Lab; mutations: number }> {
  const lab = new Lab(life.lab);
  let died = false;
  let struck = blow === undefined;
  lab.meddling = (n) => {
    if (n !== k || blow === undefined) return undefined;
    struck = true;
    if (blow.crash) {
      died = true;
      lab.crash();
    }
    return blow.effect;
  };
  const revive = async () => {
    if (died) await lab.restart();
    died = false;
  };
  await lab.start();
  await lab.advance(MINUTE_MS, () => died);
  await revive();
  for (const chapter of life.chapters) {
    await tell(lab, chapter, () => died);
    await revive();
  }
  // The last settlement of an unknown outcome, and the audits that find what else there is.
  await lab.advance(10 * MINUTE_MS, () => died);
  await revive();
  await lab.quiet();
  if (!struck) throw new Error(`there was no mutating call ${k}`);
  return { lab, mutations: lab.mutations().length };
}

async function tell(lab: Lab, chapter: Chapter, died: () => boolean): Promise<void> {
  switch (chapter.kind) {
    case "pods-come": {
      const wanted = lab.pods.count + chapter.count;
      // As a kubelet: what failed is tried again.
      for (let tries = 0; tries < 20 && lab.pods.count < wanted && !died(); tries++) {
        await lab.pods.add(wanted - lab.pods.count, died);
        await lab.advance(5_000, died);
      }
      return;
    }
    case "pods-go":
      await lab.pods.remove(chapter.count);
      return lab.advance(5_000, died);
    case "quiet":
      return lab.advance(chapter.minutes * MINUTE_MS, died);
    case "configure":
      return lab.configure(chapter);
  }
}

/** The life without any fault: how many mutating calls it has, and that it has those that its name promises. */
export async function rehearse(life: Life): Promise<number> {
  const { lab, mutations } = await live(life);
  const made = lab.counts();
  for (const action of life.calls) expect(made, `${life.name} has no ${action}`).toHaveProperty(action);
  lab.agree();
  await lab.close();
  return mutations;
}

/** Every k-th mutating call of the life suffers the blow, each in a life of its own; the problems of all. */
export async function sufferEverywhere(life: Life, blow: Blow): Promise<readonly string[]> {
  const calls = await rehearse(life);
  const problems: string[] = [];
  for (let k = 1; k <= calls; k++) {
    try {
      const { lab } = await live(life, k, blow);
      lab.agree();
      await lab.close();
    } catch (error) {
      problems.push(`call ${k} of ${calls} ${blow.name}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  return problems;
}

const PODS_EVERYWHERE = { "subnet-tags": { pods: "true" } };

/** Start, growth over all interfaces, pods leave and others come. */
export const SECONDARY_ADDRESSES: Life = {
  name: "secondary addresses from 0 to 27 pods and back to 5",
  lab: { ipam: { "pre-allocate": 4, "cooling-seconds": 10, "release-excess": false } },
  chapters: [come(6), come(21), quiet(2), go(22), quiet(2), come(10), quiet(2)],
  calls: [
    "AssignPrivateIpAddresses",
    "CreateNetworkInterface",
    "AttachNetworkInterface",
    "ModifyNetworkInterfaceAttribute",
  ],
};

/** As that, in two subnets of which neither is the node's. */
export const TWO_SUBNETS: Life = {
  ...SECONDARY_ADDRESSES,
  name: "secondary addresses in two subnets of their own",
  lab: { ...SECONDARY_ADDRESSES.lab, eni: PODS_EVERYWHERE },
  chapters: [come(3), come(10), quiet(1), go(8), come(4), quiet(1)],
};

/** Growth to all interfaces, then nothing but the buffer: excess is given back and both made interfaces are removed. */
export const GIVING_BACK: Life = {
  name: "growth and giving all of it back",
  lab: {
    ipam: { "pre-allocate": 3, "cooling-seconds": 10, "release-delay-seconds": 60 },
    eni: { "interface-idle-seconds": 120 },
  },
  chapters: [come(26), quiet(3), go(24), quiet(12), come(9), quiet(3), go(11), quiet(12)],
  calls: ["CreateNetworkInterface", "UnassignPrivateIpAddresses", "DetachNetworkInterface", "DeleteNetworkInterface"],
};

/** The same with /28 prefixes; the single addresses that it began with stay or go, as it likes. */
export const PREFIXES: Life = {
  name: "prefixes that come and go",
  lab: {
    // Three interfaces of three slots: 48 addresses each.
    type: "t3.small",
    ipam: { "pre-allocate": 8, "cooling-seconds": 10, "release-delay-seconds": 60 },
    eni: { "prefix-delegation": "preferred", "interface-idle-seconds": 120 },
  },
  chapters: [come(20), quiet(2), come(50), quiet(3), go(70), quiet(12)],
  calls: [
    "AssignPrivateIpAddresses",
    "CreateNetworkInterface",
    "UnassignPrivateIpAddresses",
    "DetachNetworkInterface",
    "DeleteNetworkInterface",
  ],
};

export const DUAL_STACK: Life = {
  name: "dual-stack pods",
  lab: { ...PREFIXES.lab, ipam: { ...PREFIXES.lab.ipam, "ip-families": "dual" }, model: withIpv6() },
  chapters: [come(5), quiet(2), come(60), quiet(2), go(65), quiet(12)],
  calls: ["AssignIpv6Addresses", "CreateNetworkInterface", "DeleteNetworkInterface"],
};
