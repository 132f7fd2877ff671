import { defineCommand, JSON_FLAG } from "../command.ts";
import { VERSION } from "../version.ts";

export const version = defineCommand({
  name: "version",
  description: "Prints the version of this enid and of the Node.js it runs on.",
  positionals: "",
  positionalCount: [0, 0],
  flags: { json: JSON_FLAG },
  examples: [{ line: "enid version", what: "Which enid is installed?" }],
  async run({ flags, output }) {
    if (flags.json) output.line(JSON.stringify({ version: VERSION, node: process.version }));
    else output.line(`enid ${VERSION} (Node.js ${process.version})`);
    return 0;
  },
});
