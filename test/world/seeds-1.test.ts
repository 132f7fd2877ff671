import { it } from "vitest";
import { expectKept, range } from "./hunt.ts";

it("keeps every promise in 105 worlds, each of which repeats itself to the last event", { timeout: 300_000 }, () =>
  expectKept(range(1, 105)),
);
