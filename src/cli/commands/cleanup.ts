import { hasState, knowledgeOfState, withOwnState } from "../cleanup.ts";
import { defineCommand, JSON_FLAG, SOCKET_FLAG, STATE_DIR_FLAG } from "../command.ts";
import { renderCleanup } from "../render/cleanup.ts";

export const cleanup = defineCommand({
  name: "cleanup",
  description:
    "Removes the host routes that enid made on this node: rules and routing tables of pod addresses, addresses of secondary\ninterfaces, node-port marks; rp_filter gets the kernel's default back. What enid did not make stays, and so do MTU and\nstate of the devices. For a node that enid leaves: pods that still run lose their way. Refuses while the daemon runs,\nunless it only shows. Exit code 1 when something could not be removed.",
  positionals: "",
  positionalCount: [0, 0],
  flags: {
    "dry-run": { type: "boolean", help: "Only show what would be removed; also while the daemon runs." },
    "by-shape": {
      type: "boolean",
      help: "Without a state: remove whatever looks like enid's. Cilium's agent in its eni mode makes the same.",
    },
    json: JSON_FLAG,
    "state-dir": STATE_DIR_FLAG,
    socket: SOCKET_FLAG,
  },
  examples: [
    { line: "enid cleanup --dry-run", what: "The commands that would remove it all." },
    { line: "enid cleanup", what: "After the daemon was stopped for good." },
  ],
  async run({ flags, output, clock }) {
    const { cleanUp, linuxHost, planCleanup } = await import("../../handoff/routes/index.ts");
    const place = { stateDir: flags["state-dir"], socket: flags.socket, byShape: flags["by-shape"], clock };
    const host = linuxHost({ clock });
    const known = hasState(place);
    const items = flags["dry-run"]
      ? (await planCleanup(host, await knowledgeOfState(place))).items
      : await withOwnState(place, async (knowledge) => cleanUp(host, await planCleanup(host, knowledge)));
    const result = { dryRun: flags["dry-run"], toldBy: known ? "state" : "shape", items } as const;
    output.line(flags.json ? JSON.stringify(result) : renderCleanup(result, output.style).join("\n"));
    return items.some(({ refused }) => refused !== "") ? 1 : 0;
  },
});
