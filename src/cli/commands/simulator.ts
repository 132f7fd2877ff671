import { readFile, stat } from "node:fs/promises";
import { coerceError, EnidError } from "../../errors.ts";
import type { ModelDescription, RunningSimulator } from "../../simulator/index.ts";
import { defineCommand } from "../command.ts";
import { type ListenAddress, listenText, parseListenAddress } from "../listen-address.ts";
import { onStopSignals } from "../signals.ts";

/** A model of a whole fleet is far smaller. */
const MODEL_LIMIT_BYTES = 16 * 1024 * 1024;

export const simulator = defineCommand({
  name: "simulator",
  description:
    "Runs a simulated EC2, STS and instance metadata on loopback, for development and tests: the AWS SDKs, the AWS CLI and\nenid itself talk to it unchanged. Prints the environment that points them at it and runs until a signal.",
  positionals: "",
  positionalCount: [0, 0],
  flags: {
    vpc: {
      type: "string",
      value: "FILE",
      help: "The model: VPCs, subnets, security groups, instances.",
      required: true,
    },
    listen: {
      type: "string",
      value: "ADDRESS:PORT",
      help: "Where EC2 and STS answer; port 0 takes a free one. Metadata gets a free port per instance.",
      default: "127.0.0.1:0",
    },
    instance: { type: "string", value: "ID", help: "The instance whose environment is printed; by default the first." },
    speed: {
      type: "number",
      value: "N",
      help: "How many times faster than a real EC2; by default what the model says.",
      range: [1, 1_000_000],
    },
    json: { type: "boolean", help: "Print endpoints and environments as one JSON line instead." },
  },
  examples: [
    {
      line: "enid simulator --vpc src/simulator/examples/two-pod-subnets.json > simulator.env & sleep 1; . ./simulator.env; aws ec2 describe-subnets",
      what: "The AWS CLI against a simulated VPC.",
    },
    { line: "enid simulator --vpc vpc.json --speed 20 --json", what: "For a script; 20 times faster than EC2." },
  ],
  async run({ flags, output }) {
    const listen = parseListenAddress(flags.listen, "simulator");
    const { formatEnvironment, loadModel } = await import("../../simulator/index.ts");
    const stopped = Promise.withResolvers<void>();
    const ignoreSignals = onStopSignals(() => stopped.resolve());
    try {
      const description = loadModel(await readModel(flags.vpc), flags.vpc);
      const running = await start(description, listen, flags.speed, flags.vpc);
      try {
        if (flags.json) output.line(JSON.stringify(endpointsOf(running)));
        else output.line(formatEnvironment(running.environment(chosenInstance(running, flags.instance))).trimEnd());
        await stopped.promise;
        return 0;
      } finally {
        await running.close();
      }
    } finally {
      ignoreSignals();
    }
  },
});

async function readModel(file: string): Promise<unknown> {
  try {
    const { size } = await stat(file);
    if (size > MODEL_LIMIT_BYTES) throw new Error(`it has ${size} bytes; at most ${MODEL_LIMIT_BYTES} are read`);
    return JSON.parse(await readFile(file, "utf8"));
  } catch (cause) {
    throw new EnidError("ENID_SIMULATOR_MODEL", { file, detail: coerceError(cause).message }, { cause });
  }
}

async function start(
  description: ModelDescription,
  listen: ListenAddress,
  speed: number | undefined,
  file: string,
): Promise<RunningSimulator> {
  const { startSimulator } = await import("../../simulator/index.ts");
  try {
    return await startSimulator({ description, listen, file, ...(speed === undefined ? {} : { speed }) });
  } catch (cause) {
    if (cause instanceof EnidError) throw cause;
    const detail = coerceError(cause).message;
    throw new EnidError("ENID_LISTEN_FAILED", { address: listenText(listen), detail }, { cause });
  }
}

function chosenInstance(running: RunningSimulator, wanted: string | undefined): string {
  const ids = running.cloud.instanceIds();
  const [first] = ids;
  if (wanted === undefined ? first !== undefined : ids.includes(wanted)) return wanted ?? first ?? "";
  const detail =
    wanted === undefined
      ? "the model has no instance whose environment could be printed; --json prints the endpoint alone"
      : `the model has no instance ${JSON.stringify(wanted)}; it has ${ids.join(", ") || "none"}`;
  throw new EnidError("ENID_USAGE", { detail, command: "simulator" });
}

function endpointsOf(running: RunningSimulator): unknown {
  const instances = running.cloud
    .instanceIds()
    .map((id) => [id, { metadataEndpoint: running.metadataEndpoint(id), environment: running.environment(id) }]);
  return { endpoint: running.endpoint, instances: Object.fromEntries(instances) };
}
