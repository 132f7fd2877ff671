import type { FixedRule, SettingValues } from "../configuration/index.ts";
import type { Pod } from "../pool/index.ts";

/** Pods ask for a fixed address by this annotation: "true", or "false" against a rule. */
export const FIXED_ANNOTATION = "enid.io/fixed-address";

/** A pod that keeps its address for life. */
export interface FixedPod {
  /** "namespace/name". */
  readonly key: string;
  /** How long the address is kept after the pod. 0 = for ever. */
  readonly keepMs: number;
  /** Ranges that its address comes from; empty = the allowed subnets. */
  readonly ranges: readonly string[];
  /** Which rule says so, in words. */
  readonly because: string;
}

type FixedSettings = Pick<SettingValues, "fixed" | "fixed-annotations" | "fixed-keep-seconds">;

/** Whether the pod keeps its address; undefined = it gets whichever is free. The first rule that fits counts. */
export function fixedPod(
  values: FixedSettings,
  pod: Pick<Pod, "namespace" | "name">,
  annotations: Readonly<Record<string, string>> | undefined,
): FixedPod | undefined {
  const { fixed, "fixed-annotations": byAnnotation, "fixed-keep-seconds": keepSeconds } = values;
  if (fixed.length === 0 && !byAnnotation) return undefined;
  if (pod.namespace === "" || pod.name === "") return undefined;
  const asked = byAnnotation ? annotations?.[FIXED_ANNOTATION] : undefined;
  if (asked === "false") return undefined;
  const key = `${pod.namespace}/${pod.name}`;
  const at = fixed.findIndex((rule) => fits(rule, pod));
  const rule = fixed[at];
  if (rule === undefined) {
    if (asked !== "true") return undefined;
    return { key, keepMs: keepSeconds * 1_000, ranges: [], because: `its annotation ${FIXED_ANNOTATION}` };
  }
  const keepMs = (rule["keep-seconds"] ?? keepSeconds) * 1_000;
  return { key, keepMs, ranges: rule.addresses ?? [], because: `rule ${at + 1} of ipam.fixed` };
}

function fits(rule: FixedRule, { namespace, name }: Pick<Pod, "namespace" | "name">): boolean {
  if (!matches(rule.namespace, namespace)) return false;
  if (rule.pod !== undefined) return matches(rule.pod, name);
  const set = rule["stateful-set"];
  return set !== undefined && isOrdinal(name, set, rule.ordinals);
}

/** Whether the pod is one of the StatefulSet, with one of these ordinals. */
function isOrdinal(name: string, set: string, ordinals: string | undefined): boolean {
  if (!name.startsWith(`${set}-`)) return false;
  const text = name.slice(set.length + 1);
  // As the controller writes it: no sign, no zero in front.
  if (!/^(0|[1-9][0-9]{0,8})$/.test(text)) return false;
  if (ordinals === undefined) return true;
  const ordinal = Number(text);
  return ordinals.split(",").some((part) => {
    const [first, last = first] = part.trim().split("-").map(Number);
    return first !== undefined && last !== undefined && first <= ordinal && ordinal <= last;
  });
}

/** `*` stands for any characters, also for none. Linear in the name for each star, whatever the pattern is. */
function matches(pattern: string, name: string): boolean {
  const [first = "", ...others] = pattern.split("*");
  const last = others.pop();
  if (last === undefined) return pattern === name;
  if (!name.startsWith(first)) return false;
  let at = first.length;
  for (const part of others) {
    const found = name.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return name.length - last.length >= at && name.endsWith(last);
}
