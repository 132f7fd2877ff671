/** What an action of the simulated cloud is. One file per family of actions holds them; actions/index.ts lists them. */
import type { Fields, Shape } from "./parameters.ts";
import type { World } from "./state.ts";

/** An answer as plain data under EC2's element names; undefined parts are absent. It holds nothing of the wire. */
export type Result = { readonly [element: string]: ResultValue };
export type ResultValue = string | number | boolean | undefined | Result | readonly (Result | string)[];

export interface ActionContext {
  /** Access key id of the caller, for STS; empty when the request is not signed. */
  readonly accessKeyId: string;
  /** Which of the lagging views answers. */
  readonly replica: number;
}

export interface Action<S extends Shape = Shape> {
  readonly name: string;
  readonly service: "ec2" | "sts";
  readonly kind: "mutating" | "describe";
  readonly shape: S;
  /** False: EC2 has no dry run of it (its API has no such parameter). Absent: it has one. */
  readonly hasDryRun?: false;
  /** True: the request selects nothing and asks for no page, so it draws from the smaller bucket. */
  readonly isUnfiltered?: (request: Fields<S>) => boolean;
  /** What is wrong with the request by itself; it comes before DryRun. */
  readonly check?: (request: Fields<S>) => void;
  readonly run: (world: World, request: Fields<S>, context: ActionContext) => Result;
}

/** Keeps the request type of `run` in step with the shape. */
export function defineAction<S extends Shape>(action: Action<S>): Action {
  return action as unknown as Action;
}

export const DONE: Result = { return: true };

export function tagSet(tags: Readonly<Record<string, string>>): readonly Result[] {
  return Object.entries(tags)
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([key, value]) => ({ key, value }));
}

/** A moment in EC2's form. */
export function timestamp(ms: number): string {
  return new Date(ms).toISOString();
}
