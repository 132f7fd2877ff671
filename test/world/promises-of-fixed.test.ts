import { beforeEach, describe, expect, it } from "vitest";
import type { FixedRecord } from "../../src/manager/ports/index.ts";
import { Dice, ProcessClock, Scheduler } from "../../src/simulator/engine/index.ts";
import { POD_SUBNETS } from "../../src/simulator/world/draw/place.ts";
import { flightOf } from "../../src/simulator/world/fleet/connection.ts";
import type { FixedPod } from "../../src/simulator/world/fleet/stateful.ts";
import { StoreServer } from "../../src/simulator/world/fleet/store-server.ts";
import type { Machine } from "../../src/simulator/world/machine.ts";
import { BACK_WITHIN_MS, FixedWatch } from "../../src/simulator/world/promises/index.ts";
import {
  ADDRESS,
  answered,
  failed,
  INSTANCE,
  OTHER_ADDRESS,
  OTHER_INSTANCE,
  PRIMARY,
  PromiseStage,
  SECOND,
  sandboxOf,
} from "./promise-stage.ts";

const POD = "shop/db-0";
const RECORD: FixedRecord = {
  ...{ pod: POD, address: ADDRESS, subnetId: POD_SUBNETS[0], zone: "eu-central-1a", epoch: 3, keepMs: 0 },
  ...{ holder: INSTANCE, holderName: "node-1", state: "bound" },
};
const PLAN = { latencyMs: [1, 1], reservedPercent: 0, line: "" } as const;

let stage: PromiseStage;
let store: StoreServer;
let found: string[];
let abandoned: Set<string>;
let pods: FixedPod[];
let otherMachine: Machine;
let watch: FixedWatch;

beforeEach(() => {
  stage = new PromiseStage();
  const { scheduler, cloud } = stage;
  store = new StoreServer({ ...PLAN, set: undefined as never }, scheduler, new Dice(5));
  found = [];
  abandoned = new Set();
  pods = [];
  otherMachine = {
    ...{ name: "node-2", instanceId: OTHER_INSTANCE, on: true, daemon: undefined, disk: new PromiseStage().disk },
    kubelet: { running: () => new Map(), waiting: () => new Map() },
  } as unknown as Machine;
  watch = new FixedWatch({
    ...{ cloud, scheduler, store, mayThrottle: false, troubledUntilMs: () => 0 },
    machines: () => [stage.machine, otherMachine],
    pods: { isFixed: ({ name }) => name.startsWith("db-"), isAbandoned: (uid) => abandoned.has(uid) },
    set: () => ({ pods: () => pods }) as never,
    report: (_, { promise, text }) => found.push(`${promise}: ${text}`),
  });
});

/** The store has the record, and so has the disk of the node. */
async function recorded(record: FixedRecord = RECORD): Promise<void> {
  inStore(record);
  await stage.commit({ kind: "fixed-put", record });
}

function inStore(record: FixedRecord): void {
  store.server.carryOut((database) => database.put(`{fixed}:record:${record.pod}`, { record }));
}

function add(name: string, address: string): void {
  watch.answered(stage.machine, sandboxOf(name), "add", answered(address));
}

describe("an ADD of a fixed pod", () => {
  it("may answer the address of its record, again and again", async () => {
    await recorded();
    add("db-0", ADDRESS);
    add("db-0", ADDRESS);
    expect(found).toEqual([]);
  });

  it("never answers another address than before", async () => {
    await recorded();
    add("db-0", ADDRESS);
    await recorded({ ...RECORD, address: SECOND });
    add("db-0", SECOND);
    expect(found).toEqual([
      expect.stringMatching(/^12: ADD of shop\/db-0 .* is answered with 10.65.0.11; it had 10.65.0.10/),
    ]);
  });

  it("needs a record that is durable on its node, and not another's in the store", async () => {
    inStore(RECORD);
    add("db-0", ADDRESS);
    expect(found).toEqual([expect.stringMatching(/the node has no durable record/)]);
    await recorded();
    inStore({ ...RECORD, epoch: 4, holder: OTHER_INSTANCE, holderName: "node-2" });
    add("db-0", ADDRESS);
    expect(found).toHaveLength(2);
    expect(found[1]).toMatch(/by its record node-2 has 10.65.0.10/);
  });

  it("may be ahead of a store that lost what was written last", async () => {
    await recorded();
    inStore({ ...RECORD, epoch: 2, holder: OTHER_INSTANCE, holderName: "node-2" });
    add("db-0", ADDRESS);
    expect(found).toEqual([]);
  });

  it("may answer another address once the store lost the record and its node was gone, but not before", async () => {
    watch.begin();
    await recorded();
    add("db-0", ADDRESS);
    store.loseEverything();
    await recorded({ ...RECORD, address: SECOND });
    add("db-0", SECOND);
    expect(found).toHaveLength(1);
    found.length = 0;
    stage.staged.on = false;
    store.loseEverything();
    await stage.advance(10_000);
    stage.staged.on = true;
    await recorded();
    add("db-0", ADDRESS);
    expect(found).toEqual([]);
  });
});

describe("an address that is a pod's for life", () => {
  it("is answered to no other pod, fixed or not", async () => {
    await recorded();
    add("db-0", ADDRESS);
    add("web", ADDRESS);
    await recorded({ ...RECORD, pod: "shop/db-1" });
    add("db-1", ADDRESS);
    expect(found).toEqual([
      expect.stringMatching(/ADD of shop\/web .* 10.65.0.10, which is shop\/db-0's/),
      expect.stringMatching(/ADD of shop\/db-1 .* 10.65.0.10, which is shop\/db-0's/),
    ]);
  });

  it("is not taken from under a pod that runs with it, unless that was deleted by force", async () => {
    const sandbox = sandboxOf("db-7", [OTHER_ADDRESS]);
    otherMachine = { ...otherMachine, kubelet: { running: () => new Map([[OTHER_ADDRESS, sandbox]]) } } as never;
    const take = () => {
      const parameters = { NetworkInterfaceId: PRIMARY, PrivateIpAddress: [OTHER_ADDRESS], AllowReassignment: true };
      watch.calling(stage.machine, "AssignPrivateIpAddresses", parameters);
    };
    take();
    expect(found).toEqual([expect.stringMatching(/it takes 10.65.0.20 from node-2, where shop\/db-7/)]);
    abandoned.add(sandbox.pod.uid);
    take();
    expect(found).toHaveLength(1);
  });
});

describe("an ADD that fails for want of the store", () => {
  const fail = (name: string) => watch.answered(stage.machine, sandboxOf(name), "add", failed("ENID_FLEET_AWAY"));

  it("is one that needs a move", async () => {
    fail("db-0");
    expect(found).toEqual([]);
    await recorded();
    add("db-0", ADDRESS);
    fail("db-0");
    fail("web");
    expect(found).toHaveLength(2);
  });
});

describe("a fixed pod that waits", () => {
  it("has its address within a bound, counted from the last trouble", async () => {
    watch.begin();
    stage.serves({});
    watch.looked(stage.machine);
    const { pod } = sandboxOf("db-0");
    const placedAtMs = stage.scheduler.monotonicMs();
    stage.waiting.set(pod.uid, { pod, sinceMs: placedAtMs });
    pods.push({
      ...{ identity: pod, ordinal: 0, node: 0, instanceId: INSTANCE, placedAtMs },
      ...{ isEnding: false, isTold: false, lostSinceMs: undefined },
    });
    await stage.advance(BACK_WITHIN_MS - 60_000);
    store.failOver(1_000);
    await stage.advance(BACK_WITHIN_MS - 20_000);
    expect(found).toEqual([]);
    await stage.advance(40_000);
    expect(found[0]).toMatch(/shop\/db-0 has no address/);
  });
});

describe("a world with a fleet at rest", () => {
  it("has store, nodes and EC2 agree", async () => {
    const { pod } = sandboxOf("db-0");
    pods.push({
      ...{ identity: pod, ordinal: 0, node: 0, instanceId: INSTANCE, placedAtMs: 0 },
      ...{ isEnding: false, isTold: false, lostSinceMs: undefined },
    });
    expect(watch.unrest()).toEqual(["shop/db-0 has no address"]);
    await recorded();
    add("db-0", ADDRESS);
    expect(watch.unrest()).toEqual([]);
    inStore({ ...RECORD, epoch: 4, state: "parked" });
    expect(watch.unrest()).toEqual([
      "the record of shop/db-0 says 10.65.0.10 parked on node-1",
      "node-1 has shop/db-0 in epoch 3; the store on node-1 in epoch 4",
    ]);
    store.loseEverything();
    expect(watch.unrest()).toContain("the store has no record of shop/db-0");
    inStore(RECORD);
    await stage.commit({ kind: "fixed-remove", pod: POD });
    expect(watch.unrest()).toEqual(["node-1 does not know that it has shop/db-0"]);
    await recorded();
    stage.cloud.foreignCall("UnassignPrivateIpAddresses", { NetworkInterfaceId: PRIMARY, PrivateIpAddress: [ADDRESS] });
    expect(watch.unrest()).toEqual(["EC2 has 10.65.0.10 of shop/db-0 on nothing"]);
  });
});

describe("a task of one node at a time", () => {
  it("is never held by two", () => {
    const holding = (name: string, holds: () => boolean) =>
      ({
        name,
        daemon: { up: true, fleet: { report: () => ({ singletons: [{ task: "sweep", holds: holds() }] }) } },
      }) as never;
    let first = true;
    const one = holding("node-1", () => first);
    const other = holding("node-2", () => true);
    watch.looked(one);
    expect(found).toEqual([]);
    watch.looked(other);
    expect(found).toEqual([expect.stringMatching(/node-2 and node-1 both hold the task sweep/)]);
    first = false;
    watch.looked(holding("node-3", () => true));
    expect(found).toHaveLength(2);
  });
});

describe("the store of a world", () => {
  it("carries out a step whose answer does not come, and loses one whose request does not", async () => {
    const scheduler = new Scheduler({ startMs: 0, dice: new Dice(1) });
    const { server } = store;
    const client = server.client("node-1", scheduler);
    const put = (value: number) => client.run((database) => database.put("key", value)).catch((error) => error.code);
    const read = () => server.carryOut((database) => database.get("key"));
    const end = store.cutOff("node-1", "answers");
    const [answer] = await Promise.all([put(1), scheduler.run(5_000), stage.advance(5_000)]);
    expect([answer, read()]).toEqual(["ENID_FLEET_AWAY", 1]);
    end();
    const again = store.cutOff("node-1", "both");
    await Promise.all([put(2), scheduler.run(10_000)]);
    expect(read()).toBe(1);
    again();
    await Promise.all([put(3), scheduler.run(15_000)]);
    expect(read()).toBe(3);
    expect(store.troubledUntilMs).toBe(stage.scheduler.monotonicMs());
  });

  it("carries out some of what dying processes had sent, and they hear nothing", async () => {
    const { scheduler } = stage;
    let arrived = 0;
    let heard = 0;
    for (let number = 0; number < 40; number++) {
      const clock = new ProcessClock(scheduler);
      let isOver = false;
      const flight = flightOf(scheduler, new Dice(number), () => isOver);
      const client = store.server.client("node-1", clock, { flight });
      const done = client.run(() => {
        arrived += 1;
      });
      done.then(
        () => (heard += 1),
        () => (heard += 1),
      );
      isOver = true;
      clock.cut();
      await stage.advance(5_000);
    }
    expect(heard).toBe(0);
    expect(arrived).toBeGreaterThan(5);
    expect(arrived).toBeLessThan(35);
  });
});
