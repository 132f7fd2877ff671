import { readFileSync } from "node:fs";
import { afterEach, describe, expect, it, vi } from "vitest";
import { EnidError } from "../../src/errors.ts";
import { type EnidEvent, PROMISES } from "../../src/manager/index.ts";
import { Ledger } from "../../src/manager/ledger.ts";
import type { Plan, PlanInput, Step } from "../../src/planning/index.ts";
import { type Attachment, type Lease, Pool } from "../../src/pool/index.ts";
import { PRIMARY, SUBNET_A } from "../support/fake-provider.ts";
import { add, attachment, configuration, createLab, type Lab, startedLab } from "./harness.ts";

/** What planning says in its stead while it is wrong. */
const wrong = vi.hoisted(() => ({ plan: undefined as ((input: unknown) => unknown) | undefined }));

vi.mock("../../src/planning/index.ts", async (original) => {
  const planning = await original<typeof import("../../src/planning/index.ts")>();
  return { ...planning, plan: (input: PlanInput) => wrong.plan?.(input) ?? planning.plan(input) };
});

const { must } = Ledger.prototype;

afterEach(() => {
  wrong.plan = undefined;
  Ledger.prototype.must = must;
});

function planOf(...steps: Step[]): Plan {
  return { steps, needed: 1, surge: 0, wanted: 1, planned: 1, explanation: [] };
}

function brokenOf(events: readonly EnidEvent[]): unknown[] {
  return events.filter(({ name }) => name === "promise-broken").map(({ fields }) => fields?.promise);
}

/** So small a buffer is filled up at once. */
const AT_ONCE = { ipam: { "pre-allocate": 3 } };

/** A lab whose planning asks for these steps until they are refused, and then comes to its senses. */
async function afterPlanOf(steps: (lab: Lab) => Step[]) {
  const lab = await startedLab(AT_ONCE);
  expect(await add(lab.running, 1)).toMatch(/^10\./);
  await lab.clock.advance(200_000);
  const before = lab.provider.mutations.length;
  wrong.plan = () => (brokenOf(lab.events).length > 0 ? undefined : planOf(...steps(lab)));
  // The pod makes the node look again.
  expect(await add(lab.running, 2)).toMatch(/^10\./);
  await lab.clock.advance(3_000);
  return { ...lab, called: lab.provider.mutations.slice(before) };
}

function addBlocks(step: Partial<Extract<Step, { kind: "add-blocks" }>>): Step {
  return { kind: "add-blocks", interfaceId: PRIMARY, subnetId: SUBNET_A, count: 1, reason: "wrong", ...step };
}

function addressOf(lab: Lab): string {
  const [lease] = lab.store.load().leases;
  return lease?.address ?? "";
}

describe("a plan that would break a promise", () => {
  const createAt = (deviceIndex: number): Step => ({
    kind: "create-interface",
    subnetId: SUBNET_A,
    deviceIndex,
    count: 1,
    reason: "wrong",
  });
  const reason = "wrong";
  const cases: readonly [string, number, (lab: Lab) => Step[]][] = [
    [
      "gives back what a pod has",
      4,
      (lab) => [{ kind: "release-blocks", interfaceId: PRIMARY, cidrs: [`${addressOf(lab)}/32`], reason }],
    ],
    ["grows in another subnet", 6, () => [addBlocks({ subnetId: "subnet-other" })]],
    ["grows on an interface of nobody", 6, () => [addBlocks({ interfaceId: "eni-nobody" })]],
    ["removes the primary interface", 6, () => [{ kind: "remove-interface", interfaceId: PRIMARY, reason }]],
    [
      "sets another security group",
      6,
      () => [{ kind: "set-security-groups", interfaceId: PRIMARY, securityGroups: ["sg-other"], reason }],
    ],
    ["takes more slots than an interface has", 7, () => [addBlocks({ count: 10 })]],
    ["takes more slots than are free", 7, () => [addBlocks({ count: 9 })]],
    ["makes an interface at a place that is taken", 7, () => [createAt(0)]],
  ];

  it.each(cases)("which %s is refused with promise %i, and the node goes on", async (_what, promise, steps) => {
    const { called, events, running, clock } = await afterPlanOf(steps);
    expect(brokenOf(events)).toEqual([promise]);
    expect(events.some(({ name }) => name === "step-refused")).toBe(true);
    expect(called).toEqual([]);
    await clock.advance(10_000);
    expect(await add(running, 3)).toMatch(/^10\./);
    expect(running.problems()).toEqual([]);
  });

  it("which asks for one interface after the other never goes beyond the instance", async () => {
    let index = 1;
    const lab = await startedLab();
    wrong.plan = () => planOf(createAt(index++));
    for (let n = 1; n <= 6; n++) {
      expect(await add(lab.running, n)).toMatch(/^10\./);
      await lab.clock.advance(60_000);
    }
    expect(lab.provider.interfaces.size).toBe(lab.provider.facts.limits.maxInterfaces);
    expect(brokenOf(lab.events)).toContain(7);
  });

  it("which asks for more when it is repeated begins nothing more until its steps have ended (promise 8)", async () => {
    const lab = await startedLab(AT_ONCE);
    const before = lab.provider.mutations.length;
    lab.provider.callMs = 20_000;
    wrong.plan = () => planOf(createAt(lab.running.status().intents.length + 1));
    expect(await add(lab.running, 1)).toMatch(/^10\./);
    await lab.clock.advance(15_000);
    expect(brokenOf(lab.events)).toEqual([8]);
    expect(lab.running.status().intents).toHaveLength(1);
    wrong.plan = undefined;
    await lab.clock.advance(120_000);
    expect(lab.provider.mutations.slice(before).filter((line) => line.startsWith("create-interface"))).toHaveLength(1);
  });
});

describe("a step that was begun", () => {
  it("is not carried out while a pod could get what it gives back (promise 4)", async () => {
    class Unmarked extends Pool {
      override markReleasing(): void {}
    }
    const lab = await startedLab({ ipam: { "release-delay-seconds": 5 } }, { createPool: () => new Unmarked() });
    await lab.running.setOverride("pre-allocate=2");
    await lab.clock.advance(60_000);
    expect(new Set(brokenOf(lab.events))).toEqual(new Set([4]));
    expect(lab.provider.mutations.filter((line) => line.startsWith("release-blocks"))).toEqual([]);
    expect(lab.running.status().intents).toEqual([]);
    expect(await add(lab.running, 1)).toMatch(/^10\./);
  });

  it("is not carried out while its intent is not known to be durable (promise 5)", async () => {
    Ledger.prototype.must = function (this: Ledger, changes) {
      return changes.some(({ kind }) => kind === "intent-put") ? Promise.resolve() : must.call(this, changes);
    };
    const lab = await startedLab();
    expect(new Set(brokenOf(lab.events))).toEqual(new Set([5]));
    expect(lab.provider.mutations).toEqual([]);
  });
});

describe("a reply to ADD", () => {
  class Torn extends Pool {
    torn: "cooling" | "releasing" | "leased-twice" | "of-another" | undefined;

    override stateOf(address: string) {
      return this.torn === "cooling" || this.torn === "releasing" ? this.torn : super.stateOf(address);
    }

    override leaseAt(address: string): Lease | undefined {
      const lease = super.leaseAt(address);
      return this.torn === "leased-twice" && lease !== undefined ? { ...lease, attachment: attachment(99) } : lease;
    }

    override leaseOf(of: Attachment): Lease | undefined {
      return super.leaseOf(this.torn === "of-another" ? attachment(1) : of);
    }
  }

  const cases = [
    ["has cooled for another", "cooling", 1],
    ["is leased to another too", "leased-twice", 1],
    ["is being given back", "releasing", 4],
    ["is of another pod", "of-another", 3],
  ] as const;

  it.each(cases)("with an address that %s is refused", async (_what, torn, promise) => {
    const pool = new Torn();
    const { running, events } = await startedLab({}, { createPool: () => pool });
    expect(await add(running, 1)).toMatch(/^10\./);
    pool.torn = torn;
    const refused = await add(running, 2);
    expect(refused).toBeInstanceOf(EnidError);
    expect(refused).toMatchObject({ code: "ENID_REFUSED", message: expect.stringContaining(`promise ${promise} (`) });
    expect(brokenOf(events)).toEqual([promise]);
    pool.torn = undefined;
    expect(await add(running, 3)).toMatch(/^10\./);
  });

  it("is refused while its lease is not known to be durable (promise 2)", async () => {
    const { running, events } = await startedLab();
    Ledger.prototype.must = () => Promise.resolve();
    expect(await add(running, 1)).toMatchObject({ code: "ENID_REFUSED" });
    expect(brokenOf(events)).toEqual([2]);
  });
});

describe("a pool that is not what it should be", () => {
  class Contradictory extends Pool {
    wrong = "";

    override problems(): string[] {
      return this.wrong === "" ? super.problems() : [this.wrong];
    }

    override upsertInterface(one: Parameters<Pool["upsertInterface"]>[0]): void {
      if (this.wrong !== "") this.changes.addresses++;
      super.upsertInterface(one);
    }

    override block(cidr: string) {
      const block = super.block(cidr);
      return this.wrong === "" || block === undefined ? block : { ...block, leased: 0, cooling: 0 };
    }
  }

  it("stops the node, is told once, and ends when it holds again (promise 1)", async () => {
    const pool = new Contradictory();
    const { running, events, clock } = await startedLab({}, { createPool: () => pool });
    expect(await add(running, 1)).toMatch(/^10\./);
    pool.problems = () => ["10.0.0.1 is leased twice"];
    await clock.advance(300_000);
    expect(brokenOf(events)).toEqual([1]);
    expect(running.status().degraded.map(({ name }) => name)).toContain("invariant-broken");
    expect(await add(running, 1)).toMatch(/^10\./);
    const waits = add(running, 2);
    await clock.advance(60_000);
    expect(await waits).toMatchObject({ code: "ENID_NO_ADDRESS", message: expect.stringContaining("promise 1") });
    pool.problems = () => [];
    await running.remove(attachment(1));
    await clock.advance(120_000);
    expect(running.status().degraded.map(({ name }) => name)).not.toContain("invariant-broken");
  });

  it("loses no lease to EC2's denials, however it counts (promise 9)", async () => {
    const pool = new Contradictory();
    const lab = await startedLab({}, { createPool: () => pool });
    const address = await add(lab.running, 1);
    for (const entry of lab.provider.interfaces.values())
      entry.addresses = entry.addresses.filter((one) => one !== address);
    pool.problems = () => [];
    pool.upsertInterface = Pool.prototype.upsertInterface;
    pool.wrong = "it says that nothing is leased";
    await lab.clock.advance(600_000);
    expect(new Set(brokenOf(lab.events))).toEqual(new Set([9]));
    expect(lab.running.leases().map((lease) => lease.address)).toEqual([address]);
  });

  it("stops the node for good when an observation changed what addresses are (promise 9)", async () => {
    const pool = new Contradictory();
    const lab = await startedLab({}, { createPool: () => pool });
    expect(await add(lab.running, 1)).toMatch(/^10\./);
    pool.problems = () => [];
    pool.block = (cidr) => Pool.prototype.block.call(pool, cidr);
    pool.wrong = "it changes";
    // Somebody puts an address on the interface: that is merged.
    for (const entry of lab.provider.interfaces.values()) entry.securityGroups = ["sg-2"];
    await lab.clock.advance(180_000);
    expect(brokenOf(lab.events)).toContain(9);
    expect(lab.running.status().degraded.map(({ name }) => name)).toContain("invariant-broken");
    pool.wrong = "";
    await lab.clock.advance(180_000);
    expect(lab.running.notReady()).toMatchObject({ code: "ENID_REFUSED" });
  });
});

describe("a start", () => {
  it("that would go on without the settings of the state is refused (promise 11)", async () => {
    const lab = await startedLab({ ipam: { "pre-allocate": 3 } });
    await lab.running.stop();
    const { load } = lab.store;
    let asked = 0;
    // Whoever reads it first finds nothing.
    lab.store.load = () => {
      const state = load.call(lab.store);
      return Object.defineProperty({ ...state }, "configuration", {
        get: () => (asked++ < 2 ? undefined : state.configuration),
      });
    };
    const again = lab.manager();
    await expect(again.start({ kind: "none" })).rejects.toMatchObject({ code: "ENID_REFUSED" });
    expect(brokenOf(lab.events)).toEqual([11]);
  });

  it("with the settings of the state breaks nothing", async () => {
    const lab = createLab();
    const first = lab.manager();
    await first.start({ kind: "valid", configuration: configuration() });
    await lab.clock.advance(3_000);
    await first.stop();
    await lab.manager().start({ kind: "none" });
    expect(brokenOf(lab.events)).toEqual([]);
  });
});

describe("the list of promises", () => {
  const page = readFileSync(new URL("../../docs/architecture.md", import.meta.url), "utf8");

  it("is numbered from 1 on, each with a name of its own", () => {
    expect(PROMISES.map(({ number }) => number)).toEqual(PROMISES.map((_, index) => index + 1));
    expect(new Set(PROMISES.map(({ name }) => name)).size).toBe(PROMISES.length);
    for (const { name } of PROMISES) expect(name).toMatch(/^[a-z]+(-[a-z]+)*$/);
  });

  it("is the one of docs/architecture.md, with its table", () => {
    const section = page.slice(page.indexOf("## Promises")).replace(/\s+/g, " ");
    for (const { number, name, text, checked, refuses } of PROMISES) {
      expect(section).toContain(`${number}. ${text}`);
      expect(page).toContain(`\n| ${number} \`${name}\` | ${checked} | ${refuses} |\n`);
    }
  });
});
