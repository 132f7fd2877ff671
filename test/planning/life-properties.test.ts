import fc from "fast-check";
import { expect, test } from "vitest";
import {
  excess,
  type FreeBlock,
  needed,
  type Plan,
  type PlanInput,
  plan,
  type Step,
} from "../../src/planning/index.ts";
import { AGAIN_MS, bringsOf, IDLE_MS, ModelNode, type ModelSettings } from "./model-node.ts";

const seldom = <T>(usual: T, other: fc.Arbitrary<T>) =>
  fc.oneof({ arbitrary: fc.constant(usual), weight: 3 }, { arbitrary: other, weight: 1 });

const settings: fc.Arbitrary<ModelSettings> = fc
  .record({
    maxInterfaces: fc.integer({ min: 1, max: 4 }),
    addressesPerInterface: fc.integer({ min: 2, max: 8 }),
    firstInterfaceIndex: seldom(0, fc.constant(1)),
    otherCards: seldom<readonly number[]>([], fc.array(fc.integer({ min: 1, max: 2 }), { maxLength: 2 })),
    prefixes: seldom(true, fc.constant(false)),
    usePrimaryAddress: seldom(false, fc.constant(true)),
    prefixMode: fc.constantFrom("off", "preferred", "preferred", "required"),
    families: fc.constantFrom("ipv4", "ipv4", "dual", "ipv6"),
    subnets: fc.array(
      fc.record({
        free: fc.oneof(fc.nat(40), fc.constant(400)),
        ipv6: fc.boolean(),
        fragmented: seldom(false, fc.constant(true)),
      }),
      { minLength: 1, maxLength: 3 },
    ),
    foreign: seldom<readonly number[]>([], fc.uniqueArray(fc.integer({ min: 0, max: 2 }), { maxLength: 2 })),
    preAllocate: fc.nat(12),
    minAllocate: seldom(0, fc.nat(40)),
    maxAllocate: seldom(0, fc.nat(60)),
    maxAboveWatermark: seldom(0, fc.nat(10)),
  })
  .map((of) => {
    const cards = [of.maxInterfaces, ...of.otherCards].map((maxInterfaces, card) => ({ card, maxInterfaces }));
    const { maxInterfaces, addressesPerInterface, firstInterfaceIndex, prefixes, usePrimaryAddress } = of;
    return {
      watermarks: of,
      ...{
        prefixMode: of.prefixMode as ModelSettings["prefixMode"],
        families: of.families as ModelSettings["families"],
      },
      limits: { maxInterfaces, addressesPerInterface, firstInterfaceIndex, prefixes, usePrimaryAddress, cards },
      subnets: of.subnets.map((subnet, index) => ({ ...subnet, id: `subnet-${index}` })),
      foreign: of.foreign
        .map((place) => ({ card: place % 2 === 0 && cards.length > 1 ? 1 : 0, deviceIndex: place + 1 }))
        .filter(({ card, deviceIndex }) => deviceIndex < (cards[card]?.maxInterfaces ?? 0)),
    };
  });

type Event =
  | { readonly kind: "pods"; readonly count: number }
  | { readonly kind: "end"; readonly count: number; readonly stride: number }
  | { readonly kind: "finish"; readonly place: number; readonly succeeds: boolean }
  | { readonly kind: "time"; readonly ms: number }
  | { readonly kind: "fragment"; readonly subnet: number; readonly fragmented: boolean }
  | { readonly kind: "block"; readonly blocked: boolean }
  | { readonly kind: "watermarks"; readonly preAllocate: number; readonly minAllocate: number }
  | { readonly kind: "groups"; readonly groups: readonly string[] };

const event: fc.Arbitrary<Event> = fc.oneof(
  fc.record({ kind: fc.constant("pods" as const), count: fc.nat(30) }),
  fc.record({ kind: fc.constant("end" as const), count: fc.nat(40), stride: fc.integer({ min: 1, max: 5 }) }),
  fc.record({ kind: fc.constant("finish" as const), place: fc.nat(5), succeeds: seldom(true, fc.constant(false)) }),
  fc.record({ kind: fc.constant("time" as const), ms: fc.constantFrom(1_000, AGAIN_MS, IDLE_MS) }),
  fc.record({ kind: fc.constant("fragment" as const), subnet: fc.nat(2), fragmented: fc.boolean() }),
  fc.record({ kind: fc.constant("block" as const), blocked: seldom(false, fc.constant(true)) }),
  fc.record({ kind: fc.constant("watermarks" as const), preAllocate: fc.nat(12), minAllocate: fc.nat(30) }),
  fc.record({ kind: fc.constant("groups" as const), groups: fc.constantFrom(["sg-1"], ["sg-2", "sg-1"]) }),
);

function happen(node: ModelNode, of: Event): void {
  if (of.kind === "pods") node.waiting += of.count;
  else if (of.kind === "end") node.endPods(of.count, of.stride);
  else if (of.kind === "time") node.nowMs += of.ms;
  else if (of.kind === "block") node.blocked = of.blocked;
  else if (of.kind === "groups") node.groups = of.groups;
  else if (of.kind === "watermarks") node.watermarks = { ...node.watermarks, ...of };
  else if (of.kind === "fragment") {
    const subnet = node.subnets[of.subnet];
    if (subnet !== undefined) subnet.fragmented = of.fragmented;
  } else {
    const step = node.underWay[of.place % Math.max(1, node.underWay.length)];
    if (step !== undefined) node.end(step, of.succeeds);
  }
  node.serve();
}

test("a plan keeps its promises through any life, and is empty while its steps are under way", () => {
  fc.assert(
    fc.property(settings, fc.array(event, { maxLength: 40, size: "max" }), (of, events) => {
      const node = new ModelNode(of);
      for (const each of events) {
        happen(node, each);
        const input = node.input();
        const result = plan(input);
        expect(JSON.stringify(plan(input))).toBe(JSON.stringify(result));
        expectPromises(input, result);
        node.begin(result.steps);
        expect(plan(node.input()).steps).toEqual([]);
      }
    }),
    { numRuns: 200 },
  );
});

test("once nothing changes any more, plans come to an end: what is required is there or said to be short", () => {
  fc.assert(
    fc.property(settings, fc.array(event, { maxLength: 25, size: "max" }), (of, events) => {
      const node = new ModelNode(of);
      for (const each of events) {
        happen(node, each);
        node.begin(plan(node.input()).steps);
      }
      node.blocked = false;
      const last = settle(node);
      expect(node.underWay).toEqual([]);
      expect(last.steps).toEqual([]);
      if (last.shortfall === undefined && of.families !== "ipv6") expect([last.needed, last.surge]).toEqual([0, 0]);
      // Time alone brings interfaces to be removed, and nothing else once those are gone.
      node.nowMs += IDLE_MS;
      expect(settle(node).steps).toEqual([]);
    }),
    { numRuns: 250 },
  );
});

/** Carries out plans, all of them successfully as far as the subnets allow, until one is empty. */
function settle(node: ModelNode): Plan {
  for (let round = 0; round < 30; round++) {
    for (const step of [...node.underWay]) node.end(step, true);
    node.serve();
    const before = node.input();
    const result = plan(before);
    expectPromises(before, result);
    if (result.steps.length === 0) return result;
    node.begin(result.steps);
    const gave = result.steps.every(({ kind }) => kind === "release-blocks" || kind === "remove-interface");
    for (const step of [...node.underWay]) node.end(step, true);
    if (gave && before.giveBack?.count !== 0) expectNothingNeeded(node.input());
  }
  throw new Error("plans go on for ever");
}

function expectNothingNeeded({ watermarks, available, used, families }: PlanInput): void {
  if (families !== "ipv6") expect(needed({ ...watermarks, available, used })).toBe(0);
}

function expectPromises(input: PlanInput, { steps, planned, givenBack = 0 }: Plan): void {
  const { limits, watermarks, available, used, pending } = input;
  if (input.blocked !== undefined) expect(steps).toEqual([]);
  const keys = steps.map(
    (step) => `${step.kind}/${"interfaceId" in step ? step.interfaceId : step.reason}/${unitOf(step)}`,
  );
  expect(new Set(keys).size).toBe(keys.length);
  expect(planned).toBe(steps.reduce((sum, step) => sum + bringsOf(step, limits), 0));

  const growing = steps.filter((step) => step.kind === "create-interface" || step.kind === "add-blocks");
  const giving = steps.filter((step) => step.kind === "release-blocks" || step.kind === "remove-interface");
  const blocks = growing.filter(({ count, unit }) => count > 0 && unit !== "ipv6-prefix");
  if (giving.length > 0) {
    expect(blocks).toEqual([]);
    expect([input.waiting, pending]).toEqual([0, 0]);
    expect(available - givenBack).toBeGreaterThanOrEqual(used);
    if (givenBack > 0 && input.families !== "ipv6") {
      expect(available - givenBack).toBeGreaterThanOrEqual(watermarks.minAllocate);
    }
  }
  if (blocks.length > 0 && watermarks.maxAllocate > 0) {
    // The primary address of an interface that is made for an IPv6 prefix alone is beside the watermarks.
    const beside = growing.filter((step) => step.count === 0 && "ipv6Prefixes" in step).length;
    expect(available + pending + planned - beside).toBeLessThanOrEqual(watermarks.maxAllocate);
  }
  for (const step of giving) {
    const one = input.interfaces.find(({ id }) => id === step.interfaceId);
    expect(one).toMatchObject({ busy: false });
    if (step.kind === "release-blocks") {
      const free = new Set(one?.freeBlocks?.map(({ cidr }) => cidr));
      expect(step.cidrs.every((cidr) => free.has(cidr))).toBe(true);
    } else {
      expect(one).toMatchObject({ removable: true, used: 0 });
      if (input.families !== "ipv4" && one?.usable === true) expect(one.ipv6Prefixes ?? 0).toBe(0);
    }
  }
  expectPlacesAndSubnets(input, growing);
}

function expectPlacesAndSubnets(input: PlanInput, growing: readonly Step[]): void {
  const { limits, prefixMode } = input;
  const drawn = new Map<string, number>();
  const onCard = new Map<number, string[]>();
  const add = (card: number, index: number) => onCard.set(card, [...(onCard.get(card) ?? []), `${card}/${index}`]);
  for (const { networkCard = 0, deviceIndex } of input.interfaces) add(networkCard, deviceIndex);
  for (const step of growing) {
    if (step.kind !== "add-blocks" && step.kind !== "create-interface") continue;
    const subnet = input.subnets.find(({ id }) => id === step.subnetId);
    if (step.kind === "create-interface") {
      add(step.networkCard ?? 0, step.deviceIndex);
      expect(step.count).toBeLessThan(limits.addressesPerInterface);
      expect(step.deviceIndex).toBeGreaterThanOrEqual(step.networkCard ? 1 : limits.firstInterfaceIndex);
      if (step.ipv6Prefixes !== undefined) expect(subnet?.ipv6).toBe(true);
    } else {
      const one = input.interfaces.find(({ id }) => id === step.interfaceId);
      expect(one?.usable).toBe(true);
      if (step.unit === "ipv6-prefix") expect([subnet?.ipv6, one?.busy]).toEqual([true, false]);
      else expect((one?.slotsTaken ?? 0) + (one?.slotsPending ?? 0) + step.count).toBeLessThanOrEqual(one?.slots ?? 0);
    }
    if (step.unit === "prefix") {
      expect([prefixMode === "off", limits.prefixes]).toEqual([false, true]);
      expect((subnet?.prefixesBlockedUntilMs ?? 0) > input.nowMs).toBe(false);
    } else if (step.unit === undefined && step.count > 0 && limits.prefixes === true) {
      expect(prefixMode).not.toBe("required");
    }
    const already = drawn.get(step.subnetId) ?? 0;
    const primaries = limits.usePrimaryAddress === true || step.kind === "add-blocks" ? 0 : 1;
    drawn.set(step.subnetId, already + bringsOf(step, limits) + primaries);
    expect(drawn.get(step.subnetId)).toBeLessThanOrEqual(Math.max(0, subnet?.freeAddresses ?? 0));
  }
  for (const [card, places] of onCard) {
    expect(new Set(places).size).toBe(places.length);
    const most = limits.cards?.find((one) => one.card === card)?.maxInterfaces ?? 0;
    if (growing.some((step) => step.kind === "create-interface" && (step.networkCard ?? 0) === card)) {
      expect(places.length).toBeLessThanOrEqual(most);
    }
  }
}

function unitOf(step: Step): string {
  return step.kind === "add-blocks" ? (step.unit ?? "address") : "";
}

test("a node that gives back everything beyond its watermarks keeps no more than a block too many", () => {
  fc.assert(
    fc.property(settings, fc.nat(60), (of, pods) => {
      const node = new ModelNode({ ...of, families: "ipv4" });
      node.waiting = pods;
      settle(node);
      node.waiting = 0;
      node.endPods(1_000, 1);
      settle(node);
      node.nowMs += IDLE_MS;
      const last = settle(node);
      expect(last.steps).toEqual([]);
      const { available, used } = node.counts();
      // What is left is less than a prefix, and of single addresses nothing but the primary ones.
      const primaries = of.limits.usePrimaryAddress === true ? node.interfaces.length : 0;
      const most = of.prefixMode === "off" || of.limits.prefixes !== true ? primaries : 15 + primaries;
      expect(excess({ ...of.watermarks, available, used })).toBeLessThanOrEqual(most);
    }),
    { numRuns: 250 },
  );
});

test("a node whose subnets were fragmented comes back to prefixes when they no longer are", () => {
  fc.assert(
    fc.property(
      settings,
      fc.integer({ min: 0, max: 60 }),
      fc.nat(60),
      fc.integer({ min: 1, max: 5 }),
      (of, pods, ended, stride) => {
        const node = new ModelNode({
          ...of,
          ...{ prefixMode: "preferred", families: "ipv4", limits: { ...of.limits, prefixes: true } },
          subnets: of.subnets.map((subnet) => ({ ...subnet, free: 1000, fragmented: true })),
          watermarks: { ...of.watermarks, minAllocate: 0, maxAllocate: 0 },
        });
        node.waiting = pods;
        settle(node);
        expect(
          node
            .input()
            .interfaces.flatMap(({ freeBlocks = [] }) => freeBlocks)
            .every(isSingle),
        ).toBe(true);
        node.waiting = 0;
        node.endPods(ended, stride);
        for (const subnet of node.subnets) subnet.fragmented = false;
        node.nowMs += AGAIN_MS + IDLE_MS;
        settle(node);
        const { available, used, interfaces } = node.input();
        const singles = interfaces.flatMap(({ freeBlocks = [] }) => freeBlocks).filter(isSingle).length;
        const lacking = needed({ ...node.watermarks, available: available - singles, used });
        // Where anything is lacking still, no free single address is left to make place.
        if (lacking > 0) expect(singles).toBe(0);
      },
    ),
    { numRuns: 250 },
  );
});

function isSingle({ unit }: FreeBlock): boolean {
  return unit === "address";
}
