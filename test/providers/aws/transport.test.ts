import { describe, expect, it } from "vitest";
import type { EnidError } from "../../../src/errors.ts";
import { Ec2Transport } from "../../../src/providers/aws/ec2-transport.ts";
import { MutationQueues } from "../../../src/providers/aws/mutation-queues.ts";
import { DEFAULT_LIMITS } from "../../../src/providers/aws/options.ts";
import { seededRandom, VirtualClock } from "../../support/virtual-clock.ts";
import { RecordingTelemetry, rejection } from "./support.ts";

const ASSIGN = { action: "AssignPrivateIpAddresses", mutation: true };
const ATTACH = { action: "AttachNetworkInterface", mutation: true };
const DESCRIBE = { action: "DescribeSubnets", mutation: false };

const OK = { $metadata: { requestId: "r", httpStatusCode: 200 } };

/** As the SDK throws what EC2 answers. */
function refusal(code: string, status: number): Error {
  return Object.assign(new Error(code), { name: code, Code: code, $metadata: { httpStatusCode: status } });
}
const throttle = refusal("RequestLimitExceeded", 503);

function setUp(limits: Partial<typeof DEFAULT_LIMITS> = {}) {
  const clock = new VirtualClock();
  const telemetry = new RecordingTelemetry();
  const world = { clock, random: seededRandom(), telemetry, limits: { ...DEFAULT_LIMITS, ...limits } };
  const transport = new Ec2Transport(world, new MutationQueues(world.limits.mutationsAtOnce));
  const sent: { action: string; atMs: number }[] = [];
  const startMs = clock.monotonicMs();
  /** A send that notes itself and answers with what `answer` says. */
  const sending = (action: string, answer: () => Promise<typeof OK> = async () => OK) => {
    return () => {
      sent.push({ action, atMs: clock.monotonicMs() - startMs });
      return answer();
    };
  };
  const mutate = (call: typeof ASSIGN, key: string, answer?: () => Promise<typeof OK>, signal?: AbortSignal) =>
    transport.mutate(call, key, sending(call.action, answer), () => key, signal);
  const describeOnce = (answer?: () => Promise<typeof OK>) =>
    transport.persist(DESCRIBE, sending(DESCRIBE.action, answer));
  return { clock, telemetry, transport, sent, mutate, describe: describeOnce };
}

async function failing(error: Error): Promise<never> {
  throw error;
}

describe("the transport under load", () => {
  it("spaces what is beyond the burst, and tells how long each call waited", async () => {
    const world = setUp();
    const all = Array.from({ length: 15 }, (_, number) => world.mutate(ATTACH, `eni-${number}`));
    await world.clock.advance(10_000);
    await Promise.all(all);
    expect(world.sent.map(({ atMs }) => Math.round(atMs / 100) * 100)).toEqual([
      ...Array(12).fill(0),
      400,
      1_200,
      2_000,
    ]);
    const waits = world.telemetry.calls.map((call) => (call as { waitedMs?: number }).waitedMs);
    expect(waits.slice(0, 12)).toEqual(Array(12).fill(undefined));
    expect(waits[14]).toBeCloseTo(2_000, -1);
    // The wait is not part of the duration of the call.
    expect(world.telemetry.calls.every((call) => call.durationMs === 0)).toBe(true);
  });

  it.each([
    ["RequestLimitExceeded", 503],
    ["RequestLimitExceeded", 400],
    ["Client.RequestLimitExceeded", 400],
    ["EC2ThrottledException", 503],
    ["ThrottlingException", 400],
    ["SlowDown", 503],
  ])("slows down for %s with HTTP %i", async (code, status) => {
    const world = setUp();
    const refused = (await rejection(world.mutate(ASSIGN, "eni-1", () => failing(refusal(code, status))))) as EnidError;
    expect(refused.details).toMatchObject({ class: "throttled", effect: "none" });
    const next = world.mutate(ASSIGN, "eni-1");
    await world.clock.drain();
    expect(world.sent).toHaveLength(1);
    await world.clock.advance(5_000);
    await next;
    expect(world.sent[1]?.atMs).toBeGreaterThanOrEqual(1_600);
  });

  it("does not slow down for failures that are not throttling", async () => {
    const world = setUp();
    for (const error of [refusal("InternalError", 500), refusal("InsufficientFreeAddressesInSubnet", 400)]) {
      await rejection(world.mutate(ASSIGN, "eni-1", () => failing(error)));
    }
    await world.mutate(ASSIGN, "eni-1");
    expect(world.sent.map(({ atMs }) => atMs)).toEqual([0, 0, 0]);
  });

  it("delays no other action by a throttled one, of the same interface neither", async () => {
    const world = setUp();
    await rejection(world.mutate(ASSIGN, "eni-1", () => failing(throttle)));
    const throttled = world.mutate(ASSIGN, "eni-1");
    await world.mutate({ action: "UnassignPrivateIpAddresses", mutation: true }, "eni-1");
    await world.mutate(ATTACH, "eni-2");
    await world.describe();
    expect(world.sent.map(({ atMs }) => atMs)).toEqual([0, 0, 0, 0]);
    await world.clock.advance(5_000);
    await throttled;
  });

  it("holds none of the places of mutations while calls wait for tokens", async () => {
    const world = setUp({ mutationsAtOnce: 1 });
    await rejection(world.mutate(ASSIGN, "eni-0", () => failing(throttle)));
    const waiting = [1, 2, 3].map((number) => world.mutate(ASSIGN, `eni-${number}`));
    await world.mutate(ATTACH, "eni-9");
    expect(world.sent.map(({ action }) => action)).toEqual([ASSIGN.action, ATTACH.action]);
    await world.clock.advance(10_000);
    await Promise.all(waiting);
  });

  it("fails a mutation that found no token without sending it, throttled and without effect", async () => {
    const world = setUp({ tokenLimitMs: 1_000 });
    const all = Array.from({ length: 14 }, (_, number) => world.mutate(ATTACH, `eni-${number}`));
    const outcomes = Promise.allSettled(all);
    await world.clock.advance(20_000);
    const failed = (await outcomes).flatMap((one) => (one.status === "rejected" ? [one.reason as EnidError] : []));
    expect(failed.map(({ code, details }) => ({ code, details }))).toEqual([
      { code: "ENID_EC2_BUDGET", details: expect.objectContaining({ class: "throttled", effect: "none" }) },
    ]);
    expect(world.sent).toHaveLength(13);
    // What was not sent is no call.
    expect(world.telemetry.calls).toHaveLength(13);
  });

  it("gives the token back when a mutation is cancelled before its turn", async () => {
    const world = setUp();
    const first = Promise.withResolvers<typeof OK>();
    const running = world.mutate(ATTACH, "eni-1", () => first.promise);
    const stop = new AbortController();
    const waiting = rejection(world.mutate(ATTACH, "eni-1", undefined, stop.signal));
    await world.clock.drain();
    stop.abort(new Error("stop"));
    expect(((await waiting) as EnidError).details).toMatchObject({ ec2Code: "Cancelled", effect: "none" });
    first.resolve(OK);
    await running;
    const rest = Array.from({ length: 11 }, (_, number) => world.mutate(ATTACH, `eni-${number}`));
    await Promise.all(rest);
    expect(world.sent).toHaveLength(12);
    expect(world.sent.every(({ atMs }) => atMs === 0)).toBe(true);
  });

  it("ends a wait for a token with the signal, certainly without effect", async () => {
    const world = setUp();
    await rejection(world.mutate(ASSIGN, "eni-1", () => failing(throttle)));
    const stop = new AbortController();
    const waiting = rejection(world.mutate(ASSIGN, "eni-1", undefined, stop.signal));
    stop.abort(new Error("stop"));
    expect(((await waiting) as EnidError).details).toMatchObject({ ec2Code: "Cancelled", effect: "none" });
    expect(world.sent).toHaveLength(1);
  });
});

describe("the retries of describes", () => {
  it("come after pauses that grow, with jitter, and wait for a token like any call", async () => {
    const world = setUp();
    let answers = 0;
    const done = world.describe(() => (++answers <= 2 ? failing(throttle) : Promise.resolve(OK)));
    await world.clock.advance(20_000);
    await done;
    const [first = 0, second = 0, third = 0] = world.sent.map(({ atMs }) => atMs);
    expect(first).toBe(0);
    expect(second - first).toBeGreaterThanOrEqual(375);
    expect(second - first).toBeLessThanOrEqual(800);
    expect(third - second).toBeGreaterThanOrEqual(750);
    expect(third - second).toBeLessThanOrEqual(1_600);
  });

  it("are not made for a describe whose token did not come", async () => {
    const world = setUp({ tokenLimitMs: 100 });
    const all = Array.from({ length: 40 }, () => world.describe());
    const outcomes = Promise.allSettled(all);
    await world.clock.advance(0);
    expect(world.sent).toHaveLength(25);
    const failed = (await outcomes).flatMap((one) => (one.status === "rejected" ? [one.reason as EnidError] : []));
    expect(failed.map(({ code }) => code)).toEqual(Array(15).fill("ENID_EC2_BUDGET"));
    await world.clock.advance(60_000);
    expect(world.sent).toHaveLength(25);
  });

  it("share one budget: when EC2 is away it is spent, and then each failure surfaces at once", async () => {
    const world = setUp();
    const attempts: number[] = [];
    for (let call = 0; call < 8; call++) {
      const before = world.sent.length;
      const failed = rejection(world.describe(() => failing(refusal("Unavailable", 503))));
      await world.clock.advance(10_000);
      expect(((await failed) as EnidError).details).toMatchObject({ class: "transient" });
      attempts.push(world.sent.length - before);
    }
    // Ten retries in all.
    expect(attempts).toEqual([3, 3, 3, 3, 3, 1, 1, 1]);
    for (let call = 0; call < 5; call++) await world.describe();
    const before = world.sent.length;
    const failed = rejection(world.describe(() => failing(refusal("Unavailable", 503))));
    await world.clock.advance(10_000);
    await failed;
    expect(world.sent.length - before).toBe(2);
  });
});

describe("the turns of mutations", () => {
  it("leave the places of all free while calls wait for another of their interface, however long", async () => {
    const world = setUp({ mutationsAtOnce: 2, attemptLimitMs: 300_000 });
    const slow = Promise.withResolvers<typeof OK>();
    const detaching = world.mutate({ action: "DetachNetworkInterface", mutation: true }, "eni-1", () => slow.promise);
    const behind = Array.from({ length: 5 }, () => world.mutate(ASSIGN, "eni-1"));
    await world.clock.advance(120_000);
    expect(await world.mutate(ASSIGN, "eni-2")).toBe("eni-2");
    slow.resolve(OK);
    await Promise.all([detaching, ...behind]);
  });
});
