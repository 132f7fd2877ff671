import { describe, expect, test } from "vitest";
import type { Change, StoredState } from "../../src/manager/ports/index.ts";
import { dualLease, lease } from "./store-records.ts";

/** The store of the test that runs. */
export interface StoreUnderTest {
  commit(...changes: Change[]): Promise<void>;
  load(): StoredState;
}

/** What every Store must do with leases of IPv6 and of both families. */
export function bothFamiliesContract({ commit, load }: StoreUnderTest): void {
  describe("leases of both families", () => {
    const first = dualLease("10.0.0.5", "2001:db8::5", "a");

    test.each([
      ["its IPv6 address", dualLease("10.0.0.6", "2001:db8::5", "b"), "2001:db8::5"],
      ["its IPv6 address, alone", lease("2001:db8::5", "b"), "2001:db8::5"],
      ["its IPv4 address", dualLease("10.0.0.5", "2001:db8::6", "b"), "10.0.0.5"],
      ["both", dualLease("10.0.0.5", "2001:db8::5", "b"), "10.0.0.5"],
    ])("to a second attachment %s is never leased", async (_what, second, taken) => {
      await commit({ kind: "lease-put", lease: first });
      await expect(commit({ kind: "lease-put", lease: second })).rejects.toMatchObject({
        code: "ENID_STATE_WRITE_FAILED",
        message: `the change could not be made durable: ${taken} is leased to another attachment`,
        details: { reason: "conflict" },
      });
      expect(load().leases).toEqual([first]);
    });

    test("the address of an IPv6-only pod is never the second one of another pod", async () => {
      const alone = lease("2001:db8::5", "b");
      await commit({ kind: "lease-put", lease: alone });
      await expect(commit({ kind: "lease-put", lease: first })).rejects.toThrow(
        "2001:db8::5 is leased to another attachment",
      );
      expect(load().leases).toEqual([alone]);
    });

    test.each([
      ["another IPv6 address", dualLease("10.0.0.5", "2001:db8::6", "a"), "other addresses than 10.0.0.5 and 2001"],
      ["another IPv4 address", dualLease("10.0.0.6", "2001:db8::5", "a"), "other addresses than 10.0.0.6 and 2001"],
      ["no IPv6 address", lease("10.0.0.5", "a"), "holds another address than 10.0.0.5"],
    ])("an attachment does not get %s later", async (_what, second, words) => {
      await commit({ kind: "lease-put", lease: first });
      await expect(commit({ kind: "lease-put", lease: second })).rejects.toThrow(words);
      expect(load().leases).toEqual([first]);
    });

    test("a repeated lease renews what it says of the pod", async () => {
      const renewed = { ...first, pod: { namespace: "x", name: "y", uid: "z" }, leasedAtMs: 77 };
      await commit({ kind: "lease-put", lease: first });
      await commit({ kind: "lease-put", lease: renewed });
      expect(load().leases).toEqual([renewed]);
    });

    test("an ended lease leaves both addresses cooling until the same time, and a new lease ends both", async () => {
      await commit({ kind: "lease-put", lease: first });
      const ended: Change = { kind: "lease-end", lease: first, cooling: { address: "10.0.0.5", untilMs: 500 } };
      await commit(ended);
      expect(load()).toMatchObject({
        leases: [],
        cooling: [
          { address: "10.0.0.5", untilMs: 500 },
          { address: "2001:db8::5", untilMs: 500 },
        ],
      });
      const again = dualLease("10.0.0.5", "2001:db8::5", "b");
      await commit({ kind: "lease-put", lease: again });
      expect(load()).toMatchObject({ leases: [again], cooling: [] });
      await commit(ended);
      expect(load()).toMatchObject({ leases: [again], cooling: [] });
    });

    test("a late end lets only the address cool that nobody has", async () => {
      const later = dualLease("10.0.0.9", "2001:db8::5", "b");
      await commit({ kind: "lease-put", lease: later });
      await commit({ kind: "lease-end", lease: first, cooling: { address: "10.0.0.5", untilMs: 500 } });
      expect(load()).toMatchObject({ leases: [later], cooling: [{ address: "10.0.0.5", untilMs: 500 }] });
    });

    test("the cooling named is that of the first address", async () => {
      const change: Change = { kind: "lease-end", lease: first, cooling: { address: "2001:db8::5", untilMs: 1 } };
      await expect(commit(change)).rejects.toMatchObject({ details: { reason: "invalid" } });
    });

    test("a lease with one address twice is refused", async () => {
      const twice = dualLease("2001:db8::5", "2001:db8::5", "a");
      await expect(commit({ kind: "lease-put", lease: twice })).rejects.toMatchObject({
        details: { reason: "invalid" },
      });
    });

    test("a new boot frees both addresses", async () => {
      await commit({ kind: "boot-started", bootId: "boot-1" }, { kind: "lease-put", lease: first });
      await commit({ kind: "boot-started", bootId: "boot-2" });
      expect(load()).toMatchObject({ leases: [], cooling: [] });
      const next = [lease("2001:db8::5", "b"), lease("10.0.0.5", "c")];
      await commit(...next.map((each): Change => ({ kind: "lease-put", lease: each })));
      expect(load().leases).toHaveLength(2);
    });

    test("a lease that could not be written leaves nothing of it behind", async () => {
      const failing = commit({ kind: "lease-put", lease: first }, { kind: "lease-put", lease: lease("10.0.0.5", "b") });
      await expect(failing).rejects.toThrow("10.0.0.5 is leased to another attachment");
      await commit({ kind: "lease-put", lease: lease("2001:db8::5", "c") });
      expect(load().leases).toEqual([lease("2001:db8::5", "c")]);
    });
  });
}
