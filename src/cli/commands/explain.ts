import type { Explanation } from "../../manager/index.ts";
import { daemonClient } from "../client.ts";
import { defineCommand, JSON_FLAG, SOCKET_FLAG } from "../command.ts";
import { renderExplanation } from "../render/explanation.ts";

export const explain = defineCommand({
  name: "explain",
  description:
    "Says why a pod of this node has the address it has, or why it has none and what it waits for. An address works as\nwell: who has it, or why it is not given out.",
  positionals: "POD|ADDRESS",
  positionalCount: [1, 1],
  flags: { json: JSON_FLAG, socket: SOCKET_FLAG },
  examples: [
    { line: "enid explain shop/cart-0", what: "Why does this pod have no address?" },
    { line: "enid explain 10.0.1.7", what: "Who has this address?" },
  ],
  async run({ flags, positionals, output, clock }) {
    const client = daemonClient(flags.socket, clock);
    const subject = encodeURIComponent(positionals[0] ?? "");
    const explanation = await client.request<Explanation>("GET", `/v1/explain/${subject}`);
    if (flags.json) output.line(JSON.stringify(explanation));
    else output.line(renderExplanation(explanation, clock.nowMs(), output.style).join("\n"));
    return 0;
  },
});
