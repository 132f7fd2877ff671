import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { EnidError } from "../../src/errors.ts";
import {
  FAILURE_CLASSES,
  type Intent,
  type ObservedInterface,
  type Provider,
  type Selection,
  type StepFailure,
  type StepOutcome,
} from "../../src/manager/ports/index.ts";
import type { Step } from "../../src/planning/index.ts";

/** What the suite needs of the surroundings of a provider. Made anew for each test. */
export interface ProviderHarness {
  readonly provider: Provider;
  /** A provider as a new process of enid would have it, on the same node. */
  restart(): Promise<Provider>;
  /** Allows something on this node. */
  readonly selection: Selection;
  /** Allows nothing on this node; undefined when the provider has nothing to select. */
  readonly impossible: Selection | undefined;
  /** Changes asked of the cloud so far, refused ones included. */
  changes(): number;
  /** What the node really has, whatever any view of it shows. */
  truth(): readonly TrueInterface[];
  /** Undefined: the provider takes no steps. */
  readonly growth: Growth | undefined;
  close(): Promise<void>;
}

export interface TrueInterface {
  readonly id: string;
  /** To this node. */
  readonly attached: boolean;
  /** Canonical CIDRs, without the primary address. */
  readonly blocks: readonly string[];
}

export interface Growth {
  readonly securityGroups: readonly string[];
  /** An add-blocks step for an interface that is there from the start. */
  add(count: number): Step;
  /** A create-interface step. */
  create(count: number): Step;
  /** Cuts the connection at the `nth` change that `step` makes from now on, before or after it has its effect. */
  cut(step: Step, nth: number, moment: "before" | "after"): void;
}

const CIDR = /^\d{1,3}(\.\d{1,3}){3}\/\d{1,2}$|^[0-9a-f:]+\/\d{1,3}$/;
/** Changes that a create-interface step makes at most when nothing goes wrong. */
const CREATE_CHANGES = 3;

/** The promises of manager/ports/provider.ts, for any provider; those about steps for one that `grows`. */
export function providerContract(
  name: string,
  makeHarness: () => Promise<ProviderHarness>,
  { grows }: { readonly grows: boolean },
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
          expect([...blocks(seen)].sort()).toEqual([...(truth?.blocks ?? [])].sort());
          expect(seen.mac).toBe(seen.mac.toLowerCase());
          expect(seen.attached).toBe(seen.deviceIndex >= 0);
        }
        expect(harness.changes()).toBe(0);
      },
    );

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

  if (grows) growthContract(name, makeHarness);
}

/** The promises about steps that change the cloud. */
function growthContract(name: string, makeHarness: () => Promise<ProviderHarness>): void {
  describe(`provider contract, steps: ${name}`, () => {
    let harness: ProviderHarness;
    let provider: Provider;

    beforeEach(async () => {
      harness = await makeHarness();
      provider = harness.provider;
    });

    afterEach(async () => {
      await harness.close();
    });

    /** The growth part, with the provider told of its selection as the manager does at the start. */
    async function growing(): Promise<Growth> {
      await provider.identify();
      await provider.resolve(harness.selection);
      if (harness.growth === undefined) throw new Error("the harness of a provider that grows must say how");
      return harness.growth;
    }

    it("adds blocks that the interface then has", async () => {
      const growth = await growing();
      const before = allBlocks(harness.truth());
      const intent = open(growth.add(3), growth, harness);
      const outcome = await provider.execute(intent, reports(intent).report);
      expectDone(outcome, harness, 3);
      expect(allBlocks(harness.truth())).toEqual([...before, ...added(outcome)].sort());
      expect(harness.changes()).toBe(1);
    });

    it("creates an interface, attached, with all its addresses, and reports its ids before it goes on", async () => {
      const growth = await growing();
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

    it("gives blocks back, and an interface, so that nothing is left of them", async () => {
      const growth = await growing();
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

    it.each(["finish", "undo"] as const)("settles (%s) an add that never began as undone", async (how) => {
      const growth = await growing();
      const initially = harness.truth();
      const intent = open(growth.add(3), growth, harness);
      expect(await provider.settle(intent, how, reports(intent).report)).toEqual({ kind: "undone" });
      expect(harness.truth()).toEqual(initially);
    });

    it("settles (undo) a create that never began as undone, twice", async () => {
      const growth = await growing();
      const initially = harness.truth();
      const intent = open(growth.create(3), growth, harness);
      expect(await provider.settle(intent, "undo", reports(intent).report)).toEqual({ kind: "undone" });
      expect(await provider.settle(intent, "undo", reports(intent).report)).toEqual({ kind: "undone" });
      expect(harness.truth()).toEqual(initially);
    });

    it("settles (finish) a finished create again without making a second interface", async () => {
      const growth = await growing();
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
      const growth = await growing();
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
        const growth = await growing();
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

    it.each([1, 2].flatMap((nth) => (["before", "after"] as const).map((moment) => ({ nth, moment }))))(
      "removes an interface in the end when the removal is cut $moment change $nth",
      async (cut) => {
        const growth = await growing();
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
  });
}

let opened = 0;

function open(step: Step, growth: Growth, harness: ProviderHarness): Intent {
  opened += 1;
  return {
    id: `contract-${process.pid}-${opened}-${Date.now()}`,
    step,
    openedAtMs: Date.now(),
    before: "interfaceId" in step ? (harness.truth().find((one) => one.id === step.interfaceId)?.blocks ?? []) : [],
    securityGroups: growth.securityGroups,
    deleteOnTermination: true,
  };
}

/** Keeps what is reported, as the manager does in the intent. */
function reports(intent: Intent) {
  let known = intent;
  return {
    report: async (progress: Pick<Intent, "interfaceId" | "attachmentId">) => {
      known = { ...known, ...progress };
    },
    intent: () => known,
  };
}

function expectDone(outcome: StepOutcome, harness: ProviderHarness, count: number): void {
  expect(outcome).toMatchObject({ kind: "done" });
  if (outcome.kind !== "done") return;
  expect(outcome.added).toHaveLength(count);
  for (const block of outcome.added) expect(block).toMatch(CIDR);
  const truth = harness.truth().find((one) => one.id === outcome.interface.id);
  expect([...blocks(outcome.interface)].sort()).toEqual([...(truth?.blocks ?? [])].sort());
  expect([...(truth?.blocks ?? [])]).toEqual(expect.arrayContaining([...outcome.added]));
}

function expectFailure(error: EnidError, effect: StepFailure["effect"]): void {
  const failure = error.details as StepFailure;
  expect(failure.effect).toBe(effect);
  expect(FAILURE_CLASSES).toContain(failure.class);
}

async function rejection(promise: Promise<unknown>): Promise<EnidError> {
  const outcome = await promise.then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(outcome).toBeInstanceOf(EnidError);
  return outcome as EnidError;
}

function added(outcome: StepOutcome): readonly string[] {
  return outcome.kind === "done" ? outcome.added : [];
}

function blocks(seen: ObservedInterface): readonly string[] {
  return [...seen.addresses.map((address) => `${address}/32`), ...seen.prefixes];
}

function allBlocks(interfaces: readonly TrueInterface[]): readonly string[] {
  return interfaces.flatMap((one) => one.blocks).sort();
}

function ids(interfaces: readonly TrueInterface[]): readonly string[] {
  return interfaces.map((one) => one.id).sort();
}
