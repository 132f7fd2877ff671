import { afterEach, beforeEach, expect } from "vitest";
import { EnidError } from "../../src/errors.ts";
import {
  FAILURE_CLASSES,
  type Intent,
  type ObservedInterface,
  type Provider,
  type Reservation,
  type Selection,
  type StepFailure,
  type StepOutcome,
} from "../../src/manager/ports/index.ts";
import type { BlockUnit, Step } from "../../src/planning/index.ts";

/** What the suite needs of the surroundings of a provider. Made anew for each test. */
export interface ProviderHarness {
  readonly provider: Provider;
  /** A provider as a new process of enid would have it, on the same node. */
  restart(): Promise<Provider>;
  /** Allows something on this node. */
  readonly selection: Selection;
  /** Allows nothing on this node; undefined when the provider has nothing to select. */
  readonly impossible: Selection | undefined;
  /** What is set apart of the subnets of `selection`, ordered. Absent = nothing. */
  readonly reserved?: readonly Reservation[];
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
  readonly securityGroups: readonly string[];
}

export interface Growth {
  readonly securityGroups: readonly string[];
  /** Others that exist. */
  readonly otherGroups: readonly string[];
  /** The interface of `add`. */
  readonly interfaceId: string;
  /** An add-blocks step for an interface that is there from the start. */
  add(count: number): Step;
  /** A create-interface step. */
  create(count: number): Step;
  /** The same by the other units that the suite is told of. */
  readonly units: Readonly<Partial<Record<Unit, UnitGrowth>>>;
  /** Cuts the connection at the `nth` change that `step` makes from now on, before or after it has its effect. */
  cut(step: Step, nth: number, moment: "before" | "after"): void;
}

/** Blocks other than single addresses. */
export type Unit = Exclude<BlockUnit, "address">;

/** Steps that bring blocks other than single addresses. */
export interface UnitGrowth {
  /** Length of the blocks in bits. */
  readonly prefixLength: number;
  add(count: number): Step;
  create(count: number): Step;
}

/** A canonical CIDR. */
export const CIDR = /^\d{1,3}(\.\d{1,3}){3}\/\d{1,2}$|^[0-9a-f:]+\/\d{1,3}$/;

/** A node of a test, with the provider told of its selection as the manager does at the start. */
export interface Growing {
  readonly harness: ProviderHarness;
  readonly provider: Provider;
  readonly growth: Growth;
}

/** A harness for each test of the describe it is called in, closed after it. Answers how a test gets at it. */
export function harnessPerTest(makeHarness: () => Promise<ProviderHarness>): () => Promise<Growing> {
  let harness: ProviderHarness | undefined;
  beforeEach(async () => {
    harness = await makeHarness();
  });
  afterEach(async () => {
    await harness?.close();
  });
  return async () => {
    if (harness?.growth === undefined) throw new Error("the harness of a provider that grows must say how");
    await harness.provider.identify();
    await harness.provider.resolve(harness.selection);
    return { harness, provider: harness.provider, growth: harness.growth };
  };
}

let opened = 0;

/** An intent as the manager opens it. */
export function open(step: Step, growth: Growth, harness: ProviderHarness, more: Partial<Intent> = {}): Intent {
  opened += 1;
  return {
    id: `contract-${process.pid}-${opened}-${Date.now()}`,
    step,
    openedAtMs: Date.now(),
    before: "interfaceId" in step ? (harness.truth().find((one) => one.id === step.interfaceId)?.blocks ?? []) : [],
    securityGroups: growth.securityGroups,
    deleteOnTermination: true,
    ...more,
  };
}

/** Keeps what is reported, as the manager does in the intent. */
export function reports(intent: Intent) {
  let known = intent;
  return {
    report: async (progress: Pick<Intent, "interfaceId" | "attachmentId">) => {
      known = { ...known, ...progress };
    },
    intent: () => known,
  };
}

export function expectDone(outcome: StepOutcome, harness: ProviderHarness, count: number): void {
  expect(outcome).toMatchObject({ kind: "done" });
  if (outcome.kind !== "done") return;
  expect(outcome.added).toHaveLength(count);
  for (const block of outcome.added) expect(block).toMatch(CIDR);
  const truth = harness.truth().find((one) => one.id === outcome.interface.id);
  expect(blocks(outcome.interface)).toEqual([...(truth?.blocks ?? [])].sort());
  expect([...(truth?.blocks ?? [])]).toEqual(expect.arrayContaining([...outcome.added]));
}

export function expectFailure(error: EnidError, effect: StepFailure["effect"]): void {
  const failure = error.details as StepFailure;
  expect(failure.effect).toBe(effect);
  expect(FAILURE_CLASSES).toContain(failure.class);
}

export async function rejection(promise: Promise<unknown>): Promise<EnidError> {
  const outcome = await promise.then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(outcome).toBeInstanceOf(EnidError);
  return outcome as EnidError;
}

export function added(outcome: StepOutcome): readonly string[] {
  return outcome.kind === "done" ? outcome.added : [];
}

/** The blocks of an observed interface, sorted. */
export function blocks(seen: ObservedInterface): readonly string[] {
  return [...seen.addresses.map((address) => `${address}/32`), ...seen.prefixes, ...(seen.ipv6Prefixes ?? [])].sort();
}

export function allBlocks(interfaces: readonly TrueInterface[]): readonly string[] {
  return interfaces.flatMap((one) => one.blocks).sort();
}

export function ids(interfaces: readonly TrueInterface[]): readonly string[] {
  return interfaces.map((one) => one.id).sort();
}

/** What a step that goes well made or changed. */
export async function executed({ harness, provider, growth }: Growing, step: Step): Promise<DoneOutcome> {
  const intent = open(step, growth, harness);
  const outcome = await provider.execute(intent, reports(intent).report);
  if (outcome.kind !== "done") throw new Error(`expected the step to be done, not ${outcome.kind}`);
  return outcome;
}

type DoneOutcome = Extract<StepOutcome, { kind: "done" }>;

/** The moments at which a call can be cut off, and both ways to settle what it leaves. */
export const CUTS = (["before", "after"] as const).flatMap((moment) =>
  (["finish", "undo"] as const).map((how) => ({ moment, how })),
);
