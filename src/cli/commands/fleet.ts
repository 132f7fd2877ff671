import { EnidError } from "../../errors.ts";
import { defineCommand } from "../command.ts";
import { commandsOf } from "../commands.ts";
import { closest } from "../suggest.ts";

/** Those of two words are found before this one (commands.ts). */
export const fleet = defineCommand({
  name: "fleet",
  description:
    "What the nodes of a fleet share through Redis or Valkey: who is there, the budget of EC2 calls, settings for all, and\naddresses that follow their pods. The fleet is that of the daemon on this node, or of the file of --configuration.",
  positionals: "COMMAND",
  positionalCount: [1, 100],
  flags: {},
  examples: [
    { line: "enid fleet nodes --degraded", what: "Which nodes of the fleet are not well?" },
    { line: "enid fleet help set", what: "The flags and examples of one of the commands." },
  ],
  async run({ positionals }) {
    const [written = ""] = positionals;
    const names = commandsOf("fleet").map(([name]) => name);
    const meant = closest(written, names);
    const suggestion = meant === undefined ? `; commands are ${names.join(", ")}` : `; did you mean ${meant}?`;
    throw new EnidError("ENID_USAGE", {
      detail: `unknown command fleet ${JSON.stringify(written)}${suggestion}`,
      command: "fleet",
    });
  },
});
