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
): T[] {
  if (filters.length > MAX_FILTERS || filters.some((filter) => filter.Value.length > MAX_VALUES)) {
    throw new SimulatedError("FilterLimitExceeded", "The maximum length for a filter value list is 200");
  }
  const tests = filters.map((filter) => {
    const valuesOf = fieldOf(filter.Name ?? "null", fields);
    const patterns = filter.Value.map(wildcard);
    return (item: T) => valuesOf(item).some((value) => patterns.some((pattern) => pattern.test(value)));
  });
  return items.filter((item) => tests.every((test) => test(item)));
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
    return (item) => {
      const value = new Map(Object.entries(item.tags ?? {})).get(key);
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
