/** JSON as the resource has it. */
export type Fields = Readonly<Record<string, unknown>>;

/** The merge patch (RFC 7386) by which `from` becomes `to`, and no more; undefined when it is that already. */
export function patchTo(from: unknown, to: Fields): Fields | undefined {
  const before = fieldsOf(from);
  const patch: Record<string, unknown> = {};
  for (const key of Object.keys(before)) if (!Object.hasOwn(to, key)) patch[key] = null;
  for (const [key, value] of Object.entries(to)) {
    if (isFields(value)) {
      // What is no object there is replaced by the whole of it.
      const inner = isFields(before[key]) ? patchTo(before[key], value) : value;
      if (inner !== undefined) patch[key] = inner;
    } else if (!sameJson(before[key], value)) patch[key] = value;
  }
  return Object.keys(patch).length === 0 ? undefined : patch;
}

/** Whether two values say the same; the order of keys says nothing. */
export function sameJson(one: unknown, other: unknown): boolean {
  if (one === other) return true;
  if (Array.isArray(one) && Array.isArray(other)) {
    return one.length === other.length && one.every((item, at) => sameJson(item, other[at]));
  }
  if (!isFields(one) || !isFields(other)) return false;
  const keys = Object.keys(one);
  return (
    keys.length === Object.keys(other).length &&
    keys.every((key) => Object.hasOwn(other, key) && sameJson(one[key], other[key]))
  );
}

export function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The fields of an object; none of anything else. */
export function fieldsOf(value: unknown): Fields {
  return isFields(value) ? value : {};
}

export function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

export function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

/** 0 for anything else. */
export function numberOf(value: unknown): number {
  return typeof value === "number" && Number.isFinite(value) ? value : 0;
}
