import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { EnidError } from "../../src/errors.ts";
import { formatEnvironment, loadModel, SimulatedCloud, startSimulator } from "../../src/simulator/index.ts";
import { EXAMPLE_FILE, exampleModel, NODE, NODE_SUBNET, seededRandom, TestClock, testModel, VPC } from "./support.ts";

type Json = Record<string, unknown>;

const SUBNET = { id: "subnet-00000000000000001", vpc: VPC, cidr: "10.0.0.0/24", zone: "eu-west-1a" };
const INSTANCE = { id: NODE, type: "m5.large", subnet: SUBNET.id };
const minimal = (changes: Json = {}): Json => ({
  region: "eu-west-1",
  account: "111122223333",
  vpcs: [{ id: VPC, cidrs: ["10.0.0.0/16"] }],
  subnets: [SUBNET],
  ...changes,
});
const minimalAccount = { account: "444455556666", vpcs: [{ id: VPC, cidrs: ["10.0.0.0/16"] }], subnets: [SUBNET] };
const problemOf = (json: unknown): string => {
  try {
    loadModel(json, "model.json");
  } catch (thrown) {
    if (thrown instanceof EnidError && thrown.code === "ENID_SIMULATOR_MODEL") return String(thrown.values.detail);
    throw thrown;
  }
  throw new Error("the model was accepted");
};

test("every example works", () => {
  const folder = new URL("../../src/simulator/examples/", import.meta.url);
  const files = readdirSync(folder);
  expect(files).toContain("dual-stack-with-cards.json");
  for (const file of files) {
    const description = loadModel(JSON.parse(readFileSync(new URL(file, folder), "utf8")), file);
    const cloud = new SimulatedCloud({ description, clock: new TestClock(), random: seededRandom(1) });
    expect(cloud.instanceIds().length, file).toBeGreaterThan(0);
  }
});

describe("a model file", () => {
  test("may be as small as one subnet", () => {
    const description = loadModel(minimal(), "model.json");
    const cloud = new SimulatedCloud({ description, clock: new TestClock(), random: seededRandom(1) });
    expect(cloud.truth()).toMatchObject({ region: "eu-west-1", interfaces: [], subnets: [{ freeAddresses: 251 }] });
  });

  test.each([
    ["no object", [], "/ must be object"],
    [
      "a missing part",
      { region: "eu-west-1", account: "111122223333", vpcs: [] },
      "must have required property 'subnets'",
    ],
    ["an unknown key", minimal({ colour: "red" }), '/ has the unknown key "colour"'],
    ["a misspelt key inside", minimal({ subnets: [{ ...SUBNET, tag: {} }] }), '/subnets/0 has the unknown key "tag"'],
    ["a malformed id", minimal({ vpcs: [{ id: "vpc-1", cidrs: ["10.0.0.0/16"] }] }), "/vpcs/0/id must match pattern"],
    ["a number as account", minimal({ account: 111122223333 }), "/account must be string"],
    [
      "a CIDR with host bits",
      minimal({ subnets: [{ ...SUBNET, cidr: "10.0.0.1/24" }] }),
      "/subnets/0: 10.0.0.1/24 is not an IPv4 CIDR",
    ],
    [
      "an IPv6 CIDR outside the VPC's",
      minimal({ subnets: [{ ...SUBNET, ipv6Cidr: "2001:db8::/64" }] }),
      `/subnets/0: 2001:db8::/64 is in no IPv6 CIDR of ${VPC}`,
    ],
    [
      "an IPv6 CIDR of another size",
      minimal({
        vpcs: [{ id: VPC, cidrs: ["10.0.0.0/16"], ipv6Cidrs: ["2001:db8::/56"] }],
        subnets: [{ ...SUBNET, ipv6Cidr: "2001:db8::/80" }],
      }),
      "/subnets/0: 2001:db8::/80 must be a /64",
    ],
    [
      "an IPv6 CIDR that is not canonical",
      minimal({ vpcs: [{ id: VPC, cidrs: ["10.0.0.0/16"], ipv6Cidrs: ["2001:0db8::/56"] }] }),
      "/vpcs/0: 2001:0db8::/56 must be written 2001:db8::/56",
    ],
    [
      "IPv6 where the subnet has none",
      minimal({ instances: [{ ...INSTANCE, ipv6Prefixes: ["2001:db8:0:0:1::/80"] }] }),
      "does not have an IPv6 CIDR block",
    ],
    [
      "a reservation outside its subnet",
      minimal({ subnets: [{ ...SUBNET, reservations: [{ cidr: "10.0.1.0/28", type: "prefix" }] }] }),
      "/subnets/0/reservations: The CIDR '10.0.1.0/28' is not within",
    ],
    [
      "a further interface of a launch on a card that the type has not",
      minimal({ instances: [{ ...INSTANCE, interfaces: [{ deviceIndex: 1, networkCard: 1 }] }] }),
      "/instances/0: Network card index 1 does not exist on instance type m5.large",
    ],
    [
      "a second account with ids of the first",
      minimal({ accounts: [minimalAccount] }),
      "belongs to account 111122223333",
    ],
    [
      "an account that is described twice",
      minimal({ accounts: [{ ...minimalAccount, account: "111122223333" }] }),
      "/accounts/0: account 111122223333 is described twice",
    ],
    [
      "a mistake in a second account",
      minimal({
        accounts: [{ ...minimalAccount, subnets: [{ ...SUBNET, cidr: "10.1.0.0/24" }] }],
      }),
      `/accounts/0/subnets/0: 10.1.0.0/24 is in no CIDR of ${VPC}`,
    ],
    [
      "a subnet outside its VPC",
      minimal({ subnets: [{ ...SUBNET, cidr: "10.1.0.0/24" }] }),
      `/subnets/0: 10.1.0.0/24 is in no CIDR of ${VPC}`,
    ],
    [
      "a subnet of no VPC",
      minimal({ subnets: [{ ...SUBNET, vpc: "vpc-00000000000000009" }] }),
      "/subnets/0: no VPC vpc-00000000000000009",
    ],
    ["a subnet too small", minimal({ subnets: [{ ...SUBNET, cidr: "10.0.0.0/29" }] }), "between /16 and /28"],
    [
      "a zone of another region",
      minimal({ subnets: [{ ...SUBNET, zone: "us-east-1a" }] }),
      "zone us-east-1a is not in region eu-west-1",
    ],
    [
      "overlapping subnets",
      minimal({ subnets: [SUBNET, { ...SUBNET, id: "subnet-00000000000000002" }] }),
      "/subnets/1: 10.0.0.0/24 overlaps",
    ],
    ["one id twice", minimal({ subnets: [SUBNET, SUBNET] }), "is described twice"],
    [
      "an unknown instance type",
      minimal({ instances: [{ ...INSTANCE, type: "m5.huge" }] }),
      "/instances/0: The following supplied instance types do not exist: [m5.huge]",
    ],
    [
      "an instance in another zone",
      minimal({ instances: [{ ...INSTANCE, zone: "eu-west-1b" }] }),
      "is in eu-west-1a, not in eu-west-1b",
    ],
    [
      "an address outside the subnet",
      minimal({ instances: [{ ...INSTANCE, primaryAddress: "10.0.7.1" }] }),
      "does not fall within",
    ],
    [
      "an address taken twice",
      minimal({
        subnets: [{ ...SUBNET, used: ["10.0.0.9"] }],
        instances: [{ ...INSTANCE, primaryAddress: "10.0.0.9" }],
      }),
      "/instances/0: taken already: 10.0.0.9",
    ],
    [
      "more addresses than the type holds",
      minimal({
        instances: [
          { ...INSTANCE, secondaryAddresses: Array.from({ length: 10 }, (_, index) => `10.0.0.${20 + index}`) },
        ],
      }),
      "Number of private addresses will exceed limit",
    ],
    [
      "more used addresses than there are",
      minimal({ subnets: [{ ...SUBNET, used: 252 }] }),
      "/subnets/0/used: only 251 addresses are left for others",
    ],
    [
      "an unknown group",
      minimal({ instances: [{ ...INSTANCE, securityGroups: ["sg-00000000000000009"] }] }),
      "security group 'sg-00000000000000009' does not exist",
    ],
    [
      "two interfaces at one index",
      minimal({
        instances: [INSTANCE],
        interfaces: [1, 2].map(() => ({ subnet: SUBNET.id, attachment: { instance: NODE, deviceIndex: 1 } })),
      }),
      "/interfaces/1: Instance",
    ],
    [
      "a route table of a foreign subnet",
      minimal({ routeTables: [{ id: "rtb-00000000000000001", vpc: VPC, subnets: ["subnet-00000000000000009"] }] }),
      "/routeTables/0: no subnet",
    ],
    ["a setting that cannot be", minimal({ settings: { speed: 0 } }), "/settings/speed must be > 0"],
    [
      "spans turned round",
      minimal({ settings: { detachMs: { minMs: 5, maxMs: 1 } } }),
      "detachMs has minMs above maxMs",
    ],
  ])("is refused for %s, with the place", (_what, json, text) => {
    expect(problemOf(json)).toContain(text);
  });

  test("never lets a drawn address take one that it names", () => {
    const used = Array.from({ length: 4 }, (_, index) => `10.0.1.${4 + index}`);
    const subnets = [{ ...SUBNET, cidr: "10.0.1.0/28", used }];
    const fixed = Array.from({ length: 6 }, (_, index) => `10.0.1.${8 + index}`);
    for (let seed = 0; seed < 50; seed += 1) {
      const description = loadModel(
        minimal({
          subnets,
          instances: [INSTANCE],
          interfaces: [{ subnet: SUBNET.id, primaryAddress: fixed[0], secondaryAddresses: fixed.slice(1) }],
        }),
        "model.json",
      );
      const cloud = new SimulatedCloud({ description, clock: new TestClock(), random: seededRandom(seed) });
      const primary = cloud.truth().interfaces.find((one) => one.attachment !== undefined);
      expect(primary?.primaryAddress).toBe("10.0.1.14");
    }
  });
});

describe("the example", () => {
  test("describes an m5.large, two subnets for pods and one that must never be used", () => {
    const cloud = new SimulatedCloud({ description: exampleModel(), clock: new TestClock(), random: seededRandom(1) });
    const { instances, subnets } = cloud.truth();
    expect(instances.map((one) => [one.type, one.zone])).toEqual([["m5.large", "eu-central-1a"]]);
    const ofZone = subnets.filter((one) => one.zone === "eu-central-1a");
    expect(ofZone.map((one) => one.tags["enid.io/pods"])).toEqual([undefined, "true", "true", "never"]);
    expect(ofZone.map((one) => one.freeAddresses)).toEqual([251 - 21, 251, 251, 251 - 17]);
    expect(JSON.parse(readFileSync(EXAMPLE_FILE, "utf8"))).toHaveProperty("settings.speed", 1);
  });

  test("runs on loopback and tells the environment", async () => {
    const simulator = await startSimulator({ description: exampleModel(), speed: 100 });
    try {
      expect(simulator.endpoint).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
      expect(simulator.cloud.settings.speed).toBe(100);
      const environment = simulator.environment("i-0a000000000000001");
      expect(environment).toEqual({
        AWS_ENDPOINT_URL_EC2: simulator.endpoint,
        AWS_ENDPOINT_URL_STS: simulator.endpoint,
        AWS_EC2_METADATA_SERVICE_ENDPOINT: simulator.metadataEndpoint("i-0a000000000000001"),
        AWS_REGION: "eu-central-1",
        AWS_DEFAULT_REGION: "eu-central-1",
        AWS_ACCESS_KEY_ID: "AKIASIMULATED0000000",
        AWS_SECRET_ACCESS_KEY: "simulated",
      });
      const lines = formatEnvironment({ ...environment, ODD: "it's" }).split("\n");
      expect(lines).toContain("export AWS_REGION='eu-central-1'");
      expect(lines).toContain("export ODD='it'\\''s'");
      expect(lines.at(-2)).toContain("unset AWS_EC2_METADATA_DISABLED");
    } finally {
      await simulator.close();
    }
  });

  test("takes the port it is told and says when it cannot", async () => {
    const first = await startSimulator({ description: testModel() });
    const port = Number(new URL(first.endpoint).port);
    await expect(startSimulator({ description: testModel(), listen: { port } })).rejects.toMatchObject({
      code: "EADDRINUSE",
    });
    await first.close();
    const second = await startSimulator({ description: testModel(), listen: { port } });
    expect(second.endpoint).toBe(first.endpoint);
    await second.close();
    expect(NODE_SUBNET).toBeTypeOf("string");
  });
});
