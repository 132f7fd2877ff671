import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { EnidError } from "../../src/errors.ts";
import type { Provider } from "../../src/manager/ports/index.ts";
import { givingBackContract } from "./provider-giving-back.ts";
import { growthContract } from "./provider-growth.ts";
import { blocks, CIDR, ids, type ProviderHarness, rejection, type Unit } from "./provider-harness.ts";

export type { Growth, ProviderHarness, TrueInterface, UnitGrowth } from "./provider-harness.ts";

/** The promises of manager/ports/provider.ts, for any provider; those about steps for one that `grows`, and by what. */
export function providerContract(
  name: string,
  makeHarness: () => Promise<ProviderHarness>,
  { grows, units = [] }: { readonly grows: boolean; readonly units?: readonly Unit[] },
): void {
  describe(`provider contract: ${name}`, () => {
    let harness: ProviderHarness;
    let provider: Provider;

    beforeEach(async () => {
      harness = await makeHarness();
      provider = harness.provider;
    });

    afterEach(async () => {
      await harness.close();
    });

    it("says who the node is, the same each time, without changing anything", async () => {
      const facts = await provider.identify();
      expect(await provider.identify()).toEqual(facts);
      expect(facts.instanceId).not.toBe("");
      expect(facts.limits.maxInterfaces).toBeGreaterThan(0);
      expect(facts.limits.ipv4PerInterface).toBeGreaterThan(0);
      expect(harness.changes()).toBe(0);
    });

    it("resolves a selection to at least one subnet, without changing anything", async () => {
      const resolution = await provider.resolve(harness.selection);
      expect(resolution.subnets.length).toBeGreaterThan(0);
      for (const subnet of resolution.subnets) {
        expect(subnet.cidr).toMatch(CIDR);
        expect(subnet.freeAddresses).toBeGreaterThanOrEqual(0);
      }
      expect(harness.changes()).toBe(0);
    });

    it("refuses a selection that matches nothing and names what it saw", async () => {
      const { impossible } = harness;
      if (impossible === undefined) return expect(harness.growth).toBeUndefined();
      const error = await rejection(provider.resolve(impossible));
      expect(["ENID_SUBNET_NO_MATCH", "ENID_SECURITY_GROUP_NO_MATCH"]).toContain(error.code);
      expect(error.values.seen).toBeDefined();
    });

    it.each(["metadata", "cloud"] as const)(
      "observes from %s what the node has, without changing it",
      async (source) => {
        await provider.resolve(harness.selection);
        const observation = await provider.observe(source);
        expect(observation).toMatchObject({ source, complete: true });
        expect(observation.interfaces.map((one) => one.id).sort()).toEqual(ids(harness.truth()));
        for (const seen of observation.interfaces) {
          const truth = harness.truth().find((one) => one.id === seen.id);
          expect(blocks(seen)).toEqual([...(truth?.blocks ?? [])].sort());
          expect(seen.mac).toBe(seen.mac.toLowerCase());
          expect(seen.attached).toBe(seen.deviceIndex >= 0);
        }
        expect(harness.changes()).toBe(0);
      },
    );

    it("tells what is set apart of the subnets it is asked for, if it knows of such a thing, without changing anything", async () => {
      const { subnets } = await provider.resolve(harness.selection);
      const asked = subnets.map(({ id }) => id);
      const reservations = (await provider.reservations?.(asked)) ?? [];
      expect(reservations).toEqual(harness.reserved ?? []);
      for (const { cidr, subnetId } of reservations) {
        expect(cidr).toMatch(CIDR);
        expect(asked).toContain(subnetId);
      }
      expect(await provider.reservations?.([])).toEqual(provider.reservations && []);
      expect(harness.changes()).toBe(0);
    });

    it("lists the calls of a step without making them", async () => {
      const step = harness.growth?.create(2) ?? { kind: "remove-interface", interfaceId: "none", reason: "test" };
      for (const call of provider.calls(step)) expect(call.action).not.toBe("");
      expect(harness.changes()).toBe(0);
    });

    it("closes more than once without complaint", async () => {
      await provider.identify();
      await provider.close();
      await provider.close();
    });

    it("rejects with an error of the catalogue when cancelled", async () => {
      const cancelled = AbortSignal.abort(new Error("stop"));
      for (const work of [provider.observe("metadata", cancelled), provider.observe("cloud", cancelled)]) {
        const outcome = await work.then(
          () => "done",
          (error: unknown) => error,
        );
        if (outcome !== "done") expect(outcome).toBeInstanceOf(EnidError);
      }
    });
  });

  if (!grows) return;
  growthContract(name, makeHarness, units);
  givingBackContract(name, makeHarness);
}
