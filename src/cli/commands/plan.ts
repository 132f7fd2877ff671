import type { Clock } from "../../adapters/index.ts";
import { systemRandom } from "../../adapters/index.ts";
import type { PlanReport } from "../../manager/index.ts";
import { daemonClient } from "../client.ts";
import { CONFIGURATION_FLAG, defineCommand, JSON_FLAG, SOCKET_FLAG } from "../command.ts";
import { renderPlan } from "../render/plan.ts";

export const plan = defineCommand({
  name: "plan",
  description:
    "Shows the steps that enid would take next, the EC2 calls of each, why, and what keeps it from doing more. Changes\nnothing. By default the daemon of this node is asked. With --read-eni-configuration no daemon is needed: the node is\nread from metadata and EC2 (describes only) or, with podCIDRs, from the file and this machine, and every address that it\nholds counts as free.",
  positionals: "",
  positionalCount: [0, 0],
  flags: {
    waiting: {
      type: "number",
      value: "N",
      help: "Pods assumed to wait beside those that do.",
      default: "0",
      range: [0, 10_000],
    },
    "read-eni-configuration": CONFIGURATION_FLAG,
    json: JSON_FLAG,
    socket: SOCKET_FLAG,
  },
  examples: [
    { line: "enid plan", what: "What will the daemon do next, and why not more?" },
    { line: "enid plan --waiting 25", what: "Is there room for 25 more pods?" },
    {
      line: "enid plan --read-eni-configuration /etc/cni/net.d/05-cilium.conf",
      what: "What would this file make enid do on this node?",
    },
  ],
  async run({ flags, output, environment, clock }) {
    const file = flags["read-eni-configuration"];
    const report =
      file === undefined
        ? await daemonClient(flags.socket, clock).request<PlanReport>("GET", `/v1/plan?waiting=${flags.waiting}`)
        : await withoutDaemon(file, flags.waiting, environment, clock);
    output.line(flags.json ? JSON.stringify(report) : renderPlan(report, output.style).join("\n"));
    // A plan that cannot be made is an answer with its reason, but a script must not take it for a plan.
    return report.error === undefined ? 0 : 1;
  },
});

async function withoutDaemon(
  file: string,
  waiting: number,
  environment: Readonly<Record<string, string | undefined>>,
  clock: Clock,
): Promise<PlanReport> {
  const [{ createProviderFor }, { effectiveSettings, environmentOf, readConfigurationFile }, { dryRunAgainstCloud }] =
    await Promise.all([import("../provider.ts"), import("../../configuration/index.ts"), import("../dry-run.ts")]);
  const settings = effectiveSettings(await readConfigurationFile(file), {});
  const silent = { event() {}, cloudCall() {}, served() {} };
  const options = { clock, random: systemRandom, telemetry: silent, environment };
  const provider = await createProviderFor(environmentOf(settings), options);
  try {
    return await dryRunAgainstCloud({ provider, settings, waiting, clock });
  } finally {
    await provider.close();
  }
}
