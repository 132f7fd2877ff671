import { defineCommand } from "../command.ts";
import { FLEET_FLAGS, withFleet } from "../fleet/session.ts";
import { renderBudget } from "../render/fleet.ts";

export const fleetBudget = defineCommand({
  name: "fleet budget",
  description:
    "The token buckets of EC2 calls that the nodes share, by account, Region and action: tokens there are, the rate they come\nat now and when nothing is throttled, and who waits for them. What is reserved for other users of the account is left out.",
  positionals: "",
  positionalCount: [0, 0],
  flags: FLEET_FLAGS,
  examples: [{ line: "enid fleet budget", what: "Is the account throttled, and who waits?" }],
  async run({ flags, output, clock }) {
    const { URGENCIES } = await import("../../manager/ports/index.ts");
    const levels = await withFleet(flags, clock, ({ store }) => store.budget.levels());
    if (flags.json) output.line(JSON.stringify({ urgencies: URGENCIES, buckets: levels }));
    else output.line(renderBudget(levels, URGENCIES, output.style).join("\n"));
    return 0;
  },
});
