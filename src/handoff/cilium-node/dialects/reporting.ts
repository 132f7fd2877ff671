import { listOf, textOf } from "../merge-patch.ts";
import type { AgentReport, Dialect } from "../port.ts";
import { covers } from "../ranges.ts";
import type { CiliumNode } from "../resource.ts";
import { answersOf } from "./pool.ts";

export interface ReportContext {
  readonly dialect: Dialect;
  readonly nowMs: number;
  /** What the agent keeps in advance where the resource does not say. */
  readonly preAllocate: number;
  readonly waiting: number;
  readonly isMoving: boolean;
  /** The CIDRs that the node has: prefixes, and single addresses that are of none. */
  readonly blocks: readonly string[];
  /** Whether the pod of that name ("namespace/name") was on the node and is no more; never, where pods are not watched. */
  readonly isGone: (name: string) => boolean;
}

/** An agent that has lost what it knew is taken to have found it again when it said the same for so long. */
export const SETTLED_MS = 5 * 60_000;
/** A loss of so many entries at once, and of half of them, is no pods that ended. */
const SUSPICIOUS = 4;
/** A CIDR that the agent of 1.20 gave up is idle after so long: a restart gives it back before. */
export const IDLE_MS = 60_000;
/**
 * An answer of the handshake counts when it has stood for so long: an agent that was started answers what it is asked before it
 * has found its pods again, and says what they have a little later (cilium/cilium#9888).
 */
export const ANSWER_STANDS_MS = 90_000;
/** It is let go when it was offered no more for so long: by then the agent has seen that, also by a watch that was broken. */
export const WITHHELD_MS = 120_000;

/** What the agent says, and what it must not be taken to say: a process just started knows less than is in use. */
export class Reporting {
  #known: ReadonlySet<string> = new Set();
  #dialect: Dialect | undefined;
  #missing: ReadonlyMap<string, string> = new Map();
  #owners: ReadonlyMap<string, string> = new Map();
  #sinceMs = 0;
  #looked = { nowMs: 0 };
  #isRestoring = false;
  #said = "";
  /** CIDRs that are not in `allocated`, and since when. */
  readonly #gone = new Map<string, number>();
  /** Since when `ready-for-release` stands. */
  readonly #answered = new Map<string, number>();
  /** Since when the agent does not see those of them in what it is offered. */
  readonly #withheld = new Map<string, number>();

  /** When a report would say something else by the time alone; wall ms, Infinity = never. */
  get dueMs(): number {
    const settled = this.#isRestoring ? this.#sinceMs + SETTLED_MS : Number.POSITIVE_INFINITY;
    const { nowMs } = this.#looked;
    const moments = [
      settled,
      ...[...this.#gone.values()].map((sinceMs) => sinceMs + IDLE_MS),
      ...[...this.#answered.values()].map((sinceMs) => sinceMs + ANSWER_STANDS_MS),
      ...[...this.#withheld.values()].map((sinceMs) => sinceMs + WITHHELD_MS),
    ];
    return Math.min(...moments.filter((atMs) => atMs > nowMs), Number.POSITIVE_INFINITY);
  }

  /** What a process before this one had heard: an agent that says nothing of it now has lost it. */
  begin(inUse: ReadonlyMap<string, string>): void {
    this.#known = new Set(inUse.keys());
    this.#owners = inUse;
  }

  /** The resource is another one, or of another instance. */
  forget(): void {
    this.#known = new Set();
    this.#missing = new Map();
    this.#isRestoring = false;
    this.#gone.clear();
    this.#withheld.clear();
    this.#answered.clear();
  }

  report(node: CiliumNode, context: ReportContext): AgentReport {
    const { dialect, nowMs, waiting } = context;
    this.#looked = { nowMs };
    const isModern = dialect === "eni-1.20";
    // What the one dialect named the other one does not, and nothing is lost by that.
    if (this.#dialect !== undefined && this.#dialect !== dialect) this.forget();
    else if (this.#dialect === undefined && isModern) this.#known = new Set();
    this.#dialect = dialect;
    const named = new Set(isModern ? node.allocated : node.used.keys());
    this.#judge(node, named, context);
    if (!this.#isRestoring) {
      if (isModern) this.#noteGone(node, context);
      this.#known = named;
      this.#owners = node.used;
    }
    const restoring = this.#isRestoring || context.isMoving;
    if (isModern) {
      const requested = node.requested ?? 0;
      return {
        dialect,
        used: undefined,
        usedCount: Math.max(0, requested - (node.preAllocate ?? context.preAllocate)),
        ...this.#givenUp(node, context),
        kept: [],
        waiting,
        restoring,
      };
    }
    return { dialect, used: node.used, usedCount: 0, idle: [], ...this.#answers(node, nowMs), waiting, restoring };
  }

  #answers(node: CiliumNode, nowMs: number): Pick<AgentReport, "letGo" | "kept"> {
    const { letGo, kept } = answersOf(node);
    const ready = new Set(letGo);
    for (const address of this.#answered.keys()) if (!ready.has(address)) this.#answered.delete(address);
    for (const address of letGo) if (!this.#answered.has(address)) this.#answered.set(address, nowMs);
    const stands = (address: string) => nowMs - (this.#answered.get(address) ?? nowMs) >= ANSWER_STANDS_MS;
    return { letGo: letGo.filter(stands), kept };
  }

  /**
   * An agent may give up what it has just taken in the write by which it would have said so: what it does not name counts, and
   * not only what it named once.
   */
  #noteGone({ allocated }: CiliumNode, { blocks, nowMs }: ReportContext): void {
    const free = new Set(blocks.filter((cidr) => !allocated.some((other) => other === cidr || overlap(cidr, other))));
    for (const cidr of this.#gone.keys()) if (!free.has(cidr)) this.#gone.delete(cidr);
    for (const cidr of free) if (!this.#gone.has(cidr)) this.#gone.set(cidr, nowMs);
  }

  #givenUp(node: CiliumNode, { nowMs }: ReportContext): Pick<AgentReport, "letGo" | "idle"> {
    const seen = Object.values(node.interfaces).flatMap((one) => [
      ...listOf(one.prefixes).map(textOf),
      ...listOf(one.addresses).map((address) => `${textOf(address)}/32`),
    ]);
    for (const [cidr, sinceMs] of this.#gone) {
      const isSeen = seen.some((other) => other === cidr || overlap(cidr, other));
      if (nowMs - sinceMs < IDLE_MS || isSeen) this.#withheld.delete(cidr);
      else this.#withheld.set(cidr, this.#withheld.get(cidr) ?? nowMs);
    }
    for (const cidr of this.#withheld.keys()) if (!this.#gone.has(cidr)) this.#withheld.delete(cidr);
    const idle = [...this.#gone].flatMap(([cidr, sinceMs]) => (nowMs - sinceMs >= IDLE_MS ? [cidr] : []));
    const letGo = [...this.#withheld].flatMap(([cidr, sinceMs]) => (nowMs - sinceMs >= WITHHELD_MS ? [cidr] : []));
    return { idle, letGo };
  }

  #judge(node: CiliumNode, named: ReadonlySet<string>, { nowMs, isGone }: ReportContext): void {
    const said = JSON.stringify([...named].sort());
    const lost = [...this.#known].filter((one) => !named.has(one));
    if (!this.#isRestoring) {
      const isAll = this.#known.size > 0 && named.size === 0;
      const isMany = this.#known.size >= SUSPICIOUS && lost.length * 2 >= this.#known.size;
      if (isAll || isMany) {
        this.#isRestoring = true;
        this.#sinceMs = nowMs;
        this.#missing = new Map(lost.map((one) => [one, this.#owners.get(one) ?? ""]));
      }
    } else if (said !== this.#said) this.#sinceMs = nowMs;
    this.#said = said;
    if (!this.#isRestoring) return;
    const isBack = [...this.#missing.keys()].every((one) => named.has(one));
    const isOver = ([one, owner]: readonly [string, string]) =>
      named.has(one) || (owner.includes("/") && isGone(owner));
    const areGone = node.requested === undefined && [...this.#missing].every(isOver);
    if (isBack || areGone || nowMs - this.#sinceMs >= SETTLED_MS) this.#isRestoring = false;
  }
}

function overlap(one: string, other: string): boolean {
  const base = (cidr: string) => cidr.slice(0, cidr.indexOf("/"));
  return one !== other && (covers([one], base(other)) || covers([other], base(one)));
}
