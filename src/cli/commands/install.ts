import { buildFacts } from "../build-facts.ts";
import { defineCommand, JSON_FLAG } from "../command.ts";
import { VERSION } from "../version.ts";

export const install = defineCommand({
  name: "install",
  description:
    "Lays down enid on this machine and starts it: executable, plugin, CNI configuration, systemd units, and what the\nmachine's network services need to leave pods' interfaces alone; then checks what enid will need. Safe to run again at any\ntime: it changes what is not as it should be, and nothing else. Foreign files at its paths are kept aside, and named.",
  positionals: "",
  positionalCount: [0, 0],
  flags: {
    config: {
      type: "string",
      value: "FILE",
      help: "The CNI network configuration, a list, for /etc/cni/net.d/05-enid.conflist. Without it: the one there stays.",
      alias: "read-eni-configuration",
    },
    root: {
      type: "string",
      value: "FOLDER",
      help: "Install below this folder: an image, a chroot. Nothing of it is started, and AWS is not asked.",
    },
    plugin: { type: "string", value: "FILE", help: "The plugin enid-ipam; by default the one beside the executable." },
    executable: { type: "string", value: "FILE", help: "The executable of a release; by default the one that runs." },
    checks: {
      type: "string",
      value: "WHICH",
      help: "all: EC2 is asked for permissions too (some 25 calls that change nothing); local: not; auto: on a terminal.",
      default: "auto",
      oneOf: ["auto", "all", "local"],
    },
    "no-start": { type: "boolean", help: "Tell no service, and start nothing." },
    "dry-run": { type: "boolean", help: "Only show what would be done." },
    json: JSON_FLAG,
  },
  examples: [
    { line: "enid install --config 05-enid.conflist", what: "On a node, from an unpacked release." },
    { line: "enid install --config 05-enid.conflist --root /mnt/image", what: "Into an image." },
  ],
  async run({ flags, output, environment, clock }) {
    const { readConfigurationBytes } = await import("../../configuration/index.ts");
    const { install: work, withLock } = await import("../../installation/index.ts");
    const { machineAt, sourcesOf } = await import("../installation.ts");
    const { renderInstall } = await import("../render/installation.ts");
    const file = flags.config;
    const configuration = file === undefined ? undefined : { file, bytes: await readConfigurationBytes(file) };
    const machine = machineAt(flags.root, environment, clock);
    const options = {
      configuration,
      sources: sourcesOf(flags.executable, flags.plugin),
      dryRun: flags["dry-run"],
      start: !flags["no-start"],
      // A thousand nodes that set themselves up must not spend the account's calls on it; whoever looks on wants to know.
      checksPermissions: flags.checks === "all" || (flags.checks === "auto" && process.stdout.isTTY === true),
      version: VERSION,
      commit: buildFacts().commit,
    };
    const report = await withLock(machine.root, () => work(machine, options));
    output.line(flags.json ? JSON.stringify(report) : renderInstall(report, output.style).join("\n"));
    return 0;
  },
});
