/** Pages of Describe calls. A token names the last item of its page, so that changes in between neither repeat nor hide. */
import { invalidCombination, invalidValue, SimulatedError } from "./simulated-error.ts";

export const PAGE_SHAPE = { MaxResults: "integer", NextToken: "string" } as const;

export interface PageRequest {
  readonly MaxResults: number | undefined;
  readonly NextToken: string | undefined;
}

export interface PageRules {
  /** What the token is good for: the action and everything that selects. */
  readonly scope: string;
  readonly ceiling: number;
  /** Set when explicit ids were given and the action allows no MaxResults beside them: the name of the id list. */
  readonly idsOf?: string | undefined;
}

const FLOOR = 5;

/** Items must have unique keys. Errors: InvalidParameterValue, InvalidParameterCombination, InvalidNextToken. */
export function paginate<T>(
  items: readonly T[],
  keyOf: (item: T) => string,
  request: PageRequest,
  rules: PageRules,
): { items: readonly T[]; nextToken: string | undefined } {
  const { MaxResults: maxResults, NextToken: token } = request;
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
  const sorted = [...items].sort((one, other) => (keyOf(one) < keyOf(other) ? -1 : 1));
  const after = token === undefined ? undefined : openToken(token, rules.scope);
  const rest = after === undefined ? sorted : sorted.filter((item) => keyOf(item) > after);
  const page = maxResults === undefined ? rest : rest.slice(0, maxResults);
  const last = page.at(-1);
  const isMore = page.length < rest.length && last !== undefined;
  return { items: page, nextToken: isMore ? sealToken(keyOf(last), rules.scope) : undefined };
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
