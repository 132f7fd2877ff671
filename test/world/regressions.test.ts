import { expect, it } from "vitest";
import { runSeed } from "../../src/simulator/world/index.ts";
import { told } from "./hunt.ts";
import { REGRESSION_SEEDS } from "./regression-seeds.ts";

it.each(REGRESSION_SEEDS)("seed $seed, which once found that $found, keeps every promise", async (one) => {
  const { found: _found, ...options } = one;
  expect(told(await runSeed(options))).toEqual([]);
});
