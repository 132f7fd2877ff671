import { describe, expect, it } from "vitest";
import {
  added,
  allBlocks,
  blocks,
  CUTS,
  executed,
  expectDone,
  expectFailure,
  harnessPerTest,
  ids,
  open,
  type ProviderHarness,
  rejection,
  reports,
  type Unit,
} from "./provider-harness.ts";

/** Changes that a create-interface step makes at most when nothing goes wrong. */
const CREATE_CHANGES = 3;

/** The promises about steps that bring something. */
export function growthContract(
  name: string,
  makeHarness: () => Promise<ProviderHarness>,
  units: readonly Unit[],
): void {
  describe(`provider contract, growth: ${name}`, () => {
    const growing = harnessPerTest(makeHarness);

    it("adds blocks that the interface then has", async () => {
      const { harness, provider, growth } = await growing();
      const before = allBlocks(harness.truth());
      const intent = open(growth.add(3), growth, harness);
      const outcome = await provider.execute(intent, reports(intent).report);
      expectDone(outcome, harness, 3);
      expect(allBlocks(harness.truth())).toEqual([...before, ...added(outcome)].sort());
      expect(harness.changes()).toBe(1);
    });

    it("creates an interface, attached, with all its addresses, and reports its ids before it goes on", async () => {
      const { harness, provider, growth } = await growing();
      const intent = open(growth.create(4), growth, harness);
      const changesAtReport: number[] = [];
      const outcome = await provider.execute(intent, async () => {
        const changes = harness.changes();
        changesAtReport.push(changes);
        // Nothing may be asked of the cloud while the report is being made durable.
        await new Promise((resolve) => setTimeout(resolve, 30));
        expect(harness.changes()).toBe(changes);
      });
      expectDone(outcome, harness, 4);
      expect(outcome.kind === "done" && outcome.interface).toMatchObject({ attached: true, foreign: false });
      expect(changesAtReport).toEqual([1, 2]);
      expect(harness.changes()).toBeLessThanOrEqual(CREATE_CHANGES);
    });

    it.each(["finish", "undo"] as const)("settles (%s) an add that never began as undone", async (how) => {
      const { harness, provider, growth } = await growing();
      const initially = harness.truth();
      const intent = open(growth.add(3), growth, harness);
      expect(await provider.settle(intent, how, reports(intent).report)).toEqual({ kind: "undone" });
      expect(harness.truth()).toEqual(initially);
    });

    it("settles (undo) a create that never began as undone, twice", async () => {
      const { harness, provider, growth } = await growing();
      const initially = harness.truth();
      const intent = open(growth.create(3), growth, harness);
      expect(await provider.settle(intent, "undo", reports(intent).report)).toEqual({ kind: "undone" });
      expect(await provider.settle(intent, "undo", reports(intent).report)).toEqual({ kind: "undone" });
      expect(harness.truth()).toEqual(initially);
    });

    it("settles (finish) a finished create again without making a second interface", async () => {
      const { harness, provider, growth } = await growing();
      const intent = open(growth.create(3), growth, harness);
      const reported = reports(intent);
      const outcome = await provider.execute(intent, reported.report);
      const next = await harness.restart();
      for (const known of [reported.intent(), intent]) {
        const again = await next.settle(known, "finish", reports(known).report);
        expect(again).toMatchObject({ kind: "done" });
        expect([...added(again)].sort()).toEqual([...added(outcome)].sort());
      }
      expect(harness.truth().filter((one) => !one.attached)).toEqual([]);
    });

    const cuts = [1, 2, 3].flatMap((nth) =>
      (["before", "after"] as const).flatMap((moment) =>
        (["finish", "undo"] as const).map((how) => ({ nth, moment, how })),
      ),
    );

    it.each(cuts)("leaks nothing when a create is cut $moment change $nth and settled ($how)", async (cut) => {
      const { harness, provider, growth } = await growing();
      const initially = harness.truth();
      const intent = open(growth.create(4), growth, harness);
      const reported = reports(intent);
      growth.cut(intent.step, cut.nth, cut.moment);
      const failed = await rejection(provider.execute(intent, reported.report));
      expectFailure(failed, "unknown");

      const next = await harness.restart();
      const settled = reports(reported.intent());
      const outcome = await next.settle(reported.intent(), cut.how, settled.report);
      if (cut.how === "undo") {
        expect(outcome).toEqual({ kind: "undone" });
        expect(harness.truth()).toEqual(initially);
        return;
      }
      expectDone(outcome, harness, 4);
      const made = harness.truth().filter((one) => !ids(initially).includes(one.id));
      expect(made).toMatchObject([{ attached: true }]);
    });

    it.each(cuts.filter((cut) => cut.nth === 1))(
      "leaks nothing when an add is cut $moment its effect and settled ($how)",
      async (cut) => {
        const { harness, provider, growth } = await growing();
        const before = allBlocks(harness.truth());
        const intent = open(growth.add(4), growth, harness);
        growth.cut(intent.step, 1, cut.moment);
        expectFailure(await rejection(provider.execute(intent, reports(intent).report)), "unknown");
        const next = await harness.restart();
        const outcome = await next.settle(intent, cut.how, reports(intent).report);
        expect(allBlocks(harness.truth())).toEqual([...before, ...added(outcome)].sort());
        expect(outcome.kind).toBe(cut.moment === "after" ? "done" : "undone");
      },
    );

    if (units.length === 0) return;
    describe.each(units)("by %s", (unit) => {
      async function growingBy() {
        const all = await growing();
        const steps = all.growth.units[unit];
        if (steps === undefined) throw new Error(`the harness of a provider that grows by ${unit} must say how`);
        return { ...all, steps };
      }

      it("adds blocks that both ways of looking then show", async () => {
        const { steps, ...all } = await growingBy();
        const { harness, provider } = all;
        await provider.observe("cloud");
        const before = allBlocks(harness.truth());
        const outcome = await executed(all, steps.add(1));
        expectDone(outcome, harness, 1);
        for (const block of outcome.added) expect(block.endsWith(`/${steps.prefixLength}`)).toBe(true);
        expect(allBlocks(harness.truth())).toEqual([...before, ...outcome.added].sort());
        for (const source of ["cloud", "metadata"] as const) {
          const seen = (await provider.observe(source)).interfaces;
          expect(seen.flatMap(blocks).sort(), source).toEqual(allBlocks(harness.truth()));
        }
      });

      it("creates an interface that has them from the start", async () => {
        const { steps, ...all } = await growingBy();
        const outcome = await executed(all, steps.create(1));
        expectDone(outcome, all.harness, outcome.added.length);
        const ofUnit = outcome.added.filter((block) => block.endsWith(`/${steps.prefixLength}`));
        expect(ofUnit).toHaveLength(1);
        expect(all.harness.changes()).toBeLessThanOrEqual(CREATE_CHANGES);
      });

      it.each(CUTS)("leaks nothing when an add is cut $moment its effect and settled ($how)", async (cut) => {
        const { harness, provider, growth, steps } = await growingBy();
        const before = allBlocks(harness.truth());
        const intent = open(steps.add(1), growth, harness);
        growth.cut(intent.step, 1, cut.moment);
        expectFailure(await rejection(provider.execute(intent, reports(intent).report)), "unknown");
        const next = await harness.restart();
        const outcome = await next.settle(intent, cut.how, reports(intent).report);
        expect(allBlocks(harness.truth())).toEqual([...before, ...added(outcome)].sort());
        expect(outcome.kind).toBe(cut.moment === "after" ? "done" : "undone");
      });

      it("gives them back whole", async () => {
        const { steps, ...all } = await growingBy();
        const before = allBlocks(all.harness.truth());
        const { interface: one, added: cidrs } = await executed(all, steps.add(1));
        const release = open(
          { kind: "release-blocks", interfaceId: one.id, cidrs, reason: "test" },
          all.growth,
          all.harness,
        );
        const outcome = await all.provider.execute(release, reports(release).report);
        expect(outcome).toEqual({ kind: "gone", cidrs, interfaceId: one.id });
        expect(allBlocks(all.harness.truth())).toEqual(before);
      });
    });
  });
}
