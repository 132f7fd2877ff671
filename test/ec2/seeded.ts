import type { Random } from "../../src/adapters/index.ts";
import { Dice } from "../support/world-clock.ts";

/** Fractions and UUIDs as a function of the seed. */
export function seeded(seed: number): Random {
  const dice = new Dice(seed);
  const hex = (digits: number) =>
    Array.from({ length: digits }, () => Math.floor(dice.fraction() * 16).toString(16)).join("");
  return {
    fraction: () => dice.fraction(),
    id: () => `${hex(8)}-${hex(4)}-4${hex(3)}-8${hex(3)}-${hex(12)}`,
  };
}
