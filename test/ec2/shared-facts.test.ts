import { describe, expect, it } from "vitest";
import { FleetNode, MemoryServer, memoryFleetStore } from "../../src/fleet/index.ts";
import type { Provider, Selection, SharedFacts } from "../../src/manager/ports/index.ts";
import { createAwsProvider } from "../../src/providers/aws/index.ts";
import { createDirectAccess } from "../../src/simulator/direct/index.ts";
import type { SimulatedCloud } from "../../src/simulator/index.ts";
import { rejection } from "../contracts/provider-harness.ts";
import { RecordingTelemetry } from "../providers/aws/support.ts";
import { WorldClock } from "../support/world-clock.ts";
import {
  INSTANCE,
  makeCloud,
  NODE_GROUP,
  NODE_SUBNET,
  OTHER_SUBNET,
  POD_GROUP,
  POD_SUBNET,
  SECOND_POD_SUBNET,
  SUBNETS,
  VPC,
  withIpv6,
  ZONE,
} from "./cloud.ts";
import { seeded } from "./seeded.ts";

const SELECTION: Selection = {
  subnetIds: [],
  subnetTags: { pods: "true" },
  securityGroups: [],
  securityGroupTags: { role: "pods" },
  excludeInterfaceTags: {},
  deleteOnTermination: true,
};

const OTHER_VPC = "vpc-0b000000000000001";
const FOREIGN_SUBNET = "subnet-0b000000000000001";
const FAR_SUBNET = "subnet-0a000000000000009";
const FOREIGN_GROUP = "sg-0b000000000000001";

interface Bench {
  readonly clock: WorldClock;
  readonly cloud: SimulatedCloud;
  /** Nodes of one fleet; `alone` is of none. */
  readonly nodes: readonly Provider[];
  readonly alone: Provider;
  /** The facts as whoever has the store's password writes them. */
  readonly facts: SharedFacts;
  /** Actions of common describes since it was asked last. */
  asked(): string[];
  run<Output>(promise: Promise<Output>): Promise<Output>;
  /** Somebody changes the tags of something. */
  tag(id: string, tags: Record<string, string>): Promise<void>;
}

function bench(count = 2): Bench {
  const clock = new WorldClock();
  const { vpcs = [], subnets = [] } = withIpv6();
  const cloud = makeCloud(clock, seeded(1), {
    model: {
      vpcs: [...vpcs, { id: OTHER_VPC, cidrs: ["10.99.0.0/16"] }],
      subnets: [
        ...subnets,
        { id: FAR_SUBNET, vpc: VPC, cidr: "10.64.9.0/24", zone: "eu-central-1b", tags: { pods: "true" } },
        { id: FOREIGN_SUBNET, vpc: OTHER_VPC, cidr: "10.99.0.0/24", zone: ZONE, tags: { pods: "true" } },
      ],
      securityGroups: [
        { id: NODE_GROUP, vpc: VPC, name: "nodes" },
        { id: POD_GROUP, vpc: VPC, name: "pods", tags: { role: "pods" } },
        { id: FOREIGN_GROUP, vpc: OTHER_VPC, name: "foreign", tags: { role: "pods" } },
      ],
    },
  });
  const server = new MemoryServer({ clock, latencyMs: () => 2 });
  const telemetry = new RecordingTelemetry();
  const calls: string[] = [];
  const common = {
    clock,
    environment: {},
    telemetry: {
      event: () => {},
      cloudCall: ({ action }: { readonly action: string }) => calls.push(action),
      served: () => {},
    },
  };
  const direct = (seed: number) => createDirectAccess({ cloud, clock, random: seeded(seed), instanceId: INSTANCE });
  const member = (n: number) => {
    const fleet = new FleetNode({
      store: memoryFleetStore(server, `node-${n}`, clock),
      clock,
      random: seeded(100 + n),
      telemetry,
      settings: { name: "test", reservedShare: 0, buckets: {} },
      servers: [],
      nodeName: `node-${n}`,
    });
    const located = () =>
      fleet.identified({
        nodeId: `i-${n}`,
        nodeName: `node-${n}`,
        accountId: "123456789012",
        region: "eu-central-1",
        zone: ZONE,
      });
    return { fleet, access: { budget: fleet.budget, facts: fleet.facts, located } };
  };
  const members = Array.from({ length: count }, (_, n) => member(n));
  const intruder = member(999);
  intruder.access.located();
  const run = async <Output>(promise: Promise<Output>): Promise<Output> => {
    let over = false;
    const settled = () => {
      over = true;
    };
    promise.then(settled, settled);
    await clock.advance(120_000, () => over);
    return promise;
  };
  return {
    clock,
    cloud,
    nodes: members.map(({ access }, n) =>
      createAwsProvider({ ...common, random: seeded(10 + n), direct: direct(20 + n), fleet: access }),
    ),
    alone: createAwsProvider({ ...common, random: seeded(5), direct: direct(6) }),
    facts: intruder.fleet.facts,
    asked: () => calls.splice(0).filter((action) => /Subnets|SecurityGroups|InstanceTypes|Reservations/.test(action)),
    run,
    async tag(id, tags) {
      const foreign = createDirectAccess({ cloud, clock, random: seeded(77), instanceId: INSTANCE });
      const { CreateTagsCommand } = await import("@aws-sdk/client-ec2");
      const Tags = Object.entries(tags).map(([Key, Value]) => ({ Key, Value }));
      await run(foreign.ec2.send(new CreateTagsCommand({ Resources: [id], Tags })));
    },
  };
}

describe("what EC2 says of subnets, security groups and instance types", () => {
  it("is asked for by one node, and says the same to all as if each had asked", async () => {
    const { nodes, alone, run, asked } = bench(3);
    const truth = { facts: await run(alone.identify()), resolution: await run(alone.resolve(SELECTION)) };
    expect(asked().sort()).toEqual(["DescribeInstanceTypes", "DescribeSecurityGroups", "DescribeSubnets"]);
    const seen = [];
    for (const node of nodes) {
      seen.push({ facts: await run(node.identify()), resolution: await run(node.resolve(SELECTION)) });
    }
    expect(asked().sort()).toEqual(["DescribeInstanceTypes", "DescribeSecurityGroups", "DescribeSubnets"]);
    for (const one of seen) expect(one).toEqual(truth);
    expect(truth.resolution.subnets.map(({ id, ipv6Cidr }) => [id, ipv6Cidr])).toEqual([
      [POD_SUBNET, "2600:1f14:aaaa:101::/64"],
      [SECOND_POD_SUBNET, undefined],
    ]);
    expect(truth.resolution.securityGroups).toEqual([POD_GROUP]);
  });

  it("is asked again when it is too old, for subnets after a minute, and at once when a node has doubts", async () => {
    const { nodes, clock, run, asked } = bench(2);
    const [first, second] = nodes as [Provider, Provider];
    await run(first.identify());
    await run(second.identify());
    await run(first.resolve(SELECTION));
    asked();
    await clock.advance(50_000);
    await run(second.resolve(SELECTION));
    expect(asked()).toEqual([]);
    // It knows since two seconds ago that the subnet has less.
    await run(second.resolve(SELECTION, undefined, 2_000));
    expect(asked()).toEqual(["DescribeSubnets"]);
    await clock.advance(500);
    await run(first.resolve(SELECTION, undefined, 2_000));
    expect(asked()).toEqual([]);
    await clock.advance(61_000);
    await run(first.resolve(SELECTION));
    expect(asked()).toEqual(["DescribeSubnets"]);
    await clock.advance(10 * 60_000);
    await run(second.resolve(SELECTION));
    expect(asked().sort()).toEqual(["DescribeSecurityGroups", "DescribeSubnets"]);
  });

  it("is asked for by one node of reservations too, one call for each subnet, and again after five minutes", async () => {
    const { nodes, alone, cloud, clock, run, asked } = bench(2);
    const [first, second] = nodes as [Provider, Provider];
    const reserve = (SubnetId: string, Cidr: string) =>
      cloud.call("CreateSubnetCidrReservation", { SubnetId, Cidr, ReservationType: "explicit" }, { caller: "foreign" });
    reserve(POD_SUBNET, "10.64.1.192/26");
    await run(first.identify());
    await run(second.identify());
    asked();
    const ids = [POD_SUBNET, SECOND_POD_SUBNET];
    const seen = await run(first.reservations?.(ids) ?? Promise.reject());
    expect(seen).toMatchObject([{ subnetId: POD_SUBNET, cidr: "10.64.1.192/26", kind: "explicit" }]);
    expect(await run(second.reservations?.(ids) ?? Promise.reject())).toEqual(seen);
    expect(asked()).toEqual(["GetSubnetCidrReservations", "GetSubnetCidrReservations"]);
    reserve(SECOND_POD_SUBNET, "10.64.2.0/28");
    await clock.advance(5 * 60_000 + 1_000);
    const later = await run(second.reservations?.(ids) ?? Promise.reject());
    expect(later).toHaveLength(2);
    expect(await run(alone.reservations?.(ids) ?? Promise.reject())).toEqual(later);
    expect(asked()).toHaveLength(4);
  });

  it("is asked again before it is believed that nothing fits", async () => {
    const { nodes, clock, run, asked, tag } = bench(2);
    const [first, second] = nodes as [Provider, Provider];
    const team: Selection = { ...SELECTION, subnetTags: { team: "web" }, securityGroupTags: { team: "web" } };
    expect((await rejection(run(first.resolve(team)))).code).toBe("ENID_SUBNET_NO_MATCH");
    await tag(POD_SUBNET, { team: "web" });
    await clock.advance(10_000);
    asked();
    // Its subnets are found now; the groups still are not.
    expect((await rejection(run(second.resolve(team)))).code).toBe("ENID_SECURITY_GROUP_NO_MATCH");
    expect(asked()).toContain("DescribeSubnets");
    await tag(POD_GROUP, { team: "web" });
    await clock.advance(10_000);
    const { subnets, securityGroups } = await run(first.resolve(team));
    expect([subnets.map(({ id }) => id), securityGroups]).toEqual([[POD_SUBNET], [POD_GROUP]]);
    // By name, too.
    const named: Selection = { ...SELECTION, securityGroups: ["sg-0a0000000000000ff"], securityGroupTags: {} };
    expect((await rejection(run(first.resolve(named)))).code).toBe("ENID_SECURITY_GROUP_NO_MATCH");
  });

  it("allows nothing that the settings do not allow, whatever the fact says", async () => {
    const { nodes, clock, facts, run } = bench(1);
    const [node] = nodes as [Provider];
    await run(node.identify());
    const subnet = (SubnetId: string, more: object = {}) => ({
      SubnetId,
      VpcId: VPC,
      AvailabilityZone: ZONE,
      State: "available",
      CidrBlock: SUBNETS.find(({ id }) => id === SubnetId)?.cidr ?? "10.64.200.0/24",
      AvailableIpAddressCount: 200,
      Tags: [{ Key: "pods", Value: "true" }],
      ...more,
    });
    const wrong = [
      subnet(FOREIGN_SUBNET, { VpcId: OTHER_VPC }),
      subnet(FAR_SUBNET, { AvailabilityZone: "eu-central-1b" }),
      subnet(OTHER_SUBNET, { Tags: [{ Key: "pods", Value: "never" }] }),
      subnet(NODE_SUBNET, { Tags: [] }),
      subnet(SECOND_POD_SUBNET, { State: "pending" }),
    ];
    const group = (GroupId: string, more: object = {}) => ({
      GroupId,
      GroupName: "n",
      VpcId: VPC,
      Tags: [{ Key: "role", Value: "pods" }],
      ...more,
    });
    const groups = [group(FOREIGN_GROUP, { VpcId: OTHER_VPC }), group(NODE_GROUP, { Tags: [] }), group(POD_GROUP)];
    const question = `security-groups [["tag-key",["role"]],["vpc-id",["${VPC}"]]]`;
    await run(facts.read(question, 0, async () => groups));
    await run(facts.read(`subnets [["vpc-id",["${VPC}"]]]`, 0, async () => [...wrong, subnet(POD_SUBNET)]));
    await clock.advance(1_000);
    const resolution = await run(node.resolve(SELECTION));
    expect(resolution.subnets.map(({ id, freeAddresses }) => [id, freeAddresses])).toEqual([[POD_SUBNET, 200]]);
    expect(resolution.refused.map(({ id }) => id).sort()).toEqual(
      [FOREIGN_SUBNET, FAR_SUBNET, OTHER_SUBNET, NODE_SUBNET, SECOND_POD_SUBNET].sort(),
    );
    expect(resolution.securityGroups).toEqual([POD_GROUP]);
    // By id: what the fact has beside it is refused as well.
    const byId: Selection = { ...SELECTION, subnetIds: [POD_SUBNET] };
    await run(
      facts.read(`subnets [["subnet-id",["${POD_SUBNET}"]]]`, 0, async () => [
        subnet(OTHER_SUBNET),
        subnet(POD_SUBNET),
      ]),
    );
    expect((await run(node.resolve(byId))).subnets.map(({ id }) => id)).toEqual([POD_SUBNET]);
  });

  it.each([["null"], ['"text"'], ["[1]"], ["{}"], ["[null]"]])(
    "is asked of EC2 where the fact makes no sense: %s",
    async (json) => {
      const { nodes, alone, clock, facts, run, asked } = bench(1);
      const [node] = nodes as [Provider];
      await run(node.identify());
      const truth = await run(alone.resolve(SELECTION));
      await run(facts.read(`subnets [["vpc-id",["${VPC}"]]]`, 0, async () => JSON.parse(json)));
      await clock.advance(1_000);
      asked();
      expect(await run(node.resolve(SELECTION))).toEqual(truth);
      expect(asked()).toContain("DescribeSubnets");
    },
  );
});
