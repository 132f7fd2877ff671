import { buildFacts } from "../build-facts.ts";
import { defineCommand, JSON_FLAG } from "../command.ts";
import { VERSION } from "../version.ts";

export const version = defineCommand({
  name: "version",
  description: "Prints the version of this enid, the commit and the build it is of, and the Node.js it runs on.",
  positionals: "",
  positionalCount: [0, 0],
  flags: { json: JSON_FLAG },
  examples: [{ line: "enid version", what: "Which enid is installed?" }],
  async run({ flags, output }) {
    const { commit, isModified, builtAt } = buildFacts();
    const platform = `${process.platform}-${process.arch}`;
    if (flags.json) {
      const node = process.version;
      output.line(JSON.stringify({ version: VERSION, commit, modified: isModified, builtAt, platform, node }));
      return 0;
    }
    const changes = isModified ? " with changes" : "";
    const build = `build ${builtAt ?? "unknown"}`;
    output.line(`enid ${VERSION} (commit ${commit}${changes}, ${build}, ${platform}, Node.js ${process.version})`);
    return 0;
  },
});
