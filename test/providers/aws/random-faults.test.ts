import fc from "fast-check";
import { expect, it } from "vitest";
import { EnidError } from "../../../src/errors.ts";
import type { Intent, Provider, StepFailure, StepOutcome } from "../../../src/manager/ports/index.ts";
import type { BlockUnit, CreateInterfaceStep, Step } from "../../../src/planning/index.ts";
import type { FaultEffect, NetworkInterface } from "../../../src/simulator/index.ts";
import {
  addStep,
  createStep,
  DUAL_STACK,
  groupsStep,
  intentOf,
  NODE_GROUP,
  NODE_SUBNET,
  NOTHING_SAID,
  type Node,
  POD_GROUP,
  POD_SUBNET,
  PRIMARY,
  Progress,
  releaseStep,
  removeStep,
  startNode,
} from "./harness.ts";

/**
 * Steps under random faults and crashes, driven as the manager drives them. After each step the addresses and
 * interfaces that the outcomes account for are exactly those that exist.
 */

const EFFECTS: readonly FaultEffect[] = [
  { kind: "lost-reply" },
  { kind: "reset" },
  { kind: "truncated" },
  { kind: "html" },
  { kind: "error", code: "RequestLimitExceeded" },
  { kind: "error", code: "InternalError", httpStatus: 500 },
  { kind: "error", code: "UnauthorizedOperation" },
  { kind: "error", code: "InsufficientFreeAddressesInSubnet" },
];
const ACTIONS = [
  "CreateNetworkInterface",
  "AttachNetworkInterface",
  "ModifyNetworkInterfaceAttribute",
  "AssignPrivateIpAddresses",
  "UnassignPrivateIpAddresses",
  "AssignIpv6Addresses",
  "UnassignIpv6Addresses",
  "DetachNetworkInterface",
  "DeleteNetworkInterface",
  "DescribeNetworkInterfaces",
];
const SETTLES_LIMIT = 12;

const trouble = fc.record({
  action: fc.constantFrom(...ACTIONS),
  effect: fc.constantFrom(...EFFECTS),
  from: fc.integer({ min: 1, max: 2 }),
});
const turn = fc.record({
  kind: fc.constantFrom("create", "create", "add", "add", "release", "remove", "groups"),
  unit: fc.constantFrom<BlockUnit>("address", "address", "prefix", "ipv6-prefix"),
  count: fc.integer({ min: 1, max: 3 }),
  troubles: fc.array(trouble, { maxLength: 3 }),
  /** The process dies when the n-th report is being made durable; 0: it does not. */
  diesAtReport: fc.integer({ min: 0, max: 2 }),
  how: fc.constantFrom("finish" as const, "undo" as const),
});
type Turn = typeof turn extends fc.Arbitrary<infer T> ? T : never;

it("accounts for every interface and address, whatever goes wrong", { timeout: 120_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(turn, { minLength: 4, maxLength: 7 }), async (turns) => {
      const limits = { newInterfaceGraceMs: 600, additionLookMs: 300, describeLagMs: 150 };
      const node = await startNode({ limits, model: DUAL_STACK });
      try {
        node.settings({ describeLagMs: { minMs: 0, maxMs: 8_000 }, notFoundAfterCreateMs: 3_000, describeReplicas: 2 });
        const world = new World(node);
        for (const one of turns) {
          await world.play(one);
          world.check();
        }
      } finally {
        await node.close();
      }
    }),
    { numRuns: 12 },
  );
});

/** What the manager would believe: blocks by interface, from the outcomes alone. */
class World {
  readonly #node: Node;
  readonly #believed = new Map<string, Set<string>>([[PRIMARY, new Set()]]);
  #provider: Provider | undefined;

  constructor(node: Node) {
    this.#node = node;
  }

  async play(one: Turn): Promise<void> {
    const step = this.#stepOf(one);
    if (step === undefined) return;
    const { cloud } = this.#node.simulator;
    const before = "interfaceId" in step ? [...(this.#believed.get(step.interfaceId) ?? [])] : [];
    const intent = intentOf(step, { before });
    const provider = await this.#ready();
    for (const { action, effect, from } of one.troubles) cloud.faults.add({ action, effect, from });
    try {
      this.#account(step, await this.#carryOut(provider, intent, one));
    } finally {
      cloud.faults.remove();
    }
  }

  check(): void {
    const truth = this.#node.simulator.cloud.truth().interfaces.filter((seen) => this.#isOurs(seen.id));
    const exists = truth.map((seen) => [seen.id, blocksOf(seen)]);
    const believed = [...this.#believed].map(([id, blocks]) => [id, [...blocks].sort()]);
    expect(new Map(exists as [string, string[]][])).toEqual(new Map(believed as [string, string[]][]));
    expect(truth.filter((seen) => seen.attachment === undefined)).toEqual([]);
  }

  #isOurs(id: string): boolean {
    return id === PRIMARY || this.#node.made().some((one) => one.id === id);
  }

  /** The outcome, or undefined when the step certainly had no effect. */
  async #carryOut(provider: Provider, intent: Intent, one: Turn): Promise<StepOutcome | undefined> {
    const progress = new Progress();
    let reports = 0;
    const report: typeof progress.report = async (reported) => {
      reports += 1;
      if (reports === one.diesAtReport) throw new EnidError("ENID_STATE_WRITE_FAILED", { detail: "killed" });
      await progress.report(reported);
    };
    try {
      return await provider.execute(intent, report);
    } catch (error) {
      if (failureOf(error).effect === "none") return undefined;
    }
    // Faults go on for a while, then stop: the promise is for what comes after.
    for (let tries = 1; tries <= SETTLES_LIMIT; tries++) {
      if (tries === SETTLES_LIMIT / 2) this.#node.simulator.cloud.faults.remove();
      if (tries % 2 === 1) this.#provider = undefined;
      const next = await this.#ready();
      try {
        return await next.settle(progress.onto(intent), one.how, progress.report);
      } catch (error) {
        if (failureOf(error).effect === "none") return undefined;
      }
    }
    throw new Error(`not settled after ${SETTLES_LIMIT} tries: ${JSON.stringify(intent.step)}`);
  }

  async #ready(): Promise<Provider> {
    if (this.#provider === undefined) {
      this.#provider = await this.#node.restart();
      await this.#provider.identify();
      await this.#provider.resolve({ ...NOTHING_SAID, subnetTags: { "enid.io/pods": "true" } });
    }
    return this.#provider;
  }

  #stepOf({ kind, count, unit }: Turn): Step | undefined {
    const made = [...this.#believed.keys()].filter((id) => id !== PRIMARY);
    switch (kind) {
      case "create":
        return made.length < 2 ? createStep(count, made.length + 1, POD_SUBNET, blocksOfCreate(unit)) : undefined;
      case "add":
        return addStep(PRIMARY, unit === "ipv6-prefix" ? 1 : count, NODE_SUBNET, unit);
      case "groups":
        return made[0] === undefined ? undefined : groupsStep(made[0], [NODE_GROUP, POD_GROUP].slice(0, count));
      case "release": {
        const cidrs = [...(this.#believed.get(PRIMARY) ?? [])].slice(0, count);
        return cidrs.length > 0 ? releaseStep(PRIMARY, cidrs) : undefined;
      }
      default:
        return made[0] === undefined ? undefined : removeStep(made[0]);
    }
  }

  #account(step: Step, outcome: StepOutcome | undefined): void {
    if (outcome === undefined || outcome.kind === "undone") return;
    if (outcome.kind === "done") {
      const { id } = outcome.interface;
      this.#believed.set(id, new Set([...(this.#believed.get(id) ?? []), ...outcome.added]));
    } else if (step.kind === "remove-interface") {
      this.#believed.delete(outcome.interfaceId);
    } else {
      for (const cidr of outcome.cidrs) this.#believed.get(outcome.interfaceId)?.delete(cidr);
    }
  }
}

function blocksOfCreate(unit: BlockUnit): Partial<Pick<CreateInterfaceStep, "unit" | "ipv6Prefixes">> {
  return unit === "ipv6-prefix" ? { ipv6Prefixes: 1 } : { unit };
}

function blocksOf({ secondaryAddresses, prefixes, ipv6Prefixes }: NetworkInterface): string[] {
  return [...secondaryAddresses.map((one) => `${one}/32`), ...prefixes, ...ipv6Prefixes].sort();
}

function failureOf(error: unknown): StepFailure {
  expect(error).toBeInstanceOf(EnidError);
  return (error as EnidError).details as StepFailure;
}
