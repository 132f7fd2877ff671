import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type PlanInput, type PlanInterface, plan } from "../../src/planning/index.ts";
import { brief, freeSingles, M5_LARGE, makeInput, makeInterface, makePrefixInput, NOW_MS } from "./make-input.ts";

const USELESS_ONLY = { count: 0, interfaceIdleMs: 600_000, uselessOnly: true };
const ANY = { count: 100, interfaceIdleMs: 600_000 };
const NEW_SUBNET = [{ id: "subnet-b", freeAddresses: 1000 }];

/** Made by enid in a subnet that is no longer allowed, with nothing used on it. */
function useless(index: number, changed: Partial<PlanInterface> = {}): PlanInterface {
  const freeBlocks = freeSingles(9, `u${index}`);
  const of = { slotsTaken: 9, used: 0, freeBlocks, removable: true, usable: false, idleSinceMs: NOW_MS - 1 };
  return makeInterface(index, { ...of, ...changed });
}

/** An m5.large whose primary interface carries no pods, and whose other places are taken. */
function stuck(interfaces: readonly PlanInterface[], changed: Partial<PlanInput> = {}): PlanInput {
  const primary = makeInterface(0, { usable: false });
  const all = [primary, ...interfaces];
  return makeInput({ interfaces: all, subnets: NEW_SUBNET, giveBack: USELESS_ONLY, ...changed });
}

const removed = (input: PlanInput) => brief(plan(input).steps);

describe("interfaces of enid in a subnet that is no longer allowed, on an instance with no place left", () => {
  test.each([
    ["while no pod waits", {}],
    ["while pods wait", { waiting: 5 }],
    ["where excess is given back too", { giveBack: ANY }],
    ["where excess is given back too, while pods wait", { giveBack: ANY, waiting: 5 }],
  ])("are removed %s, however short they have been idle", (_, changed) => {
    expect(removed(stuck([useless(1), useless(2)], changed))).toEqual(["eni-1 removed", "eni-2 removed"]);
  });

  test("are removed for the watermarks of a node that still has addresses elsewhere", () => {
    const full = makeInterface(1, { subnetId: "subnet-b", slotsTaken: 9, used: 9 });
    expect(removed(stuck([full, useless(2)], { available: 9, used: 9 }))).toEqual(["eni-2 removed"]);
  });

  test("stay while anything on them is leased or cooling, or that is not known", () => {
    const { used: _, ...unknown } = useless(2);
    expect(removed(stuck([useless(1, { used: 1, freeBlocks: freeSingles(8) }), unknown]))).toEqual([]);
    expect(removed(stuck([useless(1, { freeBlocks: freeSingles(8) }), useless(2)]))).toEqual(["eni-2 removed"]);
  });

  test("stay while a step changes them", () => {
    const asked = useless(2, { slotsTaken: 8, slotsPending: 1 });
    expect(removed(stuck([useless(1, { busy: true }), asked]))).toEqual([]);
  });

  test("stay when somebody else made them", () => {
    expect(removed(stuck([useless(1, { removable: false }), useless(2, { removable: false })]))).toEqual([]);
  });

  test("stay while EC2 is spared", () => {
    const { giveBack: _, ...spared } = stuck([useless(1), useless(2)], { waiting: 5 });
    expect(removed(spared)).toEqual([]);
    const blocked = { untilMs: NOW_MS + 1, reason: "throttled" };
    expect(removed(stuck([useless(1), useless(2)], { blocked }))).toEqual([]);
  });

  test("stay when they are not in the way: addresses are on their way, nothing is wanted, or max-allocate is reached", () => {
    expect(removed(stuck([useless(1), useless(2)], { pending: 4 }))).toEqual([]);
    const idle = stuck([useless(1), useless(2)]);
    expect(removed({ ...idle, watermarks: { ...idle.watermarks, preAllocate: 0 } })).toEqual([]);
    const full = makeInterface(1, { subnetId: "subnet-b", slotsTaken: 9, used: 9 });
    const most = stuck([full, useless(2)], { available: 9, used: 9 });
    expect(removed({ ...most, watermarks: { ...most.watermarks, maxAllocate: 9 } })).toEqual([]);
  });

  test("stay while a place of the instance is free: what is wanted goes there", () => {
    const { steps } = plan(stuck([useless(1)], { waiting: 5 }));
    expect(brief(steps)).toEqual(["new 2 in subnet-b +8"]);
  });

  test("stay while a slot of another interface is free, though its subnet has no address for it", () => {
    const open = makeInterface(1, { subnetId: "subnet-b", slotsTaken: 8, used: 8 });
    const subnets = [{ id: "subnet-b", freeAddresses: 0 }];
    expect(removed(stuck([open, useless(2)], { available: 8, used: 8, subnets }))).toEqual([]);
  });
});

test("single addresses make place for a prefix only where excess is given back", () => {
  const primary = makeInterface(0, { slotsTaken: 9, used: 1, freeBlocks: freeSingles(8) });
  const limits = { ...M5_LARGE, maxInterfaces: 1, prefixes: true };
  const full = makePrefixInput({ interfaces: [primary], available: 9, used: 1, limits });
  expect(removed({ ...full, giveBack: { ...ANY, count: 0 } })).toEqual(["eni-0 -1"]);
  expect(removed({ ...full, giveBack: USELESS_ONLY })).toEqual([]);
});

/** Full and half-full instances with interfaces of every kind. */
const node: fc.Arbitrary<PlanInput> = fc
  .record({
    maxInterfaces: fc.integer({ min: 1, max: 5 }),
    attached: fc.array(
      fc.record({
        usable: fc.boolean(),
        removable: fc.boolean(),
        busy: fc.oneof({ arbitrary: fc.constant(false), weight: 4 }, { arbitrary: fc.constant(true), weight: 1 }),
        taken: fc.oneof(fc.constant(9), fc.nat(9)),
        used: fc.oneof(fc.constant(0), fc.nat(9)),
        cooling: fc.oneof(fc.constant(0), fc.nat(2)),
        slotsPending: fc.oneof({ arbitrary: fc.constant(0), weight: 6 }, { arbitrary: fc.nat(2), weight: 1 }),
        idleMs: fc.constantFrom(undefined, 0, 600_000),
      }),
      { minLength: 1, maxLength: 5, size: "max" },
    ),
    waiting: fc.constantFrom(0, 3, 40),
    preAllocate: fc.constantFrom(0, 8, 20),
    maxAllocate: fc.constantFrom(0, 0, 9, 18),
    uselessOnly: fc.boolean(),
    subnetFree: fc.constantFrom(0, 1000),
  })
  .map(({ maxInterfaces, attached, waiting, preAllocate, maxAllocate, uselessOnly, subnetFree }) => {
    const interfaces = attached.slice(0, maxInterfaces).map((of, index) => {
      const slotsTaken = Math.min(of.taken, 9 - of.slotsPending);
      const used = Math.min(of.used + of.cooling, slotsTaken);
      return makeInterface(index, {
        usable: of.usable,
        removable: index > 0 && of.removable,
        busy: of.busy,
        slotsTaken,
        slotsPending: of.slotsPending,
        used,
        freeBlocks: freeSingles(slotsTaken - used, `i${index}`),
        ...(used > 0 || of.idleMs === undefined ? {} : { idleSinceMs: NOW_MS - of.idleMs }),
      });
    });
    const carrying = interfaces.filter(({ usable }) => usable);
    const sum = (of: (one: PlanInterface) => number) => carrying.reduce((total, one) => total + of(one), 0);
    return makeInput(
      {
        interfaces,
        available: sum(({ slotsTaken }) => slotsTaken),
        used: sum(({ used = 0 }) => used),
        pending: sum(({ slotsPending }) => slotsPending),
        waiting,
        subnets: [{ id: "subnet-a", freeAddresses: subnetFree }],
        limits: { ...M5_LARGE, maxInterfaces },
        giveBack: uselessOnly ? USELESS_ONLY : ANY,
      },
      { preAllocate, maxAllocate },
    );
  });

/** A free place, or a free slot of an interface that carries pods. */
function hasRoom({ interfaces, limits }: PlanInput): boolean {
  const slot = interfaces.some((one) => one.usable && one.slotsTaken + one.slotsPending < one.slots);
  return slot || interfaces.length < limits.maxInterfaces;
}

test("what is removed to make place is never usable, in use, somebody else's, the primary one or changed by a step", () => {
  let seen = 0;
  fc.assert(
    fc.property(node, (input) => {
      const { steps, givenBack, needed, surge } = plan(input);
      const removals = steps.filter((step) => step.kind === "remove-interface");
      const isStuck = needed + surge > 0 && !hasRoom(input);
      if (isStuck || input.giveBack?.uselessOnly === true) {
        expect(steps.filter(({ kind }) => kind === "release-blocks")).toEqual([]);
        expect(givenBack).toBeUndefined();
        for (const { interfaceId } of removals) {
          const one = input.interfaces.find(({ id }) => id === interfaceId);
          expect(one).toMatchObject({ usable: false, used: 0, removable: true, busy: false, slotsPending: 0 });
          expect(one?.deviceIndex).toBeGreaterThan(0);
        }
        seen += removals.length;
      }
      if (isStuck) expect(steps.length).toBe(removals.length);
      if (input.waiting > 0 || input.pending > 0 || input.giveBack?.uselessOnly === true) {
        if (removals.length > 0) expect(isStuck && input.pending === 0).toBe(true);
      }
    }),
    { numRuns: 3000 },
  );
  expect(seen).toBeGreaterThan(30);
});

test("a removal that makes place is followed by growth, and repeats nothing while it is under way", () => {
  fc.assert(
    fc.property(node, (input) => {
      const removals = plan(input).steps.filter((step) => step.kind === "remove-interface");
      fc.pre(removals.length > 0 && plan(input).shortfall !== undefined);
      const going = new Set(removals.map(({ interfaceId }) => interfaceId));
      const interfaces = input.interfaces.map((one) => (going.has(one.id) ? { ...one, busy: true } : one));
      expect(plan({ ...input, interfaces }).steps).toEqual([]);
      const after = plan({ ...input, interfaces: input.interfaces.filter(({ id }) => !going.has(id)) });
      const isGrowth = after.steps.some(({ kind }) => kind === "create-interface");
      expect(isGrowth || after.shortfall?.kind !== "instance-full").toBe(true);
    }),
    { numRuns: 200 },
  );
});
