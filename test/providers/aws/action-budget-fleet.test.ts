import { describe, expect, it } from "vitest";
import { jitterMs, sleep } from "../../../src/adapters/index.ts";
import { ActionBudgets } from "../../../src/providers/aws/action-budget.ts";
import { Ec2Transport } from "../../../src/providers/aws/ec2-transport.ts";
import { MutationQueues } from "../../../src/providers/aws/mutation-queues.ts";
import { DEFAULT_LIMITS } from "../../../src/providers/aws/options.ts";
import { type ModelDescription, SimulatedCloud } from "../../../src/simulator/index.ts";
import { seededRandom, VirtualClock } from "../../support/virtual-clock.ts";
import { RecordingTelemetry } from "./support.ts";

const NODES = 40;
/** The secondary addresses of one interface of an m5.large: as many calls per node. */
const CALLS = 9;
const ASSIGN = { action: "AssignPrivateIpAddresses", mutation: true };

const instance = (node: number) => `i-${String(node).padStart(17, "0")}`;
const primary = (node: number) => `eni-${String(node).padStart(17, "0")}`;

const MODEL: ModelDescription = {
  region: "eu-central-1",
  account: "123456789012",
  vpcs: [{ id: "vpc-0a000000000000001", cidrs: ["10.64.0.0/16"] }],
  subnets: [
    { id: "subnet-0a000000000000001", vpc: "vpc-0a000000000000001", cidr: "10.64.0.0/20", zone: "eu-central-1a" },
  ],
  instances: Array.from({ length: NODES }, (_, node) => ({
    id: instance(node),
    type: "m5.large",
    subnet: "subnet-0a000000000000001",
    primaryInterface: primary(node),
  })),
};

/** A whole account in virtual time: as many nodes as told, each with a transport of its own, and one EC2 for all. */
function account(bucketShare: number) {
  const clock = new VirtualClock();
  const cloud = new SimulatedCloud({ description: MODEL, clock, random: seededRandom(99) });
  const nodes = Array.from({ length: NODES }, (_, node) => {
    const random = seededRandom(node * 7_919 + 1);
    const limits = { ...DEFAULT_LIMITS, bucketShare };
    const world = { clock, random, telemetry: new RecordingTelemetry(), limits };
    const budgets = new ActionBudgets(world);
    const transport = new Ec2Transport(world, new MutationQueues(limits.mutationsAtOnce), budgets);
    return { random, budgets, transport, interfaceId: primary(node) };
  });
  const send = (action: string, parameters: Parameters<SimulatedCloud["call"]>[1]) => async () => {
    try {
      cloud.call(action, parameters);
    } catch (thrown) {
      const { code = "" } = thrown as { code?: string };
      const $metadata = { httpStatusCode: code === "RequestLimitExceeded" ? 503 : 400 };
      throw Object.assign(new Error(code), { name: code, Code: code, $metadata });
    }
    return { $metadata: { httpStatusCode: 200 } };
  };
  const throttled = (action: string) =>
    cloud.log.calls().filter((call) => call.action === action && call.code === "RequestLimitExceeded").length;
  return { clock, cloud, nodes, send, throttled };
}

/** Every node takes its addresses one by one; a throttled call is made again after a pause, as the manager does. */
async function burst(world: ReturnType<typeof account>, how: "budget" | "bare" = "budget"): Promise<number> {
  const startMs = world.clock.monotonicMs();
  let endMs = startMs;
  const all = world.nodes.map(async ({ transport, interfaceId, random }) => {
    const parameters = { NetworkInterfaceId: interfaceId, SecondaryPrivateIpAddressCount: "1" };
    for (let done = 0, failures = 0; done < CALLS; ) {
      try {
        const send = world.send(ASSIGN.action, parameters);
        await (how === "bare" ? send() : transport.mutate(ASSIGN, interfaceId, send, () => true));
        done += 1;
        failures = 0;
      } catch {
        failures += 1;
        await sleep(world.clock, jitterMs(random, Math.min(60_000, 2_000 * 2 ** (failures - 1))));
      }
    }
    endMs = Math.max(endMs, world.clock.monotonicMs());
  });
  const finished = Promise.all(all).then(() => true);
  for (let minute = 0; minute < 30; minute++) {
    await world.clock.advance(60_000);
    if (await Promise.race([finished, Promise.resolve(false)])) return (endMs - startMs) / 1_000;
  }
  throw new Error("the burst did not end within half an hour");
}

describe("nodes that share the buckets of one account", () => {
  it("slow down until all are served, with few throttled calls", async () => {
    const world = account(DEFAULT_LIMITS.bucketShare);
    const seconds = await burst(world);
    const held = world.cloud.truth().interfaces.map((one) => one.secondaryAddresses.length);
    expect(held).toEqual(Array(NODES).fill(CALLS));
    // What 360 calls need at the very least: 100 at once, then five a second.
    const leastSeconds = (NODES * CALLS - 100) / 5;
    expect(seconds).toBeGreaterThanOrEqual(leastSeconds);
    expect(seconds).toBeLessThan(leastSeconds * 1.5);
    // Pauses after each failure alone, without a budget, are no faster and meet far more refusals.
    const bare = account(DEFAULT_LIMITS.bucketShare);
    expect(seconds).toBeLessThan((await burst(bare, "bare")) * 1.1);
    expect(world.throttled(ASSIGN.action)).toBeLessThan(bare.throttled(ASSIGN.action) * 0.7);
    const told = world.nodes.map(({ budgets }) => budgets.state()[0]?.throttledTimes ?? 0);
    expect(told.reduce((sum, times) => sum + times, 0)).toBe(world.throttled(ASSIGN.action));
  });

  it("do not throttle, nor delay, other actions by that", async () => {
    const world = account(DEFAULT_LIMITS.bucketShare);
    const done = burst(world);
    await world.clock.advance(10_000);
    expect(world.throttled(ASSIGN.action)).toBeGreaterThan(0);
    const before = world.clock.monotonicMs();
    for (const { transport, interfaceId } of world.nodes) {
      const describing = world.send("DescribeNetworkInterfaces", { NetworkInterfaceId: [interfaceId] });
      await transport.persist({ action: "DescribeNetworkInterfaces", mutation: false }, describing);
    }
    expect(world.clock.monotonicMs()).toBe(before);
    expect(world.throttled("DescribeNetworkInterfaces")).toBe(0);
    await done;
  });
});
