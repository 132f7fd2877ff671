import { describe, it } from "vitest";
import { holdRow, titleOf } from "./error-row.ts";
import { leavesSomething, ROWS } from "./errors.ts";

describe("a refusal of EC2 that leaves something to be settled, for an hour", () => {
  for (const row of ROWS.filter(leavesSomething)) it(titleOf(row), () => holdRow(row));
});
