import { defineCommand, JSON_FLAG, SOCKET_FLAG, STATE_DIR_FLAG } from "../command.ts";
import { setOverride } from "../overrides.ts";
import { overrideJson, renderOverride } from "../render/settings.ts";

export const set = defineCommand({
  name: "set",
  description:
    "Overrides one setting on this node. The override is durable: it survives restarts and changes of the file, until\n`enid unset`. Without a running daemon it is written to the state and takes effect at the next start.",
  positionals: "NAME=VALUE",
  positionalCount: [1, 1],
  flags: { json: JSON_FLAG, socket: SOCKET_FLAG, "state-dir": STATE_DIR_FLAG },
  examples: [
    { line: "enid set pre-allocate=16", what: "Keep 16 free addresses ready on this node." },
    { line: "enid set subnet-tags=enid.io/pods=true,team=web", what: "A map; JSON works as well." },
    { line: "enid set subnet-ids=subnet-1,subnet-2", what: "A list; JSON works as well." },
  ],
  async run({ flags, positionals, output, clock }) {
    const options = { socket: flags.socket, stateDir: flags["state-dir"], clock };
    const result = await setOverride(positionals[0] ?? "", options);
    output.line(flags.json ? overrideJson(result) : renderOverride(result, options));
    return 0;
  },
});
