import { describe, expect, test } from "vitest";
import type { FixedRecord, FleetProfile } from "../../src/manager/ports/index.ts";
import type { StoreUnderTest } from "./store-families.ts";
import { fixedRecord, PROFILE } from "./store-records.ts";

/** What every Store must do with fixed addresses and the fleet's profiles. */
export function fixedAddressesContract(store: StoreUnderTest & { reopen(): Promise<unknown> }): void {
  const { commit, load, reopen } = store;

  describe("fixed addresses", () => {
    const bound = fixedRecord("shop/db-0", "10.0.0.5");
    const parked = fixedRecord("shop/db-1", "10.0.0.6", { state: "parked", expiresAtMs: 1_790_000_000_000 });
    const onPremises = fixedRecord("shop/db-2", "10.0.0.7", { subnetId: "", zone: "", state: "moving", keepMs: 0 });

    test("are kept whole, in the order of their pods, and outlive a restart", async () => {
      await commit(...[onPremises, parked, bound].map((record) => ({ kind: "fixed-put", record }) as const));
      await reopen();
      expect(load().fixed).toEqual([bound, parked, onPremises]);
    });

    test("are replaced by pod and removed by pod", async () => {
      await commit({ kind: "fixed-put", record: parked }, { kind: "fixed-put", record: bound });
      const again = fixedRecord("shop/db-1", "10.0.0.6", { epoch: 9, holder: "" });
      await commit({ kind: "fixed-put", record: again });
      expect(load().fixed).toEqual([bound, again]);
      await commit({ kind: "fixed-remove", pod: "shop/db-0" }, { kind: "fixed-remove", pod: "unknown/pod" });
      expect(load().fixed).toEqual([again]);
      await commit({ kind: "fixed-remove", pod: "shop/db-1" });
      expect(load().fixed).toBeUndefined();
    });

    test("outlive a boot and go with another instance; profiles outlive both", async () => {
      await commit(
        { kind: "instance-adopted", instanceId: "i-1" },
        { kind: "boot-started", bootId: "boot-1" },
        { kind: "fixed-put", record: bound },
        { kind: "profiles-put", profiles: [PROFILE] },
      );
      await commit({ kind: "boot-started", bootId: "boot-2" }, { kind: "instance-adopted", instanceId: "i-1" });
      expect(load()).toMatchObject({ fixed: [bound], profiles: [PROFILE] });
      await commit({ kind: "instance-adopted", instanceId: "i-2" });
      expect(load().fixed).toBeUndefined();
      expect(load().profiles).toEqual([PROFILE]);
    });

    test("of a richer object only the record is kept", async () => {
      const richer: FixedRecord = Object.assign({}, bound, { wantedBy: "i-2" });
      await commit({ kind: "fixed-put", record: richer });
      expect(load().fixed).toEqual([bound]);
    });

    test.each<[string, Partial<FixedRecord>]>([
      ["epoch", { epoch: 1.5 }],
      ["time for which it is kept", { keepMs: Number.NaN }],
      ["time until which it is kept", { expiresAtMs: Number.POSITIVE_INFINITY }],
    ])("with an impossible %s are refused", async (_what, differing) => {
      await commit({ kind: "fixed-put", record: bound });
      const record = { ...bound, ...differing };
      await expect(
        commit({ kind: "fixed-remove", pod: bound.pod }, { kind: "fixed-put", record }),
      ).rejects.toMatchObject({ code: "ENID_STATE_WRITE_FAILED", details: { reason: "invalid" } });
      expect(load().fixed).toEqual([bound]);
    });
  });

  describe("profiles of the fleet", () => {
    const standard: FleetProfile = { name: "default", match: {}, values: { "min-allocate": 4 }, setAtMs: 7 };

    test("are kept in their order, and replaced all together", async () => {
      await commit({ kind: "profiles-put", profiles: [PROFILE, standard] });
      await reopen();
      expect(load().profiles).toEqual([PROFILE, standard]);
      await commit({ kind: "profiles-put", profiles: [standard] });
      expect(load().profiles).toEqual([standard]);
      await commit({ kind: "profiles-put", profiles: [] });
      await reopen();
      expect(load().profiles).toBeUndefined();
    });

    test("with a value that JSON cannot hold are refused, and those before stay", async () => {
      await commit({ kind: "profiles-put", profiles: [standard] });
      const profiles = [{ ...PROFILE, values: { x: 1n } }];
      await expect(commit({ kind: "profiles-put", profiles })).rejects.toMatchObject({
        details: { reason: "invalid" },
      });
      expect(load().profiles).toEqual([standard]);
    });
  });
}
