/** The running simulator: one HTTP endpoint for EC2, STS and control, and one metadata endpoint per instance. */
import { type Clock, type Random, sleep, systemClock, systemRandom } from "../../adapters/index.ts";
import { SimulatedCloud } from "../model/cloud.ts";
import { DUMMY_CREDENTIALS } from "../model/credentials.ts";
import type { InstanceDescription, ModelDescription } from "../model/description.ts";
import type { Instance } from "../model/records.ts";
import { createFront } from "../query/front.ts";
import { CONTROL_PATH, createControl } from "./control.ts";
import { type Incoming, type Listening, listen } from "./listen.ts";

export interface SimulatorOptions {
  readonly description: ModelDescription;
  /** Loopback and any free port unless told otherwise. Metadata endpoints take free ports of the same host. */
  readonly listen?: { readonly host?: string; readonly port?: number };
  readonly clock?: Clock;
  readonly random?: Random;
  /** Instead of `settings.speed` of the description. */
  readonly speed?: number;
  /** The name of the model file, for messages. */
  readonly file?: string;
}

export interface RunningSimulator {
  /** URL of EC2, STS and the control endpoint. */
  readonly endpoint: string;
  readonly cloud: SimulatedCloud;
  /** URL of the instance's metadata. */
  metadataEndpoint(instanceId: string): string;
  /** The environment that points AWS tools at the simulator as that instance. */
  environment(instanceId: string): Record<string, string>;
  /** Starts another instance with its metadata endpoint. */
  launch(described: InstanceDescription): Promise<Instance>;
  close(): Promise<void>;
}

/** Errors: ENID_SIMULATOR_MODEL; the error of the system when the address cannot be bound. */
export async function startSimulator(options: SimulatorOptions): Promise<RunningSimulator> {
  const { clock = systemClock, random = systemRandom, description, speed } = options;
  const cloud = new SimulatedCloud({ description, clock, random, ...(options.file && { file: options.file }) });
  if (speed !== undefined) cloud.changeSettings({ speed });
  const host = options.listen?.host ?? "127.0.0.1";
  const front = createFront(cloud, clock, random);
  const metadata = new Map<string, Listening>();
  const openMetadata = async (instanceId: string) => {
    const answer = async (incoming: Incoming) => {
      const made = cloud.metadata(instanceId, incoming);
      if (made.delayMs !== undefined) await sleep(clock, made.delayMs, incoming.signal);
      return made;
    };
    metadata.set(instanceId, await listen({ host, port: 0 }, answer));
  };

  const launch = async (described: InstanceDescription) => {
    const instance = cloud.launch(described);
    await openMetadata(instance.id);
    return instance;
  };
  const metadataEndpoint = (instanceId: string) => urlOf(require(metadata, instanceId));
  const environment = (instanceId: string) =>
    environmentOf(cloud.region, cloud.accessKeyOf(instanceId), urlOf(main), metadataEndpoint(instanceId));
  const control = createControl({ cloud, launch, environment });
  const main = await listen({ host, port: options.listen?.port ?? 0 }, (incoming) => {
    if (incoming.path.startsWith(CONTROL_PATH)) return control(incoming);
    const form = incoming.method === "GET" ? incoming.query : incoming.body;
    return front.answer({ form, headers: incoming.headers }, incoming.signal);
  });
  const close = async () => {
    await Promise.all([main, ...metadata.values()].map((one) => one.close()));
  };
  try {
    for (const instanceId of cloud.instanceIds()) await openMetadata(instanceId);
  } catch (thrown) {
    await close();
    throw thrown;
  }
  return { endpoint: urlOf(main), cloud, metadataEndpoint, environment, launch, close };
}

/** Lines for a shell: what the variables become, and what would keep tools from asking the simulator. */
export function formatEnvironment(environment: Readonly<Record<string, string>>): string {
  const lines = Object.entries(environment).map(
    ([name, value]) => `export ${name}='${value.replaceAll("'", "'\\''")}'`,
  );
  return `${[...lines, "unset AWS_EC2_METADATA_DISABLED AWS_PROFILE AWS_SESSION_TOKEN"].join("\n")}\n`;
}

function environmentOf(
  region: string,
  accessKeyId: string,
  endpoint: string,
  metadataEndpoint: string,
): Record<string, string> {
  return {
    AWS_ENDPOINT_URL_EC2: endpoint,
    AWS_ENDPOINT_URL_STS: endpoint,
    AWS_EC2_METADATA_SERVICE_ENDPOINT: metadataEndpoint,
    AWS_REGION: region,
    AWS_DEFAULT_REGION: region,
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: DUMMY_CREDENTIALS.secretAccessKey,
  };
}

function urlOf({ host, port }: Listening): string {
  return `http://${host.includes(":") ? `[${host}]` : host}:${port}`;
}

function require(metadata: ReadonlyMap<string, Listening>, instanceId: string): Listening {
  const found = metadata.get(instanceId);
  if (!found) throw new RangeError(`the simulator has no instance ${instanceId}`);
  return found;
}
