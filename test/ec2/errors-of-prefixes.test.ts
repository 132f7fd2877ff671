import { describe, it } from "vitest";
import { holdRow, titleOf } from "./error-row.ts";
import { isOfPrefixes, ROWS } from "./errors.ts";

/** Nothing says that EC2 sends the code only to those who asked for a prefix. */
describe("a refusal that speaks of prefixes, to a node that asked for addresses, for an hour", () => {
  for (const row of ROWS.filter(isOfPrefixes)) it(titleOf(row), () => holdRow(row));
});
