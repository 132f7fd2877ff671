import { describe, expect, it } from "vitest";
import type { Clock } from "../../../src/adapters/index.ts";
import { LEASE_MS, SINGLETON_TIMES } from "../../../src/fleet/node/singleton-candidacy.ts";
import { NodeSingletons } from "../../../src/fleet/node/singletons.ts";
import { seededRandom, type VirtualClock } from "../../support/virtual-clock.ts";
import { type TestFleet, testFleet } from "./nodes.ts";

const TASK = "leak-sweep";
const { ttlMs: TTL_MS, trustMs: TRUST_MS, probationMs: PROBATION_MS } = SINGLETON_TIMES;

/** A node's own clock: its wall is wrong, its steady time begins anywhere, and nothing happens while the process hangs. */
class NodeClock implements Clock {
  readonly #true: VirtualClock;
  readonly #originMs: number;
  wallOffsetMs: number;
  stalledUntilMs = 0;

  constructor(clock: VirtualClock, wallOffsetMs: number, originMs: number) {
    this.#true = clock;
    this.wallOffsetMs = wallOffsetMs;
    this.#originMs = originMs;
  }

  nowMs(): number {
    return this.#true.nowMs() + this.wallOffsetMs;
  }

  monotonicMs(): number {
    return this.#true.monotonicMs() - this.#originMs;
  }

  after(delayMs: number, callback: () => void): () => void {
    let cancel = () => {};
    const fire = () => {
      const stalledMs = this.stalledUntilMs - this.#true.nowMs();
      if (stalledMs <= 0) callback();
      else cancel = this.#true.after(stalledMs, fire);
    };
    cancel = this.#true.after(delayMs, fire);
    return () => cancel();
  }

  nextTurn(callback: () => void): void {
    this.#true.nextTurn(callback);
  }
}

interface Candidate {
  readonly name: string;
  readonly clock: NodeClock;
  singletons: NodeSingletons;
  /** Dead nodes hold nothing. */
  alive: boolean;
}

function candidates(fleet: TestFleet, count: number, skewMs: (n: number) => number = () => 0): Candidate[] {
  return Array.from({ length: count }, (_, n) => {
    const clock = new NodeClock(fleet.clock, skewMs(n), n * 1_234_567);
    const name = `node-${n}`;
    return { name, clock, singletons: new NodeSingletons(fleet.node(name, { clock }).parts), alive: true };
  });
}

/** Who holds the task, by its own word. */
function holders(all: readonly Candidate[]): string[] {
  return all.filter(({ alive, singletons }) => alive && singletons.holds(TASK)).map(({ name }) => name);
}

/** Lets time pass in small pieces; nobody may share the task at any of them. Answers the longest time that nobody had it. */
async function watch(fleet: TestFleet, all: readonly Candidate[], ms: number, pieceMs = 500): Promise<number> {
  let longestMs = 0;
  let noneMs = 0;
  for (let passedMs = 0; passedMs < ms; passedMs += pieceMs) {
    const now = holders(all);
    expect(now.length, `${now.join(" and ")} at ${fleet.clock.nowMs()}`).toBeLessThanOrEqual(1);
    noneMs = now.length === 0 ? noneMs + pieceMs : 0;
    longestMs = Math.max(longestMs, noneMs);
    await fleet.clock.advance(pieceMs);
  }
  return longestMs;
}

describe("tasks of one node", () => {
  it("are one node's, which keeps them while it lives", async () => {
    const fleet = testFleet();
    const all = candidates(fleet, 5);
    expect(await watch(fleet, all, LEASE_MS)).toBeLessThan(LEASE_MS);
    const [holder] = holders(all);
    expect(await watch(fleet, all, 20 * LEASE_MS)).toBe(0);
    expect(holders(all)).toEqual([holder]);
    const token = all.map(({ singletons }) => singletons.token(TASK)).filter((one) => one > 0);
    expect(token).toHaveLength(1);
    expect(all[0]?.singletons.report()).toEqual([{ task: TASK, holds: holders(all)[0] === "node-0" }]);
  });

  it("cost few questions: three in a lease of who has it, one of who waits", async () => {
    const fleet = testFleet();
    const nodes = Array.from({ length: 10 }, (_, n) => fleet.node(`node-${n}`));
    const all = nodes.map(({ parts }) => new NodeSingletons(parts));
    for (let minutes = 0; minutes < 60; minutes++) {
      for (const one of all) one.holds(TASK);
      await fleet.clock.advance(60_000);
    }
    const steps = nodes.map(({ steps }) => steps()).sort((a, b) => b - a);
    expect(steps[0]).toBeLessThanOrEqual((3_600_000 / TTL_MS) * 3 + 5);
    expect(steps[1]).toBeLessThanOrEqual((3_600_000 / TTL_MS) * 1.6);
  });

  it("go to another node, under a higher token, within the lease after the holder died", async () => {
    const fleet = testFleet();
    const all = candidates(fleet, 4);
    await watch(fleet, all, 2 * LEASE_MS);
    const before = all.find(({ name }) => name === holders(all)[0]) as Candidate;
    const token = before.singletons.token(TASK);
    before.alive = false;
    before.clock.stalledUntilMs = Number.POSITIVE_INFINITY;
    expect(await watch(fleet, all, 2 * LEASE_MS)).toBeLessThanOrEqual(LEASE_MS);
    const after = all.find(({ name }) => name === holders(all)[0]) as Candidate;
    expect(after).not.toBe(before);
    expect(after.singletons.token(TASK)).toBeGreaterThan(token);
  });

  it("are given up at the end, and by a node that no longer asks", async () => {
    const fleet = testFleet();
    const all = candidates(fleet, 2);
    const [first, second] = all as [Candidate, Candidate];
    first.singletons.holds(TASK);
    await fleet.clock.advance(LEASE_MS / 2);
    expect(holders(all)).toEqual(["node-0"]);
    const stopped = first.singletons.stop();
    await fleet.clock.advance(10);
    await stopped;
    expect(first.singletons.holds(TASK)).toBe(false);
    await watch(fleet, [second], LEASE_MS);
    expect(holders([second])).toEqual(["node-1"]);
    // Nobody asks the second for ten minutes, so that a third one can have it.
    await fleet.clock.advance(10 * 60_000);
    const third = candidates(fleet, 1)[0] as Candidate;
    third.singletons.holds(TASK);
    await fleet.clock.advance(LEASE_MS / 2);
    expect(third.singletons.holds(TASK)).toBe(true);
    expect(second.singletons.holds(TASK)).toBe(false);
  });

  it("are nobody's before the node is known, and while the store is away for longer than an answer is trusted", async () => {
    const fleet = testFleet();
    const unknown = new NodeSingletons(fleet.node("unknown", { isKnown: false }).parts);
    const all = candidates(fleet, 2);
    await watch(fleet, all, 2 * LEASE_MS);
    expect(unknown.holds(TASK)).toBe(false);
    expect(holders(all)).toHaveLength(1);
    fleet.server.down(true);
    await watch(fleet, all, LEASE_MS);
    expect(holders(all)).toEqual([]);
    fleet.server.down(false);
    await watch(fleet, all, LEASE_MS);
    expect(holders(all)).toHaveLength(1);
  });

  it("are trusted from before the question, however late the answer comes", async () => {
    const fleet = testFleet();
    const { parts } = fleet.node("slow");
    const { clock } = fleet;
    const lateMs = 2_000;
    let sentAtMs = 0;
    let answered = 0;
    const singletons = new NodeSingletons({
      ...parts,
      store: {
        ...parts.store,
        singletons: {
          async hold() {
            const at = clock.nowMs();
            await new Promise<void>((later) => void clock.after(lateMs, later));
            if (answered++ === 4) return new Promise(() => {});
            sentAtMs = at;
            return { kind: "held", token: 7 };
          },
          release: async () => {},
        },
      },
    });
    const startMs = clock.nowMs();
    let firstMs = 0;
    let lastMs = 0;
    for (let passedMs = 0; passedMs < 3 * LEASE_MS; passedMs += 100) {
      await clock.advance(100);
      if (!singletons.holds(TASK)) continue;
      firstMs ||= clock.nowMs();
      lastMs = clock.nowMs();
    }
    // Not before it was had for the time of waiting since the first answer came, plus the way of the one that says so.
    expect(firstMs - startMs).toBeGreaterThanOrEqual(lateMs + PROBATION_MS + lateMs);
    expect(lastMs).toBeLessThan(sentAtMs + TRUST_MS);
    expect(lastMs).toBeGreaterThanOrEqual(sentAtMs + TRUST_MS - 200);
  });

  it("are begun anew after a time in which no answer came for longer than one is trusted", async () => {
    const fleet = testFleet();
    const [one] = candidates(fleet, 1) as [Candidate];
    await watch(fleet, [one], 2 * LEASE_MS);
    const token = one.singletons.token(TASK);
    expect(token).toBeGreaterThan(0);
    fleet.server.cutOff(one.name, true);
    await watch(fleet, [one], TRUST_MS + 2_000);
    fleet.server.cutOff(one.name, false);
    // Its lease in the store still runs; the store may be another one by now.
    let backMs = 0;
    const sinceMs = fleet.clock.nowMs();
    for (let passedMs = 0; passedMs < LEASE_MS && backMs === 0; passedMs += 500) {
      await fleet.clock.advance(500);
      if (one.singletons.holds(TASK)) backMs = fleet.clock.nowMs() - sinceMs;
    }
    expect(one.singletons.token(TASK)).toBe(token);
    expect(backMs).toBeGreaterThanOrEqual(PROBATION_MS);
  });

  it("survive an outage that is shorter than an answer is trusted", async () => {
    const fleet = testFleet();
    const all = candidates(fleet, 2);
    await watch(fleet, all, 2 * LEASE_MS);
    fleet.server.down(true);
    await watch(fleet, all, 4_000);
    fleet.server.down(false);
    expect(await watch(fleet, all, 4 * LEASE_MS)).toBe(0);
  });

  it.each(["failOver", "loseEverything"] as const)(
    "are never two nodes' when the store loses the lease: %s",
    async (how) => {
      const fleet = testFleet();
      const all = candidates(fleet, 3);
      await watch(fleet, all, 2 * LEASE_MS);
      const [before] = holders(all);
      const holder = all.find(({ name }) => name === before) as Candidate;
      // The holder does not reach the store just then, so that it cannot take its task back.
      fleet.server.cutOff(holder.name, true);
      fleet.server[how](60_000);
      // Whoever comes first after it finds no lease at all.
      const late = candidates(fleet, 1)[0] as Candidate;
      const later = [...all, late];
      await watch(fleet, later, 2 * LEASE_MS, 250);
      expect(holders(later)).toHaveLength(1);
      expect(holders(later)).not.toEqual([before]);
      fleet.server.cutOff(holder.name, false);
      await watch(fleet, later, 2 * LEASE_MS);
    },
  );

  it.each(Array.from({ length: 12 }, (_, n) => n + 1))(
    "are never two nodes' at one true moment, whatever clocks, stores and processes do: seed %i",
    { timeout: 60_000 },
    async (seed) => {
      const random = seededRandom(seed);
      const draw = (most: number) => Math.floor(random.fraction() * most);
      let serverJumpMs = 0;
      const fleet = testFleet(
        () => (random.fraction() < 0.05 ? draw(900) : 1 + draw(20)),
        (clock) => ({
          nowMs: () => clock.nowMs() + serverJumpMs,
          monotonicMs: () => clock.monotonicMs(),
          after: (ms, callback) => clock.after(ms, callback),
          nextTurn: (callback) => clock.nextTurn(callback),
        }),
      );
      const all = candidates(fleet, 5, () => (random.fraction() - 0.5) * 20 * 60_000);
      const one = () => all[draw(all.length)] as Candidate;
      const nowMs = () => fleet.clock.nowMs();
      const faults: (() => unknown)[] = [
        () => {
          const { clock } = one();
          clock.stalledUntilMs = nowMs() + draw(90_000);
        },
        () => {
          const { name } = one();
          fleet.server.cutOff(name, true);
          void fleet.clock.after(draw(90_000), () => fleet.server.cutOff(name, false));
        },
        () => {
          const holder = all.find(({ singletons }) => singletons.holds(TASK)) ?? one();
          fleet.server.cutOff(holder.name, true);
          fleet.server.failOver(draw(60_000));
          void fleet.clock.after(draw(60_000), () => fleet.server.cutOff(holder.name, false));
        },
        () => {
          fleet.server.down(true);
          void fleet.clock.after(draw(60_000), () => fleet.server.down(false));
        },
        () => fleet.server.failOver(draw(60_000)),
        () => fleet.server.loseEverything(),
        () => {
          serverJumpMs += (random.fraction() - 0.5) * 4 * TTL_MS;
        },
        () => {
          one().clock.wallOffsetMs += (random.fraction() - 0.5) * 60_000;
        },
        () => {
          const node = one();
          void node.singletons.stop();
          node.singletons = new NodeSingletons(fleet.node(node.name, { clock: node.clock }).parts);
        },
      ];
      let held = 0;
      for (let round = 0; round < 60; round++) {
        void faults[draw(faults.length)]?.();
        await watch(fleet, all, draw(40_000));
        held += holders(all).length;
      }
      expect(held).toBeGreaterThan(10);
      // Once everything is well again somebody has it within the lease, and keeps it.
      await watch(fleet, all, 100_000);
      serverJumpMs = Math.max(0, serverJumpMs);
      await watch(fleet, all, LEASE_MS + TTL_MS);
      expect(await watch(fleet, all, 5 * LEASE_MS)).toBeLessThanOrEqual(LEASE_MS);
      expect(holders(all)).toHaveLength(1);
    },
  );
});
