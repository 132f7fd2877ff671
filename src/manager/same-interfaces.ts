import type { InterfaceRecord, ObservedInterface } from "./ports/index.ts";

/** Whether two observations show the same. The very same array, as a provider may answer that sees no change, costs nothing. */
export function sameInterfaces(left: readonly ObservedInterface[], right: readonly ObservedInterface[]): boolean {
  if (left === right) return true;
  if (left.length !== right.length) return false;
  for (let n = 0; n < left.length; n++) if (!sameRecord(left[n], right[n])) return false;
  return true;
}

/** By all properties, so that one that is new is not forgotten here. */
export function sameRecord<Kind extends ObservedInterface | InterfaceRecord>(
  left: Kind | undefined,
  right: Kind | undefined,
): boolean {
  if (left === right) return true;
  if (left === undefined || right === undefined) return false;
  const [a, b] = [left, right] as unknown as [Properties, Properties];
  let properties = 0;
  for (const name in a) {
    properties++;
    if (!sameValue(a[name], b[name])) return false;
  }
  for (const _name in b) properties--;
  return properties === 0;
}

type Properties = Readonly<Record<string, unknown>>;

function sameValue(left: unknown, right: unknown): boolean {
  if (left === right) return true;
  if (!Array.isArray(left) || !Array.isArray(right) || left.length !== right.length) return false;
  for (let n = 0; n < left.length; n++) if (left[n] !== right[n]) return false;
  return true;
}

/** Whether both name the same, in whatever order. */
export function sameMembers(some: readonly string[], others: readonly string[]): boolean {
  return sameValue(some, others) || sameValue([...some].sort(), [...others].sort());
}
