import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Change, ObservedInterface, Store } from "../../src/manager/ports/index.ts";
import type { Step } from "../../src/planning/index.ts";
import { bothFamiliesContract } from "./store-families.ts";
import { fixedAddressesContract } from "./store-fixed.ts";
import {
  block,
  dualLease,
  end,
  eni,
  everything,
  FOREIGN,
  intent,
  lease,
  RESOLUTION,
  SANDBOX,
} from "./store-records.ts";

/** One place where a store keeps its data. */
export interface StorePlace {
  /** Opens the store; after a close() it holds what the one before held. */
  open(): Store;
  /** Takes away what is left. */
  dispose(): void;
}

/** What every Store must do. */
export function storeContract(name: string, makePlace: () => StorePlace): void {
  describe(`${name} as a Store`, () => {
    let place: StorePlace;
    let store: Store;

    beforeEach(() => {
      place = makePlace();
      store = place.open();
    });

    afterEach(async () => {
      await store.close();
      place.dispose();
    });

    async function reopen(): Promise<Store> {
      await store.close();
      store = place.open();
      return store;
    }

    const commit = (...changes: Change[]) => store.commit(changes);

    test("a new store is empty", () => {
      expect(store.load()).toEqual({
        bootId: "",
        instanceId: "",
        leases: [],
        cooling: [],
        interfaces: [],
        blocks: [],
        intents: [],
        overrides: {},
        configuration: undefined,
      });
    });

    test("every kind of record outlives a restart, whole", async () => {
      const configuration = { file: "/etc/enid/eni.conf", text: '{"ipam": {"pre-allocate": 0}}\n', readAtMs: 4 };
      await commit(
        { kind: "instance-adopted", instanceId: "i-1" },
        { kind: "boot-started", bootId: "boot-1" },
        { kind: "interface-put", interface: eni("eni-1") },
        { kind: "interface-put", interface: FOREIGN },
        {
          kind: "blocks-put",
          blocks: [
            block("10.0.0.5/32"),
            block("10.0.1.0/28", "eni-1", "prefix"),
            block("2001:db8::/80", "eni-1", "prefix"),
          ],
        },
        { kind: "lease-put", lease: lease("10.0.0.5", "a") },
        { kind: "lease-put", lease: dualLease("10.0.1.1", "2001:db8::1", "d") },
        { kind: "lease-put", lease: { ...lease("2001:db8::2", "e"), sandbox: SANDBOX } },
        { kind: "lease-end", lease: lease("10.0.0.6", "b"), cooling: { address: "10.0.0.6", untilMs: 99 } },
        { kind: "intent-put", intent: intent("intent-1") },
        { kind: "intent-put", intent: { ...intent("intent-2"), interfaceId: "eni-9", attachmentId: "eni-attach-9" } },
        { kind: "intent-put", intent: { ...intent("intent-3"), tags: { "enid.io/cluster": "shop" } } },
        { kind: "override-put", name: "pre-allocate", value: 0, setAtMs: 3 },
        { kind: "configuration-put", configuration },
        { kind: "resolution-put", resolution: RESOLUTION },
      );
      await reopen();
      expect(store.load()).toEqual({
        bootId: "boot-1",
        instanceId: "i-1",
        leases: [
          lease("10.0.0.5", "a"),
          dualLease("10.0.1.1", "2001:db8::1", "d"),
          { ...lease("2001:db8::2", "e"), sandbox: SANDBOX },
        ],
        cooling: [{ address: "10.0.0.6", untilMs: 99 }],
        interfaces: [eni("eni-1"), FOREIGN],
        blocks: [
          block("10.0.0.5/32"),
          block("10.0.1.0/28", "eni-1", "prefix"),
          block("2001:db8::/80", "eni-1", "prefix"),
        ],
        intents: [
          intent("intent-1"),
          { ...intent("intent-2"), interfaceId: "eni-9", attachmentId: "eni-attach-9" },
          { ...intent("intent-3"), tags: { "enid.io/cluster": "shop" } },
        ],
        overrides: { "pre-allocate": { value: 0, setAtMs: 3 } },
        configuration,
        resolution: RESOLUTION,
      });
    });

    describe("leases", () => {
      test("an address is never leased to a second attachment", async () => {
        await commit({ kind: "lease-put", lease: lease("10.0.0.5", "a") });
        await expect(commit({ kind: "lease-put", lease: lease("10.0.0.5", "b") })).rejects.toMatchObject({
          code: "ENID_STATE_WRITE_FAILED",
          message: "the change could not be made durable: 10.0.0.5 is leased to another attachment",
          details: { reason: "conflict" },
        });
        expect(store.load().leases).toEqual([lease("10.0.0.5", "a")]);
      });

      test("an attachment never holds a second address", async () => {
        await commit({ kind: "lease-put", lease: lease("10.0.0.5", "a") });
        await expect(commit({ kind: "lease-put", lease: lease("10.0.0.6", "a") })).rejects.toMatchObject({
          code: "ENID_STATE_WRITE_FAILED",
          details: { reason: "conflict" },
        });
        expect(store.load().leases).toEqual([lease("10.0.0.5", "a")]);
      });

      test("one container may hold an address per interface and network", async () => {
        const first = lease("10.0.0.5", "a");
        const second = { ...lease("10.0.0.6", "a"), attachment: { ...first.attachment, interfaceName: "net1" } };
        const third = { ...lease("10.0.0.7", "a"), attachment: { ...first.attachment, network: "storage" } };
        await commit(...[first, second, third].map((each): Change => ({ kind: "lease-put", lease: each })));
        expect(store.load().leases).toEqual([first, second, third]);
      });

      test("a repeated lease renews what it says of the pod", async () => {
        await commit({ kind: "lease-put", lease: lease("10.0.0.5", "a") });
        const renewed = { ...lease("10.0.0.5", "a"), pod: { namespace: "x", name: "y", uid: "z" }, leasedAtMs: 77 };
        await commit({ kind: "lease-put", lease: renewed });
        expect(store.load().leases).toEqual([renewed]);
      });

      test("a lease keeps the sandbox that it was made for, and a repeated one says it anew", async () => {
        const first = { ...lease("10.0.0.5", "a"), sandbox: SANDBOX };
        await commit({ kind: "lease-put", lease: first }, { kind: "lease-put", lease: lease("10.0.0.6", "b") });
        expect(store.load().leases).toEqual([first, lease("10.0.0.6", "b")]);
        const moved = { ...first, sandbox: { ...SANDBOX, path: "/run/netns/other", identity: "4:8" } };
        await commit({ kind: "lease-put", lease: moved });
        expect(store.load().leases[0]).toEqual(moved);
        await commit({ kind: "lease-put", lease: lease("10.0.0.5", "a") });
        expect(store.load().leases[0]).toEqual(lease("10.0.0.5", "a"));
      });

      test("an ended lease leaves its address cooling, and a new lease ends the cooling", async () => {
        await commit({ kind: "lease-put", lease: lease("10.0.0.5", "a") });
        await commit(end("10.0.0.5", "a", 500));
        expect(store.load()).toMatchObject({ leases: [], cooling: [{ address: "10.0.0.5", untilMs: 500 }] });
        await commit({ kind: "lease-put", lease: lease("10.0.0.5", "b") });
        expect(store.load()).toMatchObject({ leases: [lease("10.0.0.5", "b")], cooling: [] });
      });

      test("ending an unknown lease succeeds and lets the address cool", async () => {
        await commit(end("10.0.0.5", "nobody", 500));
        expect(store.load().cooling).toEqual([{ address: "10.0.0.5", untilMs: 500 }]);
      });

      test("a late end of an earlier lease does not touch the lease that follows it", async () => {
        await commit({ kind: "lease-put", lease: lease("10.0.0.5", "b") });
        await commit(end("10.0.0.5", "a", 500));
        expect(store.load()).toMatchObject({ leases: [lease("10.0.0.5", "b")], cooling: [] });
      });

      test("a lease cannot end with another address cooling", async () => {
        const change: Change = {
          kind: "lease-end",
          lease: lease("10.0.0.5", "a"),
          cooling: { address: "10.0.0.6", untilMs: 1 },
        };
        await expect(commit(change)).rejects.toMatchObject({ details: { reason: "invalid" } });
      });

      test("cooling comes back in the order in which it ends, and ends for the addresses named", async () => {
        await commit(end("10.0.0.5", "a", 900), end("10.0.0.6", "b", 300), end("10.0.0.7", "c", 600));
        expect(store.load().cooling.map((each) => each.untilMs)).toEqual([300, 600, 900]);
        await commit({ kind: "cooling-end", addresses: ["10.0.0.6", "10.0.0.5", "10.9.9.9"] });
        expect(store.load().cooling).toEqual([{ address: "10.0.0.7", untilMs: 600 }]);
      });

      test("a new boot ends all leases and nothing else; the same boot ends none", async () => {
        await commit({ kind: "boot-started", bootId: "boot-1" }, ...everything());
        const before = store.load();
        await commit({ kind: "boot-started", bootId: "boot-1" });
        expect(store.load()).toEqual(before);
        await commit({ kind: "boot-started", bootId: "boot-2" });
        expect(store.load()).toEqual({ ...before, bootId: "boot-2", leases: [] });
        await commit({ kind: "lease-put", lease: lease("10.0.0.8", "a") });
        expect(store.load().leases).toEqual([lease("10.0.0.8", "a")]);
      });
    });

    bothFamiliesContract({ commit, load: () => store.load() });
    fixedAddressesContract({ commit, load: () => store.load(), reopen });

    describe("interfaces and blocks", () => {
      test("why an interface is foreign goes when it no longer is", async () => {
        await commit({ kind: "interface-put", interface: FOREIGN });
        await commit({ kind: "interface-put", interface: eni("eni-2") });
        expect(store.load().interfaces).toEqual([eni("eni-2")]);
      });

      test("an interface goes with its blocks; those of others stay", async () => {
        await commit(
          { kind: "interface-put", interface: eni("eni-1") },
          { kind: "interface-put", interface: eni("eni-2") },
          { kind: "blocks-put", blocks: [block("10.0.0.5/32"), block("10.0.0.6/32", "eni-2")] },
        );
        await commit({ kind: "interface-remove", interfaceId: "eni-1" });
        expect(store.load()).toMatchObject({ interfaces: [eni("eni-2")], blocks: [block("10.0.0.6/32", "eni-2")] });
      });

      test("a renewed interface keeps its blocks", async () => {
        await commit(
          { kind: "interface-put", interface: eni("eni-1") },
          { kind: "blocks-put", blocks: [block("10.0.0.5/32")] },
        );
        await commit({ kind: "interface-put", interface: eni("eni-1", { deviceIndex: 4 }) });
        expect(store.load()).toMatchObject({
          interfaces: [eni("eni-1", { deviceIndex: 4 })],
          blocks: [block("10.0.0.5/32")],
        });
      });

      test("a block keeps that it was found or lost, until it is put without", async () => {
        const odd = { ...block("10.0.0.5/32"), found: true, lost: true };
        await commit(
          { kind: "interface-put", interface: eni("eni-1") },
          { kind: "blocks-put", blocks: [odd, { ...block("10.0.0.6/32"), found: true }] },
        );
        expect(store.load().blocks).toEqual([odd, { ...block("10.0.0.6/32"), found: true }]);
        await commit({ kind: "blocks-put", blocks: [{ ...odd, lost: false }] });
        expect(store.load().blocks).toContainEqual({ ...block("10.0.0.5/32"), found: true });
      });

      test("a block moves when it is put on another interface, and goes when it is removed", async () => {
        await commit(
          { kind: "interface-put", interface: eni("eni-1") },
          { kind: "interface-put", interface: eni("eni-2") },
          { kind: "blocks-put", blocks: [block("10.0.0.5/32"), block("10.0.0.6/32")] },
          { kind: "blocks-put", blocks: [block("10.0.0.5/32", "eni-2")] },
          { kind: "blocks-remove", cidrs: ["10.0.0.6/32", "10.9.9.9/32"] },
        );
        expect(store.load().blocks).toEqual([block("10.0.0.5/32", "eni-2")]);
      });

      test("a block on an unknown interface is refused", async () => {
        await expect(commit({ kind: "blocks-put", blocks: [block("10.0.0.5/32", "eni-7")] })).rejects.toThrow(
          "block 10.0.0.5/32 lies on interface eni-7, which the state does not know",
        );
      });

      test("of a richer object only the record is kept", async () => {
        const observed: ObservedInterface = { ...eni("eni-1"), attached: true, addresses: ["10.0.0.5"], prefixes: [] };
        await commit({ kind: "interface-put", interface: observed });
        expect(store.load().interfaces).toEqual([eni("eni-1")]);
      });
    });

    describe("intents, settings and identity", () => {
      test("an intent is replaced by its id and closed by its id", async () => {
        await commit({ kind: "intent-put", intent: intent("intent-1") });
        await commit({ kind: "intent-put", intent: { ...intent("intent-1"), interfaceId: "eni-3" } });
        expect(store.load().intents).toEqual([{ ...intent("intent-1"), interfaceId: "eni-3" }]);
        await commit({ kind: "intent-close", id: "intent-1" }, { kind: "intent-close", id: "unknown" });
        expect(store.load().intents).toEqual([]);
      });

      test.each<Step>([
        { kind: "add-blocks", interfaceId: "eni-1", subnetId: "subnet-1", count: 2, unit: "prefix", reason: "r" },
        { kind: "add-blocks", interfaceId: "eni-1", subnetId: "subnet-1", count: 1, unit: "ipv6-prefix", reason: "r" },
        {
          kind: "create-interface",
          subnetId: "subnet-1",
          deviceIndex: 1,
          networkCard: 1,
          count: 1,
          unit: "prefix",
          ipv6Prefixes: 1,
          reason: "r",
        },
        { kind: "remove-interface", interfaceId: "eni-9", orphanOf: "shop", reason: "r" },
        { kind: "set-security-groups", interfaceId: "eni-1", securityGroups: ["sg-1"], reason: "r" },
      ])("an intent keeps its step whole: %o", async (step) => {
        await commit({ kind: "intent-put", intent: { ...intent("intent-1"), step } });
        await reopen();
        expect(store.load().intents).toEqual([{ ...intent("intent-1"), step }]);
      });

      test("an override keeps any JSON value under any name", async () => {
        const values = { a: 0, b: "", c: null, d: false, e: [1, { f: "ü\u0000" }], constructor: {}, ["__proto__"]: 1 };
        for (const [name, value] of Object.entries(values)) {
          await commit({ kind: "override-put", name, value, setAtMs: 1 });
        }
        await reopen();
        const { overrides } = store.load();
        expect(Object.keys(overrides).toSorted()).toEqual(Object.keys(values).toSorted());
        for (const [name, value] of Object.entries(values)) {
          expect(Object.getOwnPropertyDescriptor(overrides, name)?.value).toEqual({ value, setAtMs: 1 });
        }
        await commit({ kind: "override-remove", name: "a" }, { kind: "override-remove", name: "unknown" });
        expect(Object.keys(store.load().overrides)).not.toContain("a");
      });

      test.each([
        ["undefined", undefined],
        ["a bigint", 1n],
        ["a function", () => 1],
      ])("an override that JSON cannot hold (%s) is refused", async (_what, value) => {
        await expect(commit({ kind: "override-put", name: "x", value, setAtMs: 1 })).rejects.toMatchObject({
          code: "ENID_STATE_WRITE_FAILED",
          details: { reason: "invalid" },
        });
      });

      test.each([Number.NaN, Number.POSITIVE_INFINITY])("a time that is %s is refused", async (timeMs) => {
        const change: Change = { kind: "lease-put", lease: { ...lease("10.0.0.5", "a"), leasedAtMs: timeMs } };
        await expect(commit(change)).rejects.toMatchObject({ details: { reason: "invalid" } });
      });

      test("times are kept in whole milliseconds", async () => {
        await commit(end("10.0.0.5", "a", 1_790_000_000_000.6));
        expect(store.load().cooling).toEqual([{ address: "10.0.0.5", untilMs: 1_790_000_000_001 }]);
      });

      test("the state of another instance is dropped, settings stay", async () => {
        await commit({ kind: "instance-adopted", instanceId: "i-1" }, ...everything());
        const before = store.load();
        await commit({ kind: "instance-adopted", instanceId: "i-1" });
        expect(store.load()).toEqual(before);
        await commit({ kind: "instance-adopted", instanceId: "i-2" });
        expect(store.load()).toEqual({
          ...before,
          instanceId: "i-2",
          leases: [],
          cooling: [],
          interfaces: [],
          blocks: [],
          intents: [],
          resolution: undefined,
          fixed: undefined,
        });
      });

      test("what was kept before the instance was known is its own", async () => {
        await commit(...everything());
        const before = store.load();
        await commit({ kind: "instance-adopted", instanceId: "i-1" });
        expect(store.load()).toEqual({ ...before, instanceId: "i-1" });
      });
    });

    describe("commits", () => {
      test("the changes of one commit are kept together or not at all", async () => {
        await commit({ kind: "interface-put", interface: eni("eni-1") }, end("10.0.0.9", "z", 7));
        const before = store.load();
        const failing = commit(
          { kind: "lease-put", lease: lease("10.0.0.5", "a") },
          { kind: "interface-remove", interfaceId: "eni-1" },
          { kind: "cooling-end", addresses: ["10.0.0.9"] },
          { kind: "lease-put", lease: lease("10.0.0.5", "b") },
        );
        await expect(failing).rejects.toThrow("10.0.0.5 is leased to another attachment");
        expect(store.load()).toEqual(before);
      });

      test("one call that cannot be written fails alone", async () => {
        const outcomes = await Promise.allSettled([
          commit({ kind: "lease-put", lease: lease("10.0.0.5", "a") }),
          commit({ kind: "lease-put", lease: lease("10.0.0.5", "b") }),
          commit({ kind: "lease-put", lease: lease("10.0.0.6", "c") }),
        ]);
        expect(outcomes.map((outcome) => outcome.status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
        expect(store.load().leases).toEqual([lease("10.0.0.5", "a"), lease("10.0.0.6", "c")]);
        expect(store.facts()).toMatchObject({ changes: 2, failures: 1 });
      });

      test("calls are applied in their order", async () => {
        await Promise.all([
          commit({ kind: "lease-put", lease: lease("10.0.0.5", "a") }),
          commit(end("10.0.0.5", "a", 1)),
          commit({ kind: "lease-put", lease: lease("10.0.0.5", "b") }),
          commit(end("10.0.0.5", "b", 2)),
        ]);
        expect(store.load()).toMatchObject({ leases: [], cooling: [{ address: "10.0.0.5", untilMs: 2 }] });
      });

      test("calls of one turn share one transaction", async () => {
        const calls = Array.from({ length: 200 }, (_, index) =>
          commit({ kind: "lease-put", lease: lease(`10.0.1.${index}`, `c${index}`) }),
        );
        await Promise.all(calls);
        expect(store.facts()).toMatchObject({ transactions: 1, changes: 200, failures: 0 });
        expect(store.load().leases).toHaveLength(200);
      });

      test("more calls than one transaction takes are all written", async () => {
        const calls = Array.from({ length: 2_500 }, (_, index) =>
          commit({ kind: "lease-put", lease: lease(`10.1.${index >> 8}.${index & 255}`, `c${index}`) }),
        );
        await Promise.all(calls);
        expect(store.load().leases).toHaveLength(2_500);
      });

      test("load() gives only what is durable", async () => {
        const pending = commit({ kind: "lease-put", lease: lease("10.0.0.5", "a") });
        expect(store.load().leases).toEqual([]);
        await pending;
        expect(store.load().leases).toHaveLength(1);
      });

      test("a change of a kind that is not known is refused, not passed over", async () => {
        const change = { kind: "lease-transfer" } as unknown as Change;
        await expect(commit(change)).rejects.toMatchObject({ details: { reason: "invalid" } });
      });

      test("a commit without changes succeeds", async () => {
        await commit();
        expect(store.facts()).toMatchObject({ changes: 0, failures: 0 });
      });

      test("close() writes what waits; later commits reject, a second close() does nothing", async () => {
        const pending = commit({ kind: "lease-put", lease: lease("10.0.0.5", "a") });
        await Promise.all([pending, store.close()]);
        await expect(commit({ kind: "lease-put", lease: lease("10.0.0.6", "b") })).rejects.toMatchObject({
          code: "ENID_STATE_WRITE_FAILED",
          details: { reason: "closed" },
        });
        await store.close();
        await reopen();
        expect(store.load().leases).toEqual([lease("10.0.0.5", "a")]);
      });
    });
  });
}
