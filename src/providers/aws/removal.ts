import { EnidError } from "../../errors.ts";
import type { StepFailure } from "../../manager/ports/index.ts";
import { symptomOf } from "./failures.ts";
import { type Described, describeOne, refusal, type StepContext, withUnknownEffect } from "./step-context.ts";
import { looks, Pauses } from "./waiting.ts";

/**
 * Detaches (never by force) and deletes an interface that enid made for this node, with all it carries; already gone is
 * done. `young`: made so lately that EC2 may not show it yet, so that absence is no proof.
 *
 * Rejects with effect `none` as long as nothing was changed, else `unknown`: the removal must be settled by repeating. So
 * does one that waited `detachLimitMs`: a detach may take minutes, and is looked at again later.
 */
export async function removeInterface(
  context: StepContext,
  interfaceId: string,
  young: boolean,
  signal?: AbortSignal,
): Promise<void> {
  const run = new Removal(context, interfaceId, young, signal);
  try {
    await run.run();
  } catch (error) {
    throw run.touched ? withUnknownEffect(error) : error;
  }
}

/** Deletes an interface that was just made and never attached, without looking at it first. */
export async function discardNewInterface(
  context: StepContext,
  interfaceId: string,
  signal?: AbortSignal,
): Promise<void> {
  try {
    await context.ec2.deleteInterface(interfaceId, signal);
    context.memory.forget(interfaceId);
  } catch (error) {
    const symptom = symptomOf(error);
    if (symptom !== "interface-unknown" && symptom !== "in-use") throw error;
    await removeInterface(context, interfaceId, true, signal);
  }
}

class Removal {
  /** EC2 took a change of the interface, so that it is no longer what it was. */
  touched = false;
  readonly #context: StepContext;
  readonly #id: string;
  readonly #signal: AbortSignal | undefined;
  readonly #young: boolean;
  /** Begins with the first wait: time spent on the calls before it is not the detach's. */
  #pauses: Pauses | undefined;
  /** Attachments that a detach was asked for: a describe that lags it shows them still. */
  readonly #detached = new Set<string>();

  constructor(context: StepContext, interfaceId: string, young: boolean, signal: AbortSignal | undefined) {
    this.#context = context;
    this.#id = interfaceId;
    this.#young = young;
    this.#signal = signal;
  }

  async run(): Promise<void> {
    const { world, memory } = this.#context;
    const grace = looks(world, this.#young ? world.limits.newInterfaceGraceMs : 0);
    for (;;) {
      const seen = await describeOne(this.#context, this.#id, this.#signal);
      if (seen === undefined) {
        if (!this.#young) break;
        if (await grace.pause(this.#signal)) continue;
        // Not shown in all the time that EC2 may need: a delete makes sure, at the cost of a refused call.
      } else {
        this.#check(seen);
        if (!(await this.#detach(seen))) {
          await this.#wait("DetachNetworkInterface", "attached or detaching");
          continue;
        }
      }
      if (await this.#delete()) break;
      await this.#wait("DeleteNetworkInterface", "in use");
    }
    memory.forget(this.#id);
  }

  #check({ known, instanceId }: Described): void {
    const { identity, memory } = this.#context;
    if (instanceId !== undefined && instanceId !== identity.instanceId) {
      throw refusal(`${this.#id} is attached to ${instanceId}, not to this instance`, "gone");
    }
    if (known.id === identity.primaryInterfaceId) throw refusal(`${this.#id} is the primary interface`, "bug");
    if (known.madeBy !== "enid") throw refusal(`${this.#id} was not made by enid for this instance`, "bug");
    const why = memory.whyForeign(known);
    if (why !== undefined) throw refusal(`${this.#id} must not be touched: ${why}`, "bug");
  }

  /** True when it hangs on nothing; false while the attachment is on its way out, or may not go yet. */
  async #detach({ attachmentId, detaching }: Described): Promise<boolean> {
    if (attachmentId === undefined) return true;
    if (detaching || this.#detached.has(attachmentId)) return false;
    try {
      await this.#context.ec2.detach(this.#id, attachmentId, this.#signal);
    } catch (error) {
      const symptom = symptomOf(error);
      if (symptom === "wrong-state") return false;
      if (symptom !== "attachment-unknown") throw error;
    }
    this.touched = true;
    this.#detached.add(attachmentId);
    return false;
  }

  /** False while EC2 says that it is in use: its attachment is newer, or older, than what was described. */
  async #delete(): Promise<boolean> {
    try {
      await this.#context.ec2.deleteInterface(this.#id, this.#signal);
      return true;
    } catch (error) {
      const symptom = symptomOf(error);
      if (symptom === "in-use") return false;
      if (symptom === "interface-unknown") return true;
      throw error;
    }
  }

  async #wait(action: string, state: string): Promise<void> {
    const { world } = this.#context;
    const { detachBaseMs, detachLimitMs, lookMaxMs } = world.limits;
    this.#pauses ??= new Pauses(world, { baseMs: detachBaseMs, maxMs: lookMaxMs, limitMs: detachLimitMs });
    if (await this.#pauses.pause(this.#signal)) return;
    const failure: StepFailure = { class: "transient", ec2Code: "Timeout", effect: "unknown" };
    const detail = `${this.#id} is still ${state} after ${detachLimitMs} ms`;
    throw new EnidError("ENID_EC2_FAILED", { action, code: failure.ec2Code, detail }, { details: failure });
  }
}
