import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { systemClock, systemRandom } from "../../../src/adapters/index.ts";
import type { EnidEvent, Telemetry } from "../../../src/manager/ports/index.ts";
import { type AwsLimits, DEFAULT_LIMITS, type Surroundings } from "../../../src/providers/aws/options.ts";

/** Telemetry that keeps what it is told. */
export class RecordingTelemetry implements Telemetry {
  readonly events: EnidEvent[] = [];
  readonly calls: { action: string; code: string; durationMs: number; requestId: string }[] = [];

  event(event: EnidEvent): void {
    this.events.push(event);
  }

  cloudCall(call: { action: string; code: string; durationMs: number; requestId: string }): void {
    this.calls.push(call);
  }

  served(): void {}

  eventNames(): string[] {
    return this.events.map((event) => event.name);
  }
}

/** Limits for tests: the same behaviour, sooner. */
export const QUICK: AwsLimits = {
  ...DEFAULT_LIMITS,
  // The simulated EC2 of these tests runs a hundred times as fast; its buckets refill as much faster.
  bucketShare: 100,
  connectTimeoutMs: 500,
  requestTimeoutMs: 600,
  attemptLimitMs: 1_500,
  describeRetryBaseMs: 5,
  accountLimitMs: 500,
  lookBaseMs: 20,
  lookMaxMs: 100,
  newInterfaceGraceMs: 1_000,
  additionLookMs: 400,
  describeLagMs: 100,
  detachLimitMs: 3_000,
  detachBaseMs: 20,
  metadataTimeoutMs: 200,
  metadataAttempts: 3,
  metadataRetryBaseMs: 5,
};

export function quickWorld(limits: Partial<AwsLimits> = {}): Surroundings & { readonly telemetry: RecordingTelemetry } {
  return {
    clock: systemClock,
    random: systemRandom,
    telemetry: new RecordingTelemetry(),
    limits: { ...QUICK, ...limits },
  };
}

export interface TestServer {
  readonly url: string;
  readonly requests: { readonly method: string; readonly url: string; readonly headers: IncomingMessage["headers"] }[];
  close(): Promise<void>;
}

/** An HTTP server on a port of its own, answering as told. */
export async function serve(answer: (request: IncomingMessage, response: ServerResponse) => void): Promise<TestServer> {
  const requests: TestServer["requests"] = [];
  const server = createServer((request, response) => {
    requests.push({ method: request.method ?? "", url: request.url ?? "", headers: request.headers });
    request.resume();
    request.on("end", () => answer(request, response));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}

/** The error that a promise rejects with; fails when it does not reject. */
export async function rejection(promise: Promise<unknown>): Promise<unknown> {
  const outcome = await promise.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
  if ("error" in outcome) return outcome.error;
  throw new Error(`expected a rejection, got ${JSON.stringify(outcome.value)}`);
}
