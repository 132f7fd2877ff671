import { isDeepStrictEqual } from "node:util";
import { expect } from "vitest";
import type { Change, StoredState } from "../../src/manager/ports/index.ts";
import { Dice, ProcessClock, Scheduler } from "../../src/simulator/engine/index.ts";
import type { Cut, CutReport, ProcessStore, Weakness, WorldDisk } from "../../src/simulator/world/disk/index.ts";
import { type Call, MemoryTables } from "../../src/state/index.ts";
import { block, end, eni, intent, lease } from "../contracts/store-records.ts";

/** One call as its caller knows it. */
interface Said {
  readonly call: Call;
  outcome: "nothing" | "durable" | "refused";
}

export interface HistoryOptions {
  readonly lives: number;
  readonly callsPerLife: number;
  readonly weakness?: Weakness;
}

export interface History {
  /** Everything that was seen, in words: equal for equal runs. */
  readonly story: readonly string[];
  readonly cuts: readonly (CutReport & { readonly how: Cut; readonly survived: number })[];
  readonly refused: number;
  readonly virtualMs: number;
}

/**
 * Lives of a daemon on one disk, each ended by the dice, with faults of the disk on the way. After each end the disk holds
 * what was acknowledged, and of what was in flight no more than such an end may leave; otherwise it throws.
 */
export async function liveThrough(disk: WorldDisk, seed: number, options: HistoryOptions): Promise<History> {
  const dice = new Dice(seed);
  const scheduler = new Scheduler({ startMs: Date.UTC(2026, 0, 1), dice: dice.fork("scheduler") });
  const draws = dice.fork("history");
  const acknowledged: Call[] = [];
  const cuts: History["cuts"][number][] = [];
  const story: string[] = [];
  let refused = 0;

  for (let life = 0; life < options.lives; life++) {
    const clock = new ProcessClock(scheduler);
    const { weakness } = options;
    const store = disk.open({
      clock,
      dice: dice.fork(`life ${life}`),
      ...(weakness === undefined ? {} : { weakness }),
    });
    expect(store.load()).toEqual(disk.load());
    const said: Said[] = [];
    let full: Fullness = "no";
    for (let n = 0; n < options.callsPerLife; n++) {
      full = fault(disk, draws, full);
      for (let burst = draws.between(1, 4); burst > 0; burst--) said.push(say(store, callOf(draws)));
      await scheduler.run(scheduler.nowMs() + draws.pick([0, 0, 0, 1, 2, 5, 20]));
    }
    const how = draws.weighted({ crash: 3, "power-loss": 3, close: 1 });
    const report = await endOf(store, how, clock);
    await scheduler.settle();
    disk.heal();
    acknowledged.push(...said.filter(({ outcome }) => outcome === "durable").map(({ call }) => call));
    refused += said.filter(({ outcome }) => outcome === "refused").length;
    const pending = said.filter(({ outcome }) => outcome === "nothing").map(({ call }) => call);
    const possible = pending.filter((call) => full === "no" || (full === "for-endings" && !call.some(isNewLease)));
    const found = disk.load();
    const { survived, written } = survivors(found, acknowledged, possible, how);
    expectLookUps(disk, found);
    acknowledged.push(...written);
    if (report !== undefined && how !== "close") {
      expect(report.inFlight).toBe(pending.length);
      expect(report.written).toBeLessThanOrEqual(survived);
      cuts.push({ ...report, how, survived });
    }
    story.push(`${scheduler.elapsedMs()} ms: ${how}, ${JSON.stringify(report)}, ${survived}: ${JSON.stringify(found)}`);
  }
  return { story, cuts, refused, virtualMs: scheduler.elapsedMs() };
}

async function endOf(store: ProcessStore, how: Cut | "close", clock: ProcessClock): Promise<CutReport | undefined> {
  if (how === "close") {
    await store.close();
    return undefined;
  }
  clock.cut();
  return store.cut(how);
}

function say(store: ProcessStore, call: Call): Said {
  const said: Said = { call, outcome: "nothing" };
  store.commit(call).then(
    () => {
      said.outcome = "durable";
    },
    () => {
      said.outcome = "refused";
    },
  );
  return said;
}

/**
 * How many of the pending calls were made after all, and which of these the state did not refuse. Throws when the state is
 * none that may be.
 */
function survivors(
  found: StoredState,
  acknowledged: readonly Call[],
  pending: readonly Call[],
  how: Cut | "close",
): { survived: number; written: readonly Call[] } {
  const tables = new MemoryTables();
  const lost = tables.writeGroup(acknowledged).outcomes.some((outcome) => outcome !== undefined);
  const states = [tables.state()];
  const refused = new Set<Call>();
  for (const call of pending) {
    if (tables.writeGroup([call]).transactions === 0) refused.add(call);
    states.push(tables.state());
  }
  // A group with a call that the state refuses is written call by call.
  const wholeOnly = how === "power-loss" && refused.size === 0;
  const at = states.findLastIndex((state, count) => {
    const allowed = !wholeOnly || count === 0 || count === pending.length;
    return allowed && isDeepStrictEqual(state, found);
  });
  if (lost || at === -1) {
    const calls = `${acknowledged.length} calls that were acknowledged and ${pending.length} that were in flight`;
    throw new Error(`after ${how} the state is not that of ${calls}`);
  }
  return { survived: at, written: pending.slice(0, at).filter((call) => !refused.has(call)) };
}

function expectLookUps(disk: WorldDisk, state: StoredState): void {
  expect(disk.load()).toBe(state);
  for (const each of state.leases) {
    expect(disk.leaseOf(each.attachment)).toEqual(each);
    expect(disk.leaseOfAddress(each.address)).toEqual(each);
  }
  for (const each of state.intents) expect(disk.intent(each.id)).toEqual(each);
  for (const { cidr, interfaceId } of state.blocks) {
    const releasing = state.intents.some(({ step, before }) => {
      if (step.kind === "release-blocks") return step.cidrs.includes(cidr);
      return step.kind === "remove-interface" && (step.interfaceId === interfaceId || before.includes(cidr));
    });
    expect(disk.isReleasing(cidr)).toBe(releasing);
  }
}

type Fullness = "no" | "for-endings" | "wholly";

/** Draws what happens to the disk; how full it is then. */
function fault(disk: WorldDisk, dice: Dice, full: Fullness): Fullness {
  switch (dice.weighted({ none: 20, fill: 1, "fill for endings": 1, free: 4, refuse: 1, slow: 1, heal: 3 })) {
    case "fill":
      disk.fill();
      return "wholly";
    case "fill for endings":
      disk.fill("for-endings");
      return "for-endings";
    case "free":
      disk.free();
      return "no";
    case "heal":
      disk.heal();
      return "no";
    case "refuse":
      disk.refuse(0.5);
      return full;
    case "slow":
      disk.slow(10, 40);
      return full;
    default:
      return full;
  }
}

function isNewLease({ kind }: Change): boolean {
  return kind === "lease-put";
}

/** Few names, so that calls meet the same address, attachment, interface and intent again and again. */
function callOf(dice: Dice): Call {
  return Array.from({ length: dice.between(1, 3) }, () => changeOf(dice));
}

function changeOf(dice: Dice): Change {
  const address = `10.0.0.${dice.between(5, 60)}`;
  const interfaceId = `eni-${dice.between(1, 2)}`;
  const cidr = `10.0.${dice.between(1, 3)}.0/28`;
  const id = `intent-${dice.between(1, 4)}`;
  switch (dice.weighted({ lease: 8, end: 4, interface: 3, blocks: 3, release: 2, remove: 1, close: 2, text: 1 })) {
    case "lease":
      return {
        kind: "lease-put",
        lease: { ...lease(address, `pod-of-${address}`), leasedAtMs: dice.between(0, 1e12) },
      };
    case "end":
      return end(address, `pod-of-${address}`, dice.between(0, 1e12));
    case "interface":
      return { kind: "interface-put", interface: eni(interfaceId, { deviceIndex: dice.between(1, 9) }) };
    case "blocks":
      return { kind: "blocks-put", blocks: [block(cidr, interfaceId, "prefix")] };
    case "release":
      return {
        kind: "intent-put",
        intent: { ...intent(id), step: { kind: "release-blocks", interfaceId, cidrs: [cidr], reason: "spare" } },
      };
    case "remove":
      return {
        kind: "intent-put",
        intent: { ...intent(id), before: [cidr], step: { kind: "remove-interface", interfaceId, reason: "empty" } },
      };
    case "close":
      return { kind: "intent-close", id };
    case "text":
      return {
        kind: "configuration-put",
        configuration: { file: "f", text: dice.digits(1).repeat(dice.between(1, 30_000)), readAtMs: 1 },
      };
  }
}
