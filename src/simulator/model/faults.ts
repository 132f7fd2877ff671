/** Faults that a caller of the simulated cloud may meet: rules that hit chosen calls. */
import type { Random } from "../../adapters/index.ts";

export type FaultEffect =
  /** An answer with that code instead of the effect. */
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
  | { readonly kind: "hang"; readonly moment?: "before" | "after" };

export interface FaultRule {
  /** An action, or `*` for every action. */
  readonly action: string;
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

export class Faults {
  #rules: ActiveFault[] = [];
  #lastId = 0;

  add(rule: FaultRule): ActiveFault {
    this.#lastId += 1;
    const active = { ...rule, id: `fault-${this.#lastId}`, seen: 0, hits: 0 };
    this.#rules.push(active);
    return active;
  }

  /** Removes one rule, or all; says how many. */
  remove(id?: string): number {
    const before = this.#rules.length;
    this.#rules = id === undefined ? [] : this.#rules.filter((rule) => rule.id !== id);
    return before - this.#rules.length;
  }

  list(): readonly ActiveFault[] {
    return this.#rules;
  }

  /** What happens to the next call of that action. Every matching rule counts it; the oldest one that hits decides. */
  draw(action: string, random: Random): FaultEffect | undefined {
    let effect: FaultEffect | undefined;
    this.#rules = this.#rules.map((rule) => {
      if (rule.action !== "*" && rule.action !== action) return rule;
      const seen = rule.seen + 1;
      if (effect !== undefined || !mayHit(rule, seen) || random.fraction() >= (rule.probability ?? 1)) {
        return { ...rule, seen };
      }
      effect = rule.effect;
      return { ...rule, seen, hits: rule.hits + 1 };
    });
    return effect;
  }
}

function mayHit(rule: FaultRule, call: number): boolean {
  const from = rule.from ?? 1;
  const times = rule.times ?? (rule.probability === undefined ? 1 : "unlimited");
  return call >= from && (times === "unlimited" || call < from + times);
}
