import { readFile } from "node:fs/promises";
import path from "node:path";
import type { Clock } from "../../adapters/index.ts";
import { systemRandom } from "../../adapters/index.ts";
import { coerceError } from "../../errors.ts";
import {
  createLogger,
  createTelemetry,
  LOG_LEVELS,
  type LogLevel,
  type NodeTelemetry,
  standardError,
} from "../../telemetry/index.ts";
import { CONFIGURATION_FLAG, defineCommand, SOCKET_FLAG, STATE_DIR_FLAG } from "../command.ts";
import { exitOnCrash } from "../crash.ts";
import type { Daemon } from "../daemon.ts";
import { parseListenAddress } from "../listen-address.ts";
import { parseLabels } from "../node-labels.ts";
import { onStopSignals } from "../signals.ts";
import { VERSION } from "../version.ts";

/** From the first signal to the end, whatever hangs. What was not finished is settled at the next start. */
const STOP_LIMIT_MS = 10_000;
const STEPS_GRACE_MS = 7_000;

export const run = defineCommand({
  name: "run",
  description:
    "Runs the daemon in the foreground: it serves the CNI plugin and `enid`'s commands on --socket, health and metrics on\n--listen, and logs to standard error (JSON lines; readable ones on a terminal). SIGTERM and SIGINT stop it within 10\nseconds; a second signal ends it at once. Both are safe at any moment: what was promised is in the state.",
  positionals: "",
  positionalCount: [0, 0],
  flags: {
    "read-eni-configuration": {
      ...CONFIGURATION_FLAG,
      help: "The CNI network configuration with the keys eni and ipam; watched for changes. Without it: defaults and overrides.",
    },
    "state-dir": STATE_DIR_FLAG,
    socket: SOCKET_FLAG,
    listen: {
      type: "string",
      value: "ADDRESS:PORT",
      help: "Where /healthz, /readyz and /metrics are served; off: nowhere.",
      default: "127.0.0.1:9610",
      env: "ENID_LISTEN",
    },
    "log-level": {
      type: "string",
      value: "LEVEL",
      help: "The least level that is logged.",
      default: "info",
      env: "ENID_LOG_LEVEL",
      oneOf: LOG_LEVELS,
    },
    "node-labels": {
      type: "string",
      value: "LIST",
      help: "Labels of the node, k=v,k2=v2, for the profiles of the fleet that match them.",
      env: "ENID_NODE_LABELS",
    },
    "host-routes": {
      type: "string",
      value: "SWITCH",
      help: "on: enid sets devices, routing tables and rules of pod addresses on AWS; off: somebody else does.",
      default: "on",
      env: "ENID_HOST_ROUTES",
      oneOf: ["on", "off"],
    },
  },
  examples: [
    {
      line: "enid run --read-eni-configuration /etc/cni/net.d/05-cilium.conf",
      what: "On a node, as its service does it.",
    },
    {
      line: "enid run --read-cni-conf enid.conf --state-dir /tmp/enid/state --socket /tmp/enid/run/enid.sock --listen 127.0.0.1:0 --host-routes off",
      what: "A second one for a trial, with folders and a port of its own.",
    },
  ],
  async run({ flags, environment, clock }) {
    const listen = flags.listen === "off" ? undefined : parseListenAddress(flags.listen, "run");
    const nodeLabels = parseLabels(flags["node-labels"] ?? "", "--node-labels", "run");
    const logger = createLogger({
      clock,
      level: flags["log-level"] as LogLevel,
      stream: await standardError(process.stderr.isTTY === true),
    });
    const telemetry = createTelemetry({ clock, logger, version: VERSION });
    exitOnCrash(telemetry);
    const stopRequested = stopRequest(telemetry);
    // Loaded here: `enid run --help` needs neither the SDK nor SQLite.
    const [{ startDaemon }, { createProviderFor }, { sandboxesOnDisk }, { createHostRoutes }, { createBird }] =
      await Promise.all([
        import("../daemon.ts"),
        import("../provider.ts"),
        import("../../handoff/cni/index.ts"),
        import("../../handoff/routes/index.ts"),
        import("../../handoff/bird/index.ts"),
      ]);
    const configurationFile = flags["read-eni-configuration"];
    telemetry.event({
      name: "starting",
      level: "info",
      message: `enid ${VERSION} starts`,
      fields: { version: VERSION, node: process.version, pid: process.pid },
    });
    const daemon = await startDaemon({
      // Absolute: reports and the state name the file for readers who do not know where the daemon was started.
      configurationFile: configurationFile === undefined ? undefined : path.resolve(configurationFile),
      stateDir: flags["state-dir"],
      socket: flags.socket,
      listen,
      bootId: environment.ENID_BOOT_ID || (await readBootId()),
      createProvider: (kind, fleet) =>
        createProviderFor(kind, { clock, random: systemRandom, telemetry, environment, fleet }),
      sandboxes: sandboxesOnDisk(),
      reaches: (kind) => [
        // On-premises the node's own routing table knows the way to its ranges.
        ...(flags["host-routes"] === "on" && kind === "aws"
          ? [createHostRoutes({ clock, random: systemRandom, telemetry })]
          : []),
        // In both environments; it does nothing while bgp.asn is 0.
        createBird({ clock, telemetry, owner: path.resolve(flags["state-dir"]) }),
      ],
      nodeLabels,
      ...(environment.NODE_NAME ? { kubernetesNodeName: environment.NODE_NAME } : {}),
      telemetry,
      clock,
      random: systemRandom,
    });
    await stopRequested;
    return stopInTime(daemon, clock, telemetry);
  },
});

/** A random id that Linux makes at each boot: leases live as long as it does, because pods do. */
async function readBootId(): Promise<string> {
  return (await readFile("/proc/sys/kernel/random/boot_id", "utf8")).trim();
}

/** Resolves at the first SIGTERM or SIGINT, also one that came while starting; the second ends the process. */
function stopRequest(telemetry: NodeTelemetry): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  onStopSignals((signal, count) => {
    const fields = { signal };
    if (count === 1) {
      telemetry.event({ name: "stopping", level: "info", message: `${signal}: stopping`, fields });
      resolve();
    } else {
      telemetry.event({ name: "stopped-at-once", level: "warn", message: `${signal} again: ending at once`, fields });
      process.exit(1);
    }
  });
  return promise;
}

async function stopInTime(daemon: Daemon, clock: Clock, telemetry: NodeTelemetry): Promise<number> {
  const late = Promise.withResolvers<"late">();
  const cancel = clock.after(STOP_LIMIT_MS, () => late.resolve("late"));
  const stopped = daemon.stop(STEPS_GRACE_MS).then(
    () => "stopped" as const,
    (thrown: unknown) => coerceError(thrown),
  );
  const ended = await Promise.race([stopped, late.promise]);
  cancel();
  if (ended === "stopped") {
    telemetry.event({ name: "stopped", level: "info", message: "stopped; the state is flushed" });
    return 0;
  }
  const what =
    ended === "late" ? `not stopped within ${STOP_LIMIT_MS / 1000} s` : `not stopped in order (${ended.message})`;
  const message = `${what}; ending anyway, the state is safe`;
  telemetry.event({ name: "stopped-late", level: "error", message });
  process.exit(1);
}
