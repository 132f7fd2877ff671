import { describe, it } from "vitest";
import { holdRow, titleOf } from "./error-row.ts";
import { isOfPrefixes, leavesSomething, ROWS } from "./errors.ts";

describe("a refusal of EC2 that leaves nothing behind, for an hour", () => {
  for (const row of ROWS.filter((one) => !leavesSomething(one) && !isOfPrefixes(one))) {
    it(titleOf(row), () => holdRow(row));
  }
});
