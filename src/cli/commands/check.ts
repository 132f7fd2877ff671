import { systemRandom } from "../../adapters/index.ts";
import type { Settings } from "../../configuration/index.ts";
import { EnidError } from "../../errors.ts";
import type { PermissionCheck, PermissionReport } from "../../providers/aws/index.ts";
import { defineCommand, JSON_FLAG } from "../command.ts";
import type { Output } from "../output.ts";
import { permissionSettings } from "../permission-settings.ts";
import { indent, plural, table } from "../render/text.ts";

export const check = defineCommand({
  name: "check",
  description:
    "Tries whether this node may make every EC2 call that enid could need, and says which statement of\ndeploy/iam/enid-node.json is missing. Changes nothing: the calls are dry runs, or, where EC2 has none, ask for what\ncannot be. Needs no daemon. Exit code 1 unless every call that the settings need is allowed.",
  positionals: "permissions",
  positionalCount: [1, 1],
  flags: {
    config: {
      type: "string",
      value: "FILE",
      help: "The configuration whose subnets, groups and features count. Without it: the defaults.",
      alias: "read-eni-configuration",
    },
    json: JSON_FLAG,
  },
  examples: [
    { line: "enid check permissions", what: "Before the daemon runs on a node for the first time." },
    {
      line: "enid check permissions --config /etc/cni/net.d/05-cilium.conf --json | jq '.checks[] | select(.verdict != \"allowed\")'",
      what: "What is missing for this configuration.",
    },
  ],
  async run({ flags, positionals, output, environment, clock }) {
    const [subject = ""] = positionals;
    if (subject !== "permissions") {
      const detail = `${JSON.stringify(subject)} cannot be checked; allowed is permissions`;
      throw new EnidError("ENID_USAGE", { detail, command: "check" });
    }
    const settings = await settingsOf(flags.config);
    const { environmentOf } = await import("../../configuration/index.ts");
    if (environmentOf(settings) === "node-cidr") {
      const note = "podCIDRs gives the node its addresses: no EC2 call is made, and no permission is needed";
      output.line(flags.json ? JSON.stringify({ granted: true, checks: [], notes: [note] }) : note);
      return 0;
    }
    // Loaded here: the help needs no SDK, and neither does a node on-premises.
    const { checkPermissions } = await import("../../providers/aws/index.ts");
    const silent = { event() {}, cloudCall() {}, served() {} };
    const options = { clock, random: systemRandom, telemetry: silent, environment };
    const report = await checkPermissions(options, await permissionSettings(settings));
    const granted = report.checks.every(({ verdict, needed }) => verdict === "allowed" || !needed);
    if (flags.json) output.line(JSON.stringify({ granted, ...report }));
    else output.line(render(report, granted, output.style).join("\n"));
    return granted ? 0 : 1;
  },
});

async function settingsOf(file: string | undefined): Promise<Settings> {
  const { effectiveSettings, readConfigurationFile } = await import("../../configuration/index.ts");
  return effectiveSettings(file === undefined ? undefined : await readConfigurationFile(file), {});
}

const COLOURS = { allowed: "green", denied: "red", unknown: "yellow" } as const;

function render(report: PermissionReport, granted: boolean, style: Output["style"]): string[] {
  const { checks, notes } = report;
  const lines = table(checks.map((one) => [one.verdict, one.action, remark(one), one.on]));
  const counts = (["allowed", "denied", "unknown"] as const)
    .map((verdict) => [verdict, checks.filter((one) => one.verdict === verdict).length] as const)
    .filter(([, count]) => count > 0)
    .map(([verdict, count]) => `${count} ${verdict}`);
  return [
    style("bold", `${report.instanceId} in ${report.region}, ${report.vpcId}`),
    ...checks.flatMap(({ verdict, detail }, at) => [
      `  ${style(COLOURS[verdict], verdict)}${(lines[at] ?? "").slice(verdict.length)}`,
      ...(verdict === "allowed" ? [] : indent([detail], " ".repeat(11))),
    ]),
    ...notes.map((note) => `${style("yellow", "note")} ${note}`),
    `${plural(checks.length, "action", "actions")}: ${counts.join(", ")}`,
    ...(granted ? [] : ["deploy/iam/enid-node.json has the statements; docs/permissions.md explains them."]),
  ];
}

/** When it is needed, for what is not always. */
function remark({ needed, neededFor }: PermissionCheck): string {
  if (neededFor === "always") return "";
  return needed ? `needed for ${neededFor}` : `only needed for ${neededFor}`;
}
