import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { EnidError } from "../../../src/errors.ts";
import type { SharedBudget, SharedCall, SharedGrant, SharedRefusal } from "../../../src/manager/ports/index.ts";
import { ActionBudgets, type Grant } from "../../../src/providers/aws/action-budget.ts";
import { RetryBudget } from "../../../src/providers/aws/action-budget-retries.ts";
import { BUCKETS, bucketOf } from "../../../src/providers/aws/action-budget-table.ts";
import { DEFAULT_LIMITS } from "../../../src/providers/aws/options.ts";
import { seededRandom, VirtualClock } from "../../support/virtual-clock.ts";
import { RecordingTelemetry, rejection } from "./support.ts";

const ATTACH = { action: "AttachNetworkInterface", mutation: true };
const ASSIGN = { action: "AssignPrivateIpAddresses", mutation: true, subnetId: "subnet-1" };

function setUp(limits: Partial<typeof DEFAULT_LIMITS> = {}, seed = 1) {
  const clock = new VirtualClock();
  const telemetry = new RecordingTelemetry();
  const world = { clock, random: seededRandom(seed), telemetry, limits: { ...DEFAULT_LIMITS, ...limits } };
  const budgets = new ActionBudgets(world);
  const stateOf = (action: string) => budgets.state().find((one) => one.action === action);
  return { clock, telemetry, budgets, stateOf };
}

/** Takes what is there at once; answers how many. */
async function takeAll(world: ReturnType<typeof setUp>, call = ATTACH): Promise<Grant[]> {
  const grants: Grant[] = [];
  for (let tokens = 1; tokens >= 1; tokens = world.stateOf(call.action)?.tokens ?? 0) {
    grants.push(await world.budgets.take(call));
  }
  return grants;
}

describe("the table of buckets", () => {
  it("has the documented sizes, also for actions it does not name", () => {
    const sizes = (action: string, mutation: boolean) => Object.values(bucketOf({ action, mutation }));
    for (const action of ["AssignPrivateIpAddresses", "UnassignPrivateIpAddresses", "AssignIpv6Addresses"]) {
      expect(sizes(action, true)).toEqual([100, 5]);
    }
    for (const action of ["CreateNetworkInterface", "DeleteNetworkInterface", "ModifyNetworkInterfaceAttribute"]) {
      expect(sizes(action, true)).toEqual([100, 5]);
    }
    for (const action of ["AttachNetworkInterface", "DetachNetworkInterface", "UnassignIpv6Addresses"]) {
      expect(sizes(action, true)).toEqual([50, 5]);
    }
    expect(sizes("CreateTags", true)).toEqual([100, 10]);
    expect(sizes("DescribeNetworkInterfaces", false)).toEqual([100, 20]);
    expect(Object.values(BUCKETS).every(({ capacity, refillPerSecond }) => capacity > 0 && refillPerSecond > 0)).toBe(
      true,
    );
  });
});

describe("docs/ec2.md", () => {
  it("has the figures of the budgets", () => {
    const page = readFileSync(new URL("../../../docs/ec2.md", import.meta.url), "utf8").replaceAll("\n", " ");
    expect(DEFAULT_LIMITS).toMatchObject({ bucketShare: 0.25, tokenLimitMs: 10_000 });
    expect(page).toContain("a quarter of each bucket");
    expect(page).toContain("waits for one, up to 10 seconds");
    expect(page).toContain("half as often from then on, down to once in 5 seconds");
    expect(page).toContain("a twentieth of the full rate");
    expect(page).toContain("a budget of ten retries in a row");
  });
});

describe("the budget of an action", () => {
  it("is a share of the account's bucket: a burst, then the share of its rate", async () => {
    const world = setUp();
    const burst = await takeAll(world);
    expect(burst).toHaveLength(12);
    expect(burst.every((grant) => grant.waitedMs === 0)).toBe(true);
    expect(world.stateOf(ATTACH.action)).toMatchObject({ ratePerSecond: 1.25, fullRatePerSecond: 1.25, waiting: 0 });

    const next = [world.budgets.take(ATTACH), world.budgets.take(ATTACH)];
    expect(world.stateOf(ATTACH.action)?.waiting).toBe(2);
    await world.clock.advance(10_000);
    // Half a token was left of 12.5, one comes in 800 ms.
    expect((await Promise.all(next)).map((grant) => grant.waitedMs)).toEqual([
      expect.closeTo(400, 0),
      expect.closeTo(1_200, 0),
    ]);
  });

  it("never holds more tokens than its capacity, however long nothing is called", async () => {
    const world = setUp();
    await world.budgets.take(ATTACH);
    await world.clock.advance(3_600_000);
    expect(world.stateOf(ATTACH.action)?.tokens).toBe(12.5);
  });

  it("halves its rate when EC2 throttles, and has no token until one came", async () => {
    const world = setUp();
    (await world.budgets.take(ATTACH)).answered("throttled");
    expect(world.stateOf(ATTACH.action)).toMatchObject({ tokens: 0, ratePerSecond: 0.625, throttledTimes: 1 });
    const next = world.budgets.take(ATTACH);
    await world.clock.advance(10_000);
    // One token, and a debt of up to one.
    const { waitedMs } = await next;
    expect(waitedMs).toBeGreaterThanOrEqual(1_600);
    expect(waitedMs).toBeLessThanOrEqual(3_200);
    expect(world.telemetry.events).toMatchObject([
      { name: "ec2-rate-lowered", level: "warn", fields: { action: ATTACH.action, ratePerSecond: 0.625 } },
    ]);
  });

  it("keeps nodes apart that were throttled at the same moment", async () => {
    const waits = await Promise.all(
      Array.from({ length: 20 }, async (_, seed) => {
        const world = setUp({}, seed * 7_919 + 1);
        (await world.budgets.take(ATTACH)).answered("throttled");
        const next = world.budgets.take(ATTACH);
        await world.clock.advance(10_000);
        return Math.round((await next).waitedMs);
      }),
    );
    expect(new Set(waits).size).toBeGreaterThan(15);
  });

  it("takes calls throttled together for one piece of news", async () => {
    const world = setUp();
    const together = [await world.budgets.take(ATTACH), await world.budgets.take(ATTACH)];
    for (const grant of together) grant.answered("throttled");
    expect(world.stateOf(ATTACH.action)).toMatchObject({ ratePerSecond: 0.625, throttledTimes: 2 });
  });

  it("goes down to a floor at which one call alone still gets its token within the limit", async () => {
    const world = setUp();
    for (let round = 0; round < 12; round++) {
      const next = world.budgets.take(ATTACH);
      await world.clock.advance(DEFAULT_LIMITS.tokenLimitMs);
      const grant = await next;
      expect(grant.waitedMs).toBeLessThanOrEqual(DEFAULT_LIMITS.tokenLimitMs);
      grant.answered("throttled");
    }
    expect(world.stateOf(ATTACH.action)).toMatchObject({ ratePerSecond: 0.2, throttledTimes: 12 });
    // Told once, not at each step.
    expect(world.telemetry.eventNames()).toEqual(["ec2-rate-lowered"]);
  });

  it("comes back up by steps, to the full rate and no further", async () => {
    const world = setUp();
    (await world.budgets.take(ATTACH)).answered("throttled");
    const rates: number[] = [];
    for (let call = 0; call < 12; call++) {
      const next = world.budgets.take(ATTACH);
      await world.clock.advance(5_000);
      (await next).answered("ok");
      rates.push(world.stateOf(ATTACH.action)?.ratePerSecond ?? 0);
    }
    expect(rates.slice(0, 3)).toEqual([0.6875, 0.75, 0.8125]);
    expect(rates.slice(-2)).toEqual([1.25, 1.25]);
    expect(world.telemetry.eventNames()).toEqual(["ec2-rate-lowered", "ec2-rate-restored"]);
  });

  it("learns nothing from a success that was sent before the throttling", async () => {
    const world = setUp();
    const [before, throttled] = [await world.budgets.take(ATTACH), await world.budgets.take(ATTACH)];
    throttled.answered("throttled");
    before.answered("ok");
    expect(world.stateOf(ATTACH.action)?.ratePerSecond).toBe(0.625);
  });

  it("has nothing to do with the budget of another action", async () => {
    const world = setUp();
    for (const grant of await takeAll(world)) grant.answered("throttled");
    const waiting = world.budgets.take(ATTACH);
    expect((await world.budgets.take(ASSIGN)).waitedMs).toBe(0);
    expect(world.stateOf(ASSIGN.action)).toMatchObject({ ratePerSecond: 1.25, tokens: 24, throttledTimes: 0 });
    await world.clock.advance(10_000);
    await waiting;
  });

  it("gives a token back that was not used", async () => {
    const world = setUp();
    const grants = await takeAll(world);
    const next = world.budgets.take(ATTACH);
    grants[0]?.unused();
    expect((await next).waitedMs).toBe(0);
  });
});

describe("waiting for a token", () => {
  it("keeps the order of arrival", async () => {
    const world = setUp();
    await takeAll(world);
    const order: number[] = [];
    const all = [1, 2, 3].map((number) => world.budgets.take(ATTACH).then(() => order.push(number)));
    await world.clock.advance(10_000);
    await Promise.all(all);
    expect(order).toEqual([1, 2, 3]);
  });

  it("fails at once, throttled and without effect, when no token can come within the limit", async () => {
    const world = setUp();
    await takeAll(world, ASSIGN);
    // 1.25 tokens a second, 10 seconds: as many may wait.
    const waiting = Array.from({ length: 12 }, () => world.budgets.take(ASSIGN));
    const error = (await rejection(world.budgets.take(ASSIGN))) as EnidError;
    expect(error.code).toBe("ENID_EC2_BUDGET");
    expect(error.details).toMatchObject({ class: "throttled", effect: "none", subnetId: "subnet-1" });
    expect(error.message).toBe(
      "AssignPrivateIpAddresses was not sent: no token within 10000 ms (waited 0 ms, 12 calls ahead, 1.25 a second allowed, throttled 0 times by EC2); next try after a pause",
    );
    await world.clock.advance(10_000);
    await Promise.all(waiting);
  });

  it("ends at the limit when EC2 throttles meanwhile, and says how long it waited", async () => {
    const world = setUp();
    const grants = await takeAll(world);
    const waiting = Array.from({ length: 12 }, () => world.budgets.take(ATTACH));
    const outcomes = Promise.allSettled(waiting);
    await world.clock.advance(500);
    grants[0]?.answered("throttled");
    await world.clock.advance(9_499);
    expect(world.stateOf(ATTACH.action)?.waiting).toBeGreaterThan(0);
    await world.clock.advance(2);
    const failed = (await outcomes).flatMap((one) => (one.status === "rejected" ? [one.reason as EnidError] : []));
    expect(failed.length).toBeGreaterThan(3);
    expect(failed.map((error) => error.values.waitedMs)).toEqual(failed.map(() => 10_000));
    expect(world.stateOf(ATTACH.action)?.waiting).toBe(0);
  });

  it("ends with the signal, and then takes no token", async () => {
    const world = setUp();
    await takeAll(world);
    const stop = new AbortController();
    const waiting = rejection(world.budgets.take(ATTACH, stop.signal));
    const next = world.budgets.take(ATTACH);
    stop.abort(new Error("stop"));
    expect(String(await waiting)).toContain("stop");
    await world.clock.advance(500);
    expect((await next).waitedMs).toBeCloseTo(400, 0);
    expect(String(await rejection(world.budgets.take(ATTACH, stop.signal)))).toContain("stop");
  });
});

describe("the budget of retries", () => {
  it("runs out after ten retries without a success", () => {
    const budget = new RetryBudget();
    expect(Array.from({ length: 12 }, () => budget.spend())).toEqual([...Array(10).fill(true), false, false]);
    expect(budget.left).toBe(0);
  });

  it("comes back with successes: all of a retry that helped, a fifth otherwise", () => {
    const budget = new RetryBudget();
    while (budget.spend());
    budget.succeeded(1);
    expect(budget.left).toBe(1);
    for (let call = 0; call < 5; call++) budget.succeeded(0);
    expect(budget.left).toBe(2);
    for (let call = 0; call < 100; call++) budget.succeeded(0);
    expect(budget.left).toBe(10);
  });
});

describe("the budget in a fleet", () => {
  const shared = (answers: (call: SharedCall) => SharedGrant | SharedRefusal, share = 0.1) => {
    const clock = new VirtualClock();
    const telemetry = new RecordingTelemetry();
    const asked: SharedCall[] = [];
    const told: string[] = [];
    const fleet: SharedBudget = {
      take: (call) => {
        asked.push(call);
        return Promise.resolve(answers(call));
      },
      localShare: () => share,
    };
    const grant: SharedGrant = {
      kind: "granted",
      waitedMs: 70,
      answered: (how) => told.push(how),
      unused: () => told.push("unused"),
    };
    const budgets = new ActionBudgets({ clock, random: seededRandom(5), telemetry, limits: DEFAULT_LIMITS }, fleet);
    return { clock, budgets, asked, told, grant };
  };

  it("takes the fleet's tokens, and tells it of the answers", async () => {
    const world = shared((): SharedGrant => world.grant);
    const grant = await world.budgets.take(ASSIGN);
    expect(grant.waitedMs).toBe(70);
    grant.answered("throttled");
    (await world.budgets.take({ action: "UnassignPrivateIpAddresses", mutation: true })).unused();
    await world.budgets.take({ action: "DescribeSubnets", mutation: false });
    expect(world.told).toEqual(["throttled", "unused"]);
    const limitMs = DEFAULT_LIMITS.sharedTokenLimitMs;
    expect(world.asked).toEqual([
      { action: "AssignPrivateIpAddresses", capacity: 100, refillPerSecond: 5, givesBack: false, limitMs },
      { action: "UnassignPrivateIpAddresses", capacity: 100, refillPerSecond: 5, givesBack: true, limitMs },
      { action: "DescribeSubnets", capacity: 100, refillPerSecond: 20, givesBack: false, limitMs },
    ]);
    expect(world.budgets.state()[0]).toMatchObject({
      source: "fleet",
      sharedTimes: 1,
      awayTimes: 0,
      throttledTimes: 1,
    });
  });

  it.each(["DetachNetworkInterface", "DeleteNetworkInterface", "UnassignIpv6Addresses"])(
    "asks for %s last",
    async (action) => {
      const world = shared((): SharedGrant => world.grant);
      await world.budgets.take({ action, mutation: true });
      expect(world.asked[0]?.givesBack).toBe(true);
    },
  );

  it("says so when no token of the fleet comes in time", async () => {
    const world = shared(() => ({ kind: "late", ratePerSecond: 4, ahead: 1_200, waitedMs: 3 }));
    const error = (await rejection(world.budgets.take(ASSIGN))) as EnidError;
    expect(error.code).toBe("ENID_EC2_BUDGET");
    expect(error.values).toMatchObject({
      ratePerSecond: "4",
      ahead: 1_200,
      limitMs: DEFAULT_LIMITS.sharedTokenLimitMs,
    });
    expect(error.details).toMatchObject({ class: "throttled", effect: "none", subnetId: "subnet-1" });
  });

  it("goes on with the node's share while the fleet is away, and back to the fleet", async () => {
    let isAway = true;
    const world = shared((): SharedGrant | SharedRefusal => (isAway ? { kind: "away" } : world.grant), 0.1);
    await world.budgets.take(ASSIGN);
    expect(world.budgets.state()[0]).toMatchObject({ source: "node", awayTimes: 1, fullRatePerSecond: 0.5 });
    for (let tokens = 1; tokens >= 1; tokens = world.budgets.state()[0]?.tokens ?? 0) await world.budgets.take(ASSIGN);
    const taken = world.budgets.state()[0]?.awayTimes ?? 0;
    expect(taken).toBeLessThanOrEqual(11);
    isAway = false;
    await world.budgets.take(ASSIGN);
    expect(world.budgets.state()[0]).toMatchObject({ source: "fleet", sharedTimes: 1, awayTimes: taken });
  });

  it("spreads the first tokens of nodes that lost the fleet together", async () => {
    const nodes = 200;
    let atOnce = 0;
    for (let node = 0; node < nodes; node++) {
      const clock = new VirtualClock();
      const fleet: SharedBudget = { take: () => Promise.resolve({ kind: "away" }), localShare: () => 1 / nodes };
      const world = { clock, random: seededRandom(node * 7_919 + 1), telemetry: new RecordingTelemetry() };
      const budgets = new ActionBudgets({ ...world, limits: DEFAULT_LIMITS }, fleet);
      let taken = 0;
      const take = () =>
        budgets.take(ASSIGN).then(
          () => (taken += 1),
          () => undefined,
        );
      void take();
      await clock.advance(0);
      atOnce += taken;
      // Within the time in which the account's bucket gives one to each.
      await clock.advance((nodes / 5) * 1_000);
      void take();
      await clock.advance(0);
      expect(taken).toBeGreaterThan(0);
    }
    // The bucket holds 100; half of the nodes, give or take.
    expect(atOnce).toBeGreaterThan(60);
    expect(atOnce).toBeLessThan(140);
  });
});
