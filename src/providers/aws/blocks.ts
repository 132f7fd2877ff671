import { sleep } from "../../adapters/index.ts";
import type { Intent, StepOutcome } from "../../manager/ports/index.ts";
import type { AddBlocksStep, BlockUnit, ReleaseBlocksStep } from "../../planning/index.ts";
import { addressBlock, blocksOf, canonicalIpv6, carriedOf, unitOf, without } from "./block-units.ts";
import { symptomOf } from "./failures.ts";
import {
  describeOne,
  interfaceGone,
  isYoung,
  knownForStep,
  refusal,
  type StepContext,
  withFailure,
  withUnknownEffect,
} from "./step-context.ts";
import { looks } from "./waiting.ts";

/** One AssignPrivateIpAddresses or AssignIpv6Addresses; what it answers is used as it is. */
export async function addBlocks(context: StepContext, step: AddBlocksStep, signal?: AbortSignal): Promise<StepOutcome> {
  const { interfaceId } = step;
  const known = await knownForStep(context, interfaceId, signal);
  if (known === undefined) throw interfaceGone(assignAction(step.unit), interfaceId);
  const added = await context.ec2.assign(step, signal);
  const now = context.memory.get(interfaceId) ?? known;
  const after = { ...now, ...carriedOf(new Set([...blocksOf(now), ...added])) };
  context.memory.put(after);
  return { kind: "done", interface: context.memory.observed(after), added };
}

/** The EC2 action that adds blocks of the unit. */
export function assignAction(unit: BlockUnit | undefined): string {
  return unit === "ipv6-prefix" ? "AssignIpv6Addresses" : "AssignPrivateIpAddresses";
}

/**
 * An assign of unknown outcome: what the interface carries of the unit beyond what it did before was added by it. Looks
 * until the asked number shows, or the time is over in which a describe may lag the assign. There is nothing to undo: what was
 * added is the node's, and is taken over.
 *
 * Nothing is believed until `describeLagMs` after the intent was opened: a describe that lags a release made just before
 * it would show addresses as added that are gone.
 */
export async function settleAddBlocks(
  context: StepContext,
  intent: Intent,
  step: AddBlocksStep,
  signal?: AbortSignal,
): Promise<StepOutcome> {
  const { clock, limits } = context.world;
  const { unit = "address" } = step;
  const before = new Set(intent.before.map(canonicalBlock));
  const tooEarlyMs = intent.openedAtMs + limits.describeLagMs - clock.nowMs();
  // The wall clock may have gone back since: never longer than the lag itself.
  if (tooEarlyMs > 0) await sleep(clock, Math.min(tooEarlyMs, limits.describeLagMs), signal);
  const pauses = looks(context.world, isYoung(context, intent) ? limits.additionLookMs : 0);
  for (;;) {
    const seen = (await describeOne(context, step.interfaceId, signal))?.known;
    const added =
      seen === undefined ? [] : blocksOf(seen).filter((block) => unitOf(block) === unit && !before.has(block));
    if (added.length < step.count && (await pauses.pause(signal))) continue;
    if (seen === undefined) context.memory.forget(step.interfaceId);
    else context.memory.put(seen);
    if (seen === undefined || added.length === 0) return { kind: "undone" };
    return { kind: "done", interface: context.memory.observed(seen), added };
  }
}

/** Text of whatever origin, as observations have it. */
function canonicalBlock(block: string): string {
  if (block.includes(":")) return canonicalIpv6(block);
  return block.includes("/") ? block : addressBlock(block);
}

/**
 * One UnassignPrivateIpAddresses for addresses and IPv4 prefixes, and one UnassignIpv6Addresses for IPv6 prefixes; also
 * the way to settle them, whatever is asked: an address of which it is unknown whether EC2 has it back must not serve a
 * pod again, and giving back twice does no harm.
 */
export async function releaseBlocks(
  context: StepContext,
  step: ReleaseBlocksStep,
  signal?: AbortSignal,
): Promise<StepOutcome> {
  const { interfaceId } = step;
  const gone: StepOutcome = { kind: "gone", cidrs: step.cidrs, interfaceId };
  const known = await knownForStep(context, interfaceId, signal);
  if (known === undefined) return gone;
  const released = new Set(step.cidrs.map(canonicalBlock));
  if (released.has(addressBlock(known.primaryAddress))) {
    throw refusal(`${known.primaryAddress} is the primary address of ${interfaceId}`, "bug");
  }
  const ipv6 = [...released].filter((block) => unitOf(block) === "ipv6-prefix");
  const ipv4 = [...released].filter((block) => unitOf(block) !== "ipv6-prefix");
  try {
    await giveBack(context, interfaceId, ipv4, signal);
    await giveBack(context, interfaceId, ipv6, signal).catch((error) => {
      throw ipv4.length > 0 ? withUnknownEffect(error) : error;
    });
  } catch (error) {
    if (symptomOf(error) !== "interface-unknown") throw error;
    // Not believed without a look: what EC2 has still on it would be nobody's.
    if (await isThere(context, interfaceId, signal)) throw error;
  }
  const now = context.memory.get(interfaceId) ?? known;
  context.memory.put({ ...now, ...without(now, released) });
  return gone;
}

async function isThere({ ec2 }: StepContext, interfaceId: string, signal?: AbortSignal): Promise<boolean> {
  const found = await ec2.describeInterfaces({ "network-interface-id": [interfaceId] }, signal);
  return found.length > 0;
}

/** Blocks of one family, in one call. */
async function giveBack(
  context: StepContext,
  interfaceId: string,
  blocks: readonly string[],
  signal?: AbortSignal,
): Promise<void> {
  const pauses = looks(context.world, context.world.limits.additionLookMs);
  let left = blocks;
  let someGone = false;
  try {
    while (left.length > 0) {
      try {
        return await unassign(context, interfaceId, left, signal);
      } catch (error) {
        if (symptomOf(error) !== "not-assigned") throw error;
        // EC2 refuses the call as a whole when one of the blocks is gone already: find out which are left.
        someGone = true;
        if (!(await pauses.pause(signal))) throw withFailure(error, { class: "transient", effect: "unknown" });
        const seen = (await describeOne(context, interfaceId, signal))?.known;
        const carried = new Set(seen === undefined ? [] : blocksOf(seen));
        left = left.filter((block) => carried.has(block));
      }
    }
  } catch (error) {
    // Some of the blocks are not the node's any more: none may be used until the step is settled.
    throw someGone ? withUnknownEffect(error) : error;
  }
}

function unassign(
  { ec2 }: StepContext,
  interfaceId: string,
  blocks: readonly string[],
  signal: AbortSignal | undefined,
): Promise<void> {
  const { addresses, prefixes, ipv6Prefixes } = carriedOf(blocks);
  return ipv6Prefixes.length > 0
    ? ec2.unassignIpv6(interfaceId, ipv6Prefixes, signal)
    : ec2.unassignIpv4(interfaceId, { addresses, prefixes }, signal);
}
