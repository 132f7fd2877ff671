import fc from "fast-check";
import { expect, test } from "vitest";
import { type Plan, type PlanInput, plan } from "../../src/planning/index.ts";
import { done, makeInterface, NOW_MS, underWay } from "./make-input.ts";

const seldom = <T>(usual: T, other: fc.Arbitrary<T>) =>
  fc.oneof({ arbitrary: fc.constant(usual), weight: 5 }, { arbitrary: other, weight: 1 });

/** Nodes of all shapes: foreign interfaces, gaps in the indexes, steps under way, subnets short of addresses. */
const node: fc.Arbitrary<PlanInput> = fc
  .record({
    maxInterfaces: fc.integer({ min: 1, max: 8 }),
    addressesPerInterface: fc.integer({ min: 1, max: 12 }),
    firstInterfaceIndex: seldom(0, fc.nat(3)),
    subnets: fc.array(
      fc.record({
        freeAddresses: fc.oneof(fc.integer({ min: -2, max: 20 }), fc.constant(500)),
        blockedUntilMs: seldom<number | undefined>(undefined, fc.constantFrom(NOW_MS - 1, NOW_MS, NOW_MS + 1)),
      }),
      { maxLength: 4, size: "max" },
    ),
    attached: fc.array(
      fc.record({
        usable: seldom(true, fc.constant(false)),
        taken: fc.nat(12),
        pending: fc.nat(4),
        making: seldom(false, fc.constant(true)),
        subnet: fc.nat(3),
        gap: seldom(0, fc.constant(1)),
      }),
      { maxLength: 6, size: "max" },
    ),
    usedShare: fc.double({ min: 0, max: 1, noNaN: true }),
    waiting: fc.oneof(fc.constant(0), fc.nat(60)),
    preAllocate: fc.nat(20),
    minAllocate: seldom(0, fc.nat(60)),
    maxAllocate: seldom(0, fc.nat(60)),
    maxAboveWatermark: fc.oneof(fc.constant(0), fc.nat(12)),
    blocked: seldom<number | undefined>(undefined, fc.constantFrom(NOW_MS, NOW_MS + 1)),
  })
  .map((of) => {
    const slots = of.addressesPerInterface - 1;
    let deviceIndex = -1;
    const interfaces = of.attached.slice(0, of.maxInterfaces).map(({ usable, taken, pending, making, subnet, gap }) => {
      deviceIndex += 1 + (deviceIndex < 0 ? 0 : gap);
      const slotsTaken = making ? 0 : Math.min(taken, slots);
      const slotsPending = Math.min(pending, slots - slotsTaken);
      const carries = usable && deviceIndex >= of.firstInterfaceIndex && subnet < of.subnets.length;
      const changed = { usable: carries, slots, slotsTaken, slotsPending, subnetId: `subnet-${subnet}` };
      return { ...makeInterface(deviceIndex, changed), making };
    });
    const carrying = interfaces.filter(({ usable }) => usable);
    const available = carrying.reduce((sum, { slotsTaken }) => sum + slotsTaken, 0);
    return {
      nowMs: NOW_MS,
      watermarks: of,
      available,
      used: Math.round(available * of.usedShare),
      waiting: of.waiting,
      pending: carrying.reduce((sum, { slotsPending }) => sum + slotsPending, 0),
      interfaces: interfaces.map(({ making: _, ...one }) => one),
      pendingDeviceIndexes: interfaces.filter(({ making }) => making).map((one) => one.deviceIndex),
      subnets: of.subnets.map(({ freeAddresses, blockedUntilMs }, index) => ({
        id: `subnet-${index}`,
        freeAddresses,
        ...(blockedUntilMs === undefined ? {} : { blockedUntilMs }),
      })),
      limits: of,
      ...(of.blocked === undefined ? {} : { blocked: { untilMs: of.blocked, reason: "throttled" } }),
    };
  });

test("a plan whose steps are under way, or done, is followed by an empty one", () => {
  fc.assert(
    fc.property(node, fc.boolean(), (input, knownWhileMade) => {
      const first = plan(input);
      const under = underWay(input, first.steps, knownWhileMade);
      expect(plan(under).steps).toEqual([]);
      if (!knownWhileMade) return;
      // What was left to interfaces being made is asked for once they are there; then nothing is.
      const after = done(under);
      const rest = plan(after);
      if (first.deferred === undefined) expect(rest.steps).toEqual([]);
      expect(plan(done(underWay(after, rest.steps))).steps).toEqual([]);
    }),
    { numRuns: 1500 },
  );
});

test("a plan stays within the instance, max-allocate, the slots and the subnets", () => {
  fc.assert(
    fc.property(node, (input) => {
      const result = plan(input);
      const { limits, watermarks } = input;
      const after = underWay(input, result.steps);
      const indexes = after.interfaces.map(({ deviceIndex }) => deviceIndex);
      const created = result.steps.filter((step) => step.kind === "create-interface");
      expect(new Set(indexes).size).toBe(indexes.length);
      if (created.length > 0) expect(indexes.length).toBeLessThanOrEqual(limits.maxInterfaces);
      for (const { deviceIndex, count } of created) {
        expect(deviceIndex).toBeGreaterThanOrEqual(limits.firstInterfaceIndex);
        expect(deviceIndex).toBeLessThan(limits.maxInterfaces);
        expect(count).toBeLessThan(limits.addressesPerInterface);
      }
      for (const one of after.interfaces) expect(one.slotsTaken + one.slotsPending).toBeLessThanOrEqual(one.slots);
      const named = result.steps.flatMap((step) => (step.kind === "add-blocks" ? [step.interfaceId] : []));
      expect(new Set(named).size).toBe(named.length);
      for (const id of named) expect(input.interfaces.find((one) => one.id === id)?.usable).toBe(true);
      for (const step of result.steps) if ("count" in step) expect(step.count).toBeGreaterThan(0);
      after.subnets.forEach((subnet, index) => {
        const before = input.subnets[index];
        const heldBack = (before?.blockedUntilMs ?? 0) > NOW_MS;
        if (heldBack || subnet.freeAddresses < 0) expect(subnet).toEqual(before);
      });
      const held = input.available + after.pending;
      if (watermarks.maxAllocate > 0 && result.planned > 0) expect(held).toBeLessThanOrEqual(watermarks.maxAllocate);
      if (input.blocked !== undefined && input.blocked.untilMs > NOW_MS) expect(result.steps).toEqual([]);
      expect(after.pending - input.pending).toBe(result.planned);
      expect(result.planned).toBeLessThanOrEqual(result.wanted);
    }),
    { numRuns: 1500 },
  );
});

test("a plan falls short only when the limit it names is reached", () => {
  fc.assert(
    fc.property(node, (input) => {
      const result = plan(input);
      const required = result.needed + result.surge;
      const got = result.planned + (result.deferred ?? 0);
      expect(result.shortfall !== undefined).toBe(got < required);
      if (result.shortfall !== undefined) expectReached(input, result);
    }),
    { numRuns: 1500 },
  );
});

test("a node without limits gets what it asks for: the most of pods waiting, pre-allocate and min-allocate", () => {
  const counts = fc.record({ used: fc.nat(50), free: fc.nat(20), pending: fc.nat(20), waiting: fc.nat(60) });
  const watermarks = fc.record({ preAllocate: fc.nat(20), minAllocate: fc.nat(80) });
  fc.assert(
    fc.property(counts, watermarks, ({ used, free, pending, waiting }, { preAllocate, minAllocate }) => {
      const available = used + free;
      const slots = 100_000;
      const result = plan({
        nowMs: NOW_MS,
        watermarks: { preAllocate, minAllocate, maxAllocate: 0, maxAboveWatermark: 0 },
        ...{ available, used, waiting, pending },
        interfaces: [makeInterface(0, { slots, slotsTaken: available, slotsPending: pending })],
        pendingDeviceIndexes: [],
        subnets: [{ id: "subnet-a", freeAddresses: slots }],
        limits: { maxInterfaces: 1, addressesPerInterface: slots + 1, firstInterfaceIndex: 0 },
      });
      const ready = Math.max(preAllocate, waiting) - (free + pending);
      expect(result.planned).toBe(Math.max(0, ready, minAllocate - available - pending));
      expect(result.steps.length).toBe(result.planned > 0 ? 1 : 0);
    }),
  );
});

function expectReached(input: PlanInput, { shortfall, steps, planned, deferred = 0 }: Plan): void {
  const after = underWay(input, steps);
  const carrying = after.interfaces.filter(({ usable }) => usable);
  const freeSlots = carrying.reduce((sum, one) => sum + one.slots - one.slotsTaken - one.slotsPending, 0) - deferred;
  switch (shortfall?.kind) {
    case "max-allocate":
      expect(input.available + input.pending + planned + deferred).toBeGreaterThanOrEqual(input.watermarks.maxAllocate);
      break;
    case "instance-full":
      expect(freeSlots).toBe(0);
      expect(carrying.reduce((sum, { slots }) => sum + slots, 0)).toBe(shortfall.capacity);
      break;
    case "no-usable-interface":
      expect(carrying.filter(({ slots }) => slots > 0)).toEqual([]);
      break;
    case "blocked":
      expect(input.blocked?.untilMs).toBeGreaterThan(NOW_MS);
      break;
    case "no-subnet":
      expect(input.subnets).toEqual([]);
      break;
    case "subnets-empty":
      // Wherever there is still a free slot, its subnet has nothing left but what is kept for interfaces being made.
      for (const one of carrying.filter(({ deviceIndex }) => !input.pendingDeviceIndexes.includes(deviceIndex))) {
        if (one.slots === one.slotsTaken + one.slotsPending) continue;
        const subnet = after.subnets.find(({ id }) => id === one.subnetId);
        const left = (subnet?.freeAddresses ?? 0) - deferred;
        expect(left <= 0 || (subnet?.blockedUntilMs ?? 0) > NOW_MS).toBe(true);
      }
      break;
    default:
      throw new Error("no shortfall");
  }
}
