import { defineCommand, JSON_FLAG, SOCKET_FLAG, STATE_DIR_FLAG } from "../command.ts";
import { unsetOverride } from "../overrides.ts";
import { overrideJson, renderOverride } from "../render/settings.ts";

export const unset = defineCommand({
  name: "unset",
  description:
    "Takes an override of `enid set` back: the file counts again, or the default where the file says nothing. Does nothing\nwhen the setting is not overridden.",
  positionals: "NAME",
  positionalCount: [1, 1],
  flags: { json: JSON_FLAG, socket: SOCKET_FLAG, "state-dir": STATE_DIR_FLAG },
  examples: [{ line: "enid unset pre-allocate", what: "Back to what the file says." }],
  async run({ flags, positionals, output, clock }) {
    const options = { socket: flags.socket, stateDir: flags["state-dir"], clock };
    const result = await unsetOverride(positionals[0] ?? "", options);
    output.line(flags.json ? overrideJson(result) : renderOverride(result, options));
    return 0;
  },
});
