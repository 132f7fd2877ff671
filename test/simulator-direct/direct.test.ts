import { AssignPrivateIpAddressesCommand, DescribeSubnetsCommand } from "@aws-sdk/client-ec2";
import { describe, expect, it } from "vitest";
import type { FaultEffect } from "../../src/simulator/index.ts";
import { INSTANCE, PRIMARY } from "../ec2/cloud.ts";
import { type Asked, ask, directSide, realSide, type Side } from "./sides.ts";

const NO_LATENCY = { model: { settings: { latencyMs: { "*": 0, AssignPrivateIpAddresses: 0 } } } };
const ASSIGN: Asked = {
  action: "AssignPrivateIpAddresses",
  send: (access, options) =>
    access.ec2.send(
      new AssignPrivateIpAddressesCommand({ NetworkInterfaceId: PRIMARY, SecondaryPrivateIpAddressCount: 1 }),
      options,
    ),
};

const secondaries = ({ cloud }: Side) =>
  cloud.truth().interfaces.find(({ id }) => id === PRIMARY)?.secondaryAddresses.length;

/** Whether the promise has been settled once all microtasks have run. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  promise.then(
    () => {
      settled = true;
    },
    () => {
      settled = true;
    },
  );
  await new Promise((resolve) => setImmediate(resolve));
  return settled;
}

/** Counts the timers that are waiting. */
function timersOf({ clock }: Side): () => number {
  let waiting = 0;
  const after = clock.after.bind(clock);
  clock.after = (delayMs, callback) => {
    waiting += 1;
    let isWaiting = true;
    const end = () => {
      if (isWaiting) waiting -= 1;
      isWaiting = false;
    };
    const cancel = after(delayMs, () => {
      end();
      callback();
    });
    return () => {
      end();
      cancel();
    };
  };
  return () => waiting;
}

describe("a call that is sent directly", () => {
  it("without latency takes no timer and no turn of the loop", async () => {
    const side = directSide(NO_LATENCY);
    const timers = timersOf(side);
    expect(await isSettled(ASSIGN.send(side.access, {}))).toBe(true);
    expect(timers()).toBe(0);
    expect(secondaries(side)).toBe(1);
  });

  it("that certainly is answered in time has a timer at most for its way", async () => {
    const side = directSide();
    const timers = timersOf(side);
    const sent = ASSIGN.send(side.access, {});
    expect(timers()).toBe(1);
    expect(side.inFlight()).toBe(1);
    await side.clock.advance(10_000);
    await expect(sent).resolves.toMatchObject({ NetworkInterfaceId: PRIMARY });
    expect(timers()).toBe(0);
    expect(side.inFlight()).toBe(0);
  });

  const ENDS: readonly (readonly [string, FaultEffect, number])[] = [
    ["hangs before its effect", { kind: "hang" }, 0],
    ["hangs after its effect", { kind: "hang", moment: "after" }, 1],
    ["is late", { kind: "latency", delayMs: 30_000 }, 0],
  ];

  it.each(ENDS)("ends with its signal, as the real SDK's does, when it %s", async (_, effect, carriedOut) => {
    const seen = [];
    for (const side of [realSide(), directSide()]) {
      side.cloud.faults.add({ action: ASSIGN.action, effect });
      // The SDK is loaded by then, so that the time to the abort is the same on both sides.
      await ask(side, SUBNETS);
      const stop = new AbortController();
      side.clock.after(3_000, () => stop.abort(new Error("enough")));
      seen.push(await ask(side, ASSIGN, stop.signal));
      expect(secondaries(side)).toBe(carriedOut);
      await side.clock.advance(60_000);
      expect(secondaries(side)).toBe(effect.kind === "latency" ? 1 : carriedOut);
      expect(side.inFlight()).toBe(0);
    }
    expect(seen[1]).toEqual(seen[0]);
    expect(seen[1]).toMatchObject({ tookMs: 3_000, thrown: { name: "AbortError" } });
  });

  it("is not sent at all with a signal that is aborted", async () => {
    const side = directSide(NO_LATENCY);
    const stop = AbortSignal.abort(new Error("too late"));
    await expect(ASSIGN.send(side.access, { abortSignal: stop })).rejects.toMatchObject({ name: "AbortError" });
    expect(side.cloud.log.calls()).toEqual([]);
  });

  it("meets the fault that it is told, before the cloud's own rules", async () => {
    const side = directSide(NO_LATENCY, { faultOf: (action) => ({ kind: "error", code: `Of${action}` }) });
    side.cloud.faults.add({ action: "*", effect: { kind: "reset" } });
    await expect(ASSIGN.send(side.access, {})).rejects.toMatchObject({ Code: "OfAssignPrivateIpAddresses" });
    expect(side.cloud.faults.list()).toMatchObject([{ seen: 0 }]);
  });

  it("is told about just before and after the model carries it out", async () => {
    const told: unknown[] = [];
    const side = directSide(NO_LATENCY, {
      beforeEffect: (action, parameters) => told.push(["before", action, parameters, secondaries(side)]),
      afterEffect: (_, __, { code, result }) =>
        told.push(["after", code, result?.networkInterfaceId, secondaries(side)]),
    });
    await ASSIGN.send(side.access, {});
    const parameters = { NetworkInterfaceId: PRIMARY, SecondaryPrivateIpAddressCount: "1" };
    expect(told).toEqual([
      ["before", "AssignPrivateIpAddresses", parameters, 0],
      ["after", "ok", PRIMARY, 1],
    ]);
    for (let count = 0; count < 10; count++) await ASSIGN.send(side.access, {}).catch(() => undefined);
    expect(told.at(-1)).toEqual(["after", "PrivateIpAddressLimitExceeded", undefined, 9]);
    const before = told.length;
    side.cloud.faults.add({ action: "*", effect: { kind: "reset" } });
    await ASSIGN.send(side.access, {}).catch(() => undefined);
    expect(told).toHaveLength(before);
  });
});

const SUBNETS: Asked = {
  action: "DescribeSubnets",
  send: (access, options) => access.ec2.send(new DescribeSubnetsCommand({}), options),
};

describe("a client that is dead", () => {
  it("has carried out what it sent, and hears nothing", async () => {
    const side = directSide();
    const timers = timersOf(side);
    const sent = ASSIGN.send(side.access, { abortSignal: new AbortController().signal });
    side.cut();
    expect([side.inFlight(), timers()]).toEqual([1, 1]);
    await side.clock.advance(60_000);
    expect(await isSettled(sent)).toBe(false);
    expect(secondaries(side)).toBe(1);
    expect([side.inFlight(), timers()]).toEqual([0, 0]);
  });

  it("leaves no timer of calls that had their effect", async () => {
    const side = directSide();
    const timers = timersOf(side);
    const sent = ASSIGN.send(side.access, {});
    await side.clock.advance(1_000, () => secondaries(side) === 1);
    side.cut();
    expect([side.inFlight(), timers()]).toEqual([0, 0]);
    await side.clock.advance(60_000);
    expect(await isSettled(sent)).toBe(false);
  });

  it("may die just before and just after an effect", async () => {
    for (const moment of ["beforeEffect", "afterEffect"] as const) {
      const side: Side = directSide(NO_LATENCY, { [moment]: () => side.cut() });
      expect(await isSettled(ASSIGN.send(side.access, {}))).toBe(false);
      expect(secondaries(side)).toBe(1);
      expect(side.inFlight()).toBe(0);
    }
  });

  it("reaches nobody with what it sends later", async () => {
    const side = directSide(NO_LATENCY);
    side.cut();
    expect(await isSettled(ASSIGN.send(side.access, {}))).toBe(false);
    expect(await isSettled(side.access.metadata.send(read("/latest/meta-data/mac")))).toBe(false);
    expect(side.cloud.log.calls()).toEqual([]);
  });
});

const read = (path: string, more: object = {}) => ({
  method: "GET" as const,
  url: `http://169.254.169.254${path}`,
  headers: {},
  timeoutMs: 1_000,
  ...more,
});

/** What a read of metadata comes to, and after how much virtual time. */
async function outcome(side: Side, request: Parameters<Side["access"]["metadata"]["send"]>[0]) {
  const beganMs = side.clock.monotonicMs();
  let come: object | undefined;
  side.access.metadata.send(request).then(
    (answer) => {
      come = { answer, tookMs: side.clock.monotonicMs() - beganMs };
    },
    ({ name, message, code }) => {
      come = { name, message, code, tookMs: side.clock.monotonicMs() - beganMs };
    },
  );
  await side.clock.advance(20_000, () => come !== undefined);
  return come;
}

describe("instance metadata, asked directly", () => {
  const MAC_PATH = "/latest/meta-data/mac";
  const METADATA = `Metadata:${MAC_PATH}`;

  it("answers as over the in-process transport", async () => {
    const seen = [];
    for (const side of [realSide(), directSide()]) {
      const ttl = { "x-aws-ec2-metadata-token-ttl-seconds": "60" };
      const put = read("/latest/api/token?x=1", { method: "PUT", headers: ttl });
      const given = (await outcome(side, put)) as { answer: { body: string } };
      const headers = { "x-aws-ec2-metadata-token": given.answer.body };
      const outcomes: unknown[] = [given];
      for (const path of ["/", "/latest/meta-data/instance-id", "/latest/meta-data/", "/latest/nothing"])
        outcomes.push(await outcome(side, read(path, { headers })));
      outcomes.push(await outcome(side, read(MAC_PATH)));
      const effects: readonly FaultEffect[] = [
        { kind: "reset" },
        { kind: "hang" },
        { kind: "error", code: "x", httpStatus: 503 },
        { kind: "truncated" },
        { kind: "latency", delayMs: 300 },
        { kind: "latency", delayMs: 3_000 },
      ];
      for (const effect of effects) {
        side.cloud.faults.add({ action: METADATA, effect });
        outcomes.push(await outcome(side, read(MAC_PATH, { headers })));
      }
      const stop = new AbortController();
      side.cloud.faults.add({ action: METADATA, effect: { kind: "hang" } });
      side.clock.after(200, () => stop.abort(new Error("enough")));
      outcomes.push(await outcome(side, read(MAC_PATH, { headers, signal: stop.signal })));
      outcomes.push(await outcome(side, read(MAC_PATH, { headers, signal: stop.signal })));
      expect(side.inFlight()).toBe(0);
      seen.push(outcomes);
    }
    expect(seen[1]).toEqual(seen[0]);
    expect(seen[1]).toContainEqual({ answer: { status: 200, body: INSTANCE }, tookMs: 0 });
    expect(seen[1]).toContainEqual(expect.objectContaining({ name: "TimeoutError", tookMs: 1_000 }));
    expect(seen[1]).toContainEqual(expect.objectContaining({ answer: expect.anything(), tookMs: 300 }));
    expect(seen[1]).toContainEqual(expect.objectContaining({ message: "enough", tookMs: 200 }));
  });

  it("may be spoiled on its way", async () => {
    const side = directSide({}, { onMetadata: (path, answer) => (path === MAC_PATH ? { kind: "reset" } : answer) });
    expect(await outcome(side, read(MAC_PATH))).toMatchObject({ code: "ECONNRESET" });
    expect(await outcome(side, read("/latest/meta-data/instance-id"))).toMatchObject({ answer: { status: 401 } });
  });

  it("is waited for no longer once the client is dead", async () => {
    const side = directSide();
    const timers = timersOf(side);
    side.cloud.faults.add({ action: METADATA, effect: { kind: "hang" } });
    const sent = side.access.metadata.send(read(MAC_PATH));
    expect([side.inFlight(), timers()]).toEqual([1, 1]);
    side.cut();
    expect([side.inFlight(), timers()]).toEqual([0, 0]);
    expect(await isSettled(sent)).toBe(false);
  });
});
