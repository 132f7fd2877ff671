import type { Clock } from "../adapters/index.ts";
import type { Step } from "../planning/index.ts";
import { type Block, familyOf } from "../pool/index.ts";
import { fixedBlock } from "./fixed-held.ts";
import { isFencedPrefix } from "./fixed-prefixes.ts";
import type { History } from "./history.ts";
import type { Ledger } from "./ledger.ts";
import type { NodeState, RunningIntent } from "./node.ts";
import { blockOf, observedCidrs } from "./observed.ts";
import type { Observer } from "./observing.ts";
import type { Change, Intent, InterfaceRecord, StepOutcome, Telemetry } from "./ports/index.ts";
import { countSaid, stepCount } from "./step-sizes.ts";

export interface ConclusionOptions {
  readonly node: NodeState;
  readonly ledger: Ledger;
  readonly observer: Observer;
  readonly telemetry: Telemetry;
  readonly history: History;
  readonly clock: Clock;
  /** Of what just came: fences the fixed addresses of pods of other nodes, before they join. Never rejects. */
  readonly fence: (cidrs: readonly string[]) => Promise<readonly Change[]>;
}

/** How steps end: their result and the end of their intent are one commit, and only then the pool follows. */
export class Conclusions {
  readonly #options: ConclusionOptions;

  constructor(options: ConclusionOptions) {
    this.#options = options;
  }

  async conclude(running: RunningIntent, outcome: StepOutcome): Promise<void> {
    const { node, ledger } = this.#options;
    const { intent } = running;
    const close: Change = { kind: "intent-close", id: intent.id };
    if (outcome.kind === "done") await this.#done(running, outcome, close);
    else if (outcome.kind === "gone") await this.#gone(intent, outcome, close);
    else {
      await ledger.must([close]);
      this.takeBack(intent.step);
      this.tell("step-undone", "info", `${intent.step.kind} was undone; nothing of it is left`, intent);
    }
    node.intents.delete(intent.id);
    node.refreshUsability();
  }

  /** The step has no effect: what was set aside for it is as it was. Call before the intent is forgotten. */
  takeBack(step: Step): void {
    const { node } = this.#options;
    node.takeFromSubnet(step, -1);
    const known = blocksToGive(node, step).filter((cidr) => node.pool.block(cidr) !== undefined);
    node.pool.unmarkReleasing(known);
    // One that cooled when its intent was found at the start was not marked, but set apart.
    for (const cidr of known) {
      if (!node.lostSinceMs.has(cidr)) node.pool.setBlockUsable(cidr, true);
      if (fixedBlock(node, cidr) !== undefined || isFencedPrefix(node, cidr)) node.pool.keep(cidr, true);
    }
  }

  tell(name: string, level: "info" | "warn", message: string, intent: Intent): void {
    const subject = intent.interfaceId ?? ("interfaceId" in intent.step ? intent.step.interfaceId : "");
    this.#options.history.add(this.#options.clock.nowMs(), "", "", message);
    this.#options.telemetry.event({
      name,
      level,
      message,
      fields: { intent: intent.id, step: intent.step.kind, interface: subject, count: stepCount(intent) },
    });
  }

  async #done(
    { intent, brought: told }: RunningIntent,
    outcome: Extract<StepOutcome, { kind: "done" }>,
    close: Change,
  ): Promise<void> {
    const { node, ledger, observer } = this.#options;
    const fenced = intent.step.kind === "add-blocks" && intent.step.address !== undefined ? [] : outcome.added;
    const fences = fenced.length === 0 ? [] : await this.#options.fence(fenced);
    const record = recordOf(outcome, node.interfaces.get(outcome.interface.id));
    const brought = [...outcome.added.map((cidr) => blockOf(cidr, record.id)), node.primaryBlock(record)];
    const all = brought.filter((block) => block !== undefined);
    const blocks = all.filter(({ cidr }) => node.pool.block(cidr) === undefined);
    await ledger.must([{ kind: "interface-put", interface: record }, { kind: "blocks-put", blocks }, ...fences, close]);
    node.interfaces.set(record.id, record);
    const usable = node.unusableBecause(record) === "";
    node.pool.upsertInterface({ id: record.id, index: node.poolIndex(record), usable });
    // An observation may have brought in meanwhile what was being written.
    const isHeld = ({ cidr }: Block) => node.pool.block(cidr)?.block.interfaceId === record.id;
    const refused = blocks.filter((block) => !node.enter(block) && !isHeld(block));
    if (refused.length > 0) void ledger.eventually([{ kind: "blocks-remove", cidrs: refused.map(({ cidr }) => cidr) }]);
    const held = (cidr: string) => node.pool.block(cidr)?.block.interfaceId === record.id;
    for (const block of all) if (!blocks.includes(block) && !held(block.cidr)) node.homeless.set(block.cidr, block);
    this.#house();
    told?.(outcome.added.filter(held));
    observer.learned(record, [...observedCidrs(outcome.interface), ...outcome.added]);
    if (intent.step.kind === "set-security-groups") {
      const groups = record.securityGroups.join(", ");
      this.tell("security-groups-changed", "info", `${record.id} has the security groups ${groups} now`, intent);
    } else {
      this.tell("step-done", "info", `${intent.step.kind} brought ${blocksSaid(blocks)} on ${record.id}`, intent);
    }
  }

  /** What came to one interface before it had left another joins once it has. */
  #house(): void {
    const { node, ledger } = this.#options;
    for (const [cidr, block] of node.homeless) {
      const interfaceGone = !node.interfaces.has(block.interfaceId);
      if (!interfaceGone && node.pool.block(cidr) !== undefined) continue;
      node.homeless.delete(cidr);
      if (interfaceGone || !node.enter(block)) continue;
      void ledger.eventually([{ kind: "blocks-put", blocks: [block] }]);
    }
  }

  async #gone(intent: Intent, outcome: Extract<StepOutcome, { kind: "gone" }>, close: Change): Promise<void> {
    const { node, ledger, observer } = this.#options;
    const { step } = intent;
    const { interfaceId } = outcome;
    const removed = step.kind === "remove-interface";
    // What EC2 took back it may have given to another interface of the node already.
    const named = removed ? node.cidrsOn(interfaceId) : outcome.cidrs;
    const cidrs = named.filter((cidr) => node.pool.block(cidr)?.block.interfaceId === interfaceId);
    const change: Change = removed ? { kind: "interface-remove", interfaceId } : { kind: "blocks-remove", cidrs };
    await ledger.must([change, close]);
    const nowMs = this.#options.clock.nowMs();
    for (const cidr of cidrs) {
      const what = `${cidr} was given back to EC2${removed ? `, with ${interfaceId}` : ""}`;
      this.#options.history.add(nowMs, "", cidr.slice(0, cidr.indexOf("/")), what);
      node.givenBack.addresses += familyOf(cidr) === "ipv6" ? 0 : (node.pool.block(cidr)?.total ?? 0);
      node.pool.removeBlock(cidr);
    }
    this.#house();
    observer.gaveBack(interfaceId, [...cidrs, ...outcome.cidrs]);
    if (removed) {
      if (step.orphanOf === undefined) node.givenBack.interfaces++;
      node.forgetInterface(interfaceId);
      observer.removed(interfaceId);
      // A leftover hung on nothing: it was only deleted.
      if (step.orphanOf !== undefined) this.tell("leftover-removed", "info", `${interfaceId} was deleted`, intent);
      else this.tell("interface-removed", "info", `${interfaceId} was detached and deleted`, intent);
    } else {
      const what = blocksSaid(cidrs.map((cidr) => blockOf(cidr, interfaceId)));
      this.tell("blocks-released", "info", `${interfaceId} gave ${what} back to EC2`, intent);
    }
  }
}

/** "8 addresses and 1 prefix". */
function blocksSaid(blocks: readonly Block[]): string {
  const prefixes = blocks.filter(({ kind }) => kind === "prefix").length;
  const singles = blocks.length - prefixes;
  if (prefixes === 0) return countSaid(singles, "address");
  return singles === 0
    ? countSaid(prefixes, "prefix")
    : `${countSaid(singles, "address")} and ${countSaid(prefixes, "prefix")}`;
}

/** The blocks that a step gives back: of an interface that goes, all. */
export function blocksToGive(node: NodeState, step: Step): readonly string[] {
  if (step.kind === "release-blocks") return step.cidrs;
  return step.kind === "remove-interface" ? node.cidrsOn(step.interfaceId) : [];
}

function recordOf(
  outcome: Extract<StepOutcome, { kind: "done" }>,
  known: InterfaceRecord | undefined,
): InterfaceRecord {
  const {
    attached: _attached,
    addresses: _addresses,
    prefixes: _prefixes,
    ipv6Prefixes: _ipv6Prefixes,
    ...observed
  } = outcome.interface;
  return { ...observed, attachmentId: observed.attachmentId || (known?.attachmentId ?? "") };
}
