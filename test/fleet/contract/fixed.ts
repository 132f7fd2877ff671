import { beforeEach, describe, expect, it } from "vitest";
import type { FixedCaller, FixedStart, FixedStore, FixedTimes } from "../../../src/fleet/store/fixed.ts";
import type { FixedRecord } from "../../../src/manager/ports/index.ts";
import type { StoreBench } from "./store-bench.ts";

export interface FixedBench extends StoreBench {
  /** The server starts again, with all its data or without any. */
  restart(keepsData: boolean): Promise<void>;
}

/** What every engine of the fixed records does. `bench` answers an empty store each time. */
export function describeFixedContract(name: string, bench: () => Promise<FixedBench>): void {
  describe(`the records of fixed addresses (${name})`, () => {
    let store: FixedStore;
    let pass: StoreBench["pass"];
    let restart: FixedBench["restart"];
    let times: FixedTimes;
    let knownStore: string;

    const start: FixedStart = {
      pod: "shop/db-0",
      address: "10.0.0.5",
      subnetId: "subnet-1",
      zone: "eu-central-1a",
      keepMs: 0,
    };
    const pod = start.pod;

    beforeEach(async () => {
      const opened = await bench();
      store = opened.store.fixed;
      ({ pass, restart } = opened);
      const unitMs = opened.shortMs;
      times = {
        ttlMs: unitMs,
        graceMs: unitMs,
        // Only what is about pauses takes one: a machine that stalls must not make one of any wait.
        gapMs: unitMs * 10,
        retryMs: 5,
        settleMs: unitMs / 2,
        youngMs: unitMs * 2,
      };
      knownStore = "";
      // New data settles for as long as its first caller says: not what each test is about.
      await store.sync(caller("a", { times: { ...times, settleMs: 1 } }), []);
      await pass(3);
    });

    function caller(nodeId: string, more: Partial<FixedCaller> = {}): FixedCaller {
      return { nodeId, nodeName: `node-${nodeId}`, knownStore, freshStore: `fresh-${nodeId}`, times, ...more };
    }
    async function created(node = "a", more: Partial<FixedStart> = {}): Promise<FixedRecord> {
      const answer = await store.create(caller(node), { ...start, ...more });
      if (answer.kind !== "done") throw new Error(`not created: ${JSON.stringify(answer)}`);
      return answer.record;
    }
    async function parked(node = "a", more: Partial<FixedStart> = {}): Promise<FixedRecord> {
      const { epoch, pod: of } = await created(node, more);
      const answer = await store.change("park", node, of, epoch);
      if (answer.kind !== "done") throw new Error(`not parked: ${JSON.stringify(answer)}`);
      return answer.record;
    }
    const bound: FixedRecord = { ...start, epoch: 1, holder: "a", holderName: "node-a", state: "bound" };

    it("knows nothing at first", async () => {
      expect(await store.find(pod)).toBeUndefined();
      expect(await store.show(pod)).toBeUndefined();
      expect(await store.list("", 10)).toMatchObject({ entries: [], next: "" });
      expect(await store.heldBy("a", "", 10)).toMatchObject({ entries: [], next: "" });
      expect(await store.claim(caller("a"), pod)).toMatchObject({ kind: "none" });
      expect(await store.release(pod, true)).toEqual({ kind: "unknown" });
      expect(await store.sweep(0, times.ttlMs)).toBe(0);
    });

    it("keeps the first record of a pod, bound to its node; creating it again is answered alike", async () => {
      expect(await created()).toEqual(bound);
      expect(await created()).toEqual(bound);
      expect(await store.find(pod)).toEqual(bound);
    });

    it("names the records that addresses are of, and no others", async () => {
      const other = { pod: "shop/db-1", address: "10.0.0.6" };
      const [first, second] = [await created(), await created("b", other)];
      expect(await store.among([])).toEqual([]);
      expect(await store.among(["10.0.0.7", other.address, "10.0.0.55"])).toEqual([second]);
      expect(await store.among([other.address, start.address])).toEqual([second, first]);
      await store.release(pod, true);
      expect(await store.among([start.address])).toEqual([]);
      await expect(store.among(["10.0.0.0/24"])).rejects.toMatchObject({ code: "ENID_FLEET_FAILED" });
    });

    it("refuses a second record of a pod, and a second pod of an address", async () => {
      await created();
      const again = await store.create(caller("b"), { ...start, address: "10.0.0.6" });
      expect(again).toMatchObject({ kind: "taken", record: bound });
      const other = await store.create(caller("b"), { ...start, pod: "shop/db-1" });
      expect(other).toMatchObject({ kind: "taken", record: bound });
      expect(await store.pin({ ...start, pod: "shop/db-1" })).toMatchObject({ kind: "taken", record: bound });
      expect(await store.find("shop/db-1")).toBeUndefined();
      expect((await store.list("", 10)).entries).toHaveLength(1);
    });

    it("refuses what is no pod, no node and no address", async () => {
      const refused = { code: "ENID_FLEET_FAILED" };
      await expect(store.find("db-0")).rejects.toMatchObject(refused);
      await expect(store.sync(caller("a b"), [])).rejects.toMatchObject(refused);
      await expect(store.pin({ ...start, address: "2001:db8::1" })).rejects.toMatchObject(refused);
      await expect(store.pin({ ...start, keepMs: -1 })).rejects.toMatchObject(refused);
      await expect(store.pin({ ...start, pod: `a/${"x".repeat(300)}` })).rejects.toMatchObject(refused);
    });

    it("lets the holder alone bind, park, yield and forget, and in its epoch alone", async () => {
      await created();
      for (const what of ["bind", "park", "yield", "forget"] as const) {
        expect(await store.change(what, "b", pod, 1)).toEqual({ kind: "taken", record: bound });
        expect(await store.change(what, "a", pod, 7)).toEqual({ kind: "taken", record: bound });
        expect(await store.change(what, "a", "shop/none", 1)).toEqual({ kind: "taken", record: undefined });
      }
      expect(await store.find(pod)).toEqual(bound);
    });

    it("goes through its states, each with an epoch of its own, and answers a repeated step as done", async () => {
      await created();
      const twice = async (what: "bind" | "park" | "yield", node: string, epoch: number) => {
        const first = await store.change(what, node, pod, epoch);
        expect(await store.change(what, node, pod, epoch)).toEqual(first);
        return first;
      };
      expect(await twice("park", "a", 1)).toEqual({ kind: "done", record: { ...bound, state: "parked", epoch: 2 } });
      const moving = { ...bound, holder: "b", holderName: "node-b", state: "moving", epoch: 3 };
      const claimed = { kind: "claimed", record: moving, from: "a" };
      expect(await store.claim(caller("b"), pod)).toMatchObject(claimed);
      expect(await store.claim(caller("b"), pod)).toMatchObject(claimed);
      const there = { ...moving, state: "bound", epoch: 4 };
      expect(await twice("bind", "b", 3)).toEqual({ kind: "done", record: there });
      expect(await store.claim(caller("b"), pod)).toMatchObject({ kind: "claimed", record: there, from: "" });
      expect(await store.change("park", "a", pod, 1)).toEqual({ kind: "taken", record: there });
      const free = { ...there, state: "parked", holder: "", holderName: "", epoch: 5 };
      expect(await twice("yield", "b", 4)).toEqual({ kind: "done", record: free });
      expect(await store.claim(caller("a"), pod)).toMatchObject({ kind: "claimed", from: "" });
    });

    it("keeps when a parked address is over, and forgets that when it is claimed", async () => {
      const record = await parked("a", { keepMs: 3_600_000 });
      const { nowMs } = await store.list("", 1);
      expect(record.expiresAtMs).toBeGreaterThan(nowMs + 3_500_000);
      expect(record.expiresAtMs).toBeLessThanOrEqual(nowMs + 3_600_000);
      expect(Number.isSafeInteger(record.expiresAtMs)).toBe(true);
      const answer = await store.claim(caller("b"), pod);
      expect(answer).toMatchObject({ kind: "claimed" });
      expect(await store.find(pod)).not.toHaveProperty("expiresAtMs");
    });

    it("forgets for good: the epoch goes on, and nobody brings the old record back", async () => {
      const record = await parked();
      const gone = await store.change("forget", "a", pod, record.epoch);
      expect(gone).toEqual({ kind: "done", record });
      expect(await store.change("forget", "a", pod, record.epoch)).toEqual(gone);
      expect(await store.find(pod)).toBeUndefined();
      expect((await store.sync(caller("a"), [record])).verdicts).toEqual([{ kind: "gone", pod }]);
      expect((await created("b")).epoch).toBe(record.epoch + 1);
      expect((await store.sync(caller("a"), [record])).verdicts).toMatchObject([{ kind: "lost", pod }]);
      expect((await created("b", { pod: "shop/db-1", address: "10.0.0.6" })).epoch).toBe(1);
    });

    describe("another node's", () => {
      it("is never taken from a node that lives, which learns who wants it", async () => {
        await created();
        for (let times_ = 0; times_ < 5; times_++) {
          await store.sync(caller("a"), [bound]);
          expect(await store.claim(caller("b"), pod)).toMatchObject({ kind: "held", record: bound, retryMs: 5 });
          await pass(times.ttlMs / 2);
        }
        expect((await store.sync(caller("a"), [bound])).verdicts).toEqual([
          { kind: "yours", record: bound, wantedBy: "b" },
        ]);
        expect(await store.show(pod)).toMatchObject({ wantedBy: "b" });
        await store.change("park", "a", pod, 1);
        expect(await store.claim(caller("b"), pod)).toMatchObject({ kind: "claimed", from: "a" });
        expect((await store.sync(caller("b"), [])).verdicts).toEqual([]);
        expect(await store.show(pod)).toMatchObject({ wantedBy: "" });
      });

      it("is taken from one that is dead, after its time and the grace, by a jump of the epoch", async () => {
        await created();
        await store.sync(caller("a"), [bound]);
        await pass(times.ttlMs * 1.2);
        expect(await store.claim(caller("b"), pod)).toMatchObject({ kind: "held" });
        await pass(times.graceMs * 0.4);
        expect(await store.claim(caller("c"), pod)).toMatchObject({ kind: "held" });
        await pass(times.graceMs * 0.9);
        const beforeMs = (await store.list("", 1)).nowMs;
        const answer = await store.claim(caller("b"), pod);
        expect(answer).toMatchObject({ kind: "claimed", from: "a", record: { holder: "b", state: "moving" } });
        const record = (await store.find(pod)) as FixedRecord;
        // Beyond whatever the dead one can still do: by the seconds of the store's clock.
        expect(record.epoch).toBeGreaterThanOrEqual(Math.floor(beforeMs / 1_000));
        expect((await store.sync(caller("a"), [bound])).verdicts).toEqual([{ kind: "lost", pod, record }]);
        expect(await store.change("bind", "a", pod, 1)).toEqual({ kind: "taken", record });
      });

      it("is wanted anew after a pause: an outage of the store counts for nobody", async () => {
        times = { ...times, gapMs: times.graceMs };
        await created();
        await pass(times.ttlMs * 1.2);
        expect(await store.claim(caller("b"), pod)).toMatchObject({ kind: "held" });
        await pass(times.gapMs * 1.2);
        expect(await store.claim(caller("b"), pod)).toMatchObject({ kind: "held" });
        await store.sync(caller("a"), [bound]);
        await pass(times.graceMs * 0.6);
        expect(await store.claim(caller("b"), pod)).toMatchObject({ kind: "held" });
      });
    });

    describe("a parked address that is over", () => {
      it("is told to its holder, and then claimed by nobody until it is forgotten", async () => {
        const record = await parked("a", { keepMs: 1 });
        await pass(5);
        expect((await store.sync(caller("a"), [record])).verdicts).toEqual([{ kind: "expired", record }]);
        expect(await store.claim(caller("b"), pod)).toMatchObject({ kind: "held" });
        expect(await store.claim(caller("a"), pod)).toMatchObject({ kind: "held" });
        expect(await store.change("bind", "a", pod, record.epoch)).toMatchObject({ kind: "taken" });
        expect((await store.heldBy("a", "", 10)).entries).toMatchObject([{ record, ending: true }]);
        await store.change("forget", "a", pod, record.epoch);
        expect(await store.claim(caller("b"), pod)).toMatchObject({ kind: "none" });
      });

      it("is another pod's to ask for when its holder dies while giving it back", async () => {
        const record = await parked("a", { keepMs: 1 });
        await pass(5);
        await store.sync(caller("a"), [record]);
        await pass(times.ttlMs * 1.2);
        expect(await store.claim(caller("b"), pod)).toMatchObject({ kind: "held" });
        await pass(times.graceMs * 0.4);
        expect(await store.claim(caller("b"), pod)).toMatchObject({ kind: "held" });
        await pass(times.graceMs * 0.9);
        expect(await store.claim(caller("b"), pod)).toMatchObject({ kind: "none" });
        expect((await store.sync(caller("a"), [record])).verdicts).toEqual([{ kind: "gone", pod }]);
      });

      it("is still its pod's before its holder was told", async () => {
        await parked("a", { keepMs: 1 });
        await pass(5);
        expect(await store.claim(caller("b"), pod)).toMatchObject({ kind: "claimed", from: "a" });
      });

      it("is swept when its holder is dead, long after", async () => {
        await parked("a", { keepMs: 1 });
        await parked("a", { pod: "shop/db-1", address: "10.0.0.6", keepMs: 0 });
        await created("a", { pod: "shop/db-2", address: "10.0.0.7", keepMs: 1 });
        await store.sync(caller("a"), []);
        await pass(5);
        expect(await store.sweep(0, 60_000)).toBe(0);
        expect(await store.sweep(60_000, 0)).toBe(0);
        expect(await store.sweep(0, 0)).toBe(1);
        expect((await store.list("", 10)).entries.map(({ record }) => record.pod)).toEqual(["shop/db-1", "shop/db-2"]);
      });
    });

    describe("sync", () => {
      it("answers each record in its order, and pages of those that the node has", async () => {
        const records: FixedRecord[] = [];
        for (let n = 0; n < 7; n++) records.push(await created("a", { pod: `shop/db-${n}`, address: `10.0.1.${n}` }));
        await created("ab", { pod: "shop/other", address: "10.0.2.1" });
        const shuffled = [4, 1, 6].map((n) => records[n] as FixedRecord);
        const { verdicts } = await store.sync(caller("a"), shuffled);
        expect(verdicts).toEqual(shuffled.map((record) => ({ kind: "yours", record, wantedBy: "" })));
        for (const limit of [1, 3, 7, 50]) {
          const seen: string[] = [];
          let after = "";
          do {
            const page = await store.heldBy("a", after, limit);
            seen.push(...page.entries.map((entry) => entry.record.pod));
            after = page.next;
          } while (after !== "");
          expect(seen).toEqual(records.map((record) => record.pod));
        }
        await store.change("yield", "a", "shop/db-3", 1);
        expect((await store.heldBy("a", "", 50)).entries).toHaveLength(6);
        expect((await store.heldBy("a", "", 50)).entries[0]?.holderSeenAtMs).toBeGreaterThan(0);
      });

      it("brings back what the store lost, and what it has in an older epoch", async () => {
        const ahead: FixedRecord = { ...bound, epoch: 9 };
        expect((await store.sync(caller("a"), [ahead])).verdicts).toEqual([
          { kind: "yours", record: ahead, wantedBy: "" },
        ]);
        expect(await store.find(pod)).toEqual(ahead);
        const later: FixedRecord = { ...bound, epoch: 12, holder: "b", holderName: "node-b", address: "10.0.0.9" };
        await store.sync(caller("b"), [later]);
        expect(await store.find(pod)).toEqual(later);
        // What the holder did after that may be lost still: the next change is beyond it.
        const { nowMs } = await store.list("", 1);
        const parked_ = await store.change("park", "b", pod, 12);
        expect(parked_.record?.epoch).toBeGreaterThanOrEqual(Math.floor(nowMs / 1_000));
        const { record: latest } = parked_;
        expect((await store.sync(caller("a"), [ahead])).verdicts).toEqual([{ kind: "lost", pod, record: latest }]);
        // Its earlier address is another pod's to have.
        expect((await store.sync(caller("c"), [{ ...ahead, pod: "shop/x", holder: "c" }])).verdicts).toMatchObject([
          { kind: "yours" },
        ]);
      });

      it("brings back what is nobody's, for its holder to take over by the later epoch", async () => {
        const bound = { ...(await created()), epoch: 7 };
        await store.change("forget", "a", pod, 1);
        const gone = { ...bound, pod: "shop/gone" };
        const nobodys = {
          ...bound,
          pod: "shop/lost",
          address: "10.0.9.9",
          holder: "",
          holderName: "",
          state: "parked" as const,
        };
        expect((await store.sync(caller("b"), [nobodys])).verdicts).toEqual([
          { kind: "lost", pod: "shop/lost", record: nobodys },
        ]);
        expect(await store.find("shop/lost")).toEqual(nobodys);
        const settled = await store.claim(caller("c"), "shop/lost");
        expect(settled).toMatchObject({ kind: "held", because: expect.stringContaining("lost writes") });
        const holders = { ...nobodys, holder: "a", holderName: "node-a", epoch: 8, state: "bound" as const };
        expect((await store.sync(caller("a"), [holders])).verdicts).toMatchObject([{ kind: "yours", record: holders }]);
        expect((await store.sync(caller("b"), [nobodys])).verdicts).toEqual([
          { kind: "lost", pod: "shop/lost", record: holders },
        ]);
        // Another pod has the address by now, or its record was forgotten.
        const taken = { ...nobodys, pod: "shop/late", epoch: 99 };
        expect((await store.sync(caller("b"), [taken])).verdicts).toEqual([{ kind: "gone", pod: "shop/late" }]);
        expect(await store.find("shop/lost")).toEqual(holders);
        const forgotten = { ...gone, pod, holder: "", holderName: "", epoch: 1, state: "parked" as const };
        expect((await store.sync(caller("b"), [forgotten])).verdicts).toEqual([{ kind: "gone", pod }]);
      });

      it("gives one epoch to the one whom the store knows", async () => {
        await created();
        const claim: FixedRecord = { ...bound, holder: "b" };
        expect((await store.sync(caller("b"), [claim])).verdicts).toEqual([{ kind: "lost", pod, record: bound }]);
      });

      it("of two pods with one address keeps the one with the longer history", async () => {
        const young: FixedRecord = { ...bound, pod: "shop/young", epoch: 2, holder: "b", holderName: "node-b" };
        const old: FixedRecord = { ...bound, epoch: 5 };
        await store.sync(caller("b"), [young]);
        expect((await store.sync(caller("a"), [old])).verdicts).toMatchObject([{ kind: "yours", record: old }]);
        expect((await store.sync(caller("b"), [young])).verdicts).toEqual([{ kind: "gone", pod: "shop/young" }]);
        expect((await store.list("", 10)).entries.map(({ record }) => record)).toEqual([old]);
        const tied: FixedRecord = { ...young, pod: "shop/tied", epoch: 5 };
        expect((await store.sync(caller("b"), [tied])).verdicts).toEqual([{ kind: "gone", pod: "shop/tied" }]);
      });

      it("does not take a node's word for what is another's", async () => {
        await created();
        const odd: FixedRecord = { ...bound, epoch: 50, holder: "c" };
        expect((await store.sync(caller("b"), [odd])).verdicts).toEqual([{ kind: "lost", pod, record: bound }]);
        expect((await store.sync(caller("b"), [{ ...odd, pod: "shop/none" }])).verdicts).toEqual([
          { kind: "gone", pod: "shop/none" },
        ]);
      });
    });

    describe("after the server became another process", () => {
      it("nothing changes its holder until nodes had time to say what they hold", async () => {
        await parked();
        await created("a", { pod: "shop/db-1", address: "10.0.0.6" });
        await restart(true);
        expect(await store.claim(caller("b"), pod)).toMatchObject({ kind: "held", record: { holder: "a" } });
        expect(await store.claim(caller("b"), "shop/new")).toMatchObject({ kind: "young", retryMs: 5 });
        const fresh = { ...start, pod: "shop/new", address: "10.0.0.7" };
        expect(await store.create(caller("b"), fresh)).toMatchObject({ kind: "taken", record: undefined });
        expect(await store.claim(caller("a"), "shop/db-1")).toMatchObject({ kind: "claimed" });
        const again = await store.change("bind", "a", pod, 2);
        expect(again).toMatchObject({ kind: "done", record: { state: "bound" } });
        expect(await store.change("bind", "a", pod, 2)).toEqual(again);
        await pass(times.settleMs * 1.2);
        expect(await store.claim(caller("b"), "shop/new")).toMatchObject({ kind: "none" });
        expect(await store.create(caller("b"), fresh)).toMatchObject({ kind: "done" });
      });

      it("a fleet that knows nothing waits as short, one that remembers its data waits longer", async () => {
        await restart(false);
        expect(await store.claim(caller("a"), pod)).toMatchObject({ kind: "young" });
        await pass(times.settleMs * 1.2);
        const told = await store.claim(caller("a"), pod);
        expect(told).toMatchObject({ kind: "none", store: "fresh-a" });
        knownStore = told.store;
        await restart(false);
        expect(await store.claim(caller("b"), pod)).toMatchObject({ kind: "young", store: "fresh-b" });
        await pass(times.settleMs * 1.2);
        expect(await store.claim(caller("b"), pod)).toMatchObject({ kind: "young" });
        await pass(times.youngMs * 1.1);
        expect(await store.claim(caller("b"), pod)).toMatchObject({ kind: "none" });
      });

      it("what a node brings back says that data was lost, and keeps its address its own", async () => {
        await created();
        await restart(false);
        await store.sync(caller("a"), [bound]);
        await pass(times.settleMs * 1.2);
        expect(await store.claim(caller("b"), "shop/new")).toMatchObject({ kind: "young" });
        expect(await store.claim(caller("a"), pod)).toMatchObject({ kind: "claimed", record: bound });
        expect(await store.create(caller("b"), { ...start, pod: "shop/new" })).toMatchObject({ kind: "taken" });
      });
    });

    describe("for operators", () => {
      it("lists pages in order", async () => {
        const pods = ["a/b", "a/c-0", "a-b/c", "shop/db-1", "shop/db-10", "shop/db-2"];
        for (const [n, each] of pods.entries()) await created("a", { pod: each, address: `10.0.3.${n}` });
        for (const limit of [1, 2, 5, 6, 7]) {
          const seen: string[] = [];
          let after = "";
          do {
            const page = await store.list(after, limit);
            expect(page.entries.length).toBeLessThanOrEqual(limit);
            seen.push(...page.entries.map((entry) => entry.record.pod));
            after = page.next;
          } while (after !== "");
          expect(seen).toEqual(pods.toSorted());
        }
      });

      it("pins an address for a pod that is not there yet", async () => {
        const pinned = await store.pin(start);
        expect(pinned).toEqual({
          kind: "done",
          record: { ...start, epoch: 1, holder: "", holderName: "", state: "parked" },
        });
        expect(await store.pin(start)).toMatchObject({ kind: "taken" });
        expect(await store.claim(caller("b"), pod)).toMatchObject({
          kind: "claimed",
          from: "",
          record: { state: "moving" },
        });
      });

      it("releases what is parked: at once what nobody holds, else through its holder", async () => {
        await store.pin(start);
        expect(await store.release(pod, false)).toMatchObject({ kind: "dropped" });
        const record = await parked("a");
        const answer = await store.release(pod, false);
        expect(answer).toMatchObject({ kind: "expires", record: { epoch: record.epoch } });
        expect((await store.sync(caller("a"), [record])).verdicts).toMatchObject([{ kind: "expired" }]);
      });

      it("releases what is bound when it is forced, and its node learns it", async () => {
        const record = await created();
        expect(await store.release(pod, false)).toEqual({ kind: "bound", record });
        expect(await store.release(pod, true)).toMatchObject({ kind: "dropped", record: { epoch: 2 } });
        expect((await store.sync(caller("a"), [record])).verdicts).toEqual([{ kind: "gone", pod }]);
        expect(await store.change("park", "a", pod, 1)).toEqual({ kind: "taken", record: undefined });
        expect((await created("b")).epoch).toBe(3);
      });
    });
  });
}
