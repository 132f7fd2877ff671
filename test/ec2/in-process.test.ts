import { DescribeSubnetsCommand, EC2Client } from "@aws-sdk/client-ec2";
import { describe, expect, it } from "vitest";
import { createFront, createInProcessTransport, type FaultEffect } from "../../src/simulator/index.ts";
import { WorldClock } from "../support/world-clock.ts";
import { INSTANCE, makeCloud } from "./cloud.ts";
import { seeded } from "./seeded.ts";

const REQUEST_TIMEOUT_MS = 10_000;

function makeWorld() {
  const clock = new WorldClock(Date.UTC(2026, 0, 1), () => transport.activity);
  const cloud = makeCloud(clock, seeded(1), {});
  const front = createFront(cloud, clock, seeded(2));
  const asked: string[] = [];
  const transport = createInProcessTransport({
    cloud,
    front,
    clock,
    instanceId: INSTANCE,
    onRequest: (action) => asked.push(action),
  });
  const client = new EC2Client({
    region: "eu-central-1",
    endpoint: "http://ec2.invalid",
    credentials: { accessKeyId: "AKIDEXAMPLE", secretAccessKey: "secret" },
    maxAttempts: 1,
    requestHandler: transport.requestHandler(REQUEST_TIMEOUT_MS),
  });
  return { clock, cloud, transport, client, asked };
}

/** What a describe of the subnets comes to, and after how much virtual time. */
async function describeSubnets(world: ReturnType<typeof makeWorld>, abortSignal?: AbortSignal) {
  const beganMs = world.clock.monotonicMs();
  let outcome: { tookMs: number; count?: number; error?: Error & { code?: string; Code?: string } } | undefined;
  const tookMs = () => world.clock.monotonicMs() - beganMs;
  world.client.send(new DescribeSubnetsCommand({}), abortSignal === undefined ? {} : { abortSignal }).then(
    ({ Subnets }) => {
      outcome = { tookMs: tookMs(), count: Subnets?.length ?? 0 };
    },
    (error: Error) => {
      outcome = { tookMs: tookMs(), error };
    },
  );
  // The SDK's first call loads parts of the SDK in real time.
  for (let turn = 0; turn < 200 && world.asked.length === 0; turn++)
    await new Promise((resolve) => setTimeout(resolve, 5));
  await world.clock.advance(60_000, () => outcome !== undefined);
  return outcome ?? { tookMs: tookMs() };
}

describe("a request that stays inside the process", () => {
  it("is serialised, answered and parsed by the real SDK, in virtual time", async () => {
    const world = makeWorld();
    const { tookMs, count } = await describeSubnets(world);
    expect(count).toBe(4);
    expect(tookMs).toBeGreaterThan(50);
    expect(tookMs).toBeLessThan(500);
    expect(world.cloud.log.calls()[0]).toMatchObject({ action: "DescribeSubnets", attempt: 1, caller: "client" });
    expect(world.cloud.log.calls()[0]?.accessKeyId).toBe("AKIDEXAMPLE");
    expect(world.transport.inFlight).toBe(0);
  });

  const FAULTS: readonly (readonly [string, FaultEffect, object, boolean])[] = [
    [
      "is refused",
      { kind: "error", code: "UnauthorizedOperation", httpStatus: 403 },
      { name: "UnauthorizedOperation" },
      false,
    ],
    ["is cut before its effect", { kind: "reset" }, { code: "ECONNRESET" }, false],
    ["loses its reply", { kind: "lost-reply" }, { code: "ECONNRESET" }, true],
    ["is answered by a proxy", { kind: "html" }, { $metadata: { httpStatusCode: 503 } }, false],
    ["is answered with half of its XML", { kind: "truncated" }, { $metadata: { httpStatusCode: 200 } }, true],
    ["hangs", { kind: "hang" }, { name: "TimeoutError" }, false],
    ["hangs after its effect", { kind: "hang", moment: "after" }, { name: "TimeoutError" }, true],
    ["takes longer than the client waits", { kind: "latency", delayMs: 30_000 }, { name: "TimeoutError" }, false],
  ];

  it.each(FAULTS)("tells the SDK what a socket would when it %s", async (_, effect, expected, answered) => {
    const world = makeWorld();
    world.cloud.faults.add({ action: "DescribeSubnets", effect });
    const { tookMs, error } = await describeSubnets(world);
    expect(error).toMatchObject(expected);
    if (expected !== undefined && "name" in expected && expected.name === "TimeoutError")
      expect(tookMs).toBe(REQUEST_TIMEOUT_MS);
    expect(world.cloud.log.calls().filter(({ code }) => code === "").length).toBe(answered ? 1 : 0);
  });

  it("is carried out although its client has given up", async () => {
    const world = makeWorld();
    world.cloud.faults.add({ action: "DescribeSubnets", effect: { kind: "latency", delayMs: 30_000 } });
    await describeSubnets(world);
    expect(world.cloud.log.calls()).toEqual([]);
    await world.clock.advance(30_000);
    expect(world.cloud.log.calls().map(({ code }) => code)).toEqual([""]);
  });

  it("ends with the client's signal", async () => {
    const world = makeWorld();
    world.cloud.faults.add({ action: "DescribeSubnets", effect: { kind: "hang" } });
    const stop = new AbortController();
    world.clock.after(3_000, () => stop.abort(new Error("enough")));
    const { tookMs, error } = await describeSubnets(world, stop.signal);
    expect(error?.name).toBe("AbortError");
    expect(tookMs).toBeLessThanOrEqual(3_000);
  });

  it("reaches nobody once the client is dead", async () => {
    const world = makeWorld();
    world.transport.cut();
    const outcome = await Promise.race([
      world.client.send(new DescribeSubnetsCommand({})).then(
        () => "answered",
        () => "refused",
      ),
      world.clock.advance(60_000).then(() => "silence"),
    ]);
    expect(outcome).toBe("silence");
    expect(world.asked).toEqual([]);
  });
});

describe("instance metadata inside the process", () => {
  const send = (world: ReturnType<typeof makeWorld>, method: "GET" | "PUT", path: string, headers = {}) =>
    world.transport.metadata.send({
      method,
      url: `http://metadata.invalid${path}`,
      headers,
      signal: new AbortController().signal,
    });

  it("gives a token and answers with it", async () => {
    const world = makeWorld();
    const { body: token } = await send(world, "PUT", "/latest/api/token", {
      "X-aws-ec2-metadata-token-ttl-seconds": "60",
    });
    const answer = await send(world, "GET", "/latest/meta-data/instance-id", { "X-aws-ec2-metadata-token": token });
    expect(answer).toEqual({ status: 200, body: INSTANCE });
    await expect(send(world, "GET", "/latest/meta-data/instance-id")).resolves.toMatchObject({ status: 401 });
  });

  it("closes the connection, or says nothing, when the service is away", async () => {
    const world = makeWorld();
    world.cloud.changeSettings({ metadataOutage: "reset" });
    await expect(send(world, "GET", "/latest/meta-data/mac")).rejects.toMatchObject({ code: "ECONNRESET" });
    world.cloud.changeSettings({ metadataOutage: "hang" });
    const stop = new AbortController();
    const hanging = world.transport.metadata.send({
      method: "GET",
      url: "http://metadata.invalid/latest/meta-data/mac",
      headers: {},
      signal: stop.signal,
    });
    stop.abort(new Error("enough"));
    await expect(hanging).rejects.toThrow("enough");
  });
});
