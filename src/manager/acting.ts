import { type Clock, jitterMs, type Random } from "../adapters/index.ts";
import { EnidError } from "../errors.ts";
import type { Step } from "../planning/index.ts";
import type { Activities } from "./activities.ts";
import type { Degradations } from "./degradations.ts";
import type { History } from "./history.ts";
import type { Ledger } from "./ledger.ts";
import { LIMITS } from "./limits.ts";
import { type NodeState, type RunningIntent, stepCount } from "./node.ts";
import { type Observer, observedCidrs } from "./observing.ts";
import type { Change, Intent, ObservedInterface, Provider, StepOutcome, Telemetry } from "./ports/index.ts";
import { type Restraint, stepFailure, withRetryAt } from "./restraint.ts";

export interface ActorOptions {
  readonly node: NodeState;
  readonly provider: Provider;
  readonly ledger: Ledger;
  readonly observer: Observer;
  readonly restraint: Restraint;
  readonly activities: Activities;
  readonly degradations: Degradations;
  readonly telemetry: Telemetry;
  readonly history: History;
  readonly clock: Clock;
  readonly random: Random;
  /** Our picture is stale: EC2 should be observed before the next plan. */
  readonly outdated: () => void;
  /** A subnet has less than EC2 said: it should be asked before the next plan is carried out. */
  readonly distrustSubnets: () => void;
}

/**
 * Carries out steps. Each gets an intent that is committed before its call and closed in the same commit as its
 * result. A call whose outcome is unknown is settled later (finished or undone), by this process or by the next one.
 */
export class Actor {
  readonly #options: ActorOptions;

  constructor(options: ActorOptions) {
    this.#options = options;
  }

  /** Intents found at the start: a crash left them, so nothing is known of their calls. */
  adopt(intents: readonly Intent[]): void {
    const nowMs = this.#options.clock.nowMs();
    for (const intent of intents) {
      this.#options.node.intents.set(intent.id, {
        intent,
        state: "unsettled",
        sinceMs: nowMs,
        nextTryMs: nowMs,
        tries: 0,
      });
      this.#tell(
        "intent-recovered",
        "info",
        `a ${intent.step.kind} was under way when the daemon ended; it is settled`,
        intent,
      );
    }
  }

  /** Starts the step unless its interface is busy. Answers whether it was started. */
  begin(step: Step): boolean {
    const { node, activities, random, clock } = this.#options;
    if ("interfaceId" in step && node.isBusy(step.interfaceId)) return false;
    this.#refuseForbidden(step);
    const nowMs = clock.nowMs();
    const intent: Intent = {
      id: random.id(),
      step,
      openedAtMs: nowMs,
      before: "interfaceId" in step ? this.#blocksOn(step.interfaceId) : [],
      securityGroups: node.resolution?.securityGroups ?? [],
      deleteOnTermination: node.settings.values["delete-on-termination"],
    };
    const running: RunningIntent = { intent, state: "running", sinceMs: nowMs, nextTryMs: 0, tries: 0 };
    node.intents.set(intent.id, running);
    node.takeFromSubnet(step, 1);
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
        else this.#drop(running); // Not durable, so never carried out.
      },
    );
    if (!started) this.#drop(running);
    return started;
  }

  async #carryOut(running: RunningIntent, signal: AbortSignal): Promise<void> {
    const { provider, activities, restraint, clock } = this.#options;
    const { intent } = running;
    // The settings may have changed while the intent became durable.
    if (!this.#allowed(intent)) return this.#finish(running, { kind: "undone" });
    this.#tell("step-begun", "info", `${intent.step.kind}: ${intent.step.reason}`, intent);
    const begunAtMs = clock.nowMs();
    await this.#finish(
      running,
      await activities.patiently(provider.execute(intent, this.#progress(running, signal), signal), signal),
    );
    restraint.succeeded(subnetOf(intent.step), begunAtMs);
  }

  /** The step brings nothing, and nothing of it is durable. */
  #drop({ intent }: RunningIntent): void {
    this.#options.node.intents.delete(intent.id);
    this.#options.node.takeFromSubnet(intent.step, -1);
  }

  /** Tries to settle what is unsettled and due. */
  settleDue(): void {
    const { node, clock } = this.#options;
    for (const running of node.intents.values()) {
      // Whether a create may be finished is known once the allowed subnets are.
      const waits = running.intent.step.kind === "create-interface" && node.resolution === undefined;
      if (running.state === "unsettled" && running.nextTryMs <= clock.nowMs() && !waits) this.#settle(running);
    }
    if (![...node.intents.values()].some((running) => running.state === "unsettled")) {
      this.#options.degradations.clear("intent-unsettled");
    }
  }

  nextSettleMs(): number | undefined {
    const due = [...this.#options.node.intents.values()]
      .filter(
        (running) =>
          running.state === "unsettled" && !this.#options.activities.isRunning(`intent ${running.intent.id}`),
      )
      .map((running) => running.nextTryMs);
    return due.length === 0 ? undefined : Math.min(...due);
  }

  #settle(running: RunningIntent): void {
    const { provider, activities, ledger, restraint, clock } = this.#options;
    const { step } = running.intent;
    // A create that the settings no longer allow, or that cannot be finished, is undone.
    const how = this.#allowed(running.intent) && running.tries < LIMITS.settleTriesBeforeUndo ? "finish" : "undo";
    activities.run(
      `intent ${running.intent.id}`,
      async (signal) => {
        // A disk that refuses is found out before EC2 is asked.
        await ledger.must([{ kind: "intent-put", intent: running.intent }]);
        const begunAtMs = clock.nowMs();
        const settled = provider.settle(running.intent, how, this.#progress(running, signal), signal);
        const outcome = await activities.patiently(settled, signal);
        await this.#finish(running, outcome);
        if (outcome.kind === "done") restraint.succeeded(subnetOf(step), begunAtMs);
      },
      (error) => this.#notSettled(running, error),
    );
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
    running.tries += 1;
    const pauseMs = Math.min(LIMITS.settleLongestMs, LIMITS.settleFirstMs * 2 ** running.tries);
    running.nextTryMs = clock.nowMs() + jitterMs(random, pauseMs);
    running.error = withRetryAt(error, running.nextTryMs);
    degradations.set("intent-unsettled", running.error, clock.nowMs());
    const message = `${running.intent.step.kind} is not settled yet: ${running.error.message}`;
    this.#tell("intent-unsettled", "warn", message, running.intent);
  }

  /** Whether the settings allow what the step takes: its subnet, and the groups of an interface that it makes. */
  #allowed({ step, securityGroups }: Intent): boolean {
    const { resolution } = this.#options.node;
    if (step.kind !== "add-blocks" && step.kind !== "create-interface") return true;
    if (resolution?.subnets.some((subnet) => subnet.id === step.subnetId) !== true) return false;
    return step.kind === "add-blocks" || securityGroups.every((group) => resolution.securityGroups.includes(group));
  }

  /** Whether this is still the intent's record: one that was closed or belonged to another instance is not. */
  #isOpen(running: RunningIntent): boolean {
    return this.#options.node.intents.get(running.intent.id) === running;
  }

  async #finish(running: RunningIntent, outcome: StepOutcome): Promise<void> {
    const { node, ledger } = this.#options;
    const close: Change = { kind: "intent-close", id: running.intent.id };
    if (outcome.kind === "done") {
      const known = node.interfaces.get(outcome.interface.id);
      const { attached: _attached, addresses: _addresses, prefixes: _prefixes, ...observed } = outcome.interface;
      const record = { ...observed, attachmentId: observed.attachmentId || (known?.attachmentId ?? "") };
      const blocks = outcome.added
        .filter((cidr) => node.pool.block(cidr) === undefined)
        .map((cidr) => ({ cidr, interfaceId: record.id, kind: cidr.endsWith("/32") ? "address" : "prefix" }) as const);
      await ledger.must([{ kind: "interface-put", interface: record }, { kind: "blocks-put", blocks }, close]);
      node.interfaces.set(record.id, record);
      node.pool.upsertInterface({
        id: record.id,
        index: record.deviceIndex,
        usable: node.unusableBecause(record) === "",
      });
      for (const block of blocks) node.pool.addBlock(block);
      this.#options.observer.learned(record.id, [...observedCidrs(outcome.interface), ...outcome.added]);
      this.#tell(
        "step-done",
        "info",
        `${running.intent.step.kind} brought ${blocks.length} addresses on ${record.id}`,
        running.intent,
      );
    } else if (outcome.kind === "gone") {
      await this.#gone(running.intent.step, outcome, close);
    } else {
      await ledger.must([close]);
      node.takeFromSubnet(running.intent.step, -1);
      this.#tell(
        "step-undone",
        "info",
        `${running.intent.step.kind} was undone; nothing of it is left`,
        running.intent,
      );
    }
    node.intents.delete(running.intent.id);
  }

  async #gone(step: Step, outcome: Extract<StepOutcome, { kind: "gone" }>, close: Change): Promise<void> {
    const { node, ledger } = this.#options;
    const { interfaceId } = outcome;
    // What EC2 took back it may have given to another interface of the node already.
    const cidrs = outcome.cidrs.filter((cidr) => node.pool.block(cidr)?.block.interfaceId === interfaceId);
    const removed = step.kind === "remove-interface";
    const change: Change = removed ? { kind: "interface-remove", interfaceId } : { kind: "blocks-remove", cidrs };
    await ledger.must([change, close]);
    for (const cidr of cidrs) node.pool.removeBlock(cidr);
    if (removed && node.interfaces.delete(interfaceId)) node.pool.removeInterface(interfaceId);
  }

  #failed(running: RunningIntent, error: EnidError): void {
    const { restraint, ledger, clock } = this.#options;
    if (!this.#isOpen(running)) return;
    const failure = stepFailure(error);
    const { step } = running.intent;
    // A disk that refuses is no failure of EC2; the ledger reports it.
    if (error.code !== "ENID_STATE_WRITE_FAILED") restraint.failed(error, { subnetId: subnetOf(step), ...failure });
    if (failure.class === "limit" || failure.class === "gone") this.#options.outdated();
    if (failure.class === "subnet-exhausted") this.#options.distrustSubnets();
    this.#tell("step-failed", "warn", `${step.kind} failed: ${error.message}`, running.intent);
    if (failure.effect === "none") {
      this.#drop(running);
      void ledger.eventually([{ kind: "intent-close", id: running.intent.id }]);
      return;
    }
    const nowMs = clock.nowMs();
    const nextTryMs = nowMs + LIMITS.settleFirstMs;
    Object.assign(running, { state: "unsettled", sinceMs: nowMs, nextTryMs, error: withRetryAt(error, nextTryMs) });
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

  /** The last gate before the cloud: promises 6 and 7 hold even if planning were wrong. */
  #refuseForbidden(step: Step): void {
    const { node } = this.#options;
    const refuse = (detail: string) => {
      throw new EnidError("ENID_REFUSED", { detail });
    };
    if (step.kind === "add-blocks" || step.kind === "create-interface") {
      const allowed = node.resolution?.subnets.some((subnet) => subnet.id === step.subnetId) ?? false;
      if (!allowed) refuse(`${step.kind} in subnet ${step.subnetId}, which is not allowed`);
      const limits = node.facts?.limits;
      if (limits === undefined) refuse(`${step.kind} before the limits of the instance are known`);
      else if (step.count < 0 || step.count > limits.ipv4PerInterface - 1)
        refuse(`${step.kind} of ${step.count} addresses`);
    }
    if ("interfaceId" in step) {
      const record = node.interfaces.get(step.interfaceId);
      if (record?.foreign) refuse(`${step.kind} on ${step.interfaceId}, which is managed by somebody else`);
      if (step.kind === "remove-interface" && step.interfaceId === node.facts?.primaryInterfaceId) {
        refuse("remove-interface of the primary interface");
      }
    }
  }

  #blocksOn(interfaceId: string): string[] {
    const blocks = [...this.#options.node.pool.blocks()].map(({ block }) => block);
    return blocks.filter((block) => block.interfaceId === interfaceId).map((block) => block.cidr);
  }

  #tell(name: string, level: "info" | "warn", message: string, intent: Intent): void {
    const subject = intent.interfaceId ?? ("interfaceId" in intent.step ? intent.step.interfaceId : "");
    this.#options.history.add(this.#options.clock.nowMs(), "", "", message);
    this.#options.telemetry.event({
      name,
      level,
      message,
      fields: { intent: intent.id, step: intent.step.kind, interface: subject, count: stepCount(intent) },
    });
  }
}

function subnetOf(step: Step): string {
  return "subnetId" in step ? step.subnetId : "";
}

/** A step that removes what a crash left behind. */
export function removalOf(leaked: ObservedInterface): Step {
  return {
    kind: "remove-interface",
    interfaceId: leaked.id,
    reason: `${leaked.id} was made by enid for this node, is attached nowhere and belongs to no step: it leaked`,
  };
}
