import { Token, Tokenization } from "aws-cdk-lib";

/**
 * The value with every token replaced by a text that has the form of what the token will be: the schemas can then judge all
 * else before CloudFormation knows what the tokens are.
 */
export function withStandIns(value: unknown, key = "", counter = { next: 0 }): unknown {
  if (typeof value === "string") return Token.isUnresolved(value) ? standIn(value, key, counter) : value;
  if (Array.isArray(value)) return value.map((one) => withStandIns(one, key, counter));
  if (Token.isUnresolved(value)) return standInOf(key, counter);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, withStandIns(one, name, counter)]));
}

function standIn(text: string, key: string, counter: { next: number }): string {
  const fragments = Tokenization.reverseString(text);
  if (fragments.length === 0) return standInOf(key, counter);
  const replaced = fragments.mapTokens({ mapToken: () => standInOf(key, counter) });
  return String(replaced.join({ join: (left, right) => `${left ?? ""}${right ?? ""}` }));
}

/** Different each time: lists must not repeat an item. */
function standInOf(key: string, counter: { next: number }): string {
  const number = counter.next++;
  const id = number.toString(16).padStart(17, "0");
  if (key === "subnet-ids") return `subnet-${id}`;
  if (key === "security-groups") return `sg-${id}`;
  return `known-later-${number}`;
}

/** Does the value hold a token anywhere? Keys count too. */
export function hasTokens(value: unknown): boolean {
  if (Token.isUnresolved(value)) return true;
  if (Array.isArray(value)) return value.some(hasTokens);
  if (typeof value !== "object" || value === null) return false;
  return Object.entries(value).some(([key, one]) => Token.isUnresolved(key) || hasTokens(one));
}
