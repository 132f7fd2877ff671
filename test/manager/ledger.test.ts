import { describe, expect, it } from "vitest";
import { EnidError } from "../../src/errors.ts";
import { Degradations } from "../../src/manager/degradations.ts";
import type { Change, EnidEvent } from "../../src/manager/index.ts";
import { Ledger } from "../../src/manager/ledger.ts";
import { block, end, eni, lease } from "../contracts/store-records.ts";
import { Dice, WorldClock } from "../support/world-clock.ts";
import { LabStore } from "./harness.ts";

const PUT: Change = { kind: "interface-put", interface: eni("eni-1") };
const BLOCK: Change = { kind: "blocks-put", blocks: [block("10.0.0.5/32")] };

function full(): EnidError {
  return new EnidError("ENID_STATE_WRITE_FAILED", { detail: "full" }, { details: { reason: "full" } });
}

/** A ledger over a store that refuses what `refuses` says, each commit for itself, as SQLite does when it is full. */
function ledgerLab(refuses: (changes: readonly Change[]) => boolean) {
  const clock = new WorldClock();
  const store = new LabStore(clock);
  const commit = store.commit.bind(store);
  store.commit = async (changes) => {
    if (refuses(changes)) {
      // The answer comes in the order of the calls, as that of the store does.
      await new Promise<void>((resolve) => clock.nextTurn(resolve));
      throw full();
    }
    await commit(changes);
  };
  const events: EnidEvent[] = [];
  const telemetry = { event: (event: EnidEvent) => void events.push(event), cloudCall: () => {}, served: () => {} };
  const degradations = new Degradations(telemetry);
  return { clock, store, events, degradations, ledger: new Ledger(store, clock, degradations, telemetry) };
}

describe("the ledger", () => {
  it("writes what the disk refused before what came later, whoever failed last", async () => {
    let isFull = true;
    const { clock, store, ledger } = ledgerLab(() => isFull);
    const calls: Change[][] = [[PUT], [BLOCK], [{ kind: "blocks-remove", cidrs: ["10.0.0.5/32"] }]];
    for (const changes of calls) void ledger.eventually(changes);
    await clock.drain();
    void ledger.eventually([{ kind: "blocks-put", blocks: [block("10.0.0.6/32")] }]);
    await clock.drain();
    isFull = false;
    ledger.retry();
    await clock.drain();
    expect(store.log.map(({ kind }) => kind)).toEqual(["interface-put", "blocks-put", "blocks-remove", "blocks-put"]);
    expect(store.load().blocks.map(({ cidr }) => cidr)).toEqual(["10.0.0.6/32"]);
  });

  it("does not give up a change that only contradicts the state because an earlier one has not reached it yet", async () => {
    let isFull = true;
    // The interface takes a page more than the disk has; the block that lies on it would fit.
    const { clock, store, ledger, degradations } = ledgerLab(
      (changes) => isFull && changes.some(({ kind }) => kind === "interface-put"),
    );
    void ledger.eventually([PUT]);
    await clock.drain();
    void ledger.eventually([BLOCK]);
    await clock.drain();
    expect(store.load().blocks).toEqual([]);
    isFull = false;
    ledger.retry();
    await clock.drain();
    expect(store.load().blocks).toEqual([block("10.0.0.5/32")]);
    expect(degradations.list()).toEqual([]);
  });

  it("gives up, and tells of, a change that contradicts the state for good, and only that one", async () => {
    const { clock, store, ledger, events, degradations } = ledgerLab(() => false);
    void ledger.eventually([BLOCK, end("10.0.0.9", "a", 99)]);
    await clock.drain();
    ledger.retry();
    await clock.drain();
    expect(store.load()).toMatchObject({ blocks: [], cooling: [{ address: "10.0.0.9", untilMs: 99 }] });
    expect(events.map(({ name }) => name)).toContain("state-change-refused");
    void ledger.must([PUT]);
    await clock.drain();
    expect(degradations.list()).toEqual([]);
  });

  it("lets no later lease of an address overtake the end of the earlier one", async () => {
    let endsFail = true;
    const { clock, store, ledger } = ledgerLab(
      (changes) => endsFail && changes.some(({ kind }) => kind === "lease-end"),
    );
    void ledger.must([{ kind: "lease-put", lease: lease("10.0.0.5", "a") }]);
    await clock.drain();
    void ledger.eventually([end("10.0.0.5", "a", 1)]);
    await clock.drain();
    const outcome = ledger.must([{ kind: "lease-put", lease: lease("10.0.0.5", "b") }]).catch((error) => error.code);
    await clock.drain();
    expect(await outcome).toBe("ENID_STATE_WRITE_FAILED");
    expect(store.load().leases).toEqual([lease("10.0.0.5", "a")]);
    endsFail = false;
    ledger.retry();
    void ledger.must([{ kind: "lease-put", lease: lease("10.0.0.5", "b") }]);
    await clock.drain();
    expect(store.load().leases).toEqual([lease("10.0.0.5", "b")]);
  });

  it.each(Array.from({ length: 20 }, (_, seed) => seed))(
    "ends with the state that was meant, however calls and refusals mix (seed %i)",
    async (seed) => {
      const dice = new Dice(seed);
      let trouble = 0.5;
      const { clock, store, ledger } = ledgerLab(() => dice.chance(trouble));
      const meant = new Map<string, string>();
      void ledger.eventually([PUT]);
      for (let step = 0; step < 60; step++) {
        const cidr = `10.0.0.${dice.between(1, 4)}/32`;
        if (meant.has(cidr)) void ledger.eventually([{ kind: "blocks-remove", cidrs: [cidr] }]);
        else void ledger.eventually([{ kind: "blocks-put", blocks: [block(cidr)] }]);
        if (!meant.delete(cidr)) meant.set(cidr, cidr);
        if (dice.chance(0.3)) void ledger.must([{ kind: "intent-close", id: "none" }]).catch(() => {});
        if (dice.chance(0.2)) ledger.retry();
        await clock.drain();
      }
      trouble = 0;
      await Promise.all([ledger.flush(), clock.drain()]);
      expect(store.load().blocks.map(({ cidr }) => cidr)).toEqual([...meant.keys()].sort());
    },
  );
});
