import { sleep } from "../../adapters/index.ts";
import type { Intent, StepOutcome } from "../../manager/ports/index.ts";
import type { AddBlocksStep, ReleaseBlocksStep } from "../../planning/index.ts";
import { symptomOf } from "./failures.ts";
import { addressBlock, blocksOf } from "./interfaces.ts";
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

/** One AssignPrivateIpAddresses; what it answers is used as it is. */
export async function addBlocks(context: StepContext, step: AddBlocksStep, signal?: AbortSignal): Promise<StepOutcome> {
  const known = await knownForStep(context, step.interfaceId, signal);
  if (known === undefined) throw interfaceGone("AssignPrivateIpAddresses", step.interfaceId);
  const assigned = await context.ec2.assign(step, signal);
  const now = context.memory.get(step.interfaceId) ?? known;
  const after = { ...now, addresses: [...new Set([...now.addresses, ...assigned])] };
  context.memory.put(after);
  return { kind: "done", interface: context.memory.observed(after), added: assigned.map(addressBlock) };
}

/**
 * An assign of unknown outcome: what the interface carries beyond what it did before was added by it. Looks until the
 * asked number shows, or the time is over in which a describe may lag the assign. There is nothing to undo: what was
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
  const before = new Set(intent.before.map((block) => (block.includes("/") ? block : addressBlock(block))));
  const tooEarlyMs = intent.openedAtMs + limits.describeLagMs - clock.nowMs();
  // The wall clock may have gone back since: never longer than the lag itself.
  if (tooEarlyMs > 0) await sleep(clock, Math.min(tooEarlyMs, limits.describeLagMs), signal);
  const pauses = looks(context.world, isYoung(context, intent) ? limits.additionLookMs : 0);
  for (;;) {
    const seen = (await describeOne(context, step.interfaceId, signal))?.known;
    const added = seen === undefined ? [] : blocksOf(seen).filter((block) => !before.has(block));
    if (added.length < step.count && (await pauses.pause(signal))) continue;
    if (seen === undefined) context.memory.forget(step.interfaceId);
    else context.memory.put(seen);
    if (seen === undefined || added.length === 0) return { kind: "undone" };
    return { kind: "done", interface: context.memory.observed(seen), added };
  }
}

/**
 * One UnassignPrivateIpAddresses; also the way to settle one, whatever is asked: an address of which it is unknown
 * whether EC2 has it back must not serve a pod again, and giving back twice does no harm.
 */
export async function releaseBlocks(
  context: StepContext,
  step: ReleaseBlocksStep,
  signal?: AbortSignal,
): Promise<StepOutcome> {
  const gone: StepOutcome = { kind: "gone", cidrs: step.cidrs, interfaceId: step.interfaceId };
  const known = await knownForStep(context, step.interfaceId, signal);
  if (known === undefined) return gone;
  if (step.cidrs.includes(addressBlock(known.primaryAddress))) {
    throw refusal(`${known.primaryAddress} is the primary address of ${step.interfaceId}`, "bug");
  }
  try {
    await giveBack(context, step, signal);
  } catch (error) {
    if (symptomOf(error) !== "interface-unknown") throw error;
  }
  const released = new Set(step.cidrs);
  const now = context.memory.get(step.interfaceId) ?? known;
  context.memory.put({
    ...now,
    addresses: now.addresses.filter((address) => !released.has(addressBlock(address))),
    prefixes: now.prefixes.filter((prefix) => !released.has(prefix)),
  });
  return gone;
}

async function giveBack(context: StepContext, step: ReleaseBlocksStep, signal?: AbortSignal): Promise<void> {
  const { interfaceId } = step;
  const pauses = looks(context.world, context.world.limits.additionLookMs);
  let left = step.cidrs;
  let someGone = false;
  try {
    while (left.length > 0) {
      try {
        return await context.ec2.unassign({ interfaceId, ...split(left) }, signal);
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

function split(blocks: readonly string[]): { addresses: readonly string[]; prefixes: readonly string[] } {
  const isAddress = (block: string) => block.endsWith("/32");
  return {
    addresses: blocks.filter(isAddress).map((block) => block.slice(0, -"/32".length)),
    prefixes: blocks.filter((block) => !isAddress(block)),
  };
}
