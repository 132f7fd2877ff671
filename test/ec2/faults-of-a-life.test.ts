import { describe, expect, it } from "vitest";
import { FAULTS, FURTHER, SECONDARY_ADDRESSES, sufferEverywhere, TWO_SUBNETS } from "./lives.ts";

/** Dozens of lives each. */
const LIMIT_MS = 60_000;

describe.each([SECONDARY_ADDRESSES, TWO_SUBNETS])("a life of $name", (life) => {
  it.each([...FAULTS, ...FURTHER])(
    "leaks nothing and owns nothing twice when a mutating call $name",
    async (blow) => {
      expect(await sufferEverywhere(life, blow)).toEqual([]);
    },
    LIMIT_MS,
  );
});
