import { describe, expect, it } from "vitest";
import { MemoryServer, memoryFleetStore } from "../../../src/fleet/index.ts";
import { NodeBudget } from "../../../src/fleet/node/budget.ts";
import type { FleetMember, SharedCall, Urgency } from "../../../src/manager/ports/index.ts";
import { seededRandom, VirtualClock } from "../../support/virtual-clock.ts";

const ACCOUNT = { accountId: "123456789012", region: "eu-central-1", zone: "eu-central-1a" };
const ASSIGN: SharedCall = {
  action: "AssignPrivateIpAddresses",
  capacity: 4,
  refillPerSecond: 2,
  givesBack: false,
  limitMs: 60_000,
};

/** Nodes of one fleet, and how many steps each of them sends to the store. */
function setUp({ reservedShare = 0, nodes = 0 } = {}) {
  const clock = new VirtualClock();
  const server = new MemoryServer({ clock });
  const node = (name: string) => {
    const store = memoryFleetStore(server, name, clock);
    const state = { urgency: "buffer" as Urgency, asks: 0, isKnown: true };
    const member: FleetMember = { nodeId: name, nodeName: name, ...ACCOUNT };
    const ask: typeof store.budget.ask = (asked) => {
      state.asks += 1;
      return store.budget.ask(asked);
    };
    const budget = new NodeBudget({
      store: { ...store, budget: { ...store.budget, ask } },
      clock,
      random: seededRandom(name.length),
      telemetry: { event: () => undefined },
      member: () => (state.isKnown ? member : undefined),
      urgency: () => state.urgency,
      settings: { name: "test", reservedShare, buckets: {} },
      nodes: () => nodes,
    });
    const be = (urgency: Urgency) => {
      state.urgency = urgency;
      budget.urgencyChanged();
    };
    return { state, budget, be };
  };
  return { clock, server, node };
}

async function granted(budget: NodeBudget, call = ASSIGN, signal?: AbortSignal) {
  const answer = await budget.take(call, signal);
  if (answer.kind !== "granted") throw new Error(`it is ${answer.kind}`);
  return answer;
}

/** Empties the bucket. */
async function drain(budget: NodeBudget) {
  for (let times = 0; times < 4; times++) await granted(budget);
}

describe("a node's way to the budget", () => {
  it("sleeps until its turn and asks no more than twice", async () => {
    const { clock, node } = setUp();
    const { budget, state } = node("one");
    await drain(budget);
    state.asks = 0;
    const waiting = [granted(budget), granted(budget), granted(budget)];
    await clock.advance(1_600);
    const waits = (await Promise.all(waiting)).map(({ waitedMs }) => Math.round(waitedMs));
    expect(waits).toEqual([500, 1_000, 1_500]);
    expect(state.asks).toBe(6);
  });

  it("asks at once when its calls become more urgent, and goes ahead of those of others", async () => {
    const { clock, node } = setUp();
    const [one, two] = [node("one"), node("two")];
    await drain(one.budget);
    const order: string[] = [];
    const wait = (name: string, budget: NodeBudget, call = ASSIGN) =>
      granted(budget, call).then(() => void order.push(name));
    const all = [wait("one", one.budget), wait("two gives back", two.budget, { ...ASSIGN, givesBack: true })];
    all.push(wait("two", two.budget));
    await clock.advance(100);
    const before = two.state.asks;
    two.be("pod-waits");
    await clock.advance(0);
    // What gives back does not become more urgent by it.
    expect(two.state.asks - before).toBe(1);
    await clock.advance(2_000);
    await Promise.all(all);
    expect(order).toEqual(["two", "one", "two gives back"]);
  });

  it("is late when no token comes within its limit, and waits for none then", async () => {
    const { clock, node } = setUp();
    const { budget } = node("one");
    await drain(budget);
    const late = await budget.take({ ...ASSIGN, limitMs: 400 });
    expect(late).toEqual({ kind: "late", ratePerSecond: 2, ahead: 0, waitedMs: 0 });
    const next = granted(budget);
    await clock.advance(500);
    expect(Math.round((await next).waitedMs)).toBe(500);
  });

  it("leaves the queue when it is aborted", async () => {
    const { clock, node } = setUp();
    const [one, two] = [node("one"), node("two")];
    await drain(one.budget);
    const stop = new AbortController();
    const aborted = one.budget.take(ASSIGN, stop.signal);
    await clock.advance(10);
    const next = granted(two.budget);
    await clock.advance(10);
    stop.abort(new Error("enough"));
    await expect(aborted).rejects.toThrow("enough");
    await expect(one.budget.take(ASSIGN, stop.signal)).rejects.toThrow("enough");
    await clock.advance(2_000);
    // It came for the second token, and found the first one.
    expect(Math.round((await next).waitedMs)).toBe(990);
    expect((await granted(two.budget)).waitedMs).toBe(0);
  });

  it("tells everyone that it was throttled, and gives back what it did not use", async () => {
    const { clock, node } = setUp();
    const [one, two] = [node("one"), node("two")];
    const first = await granted(one.budget);
    for (let times = 0; times < 3; times++) await granted(one.budget);
    first.unused();
    await clock.advance(0);
    const used = await granted(two.budget);
    expect(used.waitedMs).toBe(0);
    used.answered("throttled");
    await clock.advance(0);
    const slowed = granted(one.budget);
    await clock.advance(600);
    const isThere = await Promise.race([slowed.then(() => true), Promise.resolve(false)]);
    expect(isThere).toBe(false);
    await clock.advance(200);
    expect((await slowed).waitedMs).toBeGreaterThan(650);
  });

  it("leaves to others what is reserved for them", async () => {
    const { clock, node } = setUp({ reservedShare: 0.5 });
    const { budget } = node("one");
    for (let times = 0; times < 2; times++) expect((await granted(budget)).waitedMs).toBe(0);
    const next = granted(budget);
    await clock.advance(1_001);
    expect(Math.round((await next).waitedMs)).toBe(1_000);
  });

  it("cannot be asked before the node is known", async () => {
    const { node } = setUp();
    const { budget, state } = node("one");
    state.isKnown = false;
    expect(await budget.take(ASSIGN)).toEqual({ kind: "away" });
    expect(state.asks).toBe(0);
  });

  it("is away when the store is, at once for a while, also for those who wait", async () => {
    const { clock, server, node } = setUp();
    const { budget, state } = node("one");
    await drain(budget);
    // Told to come back long after this test.
    const waiting = budget.take({ ...ASSIGN, refillPerSecond: 0.01, limitMs: 3_600_000 });
    await clock.advance(10);
    server.down(true);
    const asked = budget.take(ASSIGN);
    await clock.advance(1_100);
    expect(await asked).toEqual({ kind: "away" });
    expect(await waiting).toEqual({ kind: "away" });
    const before = state.asks;
    expect(await budget.take(ASSIGN)).toEqual({ kind: "away" });
    expect(state.asks).toBe(before);
    server.down(false);
    await clock.advance(7_600);
    expect((await granted(budget)).waitedMs).toBe(0);
  });

  it("knows how much is its own while the store is away", () => {
    const alone = setUp({ reservedShare: 0.2 }).node("one").budget.localShare();
    expect(alone).toBeCloseTo(0.2, 6);
    const single = setUp({ reservedShare: 0.2, nodes: 1 }).node("one").budget.localShare();
    expect(single).toBeLessThanOrEqual(0.8);
    expect(single).toBeGreaterThan(0.7);
    const many = setUp({ reservedShare: 0.2, nodes: 1_000 });
    const shares = ["a", "bb", "ccc", "dddd"].map((name) => many.node(name).budget.localShare());
    for (const share of shares) expect(Math.abs(share / 0.0008 - 1)).toBeLessThanOrEqual(0.1);
    expect(new Set(shares).size).toBe(4);
  });
});
