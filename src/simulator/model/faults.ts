/** Faults that a caller of the simulated cloud may meet: rules that hit chosen calls. */
import type { Random } from "../../adapters/index.ts";
import type { SettingsPatch } from "./settings.ts";

export type FaultEffect =
  /** An answer with that code instead of the effect; the text is EC2's own if absent. */
  | { readonly kind: "error"; readonly code: string; readonly message?: string; readonly httpStatus?: number }
  /** The effect happens, then the connection closes without an answer. */
  | { readonly kind: "lost-reply" }
  /** The connection closes before anything happens. */
  | { readonly kind: "reset" }
  /** The effect happens; the answer is 200 with half of its XML. */
  | { readonly kind: "truncated" }
  /** A proxy's page instead of the effect, 503 unless told otherwise. */
  | { readonly kind: "html"; readonly httpStatus?: number }
  /** The call takes that much longer; not divided by the speed. */
  | { readonly kind: "latency"; readonly delayMs: number }
  /** No answer ever, and the effect does not happen (`before`, default) or happens (`after`). */
  | { readonly kind: "hang"; readonly moment?: "before" | "after" }
  /** The call is carried out as if these settings were in force: how long this one is stuck, unseen or not found. */
  | { readonly kind: "settings"; readonly settings: CallSettings };

/** The settings that one call may have for itself. */
export type CallSettings = Pick<
  SettingsPatch,
  "attachMs" | "detachMs" | "describeLagMs" | "metadataLagMs" | "notFoundAfterCreateMs"
>;

export interface FaultRule {
  /**
   * An action, or `*` for every action. For instance metadata: `Metadata:` and a path, of which the end may be `*`
   * (`Metadata:/latest/meta-data/network/*`).
   */
  readonly action: string;
  /** Hits the metadata of this instance only. */
  readonly instance?: string;
  /** Hits calls of this account only. */
  readonly account?: string;
  readonly effect: FaultEffect;
  /** The first matching call it may hit, counted from 1 since the rule was made; 1 if absent. */
  readonly from?: number;
  /** How many matching calls from there on it may hit: 1 if absent, without end if absent beside a probability. */
  readonly times?: number | "unlimited";
  /** The chance that a call it may hit is hit; 1 if absent. */
  readonly probability?: number;
}

export interface ActiveFault extends FaultRule {
  readonly id: string;
  /** Matching calls so far. */
  readonly seen: number;
  /** Calls hit so far. */
  readonly hits: number;
}

/** A call that a rule may hit. */
export interface FaultTarget {
  readonly action: string;
  /** Whose metadata is read. */
  readonly instance?: string;
  readonly account?: string;
}

/** Metadata requests have no action: this and their path stand for one. */
export const METADATA_ACTION = "Metadata:";

/** A rule and what it has met so far. */
interface Counted {
  readonly id: string;
  readonly rule: FaultRule;
  seen: number;
  hits: number;
}

export class Faults {
  #rules: Counted[] = [];
  #lastId = 0;

  add(rule: FaultRule): ActiveFault {
    this.#lastId += 1;
    const counted = { id: `fault-${this.#lastId}`, rule, seen: 0, hits: 0 };
    this.#rules.push(counted);
    return shown(counted);
  }

  /** Removes one rule, or all; says how many. */
  remove(id?: string): number {
    const before = this.#rules.length;
    this.#rules = id === undefined ? [] : this.#rules.filter((rule) => rule.id !== id);
    return before - this.#rules.length;
  }

  list(): readonly ActiveFault[] {
    return this.#rules.map(shown);
  }

  /** Whether there is any rule: without one, no call need ask. */
  get isEmpty(): boolean {
    return this.#rules.length === 0;
  }

  /** What happens to the next call of that action. Every matching rule counts it; the oldest one that hits decides. */
  draw(call: FaultTarget, random: Random): FaultEffect | undefined {
    let effect: FaultEffect | undefined;
    for (const counted of this.#rules) {
      const { rule } = counted;
      if (!concerns(rule, call)) continue;
      counted.seen += 1;
      if (effect !== undefined || !mayHit(rule, counted.seen) || random.fraction() >= (rule.probability ?? 1)) continue;
      counted.hits += 1;
      effect = rule.effect;
    }
    return effect;
  }
}

function shown({ id, rule, seen, hits }: Counted): ActiveFault {
  return { ...rule, id, seen, hits };
}

function concerns(rule: FaultRule, { action, instance, account }: FaultTarget): boolean {
  if (rule.instance !== undefined && rule.instance !== instance) return false;
  if (rule.account !== undefined && rule.account !== account) return false;
  const isMetadata = action.startsWith(METADATA_ACTION);
  if (rule.action === "*") return !isMetadata;
  if (isMetadata && rule.action.endsWith("*")) return action.startsWith(rule.action.slice(0, -1));
  return rule.action === action;
}

function mayHit(rule: FaultRule, call: number): boolean {
  const from = rule.from ?? 1;
  const times = rule.times ?? (rule.probability === undefined ? 1 : "unlimited");
  return call >= from && (times === "unlimited" || call < from + times);
}
