import { type Clock, jitterMs, type Random } from "../adapters/index.ts";
import { EnidError } from "../errors.ts";
import type { BlockUnit, Step } from "../planning/index.ts";
import { PoolError } from "../pool/index.ts";
import type { Activities } from "./activities.ts";
import { blocksToGive, Conclusions } from "./concluding.ts";
import type { Degradations } from "./degradations.ts";
import { callBreach, settleBreach, stepBreach } from "./gate.ts";
import { heldOutcome, isHeld } from "./held.ts";
import type { History } from "./history.ts";
import type { Ledger } from "./ledger.ts";
import { LIMITS } from "./limits.ts";
import { NEVER, soonest } from "./moments.ts";
import type { NodeState, RunningIntent } from "./node.ts";
import type { Observer } from "./observing.ts";
import {
  type Change,
  type Intent,
  type ObservedInterface,
  type Provider,
  type StepFailure,
  type StepOutcome,
  TAG_CLUSTER,
  TAG_NODE,
  type Telemetry,
} from "./ports/index.ts";
import type { Breach, Promises } from "./promises.ts";
import { isPassing, type Restraint, type StepKind, settlePauseMs, stepFailure, withRetryAt } from "./restraint.ts";
import { givesBack, isGrowth, stepSaid, unitOf } from "./step-sizes.ts";

export interface ActorOptions {
  readonly node: NodeState;
  readonly provider: Provider;
  readonly ledger: Ledger;
  readonly observer: Observer;
  readonly restraint: Restraint;
  readonly activities: Activities;
  readonly degradations: Degradations;
  readonly promises: Promises;
  readonly telemetry: Telemetry;
  readonly history: History;
  readonly clock: Clock;
  readonly random: Random;
  /** Name of the machine, for the tags of interfaces; may be empty. */
  readonly nodeName: string;
  /** Of what just came: fences the fixed addresses of pods of other nodes. Never rejects. */
  readonly fence: (cidrs: readonly string[]) => Promise<readonly Change[]>;
  /** Our picture is stale: EC2 should be observed before the next plan. */
  readonly outdated: () => void;
  /** An outcome was unknown: what EC2 has is looked at again, later. */
  readonly lookLater: () => void;
  /** Whether this node may remove what others of the cluster left behind, now. */
  readonly maySweep: (clusterName: string) => boolean;
  /** A subnet has less than EC2 said: it should be asked before the next plan is carried out. */
  readonly distrustSubnets: () => void;
}

/**
 * Carries out steps. Each gets an intent that is committed before its call and closed in the same commit as its
 * result. A call whose outcome is unknown is settled later (finished or undone), by this process or by the next one.
 */
export class Actor {
  readonly #options: ActorOptions;
  readonly #conclusions: Conclusions;

  constructor(options: ActorOptions) {
    this.#options = options;
    this.#conclusions = new Conclusions(options);
  }

  /** Intents found at the start: a crash left them, so nothing is known of their calls. */
  adopt(intents: readonly Intent[]): void {
    const nowMs = this.#options.clock.nowMs();
    for (const intent of intents) {
      if (!this.#setAside(intent)) continue;
      this.#options.node.intents.set(intent.id, {
        intent,
        state: "unsettled",
        sinceMs: nowMs,
        nextTryMs: nowMs,
        tries: 0,
      });
      this.#conclusions.tell(
        "intent-recovered",
        "info",
        `a ${intent.step.kind} was under way when the daemon ended; it is settled`,
        intent,
      );
    }
  }

  /**
   * What was being given back is given to no pod: EC2 may have it already. False for an intent that must not be settled,
   * because a pod has what it gives back; that cannot be unless the state was tampered with.
   */
  #setAside(intent: Intent): boolean {
    const { node, ledger, telemetry } = this.#options;
    const blocks = blocksToGive(node, intent.step).flatMap((cidr) => node.pool.block(cidr) ?? []);
    const leased = blocks.find((block) => block.leased > 0);
    if (leased !== undefined) {
      void ledger.eventually([{ kind: "intent-close", id: intent.id }]);
      const { cidr } = leased.block;
      const message = `${cidr} was to be given back, but the state leases it to a pod: it stays`;
      telemetry.event({ name: "intent-dropped", level: "error", message, fields: { intent: intent.id, cidr } });
      return false;
    }
    // The time of a fixed address was over when its step began.
    for (const { block } of blocks) node.pool.keep(block.cidr, false);
    // After the wall clock was set back an address may still cool whose cooling had ended.
    for (const { block, cooling } of blocks) {
      if (cooling > 0) node.pool.setBlockUsable(block.cidr, false);
      else node.pool.markReleasing([block.cidr]);
    }
    return true;
  }

  /** Starts the step unless its interface is busy. Answers whether it was started. `about`: who is told what becomes of it. */
  begin(step: Step, about: Pick<RunningIntent, "keepsFor" | "brought" | "failed"> = {}): boolean {
    const { node, activities, clock } = this.#options;
    if ("interfaceId" in step && node.isBusy(step.interfaceId)) return false;
    if (!this.#permits(step)) return false;
    const nowMs = clock.nowMs();
    const intent = this.#intentOf(step, nowMs);
    const running: RunningIntent = { intent, state: "running", sinceMs: nowMs, nextTryMs: 0, tries: 0, ...about };
    node.intents.set(intent.id, running);
    node.takeFromSubnet(step, 1);
    node.refreshUsability();
    let committed = false;
    const started = activities.run(
      `intent ${intent.id}`,
      async (signal) => {
        await this.#options.ledger.must([{ kind: "intent-put", intent }]);
        committed = true;
        await this.#carryOut(running, signal);
      },
      (error) => {
        if (committed) this.#failed(running, error);
        else {
          this.#drop(running); // Not durable, so never carried out.
          running.failed?.(error);
        }
      },
    );
    if (!started) this.#drop(running);
    return started;
  }

  /** Whether the step may be carried out; then no pod gets an address of what it gives back from here on. */
  #permits(step: Step): boolean {
    const { node, promises, telemetry } = this.#options;
    // Only a wrong plan comes to this; what it asked for is not done, and everything else goes on.
    const refuse = ({ message }: Error) => {
      telemetry.event({ name: "step-refused", level: "error", message, fields: { step: step.kind } });
      return false;
    };
    const breach = stepBreach(node, step);
    if (breach !== undefined) return refuse(promises.refuse(breach));
    try {
      node.pool.markReleasing(blocksToGive(node, step));
      return true;
    } catch (error) {
      if (!(error instanceof PoolError)) throw error;
      const isInUse = error.refusal === "block-in-use";
      return refuse(isInUse ? promises.refuse({ promise: 4, detail: error.message }) : error);
    }
  }

  /** A step that must not go on; `effect`: whether anything of it may have happened. */
  #refuse(breach: Breach | undefined, effect: StepFailure["effect"]): void {
    if (breach !== undefined) throw this.#options.promises.refuse(breach, { class: "bug", ec2Code: "", effect });
  }

  #intentOf(step: Step, nowMs: number): Intent {
    const { node, random, nodeName } = this.#options;
    const clusterName = node.settings.values["cluster-name"];
    const tags = {
      ...(clusterName === "" ? {} : { [TAG_CLUSTER]: clusterName }),
      ...(nodeName === "" ? {} : { [TAG_NODE]: nodeName }),
    };
    return {
      id: random.id(),
      step,
      openedAtMs: nowMs,
      before: "interfaceId" in step ? node.cidrsOn(step.interfaceId) : [],
      securityGroups: node.resolution?.securityGroups ?? [],
      deleteOnTermination: node.settings.values["delete-on-termination"],
      ...(step.kind === "create-interface" && Object.keys(tags).length > 0 ? { tags } : {}),
    };
  }

  async #carryOut(running: RunningIntent, signal: AbortSignal): Promise<void> {
    const { provider, activities, clock } = this.#options;
    const { intent } = running;
    // The settings, or the fleet's mind, may have changed while the intent became durable.
    if (!this.#allowed(intent)) return this.#conclusions.conclude(running, { kind: "undone" });
    this.#refuse(callBreach(this.#options.node, this.#options.ledger, intent), "none");
    this.#conclusions.tell("step-begun", "info", `${stepSaid(intent.step)}: ${intent.step.reason}`, intent);
    const begunAtMs = clock.nowMs();
    const executed = provider.execute(intent, this.#progress(running, signal), signal);
    await this.#conclusions.conclude(running, await activities.patiently(executed, signal));
    this.#succeeded(intent.step, begunAtMs);
  }

  #succeeded(step: Step, begunAtMs: number): void {
    const { restraint, telemetry } = this.#options;
    const subnetId = subnetOf(step);
    const unit = isGrowth(step) ? unitOf(step) : "address";
    const wasFragmented = unit === "prefix" && restraint.isFragmented(subnetId);
    restraint.succeeded(subnetId, begunAtMs, unit, kindOf(step));
    if (!wasFragmented || restraint.isFragmented(subnetId)) return;
    const message = `${subnetId} gives prefixes again`;
    telemetry.event({ name: "prefixes-again", level: "info", message, fields: { subnet: subnetId } });
  }

  /** The step brings nothing, and nothing of it is durable. */
  #drop({ intent }: RunningIntent): void {
    const { node } = this.#options;
    this.#conclusions.takeBack(intent.step);
    node.intents.delete(intent.id);
    node.refreshUsability();
  }

  /** Tries to settle what is unsettled and due. */
  settleDue(): void {
    const { node, clock, degradations } = this.#options;
    let isUnsettled = false;
    for (const running of node.intents.values()) {
      // Whether a create may be finished is known once the allowed subnets are.
      // Whether what goes back may still go, the agent must have said.
      const waits =
        (running.intent.step.kind === "create-interface" && node.resolution === undefined) ||
        (node.agent?.reported === false && givesBack(running.intent.step));
      if (running.state === "unsettled" && running.nextTryMs <= clock.nowMs() && !waits) this.#settle(running);
      isUnsettled ||= running.state === "unsettled";
    }
    if (!isUnsettled) degradations.clear("intent-unsettled");
  }

  /** When something is to be settled, or holds back growth no longer, after `nowMs`; Infinity = never. */
  nextMs(nowMs: number): number {
    let nextMs = NEVER;
    for (const { state, sinceMs, nextTryMs, intent } of this.#options.node.intents.values()) {
      if (state !== "unsettled") continue;
      nextMs = soonest(nextMs, sinceMs + LIMITS.unsettledCountsMs, nowMs);
      if (!this.#options.activities.isRunning(`intent ${intent.id}`)) nextMs = soonest(nextMs, nextTryMs, nowMs);
    }
    return nextMs;
  }

  #settle(running: RunningIntent): void {
    const { provider, activities, ledger, clock } = this.#options;
    const { step } = running.intent;
    // A create that the settings no longer allow, or that cannot be finished, is undone.
    const how = this.#allowed(running.intent) && running.tries < this.#triesToFinish(running) ? "finish" : "undo";
    activities.run(
      `intent ${running.intent.id}`,
      async (signal) => {
        // A disk that refuses is found out before EC2 is asked.
        await ledger.must([{ kind: "intent-put", intent: running.intent }]);
        this.#refuse(settleBreach(this.#options.node, ledger, running.intent), "unknown");
        const begunAtMs = clock.nowMs();
        const settle = () => provider.settle(running.intent, how, this.#progress(running, signal), signal);
        const held = how === "undo" && isHeld(this.#options.node, step);
        const isLeft = how === "undo" && isLookedAtAnew(step);
        const found = () => (held ? heldOutcome(provider, this.#options.node, step, signal) : settle());
        const outcome = isLeft ? UNDONE : await activities.patiently(found(), signal);
        if (held) this.#conclusions.takeBack(step);
        await this.#conclusions.conclude(running, this.#options.observer.believable(outcome));
        this.#options.lookLater();
        if (outcome.kind !== "undone") this.#succeeded(step, begunAtMs);
      },
      (error) => this.#notSettled(running, error),
    );
  }

  #triesToFinish({ error }: RunningIntent): number {
    const passes = error === undefined || isPassing(stepFailure(error).class);
    return passes ? LIMITS.settleTriesOfPassing : LIMITS.settleTriesBeforeUndo;
  }

  #notSettled(running: RunningIntent, error: EnidError): void {
    const { clock, random, degradations } = this.#options;
    if (stepFailure(error).effect === "none") {
      this.#failed(running, error);
      return;
    }
    if (error.code === "ENID_STATE_WRITE_FAILED") {
      // The disk says nothing about whether the step can be finished.
      running.nextTryMs = clock.nowMs() + LIMITS.diskAgainMs;
      return;
    }
    const failure = stepFailure(error);
    running.tries += 1;
    running.nextTryMs = clock.nowMs() + jitterMs(random, settlePauseMs(failure.class, running.tries));
    // While EC2 refuses to finish what was begun, nothing new is begun. A detach may just take its time.
    if (isGrowth(running.intent.step)) this.#holdBack(running.intent.step, error, failure);
    running.error = withRetryAt(error, running.nextTryMs);
    degradations.set("intent-unsettled", running.error, clock.nowMs());
    const message = `${running.intent.step.kind} is not settled yet: ${running.error.message}`;
    this.#conclusions.tell("intent-unsettled", "warn", message, running.intent);
  }

  /**
   * Whether the settings allow what the step takes: its subnet, and the groups of an interface that it makes; and whether
   * it is this node's to do.
   */
  #allowed({ step, securityGroups }: Intent): boolean {
    const { resolution } = this.#options.node;
    if (step.kind === "remove-interface" && step.orphanOf !== undefined) return this.#options.maySweep(step.orphanOf);
    if (givesBack(step)) return !isHeld(this.#options.node, step);
    if (step.kind !== "add-blocks" && step.kind !== "create-interface") return true;
    if (resolution?.subnets.some((subnet) => subnet.id === step.subnetId) !== true) return false;
    return step.kind === "add-blocks" || securityGroups.every((group) => resolution.securityGroups.includes(group));
  }

  /** Whether this is still the intent's record: one that was closed or belonged to another instance is not. */
  #isOpen(running: RunningIntent): boolean {
    return this.#options.node.intents.get(running.intent.id) === running;
  }

  #failed(running: RunningIntent, error: EnidError): void {
    const { ledger, clock } = this.#options;
    if (!this.#isOpen(running)) return;
    running.failed?.(error);
    const failure = stepFailure(error);
    const { step } = running.intent;
    // A disk that refuses is no failure of EC2; the ledger reports it.
    if (error.code !== "ENID_STATE_WRITE_FAILED") this.#holdBack(step, error, failure);
    if (failure.class === "limit" || failure.class === "gone") this.#options.outdated();
    // That no prefix fits says nothing of the free addresses.
    if (failure.class === "subnet-exhausted" && unitAsked(step) === "address") this.#options.distrustSubnets();
    this.#conclusions.tell("step-failed", "warn", `${step.kind} failed: ${error.message}`, running.intent);
    if (failure.effect === "none") {
      this.#drop(running);
      void ledger.eventually([{ kind: "intent-close", id: running.intent.id }]);
      return;
    }
    const nowMs = clock.nowMs();
    const nextTryMs = nowMs + settlePauseMs(failure.class, 0);
    Object.assign(running, { state: "unsettled", sinceMs: nowMs, nextTryMs, error: withRetryAt(error, nextTryMs) });
  }

  #holdBack(step: Step, error: EnidError, failure: StepFailure): void {
    const { restraint, telemetry } = this.#options;
    // That one address in particular cannot be had says nothing of others.
    if (step.kind === "add-blocks" && step.address !== undefined && !isPassing(failure.class)) return;
    const unit = unitAsked(step);
    const subnetId = failure.subnetId ?? subnetOf(step);
    const known = restraint.isFragmented(subnetId);
    restraint.failed(error, { ...failure, subnetId, unit }, kindOf(step));
    if (failure.class !== "subnet-exhausted" || unit !== "prefix" || known) return;
    const message = `${subnetId} has no room for a prefix: ${error.message}`;
    telemetry.event({ name: "prefix-fallback", level: "warn", message, fields: { subnet: subnetId } });
  }

  #progress(running: RunningIntent, signal: AbortSignal) {
    return async (progress: Pick<Intent, "interfaceId" | "attachmentId">): Promise<void> => {
      const intent = { ...running.intent, ...progress };
      if (signal.aborted || !this.#isOpen(running))
        throw new EnidError("ENID_REFUSED", { detail: `${intent.id} was given up` });
      await this.#options.ledger.must([{ kind: "intent-put", intent }]);
      // Only now: what a crash would forget must not be built upon.
      running.intent = intent;
    };
  }
}

const UNDONE: StepOutcome = { kind: "undone" };

/**
 * Nothing of it has to be undone, and whether it is still due is seen without its intent: one that cannot be finished (the
 * groups are no more, the leftover is in use by now) is left, and planned anew if need be.
 */
function isLookedAtAnew(step: Step): boolean {
  return step.kind === "set-security-groups" || (step.kind === "remove-interface" && step.orphanOf !== undefined);
}

function subnetOf(step: Step): string {
  return "subnetId" in step ? step.subnetId : "";
}

function kindOf(step: Step): StepKind {
  return { purpose: isGrowth(step) ? "growth" : "giving-back", makesInterface: step.kind === "create-interface" };
}

/** What the subnet could not give is what was asked for, whatever code EC2 chose to say so with. */
function unitAsked(step: Step): BlockUnit {
  return isGrowth(step) ? unitOf(step) : "address";
}

/** A step that removes what a crash left behind. */
export function removalOf(leaked: ObservedInterface): Step {
  return {
    kind: "remove-interface",
    interfaceId: leaked.id,
    reason: `${leaked.id} was made by enid for this node, is attached nowhere and belongs to no step: it leaked`,
  };
}
