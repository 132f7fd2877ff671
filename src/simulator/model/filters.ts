/** Filters of Describe calls: filters are ANDed, the values of one are ORed, `*` and `?` are wildcards unless escaped. */
import type { Tags } from "./records.ts";
import { invalidValue, SimulatedError } from "./simulated-error.ts";

export const FILTER_SHAPE = [{ Name: "string", Value: ["string"] }] as const;

export interface Filter {
  readonly Name: string | undefined;
  readonly Value: readonly string[];
}

/** The values that an item has for a filter name; an item without any matches no value. */
export type FilterFields<T> = Readonly<Record<string, (item: T) => readonly string[]>>;

const MAX_FILTERS = 50;
const MAX_VALUES = 200;

/** Errors: InvalidParameterValue (unknown filter), FilterLimitExceeded. */
export function applyFilters<T extends { readonly tags?: Tags }>(
  items: readonly T[],
  filters: readonly Filter[],
  fields: FilterFields<T>,
): readonly T[] {
  const isMeant = filterTest(filters, fields);
  return filters.length === 0 ? items : items.filter(isMeant);
}

/** Whether an item passes every filter. Errors: those of `applyFilters`, at once. */
export function filterTest<T extends { readonly tags?: Tags }>(
  filters: readonly Filter[],
  fields: FilterFields<T>,
): (item: T) => boolean {
  if (filters.length > MAX_FILTERS || filters.some((filter) => filter.Value.length > MAX_VALUES)) {
    throw new SimulatedError("FilterLimitExceeded", "The maximum length for a filter value list is 200");
  }
  const tests = filters.map((filter) => {
    const valuesOf = fieldOf(filter.Name ?? "null", fields);
    const isMatch = anyOf(filter.Value);
    return (item: T) => valuesOf(item).some(isMatch);
  });
  return (item) => tests.every((test) => test(item));
}

/** The values of the filter when each of them means itself alone; undefined when one is a pattern. */
export function literalValues({ Value: values }: Filter): readonly string[] | undefined {
  return values.some(isPattern) ? undefined : values;
}

function isPattern(value: string): boolean {
  return value.includes("*") || value.includes("?") || value.includes("\\");
}

function anyOf(values: readonly string[]): (value: string) => boolean {
  const literals = new Set(values.filter((value) => !isPattern(value)));
  const patterns = values.filter(isPattern).map(wildcard);
  if (patterns.length === 0) return (value) => literals.has(value);
  return (value) => literals.has(value) || patterns.some((pattern) => pattern.test(value));
}

function fieldOf<T extends { readonly tags?: Tags }>(
  name: string,
  fields: FilterFields<T>,
): (item: T) => readonly string[] {
  if (Object.hasOwn(fields, name)) {
    const field = fields[name];
    if (field) return field;
  }
  if (name === "tag-key") return (item) => Object.keys(item.tags ?? {});
  if (name.startsWith("tag:") && name.length > 4) {
    const key = name.slice(4);
    return ({ tags = {} }) => {
      const value = Object.hasOwn(tags, key) ? tags[key] : undefined;
      return value === undefined ? [] : [value];
    };
  }
  throw invalidValue(`The filter '${name}' is invalid`);
}

/** Linear-time matching, so that no value can make it slow. */
function wildcard(pattern: string): { test(value: string): boolean } {
  const parts: { kind: "any" | "one" | "char"; char: string }[] = [];
  for (let index = 0; index < pattern.length; index += 1) {
    const char = pattern.charAt(index);
    if (char === "\\" && index + 1 < pattern.length) {
      index += 1;
      parts.push({ kind: "char", char: pattern.charAt(index) });
    } else if (char === "*") parts.push({ kind: "any", char });
    else if (char === "?") parts.push({ kind: "one", char });
    else parts.push({ kind: "char", char });
  }
  return {
    test(value) {
      let at = 0;
      let part = 0;
      let star = -1;
      let resume = 0;
      while (at < value.length) {
        const current = parts[part];
        if (current && (current.kind === "one" || (current.kind === "char" && current.char === value.charAt(at)))) {
          at += 1;
          part += 1;
        } else if (current?.kind === "any") {
          star = part;
          resume = at;
          part += 1;
        } else if (star !== -1) {
          part = star + 1;
          resume += 1;
          at = resume;
        } else return false;
      }
      return parts.slice(part).every((rest) => rest.kind === "any");
    },
  };
}
