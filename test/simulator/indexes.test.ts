/**
 * The simulated cloud finds interfaces by indexes. Here it is held against a naive cloud: every version of every
 * interface with the moment from which a view shows it, all of it looked through for every question.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import { type NetworkInterface, type Parameters, SimulatedError } from "../../src/simulator/index.ts";
import { CARD_NODE, type Laboratory, laboratory, NODE, NODE_SUBNET, SMALL_SUBNET, ZONE_B_SUBNET } from "./support.ts";

const DESCRIBE_LAG_MS = 3_000;
const INSTANCES = [NODE, CARD_NODE];
const TAGS = ["owner", "a", "a=b"];
const VALUES = ["1", "b=1", "*"];

type Step =
  | { kind: "create"; subnet: string; count: number; key: string; value: string }
  | { kind: "attach"; pick: number; instance: string; index: number }
  | { kind: "detach" | "delete" | "unassign"; pick: number }
  | { kind: "assign"; pick: number; count: number }
  | { kind: "tag" | "untag"; pick: number; key: string; value: string }
  | { kind: "others"; count: number }
  | { kind: "wait"; ms: number };

const pick = fc.nat({ max: 30 });
const key = fc.constantFrom(...TAGS);
const value = fc.constantFrom(...VALUES);
const instance = fc.constantFrom(...INSTANCES);
const subnet = fc.constantFrom(NODE_SUBNET, ZONE_B_SUBNET);
const kind = <K extends string>(...kinds: K[]) => fc.constantFrom(...kinds);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: kind("create"), subnet, count: fc.nat({ max: 9 }), key, value }) },
  { weight: 4, arbitrary: fc.record({ kind: kind("attach"), pick, instance, index: fc.nat({ max: 3 }) }) },
  { weight: 5, arbitrary: fc.record({ kind: kind("detach", "delete", "unassign"), pick }) },
  { weight: 2, arbitrary: fc.record({ kind: kind("assign"), pick, count: fc.integer({ min: 1, max: 5 }) }) },
  { weight: 4, arbitrary: fc.record({ kind: kind("tag", "untag"), pick, key, value }) },
  { weight: 1, arbitrary: fc.record({ kind: kind("others"), count: fc.nat({ max: 5 }) }) },
  { weight: 4, arbitrary: fc.record({ kind: kind("wait"), ms: fc.nat({ max: 4_000 }) }) },
);

function act({ cloud, clock }: Laboratory, one: Step): void {
  const { interfaces } = cloud.truth();
  const target = "pick" in one ? interfaces[one.pick % interfaces.length] : undefined;
  const NetworkInterfaceId = target?.id ?? "eni-00000000";
  switch (one.kind) {
    case "create": {
      const Tag = [{ Key: one.key, Value: one.value }];
      cloud.call("CreateNetworkInterface", {
        SubnetId: one.subnet,
        SecondaryPrivateIpAddressCount: one.count,
        TagSpecification: [{ ResourceType: "network-interface", Tag }],
      });
      return;
    }
    case "attach": {
      const where = { InstanceId: one.instance, DeviceIndex: one.index };
      cloud.call("AttachNetworkInterface", { NetworkInterfaceId, ...where });
      return;
    }
    case "detach":
      cloud.call("DetachNetworkInterface", { AttachmentId: target?.attachment?.id ?? "eni-attach-00000000" });
      return;
    case "delete":
      cloud.call("DeleteNetworkInterface", { NetworkInterfaceId });
      return;
    case "assign":
      cloud.call("AssignPrivateIpAddresses", { NetworkInterfaceId, SecondaryPrivateIpAddressCount: one.count });
      return;
    case "unassign": {
      const PrivateIpAddress = target?.secondaryAddresses.slice(0, 2) ?? [];
      cloud.call("UnassignPrivateIpAddresses", { NetworkInterfaceId, PrivateIpAddress });
      return;
    }
    case "tag":
    case "untag": {
      const Tag = [{ Key: one.key, Value: one.value }];
      cloud.call(one.kind === "tag" ? "CreateTags" : "DeleteTags", { ResourceId: [NetworkInterfaceId], Tag });
      return;
    }
    case "others":
      cloud.occupy(NODE_SUBNET, one.count);
      return;
    case "wait":
      clock.advance(one.ms);
  }
}

/** What the views show, kept without any index. */
class NaiveViews {
  readonly #versions = new Map<string, { record: NetworkInterface | undefined; fromMs: number }[]>();

  /** To be called after everything that may have changed something. */
  observe(interfaces: readonly NetworkInterface[], nowMs: number): void {
    const now = new Map(interfaces.map((one) => [one.id, one]));
    for (const id of new Set([...this.#versions.keys(), ...now.keys()])) {
      const versions = this.#versions.get(id) ?? [];
      const record = now.get(id);
      if (versions.length > 0 && JSON.stringify(versions.at(-1)?.record) === JSON.stringify(record)) continue;
      const fromMs = versions.length === 0 ? nowMs : nowMs + DESCRIBE_LAG_MS;
      this.#versions.set(id, [...versions, { record, fromMs }]);
    }
  }

  described(nowMs: number): NetworkInterface[] {
    return [...this.#versions.values()].flatMap(
      (versions) => versions.findLast(({ fromMs }) => fromMs <= nowMs)?.record ?? [],
    );
  }
}

interface Filter {
  readonly Name: string;
  readonly Value: readonly string[];
}

function passes(one: NetworkInterface, { Name, Value }: Filter): boolean {
  const fields: Readonly<Record<string, readonly string[]>> = {
    "attachment.attachment-id": one.attachment ? [one.attachment.id] : [],
    "attachment.instance-id": one.attachment ? [one.attachment.instanceId] : [],
    "network-interface-id": [one.id],
    "subnet-id": [one.subnetId],
    "tag-key": Object.keys(one.tags),
    "vpc-id": [one.vpcId],
    status: [one.status],
  };
  const tag = one.tags[Name.slice("tag:".length)];
  const values = Name.startsWith("tag:") ? (tag === undefined ? [] : [tag]) : (fields[Name] ?? []);
  return Value.map(patternOf).some((pattern) => values.some((one) => pattern.test(one)));
}

/** `*` is any text and `?` any character, unless a backslash is before it. */
function patternOf(text: string): RegExp {
  const parts = text.match(/\\.|./g) ?? [];
  const source = parts.map((part) => {
    if (part === "*") return ".*";
    return part === "?" ? "." : (part.at(-1) ?? "").replace(/[^\w]/, "\\$&");
  });
  return new RegExp(`^${source.join("")}$`);
}

/** A question: `pick` chooses among what exists, `wild` makes patterns of values. */
const question = fc.record({
  filters: fc.array(
    fc.record({
      name: fc.constantFrom(
        "attachment.attachment-id",
        "attachment.instance-id",
        "network-interface-id",
        "subnet-id",
        "status",
        "vpc-id",
        "tag-key",
        ...TAGS.map((one) => `tag:${one}`),
      ),
      picks: fc.array(pick, { minLength: 1, maxLength: 3 }),
      wild: fc.constantFrom(false, false, false, true),
    }),
    { maxLength: 3 },
  ),
  named: fc.constantFrom(false, false, true),
  pageSize: fc.constantFrom(undefined, 5, 7),
});

function filterOf(asked: { name: string; picks: number[]; wild: boolean }, all: readonly NetworkInterface[]): Filter {
  const known: Readonly<Record<string, readonly string[]>> = {
    "attachment.attachment-id": all.flatMap((one) => one.attachment?.id ?? []),
    "attachment.instance-id": [...INSTANCES, "i-00000000"],
    "network-interface-id": [...all.map((one) => one.id), "eni-00000000"],
    "subnet-id": [NODE_SUBNET, ZONE_B_SUBNET],
    status: ["available", "in-use", "detaching"],
    "tag-key": TAGS,
    "vpc-id": all.map((one) => one.vpcId),
  };
  const values = known[asked.name] ?? [...VALUES, "\\*", "none"];
  const Value = asked.picks.map((one) => values[one % values.length] ?? "nothing");
  return { Name: asked.name, Value: asked.wild ? Value.map((one) => `${one.slice(0, 3)}*`) : Value };
}

/** Ids and changing parts of all pages, in order. */
function describeAll({ cloud }: Laboratory, request: Parameters): unknown[] {
  const shown: unknown[] = [];
  for (let token: string | undefined, first = true; first || token !== undefined; first = false) {
    const page = { ...request, ...(token !== undefined && { NextToken: token }) };
    const { networkInterfaceSet, nextToken } = cloud.call("DescribeNetworkInterfaces", page) as {
      networkInterfaceSet: {
        networkInterfaceId: string;
        status: string;
        privateIpAddressesSet: { privateIpAddress: string }[];
        attachment?: { attachmentId: string; status: string };
        tagSet: { key: string; value: string }[];
      }[];
      nextToken?: string;
    };
    for (const one of networkInterfaceSet) {
      const addresses = one.privateIpAddressesSet.map(({ privateIpAddress }) => privateIpAddress);
      const tags = one.tagSet.map((tag) => `${tag.key}: ${tag.value}`);
      const attachment = one.attachment && `${one.attachment.attachmentId} ${one.attachment.status}`;
      shown.push([one.networkInterfaceId, one.status, addresses, tags.sort(), attachment]);
    }
    token = nextToken;
  }
  return shown;
}

function expected(all: readonly NetworkInterface[]): unknown[] {
  return all
    .toSorted((one, other) => (one.id < other.id ? -1 : 1))
    .map(({ id, status, primaryAddress, secondaryAddresses, tags, attachment }) => [
      id,
      status,
      [primaryAddress, ...secondaryAddresses],
      Object.entries(tags)
        .map(([name, text]) => `${name}: ${text}`)
        .sort(),
      attachment && `${attachment.id} ${attachment.status}`,
    ]);
}

test("what the indexes find is what a look at everything finds, in the lagging views too", () => {
  let found = 0;
  let stale = 0;
  fc.assert(
    fc.property(
      fc.array(fc.tuple(step, question), { minLength: 20, maxLength: 60, size: "max" }),
      fc.nat(),
      (life, seed) => {
        const lab = laboratory(
          { throttling: false, attachMs: 1_000, detachMs: 1_500, describeLagMs: DESCRIBE_LAG_MS, metadataLagMs: 2_000 },
          seed,
        );
        const { cloud } = lab;
        const views = new NaiveViews();
        // What is there from the start is known to every view at once.
        views.observe(cloud.truth().interfaces, cloud.nowMs());
        for (const [one, asked] of life) {
          try {
            act(lab, one);
          } catch (thrown) {
            if (!(thrown instanceof SimulatedError)) throw thrown;
          }
          const truth = cloud.truth().interfaces;
          views.observe(truth, cloud.nowMs());
          const shown = views.described(cloud.nowMs());
          const Filter = asked.filters.map((filter) => filterOf(filter, [...shown, ...truth]));
          const named = asked.named ? shown.slice(0, 4) : shown;
          const request = asked.named
            ? { NetworkInterfaceId: named.map(({ id }) => id) }
            : asked.pageSize && { MaxResults: asked.pageSize };
          const wanted = named.filter((each) => Filter.every((filter) => passes(each, filter)));
          const answer = describeAll(lab, { ...request, Filter: Filter.map((each) => ({ ...each })) });
          expect(answer, JSON.stringify(Filter)).toEqual(expected(wanted));
          found += wanted.length;
          if (JSON.stringify(shown) !== JSON.stringify(truth)) stale += 1;
        }
      },
    ),
    { numRuns: 60 },
  );
  expect(found, "the questions find something").toBeGreaterThan(1_000);
  expect(stale, "the views lag").toBeGreaterThan(100);
});

test("the narrow looks show what the look at everything shows, and a version changes with what it stands for", () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 20, maxLength: 60, size: "max" }), fc.nat(), (steps, seed) => {
      const lab = laboratory({ throttling: false, attachMs: 1_000, detachMs: 1_500 }, seed);
      const { cloud } = lab;
      const known = new Map<string, { version: number; picture: string }>();
      for (const one of steps) {
        try {
          act(lab, one);
        } catch (thrown) {
          if (!(thrown instanceof SimulatedError)) throw thrown;
        }
        const { interfaces, subnets } = cloud.truth();
        for (const instanceId of INSTANCES) {
          const own = interfaces.filter(({ attachment }) => attachment?.instanceId === instanceId);
          expect(byId(cloud.interfacesOf(instanceId))).toEqual(byId(own));
          const [version, picture] = [cloud.version(instanceId), JSON.stringify(byId(own))];
          const before = known.get(instanceId) ?? { version, picture };
          expect(version).toBeGreaterThanOrEqual(before.version);
          if (version === before.version) expect(picture).toBe(before.picture);
          known.set(instanceId, { version, picture });
        }
        for (const [name, text] of TAGS.flatMap((each) => VALUES.map((other) => [each, other] as const))) {
          const tagged = interfaces.filter(({ tags }) => tags[name] === text);
          expect(cloud.interfacesTagged(name, text)).toEqual(tagged);
        }
        for (const each of interfaces) {
          expect(cloud.interface(each.id)).toBe(each);
          for (const address of [each.primaryAddress, ...each.secondaryAddresses]) {
            expect(cloud.ownerOf(address)).toBe(each.id);
          }
        }
        for (const { id, freeAddresses } of subnets) expect(cloud.freeAddressesOf(id)).toBe(freeAddresses);
      }
    }),
    { numRuns: 25 },
  );
});

function byId(interfaces: readonly NetworkInterface[]): NetworkInterface[] {
  return interfaces.toSorted((one, other) => (one.id < other.id ? -1 : 1));
}

test("an address within a prefix has the prefix's interface as its owner, one of others and a free one have none", () => {
  const { cloud } = laboratory();
  const { networkInterface } = cloud.call("CreateNetworkInterface", { SubnetId: NODE_SUBNET, Ipv4PrefixCount: 1 }) as {
    networkInterface: { networkInterfaceId: string };
  };
  const made = cloud.interface(networkInterface.networkInterfaceId);
  const first = made?.prefixes[0]?.split("/")[0] ?? "";
  expect(cloud.ownerOf(first)).toBe(made?.id);
  expect(cloud.ownerOf(first, NODE_SUBNET)).toBe(made?.id);
  expect(cloud.ownerOf(first, ZONE_B_SUBNET)).toBeUndefined();
  cloud.occupy(SMALL_SUBNET, ["10.0.1.5"]);
  expect(cloud.ownerOf("10.0.1.5")).toBeUndefined();
  expect(cloud.ownerOf("10.0.2.9")).toBeUndefined();
  expect(cloud.ownerOf("nonsense")).toBeUndefined();
  expect(cloud.interface("eni-00000000")).toBeUndefined();
  expect(cloud.interfacesOf("i-00000000")).toEqual([]);
  expect(() => cloud.freeAddressesOf("subnet-00000000")).toThrow("does not exist");
});
