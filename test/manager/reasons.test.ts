import { afterEach, describe, expect, it, vi } from "vitest";
import { EnidError, type ErrorCode, type ErrorValues } from "../../src/errors.ts";
import { LIMITS, type Manager, type StepFailure } from "../../src/manager/index.ts";
import { Pool } from "../../src/pool/index.ts";
import { PRIMARY, SUBNET_A, SUBNET_B } from "../support/fake-provider.ts";
import { add, attachment, configuration, createLab, type Lab, pod, range, startedLab } from "./harness.ts";

const OTHER_TAGS = { eni: { "subnet-tags": { other: "1" } } };
const HOUR_MS = 3_600_000;

/** A failure of EC2 as the provider tells of it, which does not know when it will be tried again. */
function fails(lab: Lab, kind: string, code: ErrorCode, values: ErrorValues, failure: StepFailure): void {
  lab.provider.failures.push({ kind, error: new EnidError(code, values, { details: failure }) });
}

function throttles(lab: Lab, kind: string, times = 1): void {
  const values = { action: kind, code: "RequestLimitExceeded", retryAt: "a pause" };
  const failure: StepFailure = { class: "throttled", ec2Code: "RequestLimitExceeded", effect: "none" };
  for (let n = 0; n < times; n++) fails(lab, kind, "ENID_EC2_THROTTLED", values, failure);
}

/** What pod n is told within `withinMs`: the reason's code and the whole message, which must be complete. */
async function reasonFor(lab: Lab, manager: Manager, n: number, withinMs = 21_000) {
  const asked = add(manager, n);
  await lab.clock.advance(withinMs);
  return told(await Promise.race([asked, Promise.resolve("still waiting")]));
}

function told(answer: string | EnidError) {
  if (!(answer instanceof EnidError)) throw new Error(`not refused: ${answer}`);
  expect(answer.entry.cni).toBe(11);
  const text = `${answer.message} ${(answer.cause as EnidError | undefined)?.remedy ?? answer.remedy}`;
  expect(text).not.toMatch(/\{\w+\}|a pause|undefined|NaN/);
  return { code: (answer.cause as EnidError | undefined)?.code ?? answer.code, text };
}

function timeIn(text: string): number {
  return Date.parse(text.match(/\d{4}-\d\d-\d\dT[\d:.]+Z/)?.[0] ?? "");
}

afterEach(() => vi.restoreAllMocks());

describe("while the daemon starts, a pod is told", () => {
  it("that metadata does not answer, why, and when it is asked again", async () => {
    const lab = createLab();
    throttles(lab, "identify", 40);
    const manager = lab.manager();
    await manager.start({ kind: "valid", configuration: configuration() });
    const { code, text } = await reasonFor(lab, manager, 1);
    expect(code).toBe("ENID_STARTING");
    expect(text).toContain("who this node is (EC2 throttles identify");
    expect(timeIn(text)).toBeGreaterThan(lab.clock.nowMs() - 1_000);
  });

  it("that the settings match no subnet, with what was seen", async () => {
    const lab = createLab();
    lab.provider.allowed = [];
    const manager = lab.manager();
    await manager.start({ kind: "valid", configuration: configuration() });
    const { code, text } = await reasonFor(lab, manager, 1);
    expect(code).toBe("ENID_STARTING");
    expect(text).toContain("no subnet matches test in vpc-1 and a; seen: none");
  });

  it("that EC2 does not say what the node holds", async () => {
    const lab = createLab();
    throttles(lab, "observe cloud", 40);
    const manager = lab.manager();
    await manager.start({ kind: "valid", configuration: configuration() });
    const { text } = await reasonFor(lab, manager, 1);
    expect(text).toContain("what this node holds (EC2 throttles observe cloud");
  });

  it("after a warm start with nothing free: that metadata, then EC2, have not answered yet", async () => {
    const lab = await startedLab({ ipam: { "pre-allocate": 1, "max-allocate": 1 } });
    await add(lab.running, 1);
    const file = configuration({ ipam: { "pre-allocate": 1 } });
    lab.provider.callMs = HOUR_MS;
    const deaf = lab.manager();
    await deaf.start({ kind: "valid", configuration: file });
    expect((await reasonFor(lab, deaf, 2)).text).toContain("waits for instance metadata to say who this node is");

    lab.provider.callMs = 100;
    throttles(lab, "observe cloud", 40);
    const next = lab.manager();
    await next.start({ kind: "valid", configuration: file });
    const { code, text } = await reasonFor(lab, next, 2);
    expect(code).toBe("ENID_GROWING");
    expect(text).toContain("waits for EC2 to say what the node holds (EC2 throttles observe cloud");
  });
});

describe("when the settings changed, a pod is told", () => {
  it("that the allowed subnets are being looked up", async () => {
    const lab = await startedLab();
    lab.provider.callMs = HOUR_MS;
    await lab.running.offerConfiguration({ kind: "valid", configuration: configuration(OTHER_TAGS) });
    const { code, text } = await reasonFor(lab, lab.running, 1);
    expect(code).toBe("ENID_GROWING");
    expect(text).toContain("EC2 to say which subnets are allowed");
  });

  it("that they match no subnet, not what stood in the way under the settings before", async () => {
    const lab = await startedLab({ ipam: { "pre-allocate": 1, "max-allocate": 1 } });
    await add(lab.running, 1);
    lab.provider.allowed = [];
    await lab.running.offerConfiguration({ kind: "valid", configuration: configuration(OTHER_TAGS) });
    expect((await reasonFor(lab, lab.running, 2)).code).toBe("ENID_SUBNET_NO_MATCH");
  });

  it("that no interface may carry pods, and why each may not", async () => {
    const lab = await startedLab({ eni: { "first-interface-index": 3 } });
    const { code, text } = await reasonFor(lab, lab.running, 1, 1_000);
    expect(code).toBe("ENID_NO_USABLE_INTERFACE");
    expect(text).toContain(`${PRIMARY}: device index 0 is below first-interface-index 3`);
  });
});

describe("at a limit, a pod is told at once", () => {
  it("that the instance is full", async () => {
    const lab = await startedLab();
    const pods = range(27).map((n) => add(lab.running, n));
    await lab.clock.advance(5_000);
    await Promise.all(pods);
    const { code, text } = await reasonFor(lab, lab.running, 99, 200);
    expect(code).toBe("ENID_INSTANCE_FULL");
    expect(text).toContain("all 27 pod addresses that m5.large can hold are used (27)");
  });

  it("that max-allocate is reached", async () => {
    const lab = await startedLab({ ipam: { "pre-allocate": 2, "max-allocate": 2 } });
    await Promise.all(range(2).map((n) => add(lab.running, n)));
    const { code, text } = await reasonFor(lab, lab.running, 99, 200);
    expect(code).toBe("ENID_MAX_ALLOCATE");
    expect(text).toContain("max-allocate 2 is reached: its addresses are used (2)");
  });

  it("also when addresses cool down, but not before its time is over", async () => {
    const lab = await startedLab({ ipam: { "pre-allocate": 1, "max-allocate": 1, "cooling-seconds": 60 } });
    await add(lab.running, 1);
    await lab.running.remove(attachment(1));
    expect((await reasonFor(lab, lab.running, 2, 200)).code).toBe("ENID_MAX_ALLOCATE");
  });

  it("but not while an interface that is being made will have a slot for it", async () => {
    const lab = await startedLab({ ipam: { "pre-allocate": 1 } });
    await Promise.all(range(1).map((n) => add(lab.running, n)));
    const first = range(16, 1).map((n) => add(lab.running, n));
    await lab.clock.advance(5_000);
    await Promise.all(first);
    // The last interface is made for few; more come while it is on its way.
    lab.provider.callMs = 2_000;
    const few = range(2, 20).map((n) => add(lab.running, n));
    await lab.clock.advance(1_000);
    const more = range(8, 30).map((n) => add(lab.running, n));
    await lab.clock.advance(18_000);
    for (const answer of await Promise.all([...few, ...more])) expect(answer).toMatch(/^10\./);
    expect(lab.running.leases()).toHaveLength(27);
  });

  it("but not while it is unknown what became of a create; then that is the reason", async () => {
    const lab = await startedLab({ ipam: { "pre-allocate": 1 } });
    const held = range(17).map((n) => add(lab.running, n));
    await lab.clock.advance(5_000);
    await Promise.all(held);
    const unknown: StepFailure = { class: "transient", ec2Code: "TimeoutError", effect: "unknown" };
    lab.provider.fail("create-interface", unknown);
    for (let n = 0; n < 40; n++) lab.provider.fail("settle", unknown);
    await lab.clock.advance(1_000);
    void range(2, 20).map((n) => add(lab.running, n));
    // Long after the unsettled create stopped to count, the reason is still the true one.
    await lab.clock.advance(3 * 60_000);
    const { code, text } = await reasonFor(lab, lab.running, 99);
    expect(code).toBe("ENID_GROWING");
    expect(text).toContain("EC2 to tell what became of create-interface (EC2 settle failed with TimeoutError");
  });
});

describe("when subnets have no room, a pod is told", () => {
  it("which ones, and when they are asked again; and then they are", async () => {
    const lab = createLab();
    lab.provider.freeInSubnets = 0;
    const manager = lab.manager();
    await manager.start({ kind: "valid", configuration: configuration() });
    await lab.clock.advance(3_000);
    const { code, text } = await reasonFor(lab, manager, 1);
    expect(code).toBe("ENID_SUBNETS_EMPTY");
    expect(text).toContain(`${SUBNET_A} has 0 free, ${SUBNET_B} has 0 free`);
    expect(timeIn(text)).toBeGreaterThan(lab.clock.nowMs());
    expect(manager.status().degraded.map(({ name }) => name)).toEqual(["subnet-exhausted"]);
    lab.provider.freeInSubnets = 100;
    await lab.clock.advance(LIMITS.subnetExhaustedLongestMs + LIMITS.heartbeatMs);
    expect(manager.status()).toMatchObject({ ready: true, degraded: [], pool: { total: 8 } });
    expect(await add(manager, 2)).toMatch(/^10\./);
  });

  it("of a pod that waits, at the time that it was told", async () => {
    const lab = createLab();
    lab.provider.freeInSubnets = 0;
    const manager = lab.manager();
    await manager.start({ kind: "valid", configuration: configuration() });
    const againMs = timeIn((await reasonFor(lab, manager, 1)).text);
    lab.provider.freeInSubnets = 100;
    await lab.clock.advance(againMs - lab.clock.nowMs() - 5_000);
    const waiting = add(manager, 2);
    await lab.clock.advance(19_000);
    expect(await waiting).toMatch(/^10\./);
  });

  it("that EC2 refused for lack of addresses, and until when that subnet is left alone", async () => {
    const lab = await startedLab({ ipam: { "pre-allocate": 1 } });
    await add(lab.running, 1);
    const values = { subnetId: SUBNET_A, freeAddresses: "too few", retryAt: "a pause" };
    const failure: StepFailure = { class: "subnet-exhausted", ec2Code: "Insufficient", effect: "none" };
    for (let n = 0; n < 9; n++) {
      fails(lab, "add-blocks", "ENID_SUBNET_EMPTY", values, failure);
      fails(lab, "create-interface", "ENID_SUBNET_EMPTY", values, failure);
    }
    await lab.clock.advance(5_000);
    const { code, text } = await reasonFor(lab, lab.running, 2);
    expect(code).toBe("ENID_SUBNETS_EMPTY");
    expect(text).toMatch(/subnet-a has too few \(\d+ by EC2's count\) free, subnet-b has too few/);
    const until = lab.running.status().subnets.map(({ blockedUntilMs }) => blockedUntilMs);
    expect(timeIn(text)).toBe(Math.min(...until.map(Math.round)));
  });

  it("only of those that could still give this node something", async () => {
    const lab = await startedLab({ ipam: { "pre-allocate": 1 } });
    const pods = range(19).map((n) => add(lab.running, n));
    await lab.clock.advance(5_000);
    await Promise.all(pods);
    // All three interfaces are there; what is left to fill lies in one subnet, which is empty now.
    const open = lab.running.status().interfaces.find(({ counts, slots }) => counts.total < slots);
    lab.provider.room.set(open?.subnetId ?? "", 0);
    await lab.clock.advance(LIMITS.resolutionFreshMs + 10_000);
    const asked = range(5, 30).map((n) => add(lab.running, n));
    await lab.clock.advance(21_000);
    const errors = (await Promise.all(asked)).filter((answer) => answer instanceof EnidError);
    expect(errors).toHaveLength(4);
    for (const error of errors) expect(told(error).text).toContain(`subnet ${open?.subnetId} has 0 free addresses`);
  });

  it("that old facts cannot be renewed, and why", async () => {
    const lab = await startedLab({ ipam: { "pre-allocate": 1 } });
    await lab.clock.advance(LIMITS.resolutionFreshMs + 60_000);
    throttles(lab, "resolve", 40);
    await add(lab.running, 1);
    const { code, text } = await reasonFor(lab, lab.running, 2);
    expect(code).toBe("ENID_EC2_THROTTLED");
    expect(text).toContain("EC2 throttles resolve");
    expect(timeIn(text)).toBeGreaterThan(lab.clock.nowMs() - 5_000);
  });
});

describe("when EC2 does not let the node grow, a pod is told", () => {
  it("that EC2 throttles, until when, and the status says the same", async () => {
    const lab = await startedLab({ ipam: { "pre-allocate": 1 } });
    throttles(lab, "add-blocks", 40);
    await add(lab.running, 1);
    const { code, text } = await reasonFor(lab, lab.running, 2);
    expect(code).toBe("ENID_EC2_THROTTLED");
    expect(timeIn(text)).toBeGreaterThan(lab.clock.nowMs() - 1_000);
    const degraded = lab.running.status().degraded.find(({ name }) => name === "ec2-throttled");
    expect(timeIn(degraded?.error.message ?? "")).toBeGreaterThan(lab.clock.nowMs() - 1_000);
  });

  it.each([
    ["ENID_EC2_UNAUTHORIZED", "unauthorized", { action: "AssignPrivateIpAddresses", detail: "UnauthorizedOperation" }],
    ["ENID_EC2_FAILED", "configuration", { action: "AssignPrivateIpAddresses", code: "Quota", detail: "too many" }],
    ["ENID_EC2_UNREACHABLE", "transient", { action: "AssignPrivateIpAddresses", detail: "connect ECONNREFUSED" }],
  ] as const)("%s as EC2 or the network said it", async (code, failureClass, values) => {
    const lab = await startedLab({ ipam: { "pre-allocate": 1 } });
    const failure: StepFailure = { class: failureClass, ec2Code: "X", effect: "none" };
    for (let n = 0; n < 40; n++) fails(lab, "add-blocks", code, values, failure);
    await add(lab.running, 1);
    const reason = await reasonFor(lab, lab.running, 2);
    expect(reason.code).toBe(code);
    for (const value of Object.values(values)) expect(reason.text).toContain(value);
  });

  it("that a step is under way which takes its time", async () => {
    const lab = await startedLab({ ipam: { "pre-allocate": 1 } });
    lab.provider.callMs = 60_000;
    await add(lab.running, 1);
    const { code, text } = await reasonFor(lab, lab.running, 2);
    expect(code).toBe("ENID_GROWING");
    expect(text).toContain("EC2 to carry out add-blocks of 1 address");
  });
});

describe("when enid itself cannot, a pod is told", () => {
  it("at once that the state cannot be written", async () => {
    const lab = await startedLab();
    lab.store.full = true;
    expect((await reasonFor(lab, lab.running, 1, 100)).code).toBe("ENID_STATE_WRITE_FAILED");
  });

  it("that the state cannot be written when that is why no step is begun", async () => {
    const lab = createLab();
    const manager = lab.manager();
    await manager.start({ kind: "valid", configuration: configuration() });
    await lab.clock.advance(700);
    lab.store.full = true;
    const { code, text } = await reasonFor(lab, manager, 1);
    expect(code).toBe("ENID_STATE_WRITE_FAILED");
    expect(text).toContain("the disk is full");
  });

  it("that a promise is broken, which closes the node until it holds again", async () => {
    const lab = await startedLab();
    const problems = vi.spyOn(Pool.prototype, "problems").mockReturnValue(["10.0.0.1 is leased twice"]);
    await lab.clock.advance(2 * LIMITS.selfCheckEveryMs);
    const asked = add(lab.running, 1);
    await lab.clock.advance(21_000);
    const error = (await asked) as EnidError;
    expect(error.message).toContain("the pool is not consistent: 10.0.0.1 is leased twice");
    problems.mockRestore();
    await lab.clock.advance(2 * LIMITS.selfCheckEveryMs);
    expect(await add(lab.running, 1)).toMatch(/^10\./);
  });

  it("that too many wait already", async () => {
    const lab = createLab();
    const manager = lab.manager();
    for (const n of range(LIMITS.waitingMax)) void add(manager, n);
    expect(told(await add(manager, LIMITS.waitingMax))).toMatchObject({ code: "ENID_TOO_MANY_WAITING" });
  });

  it("that the daemon stops", async () => {
    const lab = await startedLab();
    const stopped = lab.running.stop(0);
    expect(told(await add(lab.running, 1)).code).toBe("ENID_STOPPING");
    await lab.clock.advance(2_000);
    await stopped;
  });
});

describe("a pod that waits", () => {
  it("is told that it was deleted, or that its caller went away", async () => {
    const lab = await startedLab({ ipam: { "pre-allocate": 1, "max-allocate": 1, "cooling-seconds": 5 } });
    await add(lab.running, 1);
    await lab.running.remove(attachment(1));
    const deleted = add(lab.running, 2);
    const hangUp = new AbortController();
    const gone = lab.running.add({ attachment: attachment(3), pod: pod(3) }, hangUp.signal).catch((error) => error);
    await lab.running.remove(attachment(2));
    hangUp.abort();
    expect(told(await deleted).text).toContain("the pod was deleted while it waited");
    expect(told(await gone).text).toContain("the caller went away while it waited");
  });

  it("is explained with the same reason that its ADD would fail with", async () => {
    const lab = await startedLab({ ipam: { "pre-allocate": 1 } });
    throttles(lab, "add-blocks", 40);
    await add(lab.running, 1);
    const asked = add(lab.running, 2);
    await lab.clock.advance(15_000);
    const because = lab.running.explain("web-2").because.join("\n");
    expect(because).toContain("EC2 throttles add-blocks");
    expect(because).not.toMatch(/\{\w+\}|a pause/);
    await lab.clock.advance(6_000);
    expect(told(await asked).code).toBe("ENID_EC2_THROTTLED");
  });
});
