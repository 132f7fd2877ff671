import type { Lease } from "../../pool/index.ts";
import type { RecordedEvent } from "../../telemetry/index.ts";
import { daemonClient } from "../client.ts";
import { defineCommand, JSON_FLAG, SOCKET_FLAG } from "../command.ts";
import type { DaemonStatus } from "../control-routes.ts";
import { renderEvents, renderLeases } from "../render/leases.ts";
import { renderSettings } from "../render/settings.ts";
import { renderStatus } from "../render/status.ts";
import { plural } from "../render/text.ts";
import { untilReady } from "../until-ready.ts";

export const status = defineCommand({
  name: "status",
  description:
    "Shows what the daemon on this node holds and wants: addresses, watermarks, interfaces, subnets, steps under way, the\nconfiguration in force and every way in which it gives way now. Asking costs no EC2 call.",
  positionals: "",
  positionalCount: [0, 0],
  flags: {
    settings: { type: "boolean", help: "Show every setting with its value and origin instead." },
    leases: { type: "boolean", help: "Show every lease instead." },
    events: { type: "boolean", help: "Show the latest 50 events instead." },
    wait: {
      type: "boolean",
      help: "Wait until the node is ready, and say so in one line; while waiting, say for what.",
    },
    "wait-seconds": {
      type: "number",
      value: "SECONDS",
      help: "With --wait: after how long it ends with 1 and the reason.",
      default: "300",
      range: [1, 86_400],
    },
    json: JSON_FLAG,
    socket: SOCKET_FLAG,
  },
  examples: [
    { line: "enid status", what: "Is this node well, and what does it hold?" },
    { line: "enid status --settings", what: "Which settings are in force, and where does each come from?" },
    { line: "enid status --wait --wait-seconds 60", what: "Let what comes next wait for the first addresses." },
    { line: "enid status --json | jq '.degraded[].error'", what: "What is degraded, for a script." },
  ],
  async run({ flags, output, clock }) {
    const client = daemonClient(flags.socket, clock);
    const ask = () => client.request<DaemonStatus>("GET", "/v1/status");
    const report = flags.wait
      ? await untilReady(ask, flags["wait-seconds"], clock, (text) => output.error(text))
      : await ask();
    if (flags.wait && !(flags.json || flags.settings || flags.leases || flags.events)) {
      output.line(`ready: ${plural(report.pool.free, "address", "addresses")} free`);
      return 0;
    }
    const leases = flags.leases ? (await client.request<{ leases: Lease[] }>("GET", "/v1/leases")).leases : undefined;
    const events = flags.events
      ? (await client.request<{ events: RecordedEvent[] }>("GET", "/v1/events?limit=50")).events
      : undefined;
    if (flags.json) {
      output.line(JSON.stringify({ ...report, ...(leases && { leases }), ...(events && { events }) }));
      return 0;
    }
    const parts = [
      ...(flags.settings ? [renderSettings(report.settings)] : []),
      ...(leases === undefined ? [] : [renderLeases(leases, clock.nowMs())]),
      ...(events === undefined ? [] : [renderEvents(events)]),
    ];
    if (parts.length === 0) parts.push(renderStatus(report, clock.nowMs(), output.style));
    output.line(parts.map((lines) => lines.join("\n")).join("\n\n"));
    return 0;
  },
});
