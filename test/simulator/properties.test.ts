import fc from "fast-check";
import ipaddr from "ipaddr.js";
import { expect, test } from "vitest";
import { type Parameters, SimulatedError, type Truth } from "../../src/simulator/index.ts";
import { CARD_NODE, laboratory, NODE, NODE_SUBNET, SMALL_SUBNET, XEN_NODE, ZONE_B_SUBNET } from "./support.ts";

/** One step of a random life: `pick` chooses among what exists, so that most steps make sense. */
type Step =
  | { kind: "create"; subnet: string; count: number; prefixes: number }
  | { kind: "attach"; pick: number; instance: string; index: number; card: number }
  | { kind: "detach" | "delete" | "unassign" | "mark"; pick: number }
  | { kind: "assign"; pick: number; count: number }
  | { kind: "assign-prefixes"; pick: number; count: number }
  | { kind: "move"; pick: number; from: number }
  | { kind: "others"; subnet: string; count: number }
  | { kind: "vacate"; subnet: string }
  | { kind: "wait"; ms: number }
  | { kind: "assign-6"; pick: number; count: number; prefixes: boolean }
  | { kind: "unassign-6"; pick: number }
  | { kind: "reserve"; block: number; explicit: boolean }
  | { kind: "unreserve"; pick: number }
  | { kind: "fragment" | "defragment"; subnet: string }
  | { kind: "terminate"; instance: string };

const pick = fc.nat({ max: 30 });
const subnet = fc.constantFrom(NODE_SUBNET, SMALL_SUBNET, ZONE_B_SUBNET);
const instance = fc.constantFrom(NODE, XEN_NODE, CARD_NODE);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("create" as const),
      subnet,
      count: fc.nat({ max: 12 }),
      prefixes: fc.nat({ max: 3 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("attach" as const),
      pick,
      instance,
      index: fc.nat({ max: 4 }),
      card: fc.nat({ max: 4 }),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constantFrom("detach" as const, "delete" as const, "unassign" as const, "mark" as const),
      pick,
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant("assign" as const), pick, count: fc.integer({ min: 1, max: 12 }) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("assign-prefixes" as const),
      pick,
      count: fc.integer({ min: 1, max: 4 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("move" as const), pick, from: pick }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("others" as const), subnet, count: fc.nat({ max: 20 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("vacate" as const), subnet }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("wait" as const), ms: fc.nat({ max: 5_000 }) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("assign-6" as const),
      pick,
      count: fc.integer({ min: 1, max: 6 }),
      prefixes: fc.boolean(),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("unassign-6" as const), pick }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("reserve" as const), block: fc.nat({ max: 7 }), explicit: fc.boolean() }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("unreserve" as const), pick }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constantFrom("fragment" as const, "defragment" as const), subnet }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("terminate" as const), instance }) },
);

type Lab = ReturnType<typeof laboratory>;

function act({ cloud, clock }: Lab, one: Step): void {
  const { interfaces } = cloud.truth();
  const chosen = (index: number) => interfaces[index % interfaces.length];
  const call = (action: string, parameters: Parameters) => cloud.call(action, parameters);
  const target = "pick" in one ? chosen(one.pick) : undefined;
  const id = target?.id ?? "eni-00000000";
  switch (one.kind) {
    case "create": {
      const extra =
        one.prefixes > 0 ? { Ipv4PrefixCount: one.prefixes } : { SecondaryPrivateIpAddressCount: one.count };
      call("CreateNetworkInterface", { SubnetId: one.subnet, ...extra });
      return;
    }
    case "attach": {
      const where = { InstanceId: one.instance, DeviceIndex: one.index, NetworkCardIndex: one.card };
      call("AttachNetworkInterface", { NetworkInterfaceId: id, ...where });
      return;
    }
    case "detach":
      call("DetachNetworkInterface", { AttachmentId: target?.attachment?.id ?? "eni-attach-00000000" });
      return;
    case "delete":
      call("DeleteNetworkInterface", { NetworkInterfaceId: id });
      return;
    case "mark": {
      const Attachment = { AttachmentId: target?.attachment?.id ?? "eni-attach-00000000", DeleteOnTermination: true };
      call("ModifyNetworkInterfaceAttribute", { NetworkInterfaceId: id, Attachment });
      return;
    }
    case "assign":
      call("AssignPrivateIpAddresses", {
        NetworkInterfaceId: id,
        SecondaryPrivateIpAddressCount: one.count,
      });
      return;
    case "assign-prefixes":
      call("AssignPrivateIpAddresses", { NetworkInterfaceId: id, Ipv4PrefixCount: one.count });
      return;
    case "move": {
      const PrivateIpAddress = chosen(one.from)?.secondaryAddresses.slice(0, 2) ?? [];
      call("AssignPrivateIpAddresses", {
        NetworkInterfaceId: id,
        PrivateIpAddress,
        AllowReassignment: true,
      });
      return;
    }
    case "unassign":
      call("UnassignPrivateIpAddresses", {
        NetworkInterfaceId: id,
        PrivateIpAddress: target?.secondaryAddresses.slice(0, 2) ?? [],
        Ipv4Prefix: target?.prefixes.slice(0, 1) ?? [],
      });
      return;
    case "others":
      cloud.occupy(one.subnet, one.count);
      return;
    case "vacate":
      cloud.vacate(one.subnet);
      return;
    case "wait":
      clock.advance(one.ms);
      return;
    case "assign-6":
      call("AssignIpv6Addresses", {
        NetworkInterfaceId: id,
        ...(one.prefixes ? { Ipv6PrefixCount: one.count } : { Ipv6AddressCount: one.count }),
      });
      return;
    case "unassign-6":
      call("UnassignIpv6Addresses", {
        NetworkInterfaceId: id,
        Ipv6Addresses: target?.ipv6Addresses.slice(0, 2) ?? [],
        Ipv6Prefix: target?.ipv6Prefixes.slice(0, 1) ?? [],
      });
      return;
    case "reserve":
      call("CreateSubnetCidrReservation", {
        SubnetId: NODE_SUBNET,
        Cidr: `10.0.0.${one.block * 32}/27`,
        ReservationType: one.explicit ? "explicit" : "prefix",
      });
      return;
    case "unreserve": {
      const reservations = cloud.truth().subnets.flatMap((subnet) => subnet.reservations);
      const chosenOne = reservations[one.pick % Math.max(1, reservations.length)];
      call("DeleteSubnetCidrReservation", { SubnetCidrReservationId: chosenOne?.id ?? "scr-00000000" });
      return;
    }
    case "fragment":
      cloud.fragment(one.subnet);
      return;
    case "defragment":
      cloud.defragment(one.subnet);
      return;
    case "terminate":
      cloud.terminate(one.instance);
  }
}

const LIMITS: Readonly<Record<string, { addresses: number; perCard: number }>> = {
  "m5.large": { addresses: 10, perCard: 3 },
  "t2.micro": { addresses: 2, perCard: 2 },
  "p4d.24xlarge": { addresses: 50, perCard: 15 },
};

function numberOf(address: string): number {
  return address.split(".").reduce((value, part) => value * 256 + Number(part), 0);
}

/** Every address that an address or CIDR covers. */
function covered(text: string): number[] {
  const [address = "", length = "32"] = text.split("/");
  return Array.from({ length: 2 ** (32 - Number(length)) }, (_, offset) => numberOf(address) + offset);
}

/** Whether a /80 holds the address. */
function holds(address: string): (prefix: string) => boolean {
  return (prefix) => ipaddr.parse(address).match(ipaddr.parseCIDR(prefix));
}

/** What is wrong with the cloud; empty when nothing is. */
function faultsOf({ interfaces, subnets, instances }: Truth): string[] {
  const faults: string[] = [];
  const bySubnet = new Map<string, number[]>();
  for (const one of interfaces) {
    const held = [one.primaryAddress, ...one.secondaryAddresses, ...one.prefixes].flatMap(covered);
    bySubnet.set(one.subnetId, [...(bySubnet.get(one.subnetId) ?? []), ...held]);
  }
  const all = [...bySubnet.values()].flat();
  if (new Set(all).size !== all.length) faults.push("an address is held twice");
  for (const { id, cidr, freeAddresses, usedByInterfaces, usedByOthers } of subnets) {
    const mine = bySubnet.get(id) ?? [];
    const range = covered(cidr);
    const first = (range[0] ?? 0) + 4;
    const last = (range.at(-1) ?? 0) - 1;
    if (usedByInterfaces !== mine.length) faults.push(`${id}: ${usedByInterfaces} counted, ${mine.length} held`);
    if (freeAddresses + usedByInterfaces + usedByOthers !== range.length - 5)
      faults.push(`${id}: the counts do not add up`);
    if (freeAddresses < 0) faults.push(`${id}: ${freeAddresses} free`);
    if (mine.some((number) => number < first || number > last)) faults.push(`${id}: an address outside or reserved`);
  }
  const held6 = interfaces.flatMap((one) => [
    ...one.ipv6Prefixes,
    ...one.ipv6Addresses.filter((address) => !interfaces.some(({ ipv6Prefixes }) => ipv6Prefixes.some(holds(address)))),
  ]);
  const carried6 = interfaces.flatMap((one) => [...one.ipv6Addresses, ...one.ipv6Prefixes]);
  if (held6.length !== carried6.length || new Set(carried6).size !== carried6.length) {
    faults.push("an IPv6 address is held twice");
  }
  for (const { id, type, state } of instances) {
    const limits = LIMITS[type] ?? { addresses: 0, perCard: 0 };
    const own = interfaces.filter(({ attachment }) => attachment?.instanceId === id);
    const places = new Set(own.map(({ attachment }) => `${attachment?.networkCard}/${attachment?.deviceIndex}`));
    if (places.size !== own.length) faults.push(`${id}: two interfaces at one device index`);
    for (const [card, onCard] of Map.groupBy(own, ({ attachment }) => attachment?.networkCard)) {
      if (onCard.length > limits.perCard) faults.push(`${id}: ${onCard.length} interfaces on card ${card}`);
    }
    const slots = own.map(({ secondaryAddresses, prefixes }) => 1 + secondaryAddresses.length + prefixes.length);
    if (slots.some((count) => count > limits.addresses)) faults.push(`${id}: more addresses than ${type} holds`);
    if (own.some((each) => each.ipv6Addresses.length + each.ipv6Prefixes.length > limits.addresses)) {
      faults.push(`${id}: more IPv6 than ${type} holds`);
    }
    if (state === "terminated" && own.length > 0) faults.push(`${id}: interfaces of a terminated instance`);
  }
  return faults;
}

test("whatever is asked, addresses stay unique, counts right and limits held", () => {
  let tried = 0;
  let succeeded = 0;
  fc.assert(
    fc.property(fc.array(step, { minLength: 30, maxLength: 120, size: "max" }), fc.nat(), (steps, seed) => {
      const lab = laboratory(
        { throttling: false, attachMs: 1_000, detachMs: 1_500, describeLagMs: { minMs: 0, maxMs: 2_000 } },
        seed,
      );
      for (const one of steps) {
        const before = JSON.stringify(lab.cloud.truth().interfaces);
        tried += 1;
        try {
          act(lab, one);
          succeeded += 1;
        } catch (thrown) {
          if (!(thrown instanceof SimulatedError)) throw thrown;
          expect(JSON.stringify(lab.cloud.truth().interfaces), `a refused ${one.kind} changes nothing`).toBe(before);
        }
        expect(faultsOf(lab.cloud.truth())).toEqual([]);
      }
      // When nothing changes any more, every view shows the truth.
      lab.clock.advance(60_000);
      const { networkInterfaceSet } = lab.cloud.call("DescribeNetworkInterfaces", {}) as {
        networkInterfaceSet: { networkInterfaceId: string; privateIpAddressesSet: unknown[] }[];
      };
      const shown = networkInterfaceSet.map((one) => [one.networkInterfaceId, one.privateIpAddressesSet.length]);
      const real = lab.cloud.truth().interfaces.map((one) => [one.id, 1 + one.secondaryAddresses.length]);
      expect(shown.sort()).toEqual(real.sort());
    }),
    { numRuns: 60 },
  );
  expect(succeeded / tried, "the steps do something").toBeGreaterThan(0.2);
});

test("a token gives one interface however often it is sent", () => {
  fc.assert(
    fc.property(fc.array(fc.nat({ max: 4 }), { maxLength: 40 }), fc.nat(), (tokens, seed) => {
      const lab = laboratory({ throttling: false }, seed);
      const before = lab.cloud.truth().interfaces.length;
      for (const token of tokens) {
        lab.cloud.call("CreateNetworkInterface", {
          SubnetId: NODE_SUBNET,
          ClientToken: `token-${token}`,
          SecondaryPrivateIpAddressCount: token,
        });
      }
      expect(lab.cloud.truth().interfaces.length - before).toBe(new Set(tokens).size);
    }),
    { numRuns: 30 },
  );
});

test("the same seed and the same calls give the same cloud", () => {
  const life = (seed: number, steps: readonly Step[]) => {
    const lab = laboratory({ throttling: false, attachMs: 1_000 }, seed);
    for (const one of steps) {
      try {
        act(lab, one);
      } catch (thrown) {
        if (!(thrown instanceof SimulatedError)) throw thrown;
      }
    }
    return JSON.stringify(lab.cloud.truth());
  };
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), fc.nat(), (steps, seed) => {
      expect(life(seed, steps)).toBe(life(seed, steps));
    }),
    { numRuns: 20 },
  );
});
