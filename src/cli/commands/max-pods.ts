import { defineCommand, JSON_FLAG } from "../command.ts";

export const maxPods = defineCommand({
  name: "max-pods",
  description:
    "Prints how many pods a node of an instance type can have with a configuration, for the kubelet's max-pods: the pod\naddresses that its interfaces can hold, and 2 pods in the host's network; at most 250, with prefixes 110. Asks nobody.",
  positionals: "TYPE",
  positionalCount: [1, 1],
  flags: {
    config: {
      type: "string",
      value: "FILE",
      help: "The configuration whose settings count. Without it: the defaults.",
      alias: "read-eni-configuration",
    },
    json: JSON_FLAG,
  },
  examples: [
    { line: "enid max-pods m6i.large", what: "With the default settings." },
    {
      line: "enid max-pods m6i.large --config /etc/cni/net.d/05-enid.conflist --json",
      what: "With first-interface-index, prefixes and max-allocate of this file, and what limits it.",
    },
  ],
  async run({ flags, positionals, output }) {
    const { effectiveSettings, readConfigurationFile } = await import("../../configuration/index.ts");
    const { maxPodsOf } = await import("../../max-pods/index.ts");
    const configuration = flags.config === undefined ? undefined : await readConfigurationFile(flags.config);
    const found = maxPodsOf(positionals[0] ?? "", effectiveSettings(configuration, {}));
    output.line(flags.json ? JSON.stringify(found) : String(found.maxPods));
    return 0;
  },
});
