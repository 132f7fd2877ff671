import {
  type AddBlocksStep,
  addressesIn,
  type BlockUnit,
  type CreateInterfaceStep,
  type Step,
} from "../planning/index.ts";
import type { Intent, InterfaceRecord } from "./ports/index.ts";

type GrowthStep = AddBlocksStep | CreateInterfaceStep;

export function isGrowth(step: Step): step is GrowthStep {
  return step.kind === "add-blocks" || step.kind === "create-interface";
}

/** What a growth step asks for. An intent of an older enid names no unit: then single addresses. */
export function unitOf(step: GrowthStep): BlockUnit {
  return step.unit ?? "address";
}

/** Addresses (IPv4) that an intent will bring. */
export function stepCount({ step }: Pick<Intent, "step">): number {
  return isGrowth(step) ? step.count * addressesIn(unitOf(step)) : 0;
}

/** IPv4 slots that an intent will take of its interface. */
export function stepSlots({ step }: Pick<Intent, "step">): number {
  return isGrowth(step) && unitOf(step) !== "ipv6-prefix" ? step.count : 0;
}

/** IPv6 prefixes that an intent will bring. */
export function stepIpv6Prefixes({ step }: Pick<Intent, "step">): number {
  if (!isGrowth(step)) return 0;
  if (step.kind === "create-interface") return step.ipv6Prefixes ?? 0;
  return unitOf(step) === "ipv6-prefix" ? step.count : 0;
}

/** Addresses (IPv4) that a step takes out of its subnet: a new interface takes a primary one too. */
export function takenFromSubnet(step: Step): number {
  return stepCount({ step }) + (step.kind === "create-interface" ? 1 : 0);
}

/** Also a create whose interface was observed before the step ended: its addresses are still to come into the pool. */
export function addsTo({ step, interfaceId }: Intent, record: Pick<InterfaceRecord, "id">): boolean {
  if (step.kind === "add-blocks") return step.interfaceId === record.id;
  return step.kind === "create-interface" && interfaceId === record.id;
}

/** What the step is about, in the words of events: "add-blocks of 3 prefixes". */
export function stepSaid(step: Step): string {
  if (!isGrowth(step)) return step.kind;
  const more = stepIpv6Prefixes({ step }) > 0 && unitOf(step) !== "ipv6-prefix" ? " and an IPv6 prefix" : "";
  return `${step.kind} of ${countSaid(step.count, unitOf(step))}${more}`;
}

const WORDS: Readonly<Record<BlockUnit, readonly [string, string]>> = {
  address: ["address", "addresses"],
  prefix: ["prefix", "prefixes"],
  "ipv6-prefix": ["IPv6 prefix", "IPv6 prefixes"],
};

/** "1 prefix", "8 addresses". */
export function countSaid(count: number, unit: BlockUnit): string {
  const [one, many] = WORDS[unit];
  return `${count} ${count === 1 ? one : many}`;
}

/** Blocks that a step brings, takes back or frees: the figure that tells its size. */
export function blocksOfStep(step: Step): number {
  if (step.kind === "release-blocks") return step.cidrs.length;
  return isGrowth(step) ? step.count + (step.kind === "create-interface" ? (step.ipv6Prefixes ?? 0) : 0) : 0;
}

/** Whether addresses go back to the cloud by it. */
export function givesBack({ kind }: Step): boolean {
  return kind === "release-blocks" || kind === "remove-interface";
}
