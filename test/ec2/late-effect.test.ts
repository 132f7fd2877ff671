import { afterEach, describe, expect, it } from "vitest";
import type { FaultEffect } from "../../src/simulator/index.ts";
import { POD_SUBNET, PRIMARY, SECOND_POD_SUBNET } from "./cloud.ts";
import { Lab, type LabOptions } from "./lab.ts";
import type { MetadataWeather } from "./metadata-weather.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
/** enid waits 10 s for an answer and settles within some 9 s more; then EC2 carries the call out all the same. */
const LATE: FaultEffect = { kind: "latency", delayMs: 25_000 };
const IPAM = { "pre-allocate": 2, "release-excess": false };

let lab: Lab;
afterEach(() => lab.close());

/** A node at rest whose log of calls is empty. */
async function rested(options: LabOptions = {}): Promise<void> {
  lab = await Lab.open({ ipam: IPAM, ...options });
  await lab.advance(10 * MINUTE_MS);
  lab.forget();
}

/** Whole looks at what the instance has, at their moments. */
const looks = () =>
  lab
    .calls("DescribeNetworkInterfaces")
    .filter(({ parameters }) => JSON.stringify(parameters.Filter).includes("attachment.instance-id"))
    .map(({ atMs }) => atMs);

/** When the last call that changes something took effect. */
const lastEffectMs = () => Math.max(...lab.mutations().map(({ atMs }) => atMs));

/** An idle node describes about once in 75 minutes, and changes nothing. */
async function describesOnlyAsUsual(): Promise<void> {
  lab.forget();
  await lab.advance(6 * HOUR_MS);
  expect(lab.counts()).toEqual({});
  expect(looks().length).toBeGreaterThanOrEqual(4);
  expect(looks().length).toBeLessThanOrEqual(6);
  lab.agree();
}

/** Pods ask for more; answers when the node began to, and when it had settled the call that EC2 carried out after that. */
async function assignedLate(): Promise<{ beganMs: number; settledMs: number }> {
  const beganMs = lab.clock.nowMs();
  lab.cloud.faults.add({ action: "AssignPrivateIpAddresses", effect: LATE });
  await lab.pods.run(3);
  await lab.until("settled", () => lab.said("step-undone").length > 0);
  const settledMs = lab.clock.nowMs();
  await lab.until("carried out", () => lab.mutations("AssignPrivateIpAddresses").length === 3);
  expect(lastEffectMs()).toBeGreaterThan(settledMs);
  expect(() => lab.agree()).toThrow(/is leaked: the pool does not know it/);
  return { beganMs, settledMs };
}

/** Instance metadata does not answer what an interface carries. */
const away: MetadataWeather = (path, answer) =>
  path.endsWith("/local-ipv4s") && answer.kind === "reply" ? { ...answer, status: 503, body: "" } : answer;

function expectOneLookAfter(settledMs: number, [look = 0, ...more]: readonly number[]): void {
  expect(more).toEqual([]);
  // Both moments are of the test's own reading, which is a part of a second off.
  expect(Math.abs(look - settledMs - 2 * MINUTE_MS)).toBeLessThan(2_000);
}

describe("a call that EC2 carries out after enid has given it up and settled it", () => {
  it("leaves no addresses that the pool does not know for longer than five minutes", async () => {
    await rested();
    const { beganMs, settledMs } = await assignedLate();
    await lab.advance(beganMs + 5 * MINUTE_MS - lab.clock.nowMs());
    lab.agree();
    expect(lab.said("blocks-adopted")).toHaveLength(1);
    // Instance metadata may show them before the look that is made in any case.
    expect(looks().length).toBeLessThanOrEqual(2);
    expectOneLookAfter(settledMs, looks().slice(-1));
    expect(lab.mutations("UnassignPrivateIpAddresses")).toEqual([]);
    await describesOnlyAsUsual();
  });

  it("is found by exactly one further look while instance metadata does not answer", async () => {
    await rested();
    lab.onMetadata = away;
    const { beganMs, settledMs } = await assignedLate();
    await lab.advance(beganMs + 5 * MINUTE_MS - lab.clock.nowMs());
    lab.agree();
    expectOneLookAfter(settledMs, looks());
    lab.onMetadata = undefined;
    await lab.advance(5 * MINUTE_MS);
    expectOneLookAfter(settledMs, looks());
    await describesOnlyAsUsual();
  });

  it("makes no second interface, and EC2 is looked at once more", async () => {
    await rested();
    lab.cloud.faults.add({ action: "CreateNetworkInterface", effect: LATE });
    await lab.pods.run(12);
    await lab.advance(5 * MINUTE_MS);
    const [first, second, ...more] = lab.mutations("CreateNetworkInterface");
    expect(more).toEqual([]);
    expect(second?.parameters.ClientToken).toBe(first?.parameters.ClientToken);
    lab.agree();
    expect(lab.truth()).toHaveLength(2);
    expect(looks()).toHaveLength(1);
    await describesOnlyAsUsual();
  });

  it("leaves no interface behind that the settings had stopped to allow when it was settled", async () => {
    const only = (id: string) => ({ "subnet-ids": [id], "first-interface-index": 0 });
    await rested({ eni: only(POD_SUBNET), ipam: { ...IPAM, "pre-allocate": 0 } });
    const beganMs = lab.clock.nowMs();
    lab.cloud.faults.add({ action: "CreateNetworkInterface", effect: LATE });
    const pods = lab.pods.add(1);
    await lab.until("asked for", () => lab.said("step-begun").length > 0);
    const offered = lab.configure({ eni: only(SECOND_POD_SUBNET) });
    await Promise.all([pods, offered]);
    await lab.advance(beganMs + 5 * MINUTE_MS - lab.clock.nowMs());
    lab.agree();
  });

  it("is found as well when its repetition was late too", async () => {
    await rested();
    lab.onMetadata = away;
    lab.cloud.faults.add({ action: "AssignPrivateIpAddresses", effect: LATE, times: 2 });
    await lab.pods.add(3);
    await lab.advance(6 * MINUTE_MS);
    expect(lab.mutations("AssignPrivateIpAddresses").filter(({ fault }) => fault === "latency")).toHaveLength(2);
    lab.agree();
    expect(looks().length).toBeLessThanOrEqual(2);
    lab.onMetadata = undefined;
    await lab.advance(5 * MINUTE_MS);
    await describesOnlyAsUsual();
  });

  it("is not forgotten when EC2 is looked at for another reason in between", async () => {
    await rested({ eni: { "first-interface-index": 1 } });
    lab.onMetadata = away;
    const beganMs = lab.clock.nowMs();
    lab.cloud.faults.add({ action: "AssignPrivateIpAddresses", effect: LATE });
    await lab.pods.run(3);
    await lab.until("settled", () => lab.said("step-undone").length > 0);
    const settledMs = lab.clock.nowMs();
    // The primary interface may carry pods now: what it has is looked at before the call takes effect.
    const set = lab.manager.setOverride("first-interface-index=0");
    await lab.advance(2_000);
    await set;
    expect(looks()).toHaveLength(1);
    await lab.until("carried out", () => lab.mutations("AssignPrivateIpAddresses").length === 3);
    await lab.advance(beganMs + 5 * MINUTE_MS - lab.clock.nowMs());
    lab.agree();
    // The look in between may lag what the step before brought, which asks for one more look a minute later.
    const [first = 0, second, ...more] = looks().slice(1);
    expect(more).toEqual([]);
    expect(Math.max(first, second ?? 0) - settledMs).toBeGreaterThan(2 * MINUTE_MS - 2_000);
  });

  it("is not forgotten when the daemon is started anew after it was settled", async () => {
    await rested({ eni: { "start-jitter-seconds": 0 } });
    lab.cloud.faults.add({ action: "AssignPrivateIpAddresses", effect: LATE });
    await lab.pods.run(3);
    const isDone = () => lab.said("step-undone").length > 0 && lab.manager.status().intents.length === 0;
    await lab.until("settled", isDone);
    await lab.restart();
    await lab.until("looked at", () => looks().length > 0);
    expect(lab.mutations("AssignPrivateIpAddresses").length).toBeLessThan(4);
    // What is not in the state of the process before may be what it gave back, and is taken over only after that is over.
    await lab.advance(15 * MINUTE_MS);
    lab.agree();
    await describesOnlyAsUsual();
  });

  it("is not forgotten when EC2 refuses to finish it", async () => {
    await rested();
    const beganMs = lab.clock.nowMs();
    let creates = 0;
    lab.meddling = (_, action) => {
      if (action !== "CreateNetworkInterface") return undefined;
      creates++;
      if (creates === 1) return LATE;
      return creates === 2 ? { kind: "error", code: "InsufficientFreeAddressesInSubnet" } : undefined;
    };
    await lab.pods.add(12);
    await lab.advance(beganMs + 5 * MINUTE_MS - lab.clock.nowMs());
    expect(lab.truth()[0]?.id).toBe(PRIMARY);
    lab.agree();
  });
});
