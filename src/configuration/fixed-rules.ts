import { formatRange, parseRange } from "./ip-range.ts";
import { rangeFaults } from "./pod-cidrs.ts";
import type { ValueFault } from "./problems.ts";
import type { FixedRule } from "./types.ts";

/** Faults of rules that each have the right form; those that do not are given as undefined and skipped. */
export function fixedFaults(rules: readonly (FixedRule | undefined)[]): ValueFault[] {
  const seen = new Map<string, number>();
  return rules.flatMap((rule, at) => {
    if (rule === undefined) return [];
    const faults = [...podsFaults(at, rule), ...ordinalsFaults(at, rule), ...addressesFaults(at, rule)];
    if (faults.length > 0) return faults;
    const pods = JSON.stringify([rule.namespace, rule.pod, rule["stateful-set"], rule.ordinals]);
    const earlier = seen.get(pods);
    seen.set(pods, earlier ?? at);
    if (earlier === undefined) return [];
    const what = "names the same pods as an earlier rule";
    return [{ at: `/${at}`, with: `/${earlier}`, what, allowed: "allowed is one rule for them" }];
  });
}

function podsFaults(at: number, rule: FixedRule): ValueFault[] {
  const both = rule.pod !== undefined && rule["stateful-set"] !== undefined;
  if (both) {
    const what = "stands beside a StatefulSet";
    return [{ at: `/${at}/pod`, with: `/${at}/stateful-set`, what, allowed: "allowed is one of the two" }];
  }
  if (rule.pod !== undefined || rule["stateful-set"] !== undefined) return [];
  return [{ at: `/${at}`, what: "names no pods", allowed: 'allowed is it with "pod" or with "stateful-set"' }];
}

function ordinalsFaults(at: number, rule: FixedRule): ValueFault[] {
  if (rule.ordinals === undefined) return [];
  const place = `/${at}/ordinals`;
  if (rule["stateful-set"] === undefined) {
    return [{ at: place, what: "is of no StatefulSet", allowed: 'allowed is it beside "stateful-set"' }];
  }
  let next = 0;
  for (const part of rule.ordinals.split(",")) {
    const [first = 0, last = first] = part.split("-").map(Number);
    if (last < first || first < next) {
      return [
        { at: place, what: `has ${part} out of order`, allowed: "allowed are numbers in ascending order, once each" },
      ];
    }
    next = last + 1;
  }
  return [];
}

function addressesFaults(at: number, { addresses }: FixedRule): ValueFault[] {
  if (addresses === undefined) return [];
  const base = `/${at}/addresses`;
  return rangeFaults(addresses).map((fault) => ({
    ...fault,
    at: base + fault.at,
    ...(fault.with === undefined ? undefined : { with: base + fault.with }),
  }));
}

/** The rule as all of enid has it: addresses as ranges. */
export function canonicalRule(rule: FixedRule): FixedRule {
  if (rule.addresses === undefined) return rule;
  return { ...rule, addresses: rule.addresses.map(canonicalAddresses) };
}

function canonicalAddresses(text: string): string {
  const parsed = parseRange(text);
  return parsed === undefined ? text : formatRange(parsed.range);
}
