import { beforeEach, describe, expect, it } from "vitest";
import { publishedBucket } from "../../src/simulator/index.ts";
import type { Machine } from "../../src/simulator/world/machine.ts";
import { Addresses } from "../../src/simulator/world/promises/addresses.ts";
import { CallBudgets } from "../../src/simulator/world/promises/budget.ts";
import { type Breach, PromiseWatch } from "../../src/simulator/world/promises/index.ts";
import { breachesOfLoss, breachesOfMachine } from "../../src/simulator/world/promises/of-machine.ts";
import { block, end, eni } from "../contracts/store-records.ts";
import {
  ADDRESS,
  answered,
  failed,
  numbers,
  OTHER_ADDRESS,
  PREFIX,
  PRIMARY,
  PromiseStage,
  SECOND,
  sandboxOf,
} from "./promise-stage.ts";

let stage: PromiseStage;

beforeEach(() => {
  stage = new PromiseStage();
});

describe("what a machine is held against after each event", () => {
  const ofMachine = () => numbers(breachesOfMachine(stage.cloud, stage.addresses, stage.machine));

  it("lets pods pass that run with what they have leased and EC2 has there", async () => {
    await stage.pod("web", ADDRESS);
    await stage.pod("of-a-prefix", "10.65.0.33");
    stage.serves({});
    expect(ofMachine()).toEqual([]);
  });

  it("sees a running pod whose lease has left the disk", async () => {
    const { containerId } = await stage.pod("web", ADDRESS);
    await stage.commit(end(ADDRESS, containerId, 0));
    expect(ofMachine()).toEqual([9]);
    stage.running.clear();
    expect(ofMachine()).toEqual([]);
  });

  it("sees a running pod whose address EC2 has nowhere or elsewhere, unless somebody else took it", async () => {
    await stage.pod("web", ADDRESS);
    await stage.pod("other", OTHER_ADDRESS);
    expect(ofMachine()).toEqual([4]);
    stage.addresses.taint(OTHER_ADDRESS);
    expect(ofMachine()).toEqual([]);
    stage.cloud.foreignCall("UnassignPrivateIpAddresses", { NetworkInterfaceId: PRIMARY, PrivateIpAddress: [ADDRESS] });
    expect(ofMachine()).toEqual([4]);
    stage.addresses.taint(ADDRESS);
    expect(ofMachine()).toEqual([]);
  });

  it("sees a pool that contradicts itself, of a daemon that runs", () => {
    stage.serves({});
    const { daemon } = stage.staged;
    if (daemon === undefined) throw new Error("it was staged");
    daemon.manager.problems = () => ["an address is leased twice"];
    expect(ofMachine()).toEqual([1]);
    daemon.up = false;
    expect(ofMachine()).toEqual([]);
  });

  it("sees a block that left the disk while EC2 has it there, and none that EC2 has no more", () => {
    const before = new Map([
      [`${ADDRESS}/32`, PRIMARY],
      [PREFIX, PRIMARY],
    ]);
    const ofLoss = (...kept: string[]) => {
      const now = new Map(kept.map((cidr) => [cidr, PRIMARY]));
      return numbers(breachesOfLoss(stage.cloud, stage.machine, stage.addresses, before, now));
    };
    expect(ofLoss(`${ADDRESS}/32`, PREFIX)).toEqual([]);
    expect(ofLoss(PREFIX)).toEqual([9]);
    expect(ofLoss(`${ADDRESS}/32`)).toEqual([9]);
    expect(ofLoss()).toEqual([9, 9]);
    stage.cloud.foreignCall("UnassignPrivateIpAddresses", { NetworkInterfaceId: PRIMARY, PrivateIpAddress: [ADDRESS] });
    expect(ofLoss(PREFIX)).toEqual([]);
    expect(ofLoss()).toEqual([9]);
    stage.addresses.taint(PRIMARY);
    expect(ofLoss()).toEqual([]);
  });

  it("sees no loss in what belonged to another instance", () => {
    stage.staged.instanceId = "i-of-after";
    const before = new Map([[PREFIX, PRIMARY]]);
    expect(breachesOfLoss(stage.cloud, stage.machine, stage.addresses, before, new Map())).toEqual([]);
  });
});

describe("who uses an address, in the whole fleet", () => {
  const one = { name: "node-1" } as Machine;
  const other = { name: "node-2" } as Machine;

  it("sees two pods of one address, on one machine or on two", () => {
    const addresses = new Addresses();
    const first = sandboxOf("first", [ADDRESS]);
    expect(addresses.use(one, first)).toEqual([]);
    expect(addresses.use(one, first)).toEqual([]);
    expect(addresses.use(other, sandboxOf("second", [ADDRESS, SECOND]))).toMatchObject([
      { address: ADDRESS, other: { machine: one, sandbox: first } },
    ]);
    expect(addresses.use(other, sandboxOf("third", [SECOND]))).toHaveLength(1);
  });

  it("knows since when nobody uses one, and what only another pod frees is used still", () => {
    const addresses = new Addresses();
    const sandbox = sandboxOf("web", [ADDRESS]);
    addresses.use(one, sandbox);
    addresses.free(one, sandboxOf("before", [ADDRESS]), 5);
    expect(addresses.userOf(ADDRESS)?.sandbox).toBe(sandbox);
    expect(addresses.freedOf(ADDRESS)).toBeUndefined();
    addresses.free(one, sandbox, 7);
    expect(addresses.userOf(ADDRESS)).toBeUndefined();
    expect(addresses.freedOf(ADDRESS)).toEqual({ machine: one, sandbox, atMs: 7 });
    expect(addresses.use(one, sandboxOf("after", [ADDRESS]))).toEqual([]);
  });

  it("says nothing of what somebody else took, by address, by prefix or by interface", () => {
    const addresses = new Addresses();
    expect(addresses.isTainted(ADDRESS)).toBe(false);
    for (const what of [ADDRESS, PREFIX, "2600:1f14:aaaa:101::/80", PRIMARY]) addresses.taint(what);
    for (const what of [ADDRESS, PREFIX, PRIMARY, "10.65.0.47", "2600:1f14:aaaa:101::9"])
      expect(addresses.isTainted(what), what).toBe(true);
    for (const what of [SECOND, "10.65.0.48", "2600:1f14:aaaa:102::9", "eni-another"])
      expect(addresses.isTainted(what), what).toBe(false);
    addresses.use(one, sandboxOf("first", [ADDRESS]));
    expect(addresses.use(one, sandboxOf("second", [ADDRESS]))).toEqual([]);
  });
});

describe("how often a machine may call", () => {
  const machine = { name: "node-1" } as Machine;
  // A quarter of it is 5 calls and one a second, and one more for the edges.
  const budgets = () => new CallBudgets(() => ({ capacity: 20, refillPerSecond: 4 }));
  const calls = (of: CallBudgets, count: number, atMs: number, life = 1, action = "A") =>
    Array.from({ length: count }, () => of.called(machine, life, action, atMs)).flat();

  it("lets a node spend a quarter of the account's bucket and what comes after it, and sees the call beyond", () => {
    const of = budgets();
    expect(calls(of, 6, 0)).toEqual([]);
    expect(numbers(calls(of, 1, 0))).toEqual([10]);
    const steady = budgets();
    expect(calls(steady, 6, 0)).toEqual([]);
    for (let second = 1; second <= 100; second++) expect(calls(steady, 1, second * 1_000)).toEqual([]);
    expect(numbers(calls(steady, 1, 100_500))).toEqual([10]);
  });

  it("never lets more than a full bucket come together, however long nothing was called", () => {
    const of = budgets();
    expect(calls(of, 1, 0)).toEqual([]);
    expect(calls(of, 6, 3_600_000)).toEqual([]);
    expect(numbers(calls(of, 1, 3_600_000))).toEqual([10]);
  });

  it("counts by action, by machine and by process", () => {
    const of = budgets();
    expect(calls(of, 6, 0)).toEqual([]);
    expect(calls(of, 6, 0, 1, "B")).toEqual([]);
    expect(of.called({ name: "node-2" } as Machine, 1, "A", 0)).toEqual([]);
    expect(calls(of, 6, 0, 2)).toEqual([]);
    expect(numbers(calls(of, 1, 0, 2))).toEqual([10]);
  });
});

describe("who watches a world", () => {
  let told: Breach[];
  let watch: PromiseWatch;

  beforeEach(() => {
    told = [];
    watch = new PromiseWatch(stage.cloud, publishedBucket, (_, breach) => told.push(breach));
  });

  it("tells what each check finds, of answers, uses, calls and their effects", async () => {
    watch.answered(stage.machine, undefined, "status", failed("ENID_INTERNAL"));
    watch.sending(stage.machine, "DescribeInstances", {}, 0);
    expect(told).toEqual([]);
    watch.answered(stage.machine, sandboxOf("web"), "add", answered(ADDRESS));
    expect(numbers(told)).toEqual([2]);
    watch.sending(stage.machine, "AssignPrivateIpAddresses", { NetworkInterfaceId: PRIMARY }, 0);
    expect(numbers(told)).toEqual([2, 5]);
    const pod = await stage.pod("web", ADDRESS);
    watch.calling(stage.machine, "DeleteNetworkInterface", { NetworkInterfaceId: PRIMARY });
    expect(numbers(told)).toEqual([2, 5, 4]);
    watch.used(stage.machine, pod);
    watch.freed(stage.machine, pod, 0);
    expect(told).toHaveLength(3);
    watch.used(stage.machine, pod);
    watch.used(stage.machine, sandboxOf("other", [ADDRESS]));
    expect(numbers(told)).toEqual([2, 5, 4, 1]);
  });

  it("looks again when the disk or EC2 has changed, and compares with what it saw before", async () => {
    await stage.commit(
      { kind: "interface-put", interface: eni(PRIMARY, { deviceIndex: 0 }) },
      { kind: "blocks-put", blocks: [block(`${ADDRESS}/32`, PRIMARY)] },
    );
    await stage.pod("web", SECOND);
    watch.looked(stage.machine);
    expect(told).toEqual([]);
    await stage.commit({ kind: "blocks-remove", cidrs: [`${ADDRESS}/32`] });
    watch.looked(stage.machine);
    expect(numbers(told)).toEqual([9]);
    watch.looked(stage.machine);
    expect(told).toHaveLength(1);
    // The disk is as it was: EC2 alone has changed.
    stage.cloud.foreignCall("UnassignPrivateIpAddresses", { NetworkInterfaceId: PRIMARY, PrivateIpAddress: [SECOND] });
    watch.looked(stage.machine);
    expect(numbers(told)).toEqual([9, 4]);
    // Nothing has changed since: what is still so was told.
    watch.looked(stage.machine);
    expect(told).toHaveLength(2);
    stage.staged.on = false;
    await stage.commit({ kind: "blocks-put", blocks: [block(`${ADDRESS}/32`, PRIMARY)] });
    watch.looked(stage.machine);
    expect(told).toHaveLength(2);
  });
});
