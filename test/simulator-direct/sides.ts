import { EC2Client } from "@aws-sdk/client-ec2";
import { STSClient } from "@aws-sdk/client-sts";
import { failureOf } from "../../src/providers/aws/failures.ts";
import type { DirectAccess } from "../../src/providers/aws/index.ts";
import { createDirectAccess } from "../../src/simulator/direct/index.ts";
import { createFront, createInProcessTransport, type SimulatedCloud } from "../../src/simulator/index.ts";
import { type CloudOptions, INSTANCE, makeCloud } from "../ec2/cloud.ts";
import { seeded } from "../ec2/seeded.ts";
import { WorldClock } from "../support/world-clock.ts";

export const REQUEST_TIMEOUT_MS = 10_000;
const STARTED_AT_MS = Date.UTC(2026, 0, 1);

/** A client of a cloud of its own, on a clock of its own. */
export interface Side {
  readonly clock: WorldClock;
  readonly cloud: SimulatedCloud;
  readonly access: DirectAccess;
  /** Requests that the cloud has been handed, at least. */
  readonly asked: () => number;
  readonly inFlight: () => number;
  readonly cut: () => void;
}

/** The real SDK over the in-process transport. */
export function realSide(options: CloudOptions = {}): Side {
  let asked = 0;
  const clock: WorldClock = new WorldClock(STARTED_AT_MS, () => transport.activity);
  const cloud = makeCloud(clock, seeded(1), options);
  const front = createFront(cloud, clock, seeded(2));
  const onRequest = () => {
    asked += 1;
  };
  const transport = createInProcessTransport({ cloud, front, clock, instanceId: INSTANCE, onRequest });
  const config = {
    region: "eu-central-1",
    endpoint: "http://aws.invalid",
    credentials: { accessKeyId: cloud.accessKeyOf(INSTANCE), secretAccessKey: "secret" },
    maxAttempts: 1,
  };
  const access = {
    ec2: new EC2Client({ ...config, requestHandler: transport.requestHandler(REQUEST_TIMEOUT_MS) }),
    sts: new STSClient({ ...config, requestHandler: transport.requestHandler(REQUEST_TIMEOUT_MS) }),
    metadata: transport.metadata,
  };
  return { clock, cloud, access, asked: () => asked, inFlight: () => transport.inFlight, cut: transport.cut };
}

type Hooks = Partial<Parameters<typeof createDirectAccess>[0]>;

/** The direct access to an equal cloud. */
export function directSide(options: CloudOptions = {}, hooks: Hooks = {}): Side {
  let asked = 0;
  const clock = new WorldClock(STARTED_AT_MS);
  const cloud = makeCloud(clock, seeded(1), options);
  const access = createDirectAccess({
    cloud,
    clock,
    random: seeded(2),
    instanceId: INSTANCE,
    requestTimeoutMs: REQUEST_TIMEOUT_MS,
    faultOf: () => {
      asked += 1;
      return undefined;
    },
    ...hooks,
  });
  return { clock, cloud, access, asked: () => asked, inFlight: () => access.inFlight, cut: () => access.cut() };
}

/** What a call came to, as far as it counts. */
export interface Seen {
  readonly tookMs: number;
  readonly output?: unknown;
  readonly thrown?: unknown;
  readonly failure?: unknown;
}

/** A command of the SDK, and what the provider would say of its call. */
export interface Asked {
  readonly action: string;
  readonly send: (access: DirectAccess, options: { abortSignal?: AbortSignal }) => Promise<object>;
}

/** Sends it and lets time pass until it is settled, two minutes at most. */
export async function ask(side: Side, { action, send }: Asked, signal?: AbortSignal): Promise<Seen> {
  const beganMs = side.clock.monotonicMs();
  const before = side.asked();
  let seen: Seen | undefined;
  const tookMs = () => side.clock.monotonicMs() - beganMs;
  send(side.access, signal === undefined ? {} : { abortSignal: signal }).then(
    (output) => {
      seen = { tookMs: tookMs(), output: { ...output, $metadata: metadataOf(output) } };
    },
    (error: unknown) => {
      seen = { tookMs: tookMs(), thrown: look(error), failure: judged(error, action) };
    },
  );
  // The SDK's first call loads parts of the SDK in real time.
  for (let turn = 0; turn < 400 && side.asked() === before && seen === undefined; turn++)
    await new Promise((resolve) => setTimeout(resolve, 5));
  await side.clock.advance(120_000, () => seen !== undefined);
  return seen ?? { tookMs: Number.POSITIVE_INFINITY };
}

/** The calls that the model has in its log, without the id that the SDK draws by itself. */
export function logOf({ cloud }: Pick<Side, "cloud">): unknown[] {
  return cloud.log.calls().map(({ invocationId: _, ...call }) => call);
}

function metadataOf(thing: unknown): object {
  const { httpStatusCode, requestId } = ((thing as { $metadata?: object }).$metadata ?? {}) as Record<string, unknown>;
  return { httpStatusCode, requestId };
}

/** Everything that failures.ts reads of it. */
function look(error: unknown): object {
  const { name, message, Code, code, syscall } = error as Record<string, unknown>;
  return { isError: error instanceof Error, name, message, Code, code, syscall, $metadata: metadataOf(error) };
}

function judged(error: unknown, action: string): object {
  const { code, message, details } = failureOf(error, { action, mutation: true, subnetId: "subnet-1", unit: "prefix" });
  return { code, message, details };
}
