import { describe, expect, it } from "vitest";
import { NodeFacts, TURN_MS } from "../../../src/fleet/node/facts.ts";
import { type TestFleet, type TestNode, testFleet } from "./nodes.ts";

const MINUTE_MS = 60_000;
const FETCH_MS = 200;

class Reader {
  readonly node: TestNode;
  readonly facts: NodeFacts;
  readonly #fleet: TestFleet;
  readonly #world: World;

  constructor(fleet: TestFleet, node: TestNode, world: World) {
    this.#fleet = fleet;
    this.node = node;
    this.facts = new NodeFacts(node.parts);
    this.#world = world;
  }

  /** What it reads, and when it has it, in ms of true time from the question. */
  async read(maxAgeMs = MINUTE_MS, more: { fetch?: () => Promise<unknown>; signal?: AbortSignal; name?: string } = {}) {
    const askedAtMs = this.#fleet.clock.nowMs();
    const fetch = more.fetch ?? (() => this.#world.fetch(this.node.name));
    const value = await this.facts.read(more.name ?? "subnets", maxAgeMs, fetch, more.signal);
    return { value, afterMs: this.#fleet.clock.nowMs() - askedAtMs };
  }
}

/** The cloud: each fetch takes a while and brings the number of the fetch. */
class World {
  readonly #fleet: TestFleet;
  readonly fetched: string[] = [];

  constructor(fleet: TestFleet) {
    this.#fleet = fleet;
  }

  fetch(by: string): Promise<number> {
    this.fetched.push(by);
    const n = this.fetched.length;
    return new Promise((resolve) => void this.#fleet.clock.after(FETCH_MS, () => resolve(n)));
  }

  readers(count: number): Reader[] {
    return Array.from({ length: count }, (_, n) => new Reader(this.#fleet, this.#fleet.node(`node-${n}`), this));
  }
}

function lab(count: number, latencyMs?: () => number) {
  const fleet = testFleet(latencyMs);
  const world = new World(fleet);
  return { ...fleet, world, fleet, readers: world.readers(count) };
}

/** All of them, within the time. */
async function within<Output>(fleet: TestFleet, ms: number, promises: readonly Promise<Output>[]): Promise<Output[]> {
  const all = Promise.allSettled(promises);
  await fleet.clock.advance(ms);
  const settled = await Promise.race([all, Promise.resolve([])]);
  expect(settled.filter(({ status }) => status === "rejected")).toEqual([]);
  return settled.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
}

const hangs = () => new Promise<never>(() => {});

describe("shared facts of nodes", () => {
  it("are fetched by one of two hundred nodes that ask at once, without a storm of questions", async () => {
    const { fleet, world, readers } = lab(200);
    const reads = await within(
      fleet,
      2_000,
      readers.map((reader) => reader.read()),
    );
    expect(reads.map(({ value }) => value)).toEqual(Array(200).fill(1));
    expect(world.fetched).toHaveLength(1);
    expect(Math.max(...reads.map(({ afterMs }) => afterMs))).toBeLessThan(5 * FETCH_MS);
    const steps = readers.map(({ node }) => node.steps());
    expect(Math.max(...steps)).toBeLessThanOrEqual(5);
  });

  it("are fetched once within a process, and remembered until they are too old", async () => {
    const { fleet, world, readers, clock } = lab(1);
    const [reader] = readers as [Reader];
    const reads = await within(fleet, 1_000, [reader.read(), reader.read(), reader.read()]);
    expect(reads.map(({ value }) => value)).toEqual([1, 1, 1]);
    const steps = reader.node.steps();
    await clock.advance(30_000);
    expect(await within(fleet, 0, [reader.read()])).toMatchObject([{ value: 1, afterMs: 0 }]);
    expect(reader.node.steps()).toBe(steps);
    // The same fact is too old for another question.
    expect(await within(fleet, 1_000, [reader.read(20_000)])).toMatchObject([{ value: 2 }]);
    expect(world.fetched).toHaveLength(2);
  });

  it("count their age from before they were fetched, also in who only read them", async () => {
    const { fleet, world, readers, clock } = lab(2);
    const [first, second] = readers as [Reader, Reader];
    await within(fleet, 1_000, [first.read()]);
    await clock.advance(40_000);
    expect(await within(fleet, 100, [second.read()])).toMatchObject([{ value: 1 }]);
    await clock.advance(18_000);
    // 59.1 s old, of which the second has had it for 18 s.
    expect(await within(fleet, 100, [second.read()])).toMatchObject([{ value: 1, afterMs: 0 }]);
    await clock.advance(1_000);
    expect(await within(fleet, 1_000, [second.read()])).toMatchObject([{ value: 2 }]);
    expect(world.fetched).toEqual(["node-0", "node-1"]);
  });

  it("are never older than asked for, whoever fetches meanwhile", async () => {
    const { fleet, world, readers, clock } = lab(3);
    const [slow, doubtful, other] = readers as [Reader, Reader, Reader];
    const early = slow.read();
    await clock.advance(FETCH_MS / 2);
    // What is being fetched was asked for before this moment.
    const fresh = doubtful.read(1);
    const same = other.read(1);
    const reads = await within(fleet, 3_000, [early, fresh, same]);
    expect(reads.map(({ value }) => value)).toEqual([1, 2, 2]);
    expect(world.fetched).toHaveLength(2);
  });

  it("are fetched here and now where the age is 0, and shared", async () => {
    const { fleet, world, readers, clock } = lab(2);
    const [first, second] = readers as [Reader, Reader];
    await within(fleet, 1_000, [first.read()]);
    expect(await within(fleet, 1_000, [first.read(0)])).toMatchObject([{ value: 2 }]);
    await clock.advance(1_000);
    expect(await within(fleet, 100, [second.read()])).toMatchObject([{ value: 2 }]);
    expect(world.fetched).toHaveLength(2);
  });

  it("go to the next node at once when a fetch fails, which its own caller is told", async () => {
    const { clock, world, readers } = lab(2);
    const [first, second] = readers as [Reader, Reader];
    const failed = first.read(MINUTE_MS, {
      fetch: () => world.fetch("node-0").then(() => Promise.reject(new Error("no"))),
    });
    const told = expect(failed).rejects.toThrow("no");
    await clock.advance(10);
    const read = second.read();
    await clock.advance(3 * FETCH_MS + 500);
    await told;
    expect((await read).value).toBe(2);
    expect(world.fetched).toEqual(["node-0", "node-1"]);
  });

  it("are fetched by the next node when the one that has the turn hangs", async () => {
    const { fleet, world, readers, clock } = lab(20);
    const [hanging, ...others] = readers as [Reader, ...Reader[]];
    void hanging.read(MINUTE_MS, { fetch: hangs });
    await clock.advance(10);
    const reads = await within(
      fleet,
      TURN_MS + 3_000,
      others.map((reader) => reader.read()),
    );
    expect(reads).toHaveLength(19);
    expect(world.fetched).toHaveLength(1);
    expect(Math.max(...others.map(({ node }) => node.steps()))).toBeLessThan(25);
  });

  it("are fetched by each by itself when two who had the turn hang", async () => {
    const { fleet, world, readers, clock } = lab(6);
    const [hanging, second, ...others] = readers as [Reader, Reader, ...Reader[]];
    void hanging.read(MINUTE_MS, { fetch: hangs });
    await clock.advance(10);
    void second.read(MINUTE_MS, { fetch: hangs });
    await clock.advance(TURN_MS + 2_000);
    // From here on the second has the turn; a third one would have it after it.
    const third = others.slice(0, 1).map((reader) => reader.read(MINUTE_MS, { fetch: hangs }));
    void third;
    const reads = await within(
      fleet,
      2 * TURN_MS + 4_000,
      others.slice(1).map((reader) => reader.read()),
    );
    expect(reads).toHaveLength(3);
    expect(reads.every(({ afterMs }) => afterMs <= 2 * TURN_MS + 3_000)).toBe(true);
    expect(world.fetched.length).toBeGreaterThanOrEqual(1);
  });

  it("are fetched at once while the store is away, and without asking it each time", async () => {
    const { fleet, server, readers, clock } = lab(1);
    const [reader] = readers as [Reader];
    server.down(true);
    const [first] = await within(fleet, 5_000, [reader.read()]);
    expect(first?.afterMs).toBeLessThanOrEqual(1_000 + FETCH_MS);
    for (const name of ["groups", "types"]) {
      expect(await within(fleet, 1_000, [reader.read(MINUTE_MS, { name })])).toMatchObject([{ afterMs: FETCH_MS }]);
    }
    expect(reader.node.steps()).toBe(1);
    server.down(false);
    await clock.advance(10_000);
    await within(fleet, 1_000, [reader.read(1)]);
    expect(reader.facts.report()).toEqual({ remembered: 0, shared: 0, fetched: 1, alone: 3, waits: 0 });
  });

  it("are had all the same when the store goes away, forgets or fails over in the middle", async () => {
    const { fleet, world, server, readers, clock } = lab(4);
    const [first, second, third, fourth] = readers as [Reader, Reader, Reader, Reader];
    const early = first.read();
    await clock.advance(20);
    const waiting = second.read();
    await clock.advance(20);
    server.loseEverything();
    const later = third.read();
    await clock.advance(100);
    server.failOver(60);
    const last = fourth.read();
    const reads = await within(fleet, 5_000, [early, waiting, later, last]);
    expect(reads).toHaveLength(4);
    expect(world.fetched.length).toBeLessThanOrEqual(4);
  });

  it("are given up by who lost patience, and by nobody else", async () => {
    const { fleet, world, readers, clock } = lab(2);
    const [first, second] = readers as [Reader, Reader];
    const impatient = new AbortController();
    const reason = new Error("no longer wanted");
    const fetch = () => {
      world.fetched.push("aborted");
      return new Promise<never>((_, reject) => impatient.signal.addEventListener("abort", () => reject(reason)));
    };
    const given = expect(first.read(MINUTE_MS, { fetch, signal: impatient.signal })).rejects.toBe(reason);
    await clock.advance(10);
    // One in the same process and one elsewhere want it too.
    const others = [first.read(), second.read()];
    const waiting = new AbortController();
    const over = expect(second.read(MINUTE_MS, { signal: waiting.signal })).rejects.toThrow("enough");
    await clock.advance(10);
    waiting.abort(new Error("enough"));
    await over;
    impatient.abort(reason);
    await given;
    expect((await within(fleet, 2_000, others)).map(({ value }) => value)).toEqual([2, 2]);
    expect(world.fetched).toHaveLength(2);
  });

  it("that are too large are each node's own, without waiting, and that is told once", async () => {
    const { fleet, readers, clock } = lab(3);
    const large = "x".repeat(600 * 1_024);
    let fetched = 0;
    const fetch = async () => {
      fetched++;
      return large;
    };
    const first = readers[0] as Reader;
    for (let times = 0; times < 3; times++) {
      for (const reader of readers) {
        const reads = await within(fleet, 100, [reader.read(1, { fetch })]);
        expect(reads[0]?.afterMs).toBeLessThan(20);
      }
      await clock.advance(1_000);
    }
    expect(fetched).toBe(9);
    expect(first.node.events.map(({ name }) => name)).toEqual(["fact-not-shared"]);
    expect(readers.slice(1).flatMap(({ node }) => node.events)).toEqual([]);
  });

  it("are each account's and Region's own, and nobody's where that is not known", async () => {
    const fleet = testFleet();
    const world = new World(fleet);
    const nodes = [
      fleet.node("one"),
      fleet.node("other-account", { accountId: "999999999999" }),
      fleet.node("no-account", { accountId: "" }),
      fleet.node("unknown", { isKnown: false }),
    ];
    const readers = nodes.map((node) => new Reader(fleet, node, world));
    for (const reader of readers) await within(fleet, 1_000, [reader.read()]);
    expect(world.fetched).toEqual(["one", "other-account", "no-account", "unknown"]);
    expect(nodes.map(({ steps }) => steps() > 0)).toEqual([true, true, false, false]);
  });

  it("have names of any length, which are told apart", async () => {
    const { fleet, world, readers } = lab(2);
    const [first, second] = readers as [Reader, Reader];
    const long = (end: string) => `${"subnet-0a0000000, ".repeat(400)}${end}`;
    await within(fleet, 1_000, [first.read(MINUTE_MS, { name: long("a") })]);
    await within(fleet, 1_000, [second.read(MINUTE_MS, { name: long("b") })]);
    await within(fleet, 1_000, [second.read(MINUTE_MS, { name: long("a") })]);
    expect(world.fetched).toHaveLength(2);
  });
});
