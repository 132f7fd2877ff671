import { expect, test } from "vitest";
import { createFront, SimulatedCloud } from "../../src/simulator/index.ts";
import { laboratory, PRIMARY, seededRandom, TestClock, testModel } from "./support.ts";

const FORM = `Action=AssignPrivateIpAddresses&Version=2016-11-15&NetworkInterfaceId=${PRIMARY}&SecondaryPrivateIpAddressCount=1`;
const VERSION = "2016-11-15";

/** A front whose every draw is the middle: latencies are the means. */
function middling(latencyMs: number) {
  const clock = new TestClock();
  const random = { ...seededRandom(1), fraction: () => 0.5 };
  const description = testModel({ latencyMs: { AssignPrivateIpAddresses: latencyMs }, speed: 2 });
  const cloud = new SimulatedCloud({ description, clock, random });
  const held = () => cloud.truth().interfaces.find((one) => one.id === PRIMARY)?.secondaryAddresses.length;
  return { clock, cloud, held, front: createFront(cloud, clock, random) };
}

/** Lets everything run that waits for nothing but its turn. */
const settle = () => new Promise((resolve) => setImmediate(resolve));

test("the effect comes half-way through the latency, the answer at its end", async () => {
  const { clock, held, front } = middling(400);
  let answered = false;
  const answer = front.answer({ form: FORM, headers: {} });
  void answer.then(() => {
    answered = true;
  });
  clock.advance(99);
  await settle();
  expect([held(), answered]).toEqual([0, false]);
  clock.advance(1);
  await settle();
  expect([held(), answered]).toEqual([1, false]);
  clock.advance(99);
  await settle();
  expect(answered).toBe(false);
  clock.advance(1);
  expect(await answer).toMatchObject({ kind: "reply", status: 200 });
});

test("an instance that is terminated under way refuses what comes after", async () => {
  const { clock, cloud, front } = middling(400);
  const answer = front.answer({ form: FORM, headers: {} });
  cloud.terminate(cloud.truth().instances[0]?.id ?? "");
  clock.advance(100);
  await settle();
  clock.advance(100);
  const { status, body } = { status: 0, body: "", ...(await answer) };
  expect(status).toBe(400);
  expect(body).toContain("InvalidNetworkInterfaceID.NotFound");
});

test("the signal ends the wait, before the effect too", async () => {
  const { clock, held, front } = middling(400);
  const closing = new AbortController();
  const answer = front.answer({ form: FORM, headers: {} }, closing.signal);
  clock.advance(50);
  closing.abort(new Error("closing"));
  await expect(answer).rejects.toThrow("closing");
  clock.advance(1_000);
  await settle();
  expect(held()).toBe(0);
});

test("latencies spread by 30 % around the mean of their action", () => {
  const { cloud } = laboratory({ latencyMs: { "*": 100, DescribeVpcs: 1_000 }, speed: 2 });
  const drawn = (action: string) => Array.from({ length: 500 }, () => cloud.drawLatencyMs(action));
  for (const [action, meanMs] of [
    ["DescribeSubnets", 50],
    ["DescribeVpcs", 500],
  ] as const) {
    const latencies = drawn(action);
    expect(Math.min(...latencies)).toBeGreaterThanOrEqual(meanMs * 0.7);
    expect(Math.min(...latencies)).toBeLessThan(meanMs * 0.75);
    expect(Math.max(...latencies)).toBeLessThanOrEqual(meanMs * 1.3);
    expect(Math.max(...latencies)).toBeGreaterThan(meanMs * 1.25);
  }
});

test("a fault of the simulator itself is answered as EC2 answers its own", async () => {
  const { front, cloud, clock } = middling(0);
  cloud.log.add = () => {
    throw new Error("broken log");
  };
  const answer = front.answer({ form: `Action=DescribeVpcs&Version=${VERSION}`, headers: {} });
  clock.advance(1_000);
  await settle();
  clock.advance(1_000);
  const { status, body } = { status: 0, body: "", ...(await answer) };
  expect(status).toBe(500);
  expect(body).toContain("<Code>InternalError</Code><Message>The simulator failed: broken log</Message>");
});
