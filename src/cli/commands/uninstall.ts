import type { Clock } from "../../adapters/index.ts";
import { coerceError, EnidError } from "../../errors.ts";
import { daemonClient } from "../client.ts";
import { defineCommand, JSON_FLAG, SOCKET_FLAG } from "../command.ts";
import type { DaemonStatus } from "../control-routes.ts";
import { plural } from "../render/text.ts";

export const uninstall = defineCommand({
  name: "uninstall",
  description:
    "Stops enid and removes what `enid install` laid down and nobody changed since; says what stays. The state stays too,\nunless --purge. Refuses while pods of the node have addresses of enid: drain the node first. Host routes stay: `enid\ncleanup` removes them.",
  positionals: "",
  positionalCount: [0, 0],
  flags: {
    root: { type: "string", value: "FOLDER", help: "Uninstall below this folder; nothing of it is stopped." },
    purge: { type: "boolean", help: "Remove the state too: leases, intents, overrides." },
    force: { type: "boolean", help: "Also while pods have addresses: none of them can be ended then." },
    "dry-run": { type: "boolean", help: "Only show what would be done." },
    json: JSON_FLAG,
    socket: SOCKET_FLAG,
  },
  examples: [
    { line: "enid uninstall --dry-run", what: "What would be removed, and what would stay?" },
    { line: "enid uninstall --purge", what: "After the node was drained, for good." },
  ],
  async run({ flags, output, environment, clock }) {
    const { uninstall: work, withLock } = await import("../../installation/index.ts");
    const { machineAt } = await import("../installation.ts");
    const { renderUninstall } = await import("../render/installation.ts");
    const machine = machineAt(flags.root, environment, clock);
    if (machine.running !== undefined && !flags.force && !flags["dry-run"]) await refuseWithPods(flags.socket, clock);
    const options = { dryRun: flags["dry-run"], purge: flags.purge, stop: true };
    const report = await withLock(machine.root, () => work(machine, options));
    output.line(flags.json ? JSON.stringify(report) : renderUninstall(report, output.style).join("\n"));
    return 0;
  },
});

/** Where no daemon answers nobody can tell; its state stays, or was purged on purpose. */
async function refuseWithPods(socket: string, clock: Clock): Promise<void> {
  let leased: number;
  try {
    const { pool } = await daemonClient(socket, clock).request<DaemonStatus>("GET", "/v1/status");
    leased = Math.max(pool.leased, pool.ipv6?.leased ?? 0);
  } catch (thrown) {
    if (coerceError(thrown).code === "ENID_DAEMON_UNREACHABLE") return;
    throw thrown;
  }
  if (leased > 0) throw new EnidError("ENID_UNINSTALL_PODS", { pods: plural(leased, "pod", "pods") });
}
