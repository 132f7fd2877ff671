/** Pages of Describe calls. A token names the last item of its page, so that changes in between neither repeat nor hide. */
import { invalidCombination, invalidValue, SimulatedError } from "./simulated-error.ts";

export const PAGE_SHAPE = { MaxResults: "integer", NextToken: "string" } as const;

export interface PageRequest {
  readonly MaxResults: number | undefined;
  readonly NextToken: string | undefined;
}

export interface PageRules {
  /** What the token is good for: the action and everything that selects. */
  readonly scope: readonly unknown[];
  readonly ceiling: number;
  /** Set when explicit ids were given and the action allows no MaxResults beside them: the name of the id list. */
  readonly idsOf?: string | undefined;
}

const FLOOR = 5;

export interface Page<T> {
  readonly items: readonly T[];
  readonly nextToken: string | undefined;
}

/** Items must have unique keys. Errors: InvalidParameterValue, InvalidParameterCombination, InvalidNextToken. */
export function paginate<T>(
  items: readonly T[],
  keyOf: (item: T) => string,
  request: PageRequest,
  rules: PageRules,
): Page<T> {
  const sorted = items.length < 2 ? items : [...items].sort((one, other) => (keyOf(one) < keyOf(other) ? -1 : 1));
  return paginateSorted((after) => behind(sorted, keyOf, after), keyOf, request, rules);
}

/** As `paginate`; `itemsAfter` gives the items behind a key in order of their keys, and no more of them than are taken. */
export function paginateSorted<T>(
  itemsAfter: (after: string | undefined) => Iterable<T>,
  keyOf: (item: T) => string,
  request: PageRequest,
  rules: PageRules,
): Page<T> {
  checkSize(request.MaxResults, rules);
  const { MaxResults: size = Number.POSITIVE_INFINITY, NextToken: token } = request;
  const scope = () => JSON.stringify(rules.scope);
  const page: T[] = [];
  for (const item of itemsAfter(token === undefined ? undefined : openToken(token, scope()))) {
    const last = page.at(-1);
    if (page.length === size && last !== undefined) return { items: page, nextToken: sealToken(keyOf(last), scope()) };
    page.push(item);
  }
  return { items: page, nextToken: undefined };
}

function behind<T>(sorted: readonly T[], keyOf: (item: T) => string, after: string | undefined): readonly T[] {
  return after === undefined ? sorted : sorted.filter((item) => keyOf(item) > after);
}

function checkSize(maxResults: number | undefined, rules: PageRules): void {
  if (maxResults !== undefined) {
    if (rules.idsOf)
      throw invalidCombination(`The parameter ${rules.idsOf} cannot be used with the parameter maxResults`);
    if (maxResults < FLOOR) {
      throw invalidValue(
        `Value ( ${maxResults} ) for parameter maxResults is invalid. Expecting a value greater than ${FLOOR}.`,
      );
    }
    if (maxResults > rules.ceiling) {
      throw invalidValue(
        `Value ( ${maxResults} ) for parameter maxResults is invalid. Expecting a value less than or equal to ${rules.ceiling}.`,
      );
    }
  }
}

function sealToken(after: string, scope: string): string {
  return Buffer.from(JSON.stringify({ after, scope })).toString("base64url");
}

function openToken(token: string, scope: string): string {
  try {
    const opened: unknown = JSON.parse(Buffer.from(token, "base64url").toString("utf8"));
    if (isToken(opened) && opened.scope === scope) return opened.after;
  } catch {
    // Not JSON: the same answer as for a token of another call.
  }
  throw new SimulatedError("InvalidNextToken", "The token is not valid for this request");
}

function isToken(value: unknown): value is { after: string; scope: string } {
  return (
    typeof value === "object" &&
    value !== null &&
    "after" in value &&
    "scope" in value &&
    typeof value.after === "string"
  );
}
