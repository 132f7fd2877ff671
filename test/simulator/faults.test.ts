import {
  AssignPrivateIpAddressesCommand,
  AttachNetworkInterfaceCommand,
  CreateNetworkInterfaceCommand,
  DescribeNetworkInterfacesCommand,
} from "@aws-sdk/client-ec2";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { EC2_ERROR_CASES, type FaultEffect, type FaultRule } from "../../src/simulator/index.ts";
import { errorOf, NODE, NODE_SUBNET, PRIMARY, type Running, running } from "./support.ts";

let run: Running;
let patient: Running;
beforeEach(async () => {
  run = await running({}, { maxAttempts: 1 });
});
afterEach(async () => {
  await run.close();
  await patient?.close();
});

const ASSIGN = "AssignPrivateIpAddresses";
const assign = (on = run) =>
  on.ec2.send(new AssignPrivateIpAddressesCommand({ NetworkInterfaceId: PRIMARY, SecondaryPrivateIpAddressCount: 1 }));
const addresses = (on = run) =>
  on.simulator.cloud.truth().interfaces.find((one) => one.id === PRIMARY)?.secondaryAddresses.length;
const rule = (effect: FaultEffect, more: Partial<FaultRule> = {}) =>
  run.simulator.cloud.faults.add({ action: ASSIGN, effect, ...more });

describe("a fault rule", () => {
  test("answers any code with its status instead of the effect", async () => {
    rule({ kind: "error", code: "InsufficientFreeAddressesInSubnet", message: "none left" });
    expect(await errorOf(assign())).toEqual({
      name: "InsufficientFreeAddressesInSubnet",
      message: "none left",
      status: 400,
    });
    rule({ kind: "error", code: "RequestLimitExceeded" });
    expect(await errorOf(assign())).toMatchObject({ name: "RequestLimitExceeded", status: 503 });
    rule({ kind: "error", code: "InternalError" });
    expect(await errorOf(assign())).toMatchObject({ name: "InternalError", status: 500 });
    rule({ kind: "error", code: "UnauthorizedOperation" });
    expect(await errorOf(assign())).toMatchObject({ name: "UnauthorizedOperation", status: 403 });
    rule({ kind: "error", code: "Odd", httpStatus: 418 });
    expect(await errorOf(assign())).toMatchObject({ name: "Odd", status: 418 });
    expect(addresses()).toBe(0);
    await assign();
    expect(addresses()).toBe(1);
  });

  test("loses a reply after the effect", async () => {
    rule({ kind: "lost-reply" });
    await expect(assign()).rejects.toThrow(/socket hang up|ECONNRESET/);
    expect(addresses()).toBe(1);
    expect(run.simulator.cloud.log.calls()).toMatchObject([
      { action: ASSIGN, code: "", hadEffect: true, fault: "lost-reply" },
    ]);
  });

  test("resets the connection before the effect", async () => {
    rule({ kind: "reset" });
    await expect(assign()).rejects.toThrow(/socket hang up|ECONNRESET/);
    expect(addresses()).toBe(0);
    expect(run.simulator.cloud.log.calls()).toMatchObject([{ action: ASSIGN, hadEffect: false, fault: "reset" }]);
  });

  test("truncates a 200 after the effect, which the SDK does not retry", async () => {
    patient = await running();
    patient.simulator.cloud.faults.add({ action: ASSIGN, effect: { kind: "truncated" } });
    await expect(assign(patient)).rejects.toThrow();
    expect(addresses(patient)).toBe(1);
    expect(patient.simulator.cloud.log.counts()[ASSIGN]?.requests).toBe(1);
  });

  test("answers a proxy's page, which the SDK calls Unknown", async () => {
    rule({ kind: "html" });
    expect(await errorOf(assign())).toMatchObject({ name: "Unknown", status: 503 });
    expect(addresses()).toBe(0);
  });

  test("delays", async () => {
    rule({ kind: "latency", delayMs: 150 });
    const startedMs = performance.now();
    await assign();
    expect(performance.now() - startedMs).toBeGreaterThanOrEqual(149);
  });

  test.each([
    ["before", 0],
    ["after", 1],
  ] as const)("hangs %s the effect", async (moment, effects) => {
    rule({ kind: "hang", moment });
    const abortSignal = AbortSignal.timeout(300);
    const call = run.ec2.send(
      new AssignPrivateIpAddressesCommand({ NetworkInterfaceId: PRIMARY, SecondaryPrivateIpAddressCount: 1 }),
      { abortSignal },
    );
    await expect(call).rejects.toThrow();
    expect(addresses()).toBe(effects);
  });
});

test("every code of EC2's catalogue reaches the SDK with its text", async () => {
  for (const { code, message } of EC2_ERROR_CASES) {
    rule({ kind: "error", code, message });
    expect(await errorOf(assign()), code).toMatchObject({ name: code, message });
  }
  rule({ kind: "error", code: "InsufficientCidrBlocks" });
  expect((await errorOf(assign())).message).toContain("does not have enough free cidr blocks");
  expect(new Set(EC2_ERROR_CASES.map((one) => one.code)).size).toBeGreaterThan(40);
  expect(addresses()).toBe(0);
});

describe("a fault rule gives one call settings of its own", () => {
  const attach = (deviceIndex: number) => {
    const { cloud } = run.simulator;
    const made = cloud.call("CreateNetworkInterface", { SubnetId: NODE_SUBNET });
    const { networkInterfaceId = "" } = made.networkInterface as Record<string, string>;
    return run.ec2.send(
      new AttachNetworkInterfaceCommand({
        NetworkInterfaceId: networkInterfaceId,
        InstanceId: NODE,
        DeviceIndex: deviceIndex,
      }),
    );
  };
  const statuses = () =>
    run.simulator.cloud
      .truth()
      .interfaces.flatMap(({ attachment }) => (attachment?.instanceId === NODE ? [attachment.status] : []));

  test("so that this attachment is stuck and the next one is not", async () => {
    const effect: FaultEffect = { kind: "settings", settings: { attachMs: 3_600_000 } };
    run.simulator.cloud.faults.add({ action: "AttachNetworkInterface", effect });
    await attach(1);
    await attach(2);
    expect(statuses()).toEqual(["attached", "attaching", "attached"]);
  });

  test("so that this interface is not found after its creation", async () => {
    const effect: FaultEffect = { kind: "settings", settings: { notFoundAfterCreateMs: 3_600_000 } };
    run.simulator.cloud.faults.add({ action: "CreateNetworkInterface", effect });
    const create = () => run.ec2.send(new CreateNetworkInterfaceCommand({ SubnetId: NODE_SUBNET }));
    const describeIt = async (NetworkInterface?: { NetworkInterfaceId?: string | undefined }) =>
      run.ec2.send(
        new DescribeNetworkInterfacesCommand({ NetworkInterfaceIds: [NetworkInterface?.NetworkInterfaceId ?? ""] }),
      );
    const hidden = await create();
    const seen = await create();
    expect((await errorOf(describeIt(hidden.NetworkInterface))).name).toBe("InvalidNetworkInterfaceID.NotFound");
    await describeIt(seen.NetworkInterface);
  });

  test("so that Describe lags behind this change", async () => {
    rule({ kind: "settings", settings: { describeLagMs: { minMs: 3_600_000, maxMs: 3_600_000 } } });
    await assign();
    const { NetworkInterfaces } = await run.ec2.send(
      new DescribeNetworkInterfacesCommand({ NetworkInterfaceIds: [PRIMARY] }),
    );
    expect(NetworkInterfaces?.[0]?.PrivateIpAddresses).toHaveLength(1);
    expect(addresses()).toBe(1);
    expect(run.simulator.cloud.log.calls({ action: ASSIGN })).toMatchObject([{ fault: "settings", hadEffect: true }]);
  });
});

test("a caller that gives up prevents nothing: EC2 carries out what it has received", async () => {
  rule({ kind: "latency", delayMs: 300 });
  const abortSignal = AbortSignal.timeout(100);
  const call = run.ec2.send(
    new AssignPrivateIpAddressesCommand({ NetworkInterfaceId: PRIMARY, SecondaryPrivateIpAddressCount: 1 }),
    { abortSignal },
  );
  await expect(call).rejects.toThrow();
  expect(addresses()).toBe(0);
  await vi.waitFor(() => expect(addresses()).toBe(1), { timeout: 5_000, interval: 20 });
});

describe("a fault rule hits", () => {
  const outcomes = async (count: number) => {
    const seen: string[] = [];
    for (let index = 0; index < count; index += 1) {
      seen.push(
        await assign().then(
          () => "-",
          () => "x",
        ),
      );
    }
    return seen.join("");
  };
  const error: FaultEffect = { kind: "error", code: "InternalError" };

  test("the next call only, unless told otherwise", async () => {
    rule(error);
    expect(await outcomes(3)).toBe("x--");
  });

  test("the nth call and so many after it", async () => {
    rule(error, { from: 3, times: 2 });
    expect(await outcomes(6)).toBe("--xx--");
  });

  test("without end", async () => {
    const { id } = rule(error, { times: "unlimited" });
    expect(await outcomes(3)).toBe("xxx");
    expect(run.simulator.cloud.faults.list()).toMatchObject([{ id, seen: 3, hits: 3 }]);
    expect(run.simulator.cloud.faults.remove(id)).toBe(1);
    expect(await outcomes(2)).toBe("--");
  });

  test("by chance", async () => {
    rule(error, { probability: 0.5 });
    await outcomes(9);
    await outcomes(20);
    const [{ seen, hits } = { seen: 0, hits: 0 }] = run.simulator.cloud.faults.list();
    expect(seen).toBe(29);
    expect(hits).toBeGreaterThan(5);
    expect(hits).toBeLessThan(24);
  });

  test("every action, or one of them", async () => {
    run.simulator.cloud.faults.add({ action: "*", effect: error, times: 2 });
    expect((await errorOf(run.ec2.send(new DescribeNetworkInterfacesCommand({})))).name).toBe("InternalError");
    expect(await outcomes(2)).toBe("x-");
    rule(error);
    await run.ec2.send(new DescribeNetworkInterfacesCommand({}));
    expect(await outcomes(1)).toBe("x");
  });
});

describe("the SDK's retries", () => {
  test("repeat a count-based assign after a lost reply: two allocations, one logical call", async () => {
    patient = await running();
    patient.simulator.cloud.faults.add({ action: ASSIGN, effect: { kind: "lost-reply" } });
    await assign(patient);
    expect(addresses(patient)).toBe(2);
    const calls = patient.simulator.cloud.log.calls({ action: ASSIGN });
    expect(calls.map((call) => call.attempt)).toEqual([1, 2]);
    expect(new Set(calls.map((call) => call.invocationId)).size).toBe(1);
  });

  test("are harmless for a create, because its token stays the same", async () => {
    patient = await running();
    const before = patient.simulator.cloud.truth().interfaces.length;
    patient.simulator.cloud.faults.add({ action: "CreateNetworkInterface", effect: { kind: "lost-reply" } });
    await patient.ec2.send(new CreateNetworkInterfaceCommand({ SubnetId: NODE_SUBNET }));
    expect(patient.simulator.cloud.truth().interfaces.length).toBe(before + 1);
    expect(patient.simulator.cloud.log.counts().CreateNetworkInterface?.requests).toBe(2);
  });
});
