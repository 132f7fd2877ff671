import type { IConstruct } from "constructs";

/** Props that cannot work. `message` begins with the path of the construct and says what is wrong and what is allowed. */
export class EnidPropsError extends Error {
  /** Path of the construct in the tree: "Stack/Nodes". */
  readonly constructPath: string;

  constructor(construct: IConstruct, what: string) {
    super(`${construct.node.path}: ${what}`);
    this.name = "EnidPropsError";
    this.constructPath = construct.node.path;
  }
}

/** The number, where it is whole and within the limits. Throws EnidPropsError. */
export function wholeNumber(
  construct: IConstruct,
  name: string,
  value: number,
  [from, to]: readonly [number, number],
): number {
  if (Number.isInteger(value) && value >= from && value <= to) return value;
  throw new EnidPropsError(construct, `${name} is ${value}; allowed is a whole number from ${from} to ${to}`);
}
