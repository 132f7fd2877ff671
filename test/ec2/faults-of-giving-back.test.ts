import { describe, expect, it } from "vitest";
import { DUAL_STACK, FAULTS, FURTHER, GIVING_BACK, PREFIXES, sufferEverywhere } from "./lives.ts";

/** Dozens of lives each. */
const LIMIT_MS = 120_000;

describe.each([GIVING_BACK, PREFIXES, DUAL_STACK])("a life of $name", (life) => {
  it.each([...FAULTS, ...FURTHER])(
    "leaks nothing and owns nothing twice when a mutating call $name",
    async (blow) => {
      expect(await sufferEverywhere(life, blow)).toEqual([]);
    },
    LIMIT_MS,
  );
});
