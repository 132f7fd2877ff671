import { describe, expect, it } from "vitest";
import {
  added,
  allBlocks,
  CUTS,
  executed,
  expectFailure,
  harnessPerTest,
  open,
  type ProviderHarness,
  rejection,
  reports,
} from "./provider-harness.ts";

/** The promises about steps that give back, and about those that change what is there. */
export function givingBackContract(name: string, makeHarness: () => Promise<ProviderHarness>): void {
  describe(`provider contract, giving back: ${name}`, () => {
    const growing = harnessPerTest(makeHarness);

    it("gives blocks back, and an interface, so that nothing is left of them", async () => {
      const { harness, provider, growth } = await growing();
      const initially = harness.truth();
      const creation = open(growth.create(3), growth, harness);
      const created = await provider.execute(creation, reports(creation).report);
      const interfaceId = created.kind === "done" ? created.interface.id : "";
      const [first = ""] = added(created);

      const release = open({ kind: "release-blocks", interfaceId, cidrs: [first], reason: "test" }, growth, harness);
      const released = await provider.execute(release, reports(release).report);
      expect(released).toEqual({ kind: "gone", cidrs: [first], interfaceId });
      expect(allBlocks(harness.truth())).not.toContain(first);

      const removal = open({ kind: "remove-interface", interfaceId, reason: "test" }, growth, harness);
      const removed = await provider.execute(removal, reports(removal).report);
      expect(removed).toEqual({ kind: "gone", cidrs: [], interfaceId });
      expect(harness.truth()).toEqual(initially);
      // A second time, by a process that does not know of the first.
      const next = await harness.restart();
      expect(await next.settle(removal, "finish", reports(removal).report)).toMatchObject({ kind: "gone" });
      expect(await next.settle(release, "finish", reports(release).report)).toMatchObject({ kind: "gone" });
      expect(harness.truth()).toEqual(initially);
    });

    it.each([1, 2].flatMap((nth) => (["before", "after"] as const).map((moment) => ({ nth, moment }))))(
      "removes an interface in the end when the removal is cut $moment change $nth",
      async (cut) => {
        const { harness, provider, growth } = await growing();
        const initially = harness.truth();
        const creation = open(growth.create(2), growth, harness);
        const created = await provider.execute(creation, reports(creation).report);
        const interfaceId = created.kind === "done" ? created.interface.id : "";
        const removal = open({ kind: "remove-interface", interfaceId, reason: "test" }, growth, harness);
        growth.cut(removal.step, cut.nth, cut.moment);
        expectFailure(await rejection(provider.execute(removal, reports(removal).report)), "unknown");
        const next = await harness.restart();
        expect(await next.settle(removal, "undo", reports(removal).report)).toMatchObject({ kind: "gone" });
        expect(harness.truth()).toEqual(initially);
      },
    );

    it("keeps what is not given back", async () => {
      const all = await growing();
      const { interface: one, added: cidrs } = await executed(all, all.growth.create(4));
      const step = { kind: "release-blocks", interfaceId: one.id, cidrs: cidrs.slice(0, 2), reason: "test" } as const;
      const release = open(step, all.growth, all.harness);
      await all.provider.execute(release, reports(release).report);
      const left = all.harness.truth().find(({ id }) => id === one.id);
      expect([...(left?.blocks ?? [])].sort()).toEqual([...cidrs.slice(2)].sort());
    });

    it.each(CUTS)("gives back in the end when it is cut $moment its effect and settled ($how)", async (cut) => {
      const all = await growing();
      const { harness, provider, growth } = all;
      const { interface: one, added: cidrs } = await executed(all, growth.create(4));
      const step = { kind: "release-blocks", interfaceId: one.id, cidrs: cidrs.slice(0, 3), reason: "test" } as const;
      const release = open(step, growth, harness);
      growth.cut(step, 1, cut.moment);
      expectFailure(await rejection(provider.execute(release, reports(release).report)), "unknown");
      const next = await harness.restart();
      const outcome = await next.settle(release, cut.how, reports(release).report);
      expect(outcome).toEqual({ kind: "gone", cidrs: step.cidrs, interfaceId: one.id });
      expect(harness.truth().find(({ id }) => id === one.id)?.blocks).toEqual(cidrs.slice(3));
    });

    it("is done with what is gone already", async () => {
      const { harness, provider, growth } = await growing();
      const initially = harness.truth();
      const cidr = "10.255.255.254/32";
      const interfaceId = "eni-0123456789abcdef0";
      for (const step of [
        { kind: "release-blocks", interfaceId, cidrs: [cidr], reason: "test" },
        { kind: "remove-interface", interfaceId, reason: "test" },
        { kind: "remove-interface", interfaceId, orphanOf: "blue", reason: "test" },
      ] as const) {
        const intent = open(step, growth, harness);
        expect(await provider.execute(intent, reports(intent).report)).toMatchObject({ kind: "gone", interfaceId });
        expect(await provider.settle(intent, "undo", reports(intent).report)).toMatchObject({ kind: "gone" });
      }
      expect(harness.changes()).toBe(0);
      expect(harness.truth()).toEqual(initially);
    });

    it("never removes what it did not make, nor changes its groups", async () => {
      const { harness, provider, growth } = await growing();
      const initially = harness.truth();
      const { interfaceId, otherGroups: securityGroups } = growth;
      for (const step of [
        { kind: "remove-interface", interfaceId, reason: "test" },
        { kind: "remove-interface", interfaceId, orphanOf: "blue", reason: "test" },
        { kind: "set-security-groups", interfaceId, securityGroups, reason: "test" },
      ] as const) {
        const intent = open(step, growth, harness);
        expectFailure(await rejection(provider.execute(intent, reports(intent).report)), "none");
        expectFailure(await rejection(provider.settle(intent, "finish", reports(intent).report)), "none");
      }
      expect(harness.changes()).toBe(0);
      expect(harness.truth()).toEqual(initially);
    });

    it("replaces the security groups of an interface, as often as it is told", async () => {
      const all = await growing();
      const { harness, growth } = all;
      const { interface: one } = await executed(all, growth.create(1));
      const groups = (securityGroups: readonly string[]) =>
        ({ kind: "set-security-groups", interfaceId: one.id, securityGroups, reason: "test" }) as const;
      for (const wanted of [growth.otherGroups, growth.otherGroups, growth.securityGroups]) {
        const outcome = await executed(all, groups(wanted));
        expect(outcome.added).toEqual([]);
        expect([...outcome.interface.securityGroups].sort()).toEqual([...wanted].sort());
        expect(groupsOf(harness, one.id)).toEqual([...wanted].sort());
      }
    });

    it.each(CUTS)("replaces them in the end when it is cut $moment its effect and settled ($how)", async (cut) => {
      const all = await growing();
      const { harness, provider, growth } = all;
      const { interface: one } = await executed(all, growth.create(1));
      const { otherGroups: securityGroups } = growth;
      const step = { kind: "set-security-groups", interfaceId: one.id, securityGroups, reason: "test" } as const;
      const intent = open(step, growth, harness);
      growth.cut(step, 1, cut.moment);
      expectFailure(await rejection(provider.execute(intent, reports(intent).report)), "unknown");
      const next = await harness.restart();
      const outcome = await next.settle(intent, cut.how, reports(intent).report);
      expect(outcome).toMatchObject({ kind: "done", interface: { id: one.id } });
      expect(groupsOf(harness, one.id)).toEqual([...securityGroups].sort());
    });

    it("finds what a creation left of its cluster, and nothing else, and removes it as a leftover", async () => {
      const { harness, provider, growth } = await growing();
      const initially = harness.truth();
      const more = { tags: { "enid.io/cluster": "blue" }, openedAtMs: Date.now() - 3_600_000 };
      const whole = open(growth.create(1), growth, harness, more);
      await provider.execute(whole, reports(whole).report);
      expect(await provider.leftovers("blue")).toEqual([]);
      // As a process that dies between the create and the attach leaves it.
      const cut = open(growth.create(1), growth, harness, more);
      growth.cut(cut.step, 2, "before");
      const reported = reports(cut);
      expectFailure(await rejection(provider.execute(cut, reported.report)), "unknown");
      const interfaceId = reported.intent().interfaceId ?? "";
      const next = await harness.restart();
      expect(await next.leftovers("blue")).toMatchObject([{ id: interfaceId, createdAtMs: cut.openedAtMs }]);
      for (const other of ["green", "blu", "*", ""]) expect(await next.leftovers(other)).toEqual([]);

      const wrong = open({ kind: "remove-interface", interfaceId, orphanOf: "green", reason: "test" }, growth, harness);
      expectFailure(await rejection(next.execute(wrong, reports(wrong).report)), "none");
      const removal = open(
        { kind: "remove-interface", interfaceId, orphanOf: "blue", reason: "test" },
        growth,
        harness,
      );
      const gone = { kind: "gone", cidrs: [], interfaceId };
      expect(await next.execute(removal, reports(removal).report)).toEqual(gone);
      expect(await next.settle(removal, "finish", reports(removal).report)).toEqual(gone);
      expect(await next.leftovers("blue")).toEqual([]);
      expect(harness.truth()).toHaveLength(initially.length + 1);
    });
  });
}

function groupsOf(harness: ProviderHarness, interfaceId: string): readonly string[] {
  const one = harness.truth().find(({ id }) => id === interfaceId);
  return [...(one?.securityGroups ?? [])].sort();
}
