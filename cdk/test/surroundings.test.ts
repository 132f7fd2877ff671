import { createHash } from "node:crypto";
import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { Stack } from "aws-cdk-lib";
import { Match, Template } from "aws-cdk-lib/assertions";
import { Vpc } from "aws-cdk-lib/aws-ec2";
import { Role, ServicePrincipal } from "aws-cdk-lib/aws-iam";
import { Key } from "aws-cdk-lib/aws-kms";
import { Bucket } from "aws-cdk-lib/aws-s3";
import { Secret } from "aws-cdk-lib/aws-secretsmanager";
import { describe, expect, it } from "vitest";
import { readYaml } from "../../test/deploy/yaml.ts";
import { readSource } from "../../test/house/source-files.ts";
import { ExampleStack } from "../example/example-stack.ts";
import { readMappings } from "../src/cilium-values.ts";
import {
  ciliumChartVersion,
  ciliumValues,
  EnidArtifact,
  EnidFleetStore,
  EnidPodSubnets,
  type EnidPodSubnetsProps,
  EnidPropsError,
} from "../src/index.ts";
import { FLEET_COMMANDS } from "../src/store-rights.ts";
import { makeApp, makeStack, makeSurroundings, resourcesBelow, SHA256, thrown } from "./stacks.ts";
import { writeStandIn } from "./stand-in.ts";

describe("EnidPodSubnets", () => {
  const podSubnets = (props: Partial<EnidPodSubnetsProps>) => {
    const { stack, vpc } = makeStack();
    return { stack, pods: new EnidPodSubnets(stack, "Pods", { vpc, secondaryCidrs: ["100.64.0.0/16"], ...props }) };
  };

  it("makes a tagged subnet in each zone, on the way that the zone's nodes take", () => {
    expect(resourcesBelow(podSubnets({ reserveForPrefixes: true }).stack, "Pods")).toMatchSnapshot();
  });

  it("makes subnets just so, with reservations and route tables of their own", () => {
    const { stack } = podSubnets({
      secondaryCidrs: ["100.64.0.0/16", "100.65.0.0/16"],
      associate: false,
      natGatewayIds: { "eu-central-1a": "nat-1" },
      subnetTags: { pods: "yes" },
      subnets: [
        {
          zone: "eu-central-1a",
          cidr: "100.65.0.0/20",
          reservations: [
            { cidr: "100.65.0.64/26", type: "explicit" },
            { cidr: "100.65.8.0/21", type: "prefix" },
          ],
        },
      ],
    });
    expect(resourcesBelow(stack, "Pods")).toMatchSnapshot();
  });

  it("has a function call EC2 where CloudFormation lacks the type", () => {
    const { stack, pods } = podSubnets({ reserveForPrefixes: true, reservationsBy: "function" });
    expect(pods.cfnReservations).toHaveLength(2);
    const resources = resourcesBelow(stack, "PodsReservation1");
    expect(resources).toMatchSnapshot();
    const template = Template.fromStack(stack);
    template.resourceCountIs("AWS::EC2::SubnetCidrReservation", 0);
    template.resourceCountIs("Custom::SubnetCidrReservation", 2);
  });

  it("takes route tables made elsewhere, and a VPC that is imported", () => {
    const stack = new Stack(makeApp(), "Stack");
    const vpc = Vpc.fromVpcAttributes(stack, "Vpc", {
      vpcId: "vpc-1",
      availabilityZones: ["a", "b"],
      vpcCidrBlock: "10.0.0.0/16",
    });
    new EnidPodSubnets(stack, "Pods", {
      vpc,
      secondaryCidrs: ["100.64.0.0/16"],
      routeTableIds: { a: "rtb-1", b: "rtb-2" },
    });
    const template = Template.fromStack(stack);
    template.hasResourceProperties("AWS::EC2::SubnetRouteTableAssociation", { RouteTableId: "rtb-2" });
    template.resourceCountIs("AWS::EC2::Subnet", 2);
  });

  const subnet = (cidr: string, reservations: { cidr: string; type: "prefix" | "explicit" }[] = []) => ({
    subnets: [{ zone: "eu-central-1a", cidr, reservations }],
  });

  it.each<[string, Partial<EnidPodSubnetsProps>, string]>([
    [
      "a subnet in no secondary range",
      subnet("10.0.9.0/24"),
      "10.0.9.0/24 is in none of the secondary ranges: 100.64.0.0/16",
    ],
    ["a subnet with host bits", subnet("100.64.0.1/24"), "has host bits set; allowed is 100.64.0.0/24"],
    ["a subnet that is too small", subnet("100.64.0.0/29"), "is a /29; EC2 allows /16 to /28"],
    ["what is no range", { secondaryCidrs: ["100.64"] }, "100.64 is no IPv4 range"],
    ["a range that is too large", { secondaryCidrs: ["100.64.0.0/10"] }, "is a /10; EC2 allows /16 to /28"],
    ["ranges that overlap", { secondaryCidrs: ["100.64.0.0/16", "100.64.8.0/24"] }, "overlap"],
    ["the VPC's own range", { secondaryCidrs: ["10.0.128.0/17"] }, "overlaps 10.0.0.0/16, the VPC's own"],
    ["no range", { secondaryCidrs: [] }, "secondaryCidrs is empty"],
    ["too many zones", { secondaryCidrs: ["100.64.0.0/28"] }, "too small for 2 subnets"],
    [
      "a reservation elsewhere",
      subnet("100.64.0.0/24", [{ cidr: "100.64.1.0/28", type: "explicit" }]),
      "is not in its subnet",
    ],
    [
      "no room for a prefix",
      subnet("100.64.0.0/24", [{ cidr: "100.64.0.16/30", type: "prefix" }]),
      "has no room for a /28",
    ],
    ["no tags", { subnetTags: {} }, "subnetTags is empty"],
    ["a zone without a way out", { natGatewayIds: { "eu-central-1a": "nat-1" } }, "nothing for zone eu-central-1b"],
    ["two ways out", { natGatewayIds: {}, routeTableIds: {} }, "a subnet has one route table"],
  ])("refuses %s", (_, props, message) => {
    const error = thrown(() => podSubnets(props));
    expect(error).toBeInstanceOf(EnidPropsError);
    expect(error.message).toContain(message);
  });
});

describe("EnidFleetStore", () => {
  it("makes replicas in zones, TLS, one user, and a group that nobody else may enter", () => {
    const { stack, vpc } = makeStack();
    new EnidFleetStore(stack, "Store", { vpc, fleetName: "prod-1" });
    expect(resourcesBelow(stack, "Store")).toMatchSnapshot();
    Template.fromStack(stack).resourceCountIs("AWS::EC2::SecurityGroupIngress", 0);
  });

  it("takes a key, a secret of yours, one server, raw properties", () => {
    const { stack, vpc } = makeStack();
    const store = new EnidFleetStore(stack, "Store", {
      vpc,
      encryptionKey: Key.fromKeyArn(
        stack,
        "Key",
        "arn:aws:kms:eu-central-1:123456789012:key/0a1b2c3d-0a1b-0a1b-0a1b-0a1b2c3d4e5f",
      ),
      password: Secret.fromSecretNameV2(stack, "Secret", "store"),
      passwordField: "password",
      replicas: 0,
      replicationGroup: { snapshotWindow: "02:00-03:00" },
    });
    expect(store.fleet["redis-replica-acks"]).toBe(0);
    const template = Template.fromStack(stack);
    template.hasResourceProperties("AWS::ElastiCache::ReplicationGroup", {
      AutomaticFailoverEnabled: false,
      KmsKeyId: "arn:aws:kms:eu-central-1:123456789012:key/0a1b2c3d-0a1b-0a1b-0a1b-0a1b2c3d4e5f",
      SnapshotWindow: "02:00-03:00",
    });
    expect(JSON.stringify(template.toJSON())).toContain(":SecretString:password::}}");
  });

  it("gives its user the rights of docs/fleet.md", () => {
    const listed = /^user enid on [\s\S]*?(?=\n```)/m.exec(readSource("docs/fleet.md"))?.[0] ?? "";
    const commands = [...listed.matchAll(/\+([a-z]+)/g)].map(([, command]) => command);
    expect(commands.length).toBeGreaterThan(20);
    expect(FLEET_COMMANDS).toEqual(commands);
  });

  it.each([
    [{ replicas: 6 }, "replicas is 6"],
    [{ replicas: 1, replicaAcks: 2 }, "replicaAcks is 2; allowed is a whole number from 0 to 1"],
    [{ port: 0 }, "port is 0"],
    [{ snapshotDays: 36 }, "snapshotDays is 36"],
  ])("refuses %j", (props, message) => {
    const { stack, vpc } = makeStack();
    expect(() => new EnidFleetStore(stack, "Store", { vpc, ...props })).toThrow(`Stack/Store: ${message}`);
  });

  it.each([
    [{ fleetName: "prod:* +@all ~x" }, "/fleet/fleet-name"],
    [{ passwordFile: "redis.password" }, "/fleet/redis-password-file"],
  ])("refuses %j by enid's own schema", (props, place) => {
    const { stack, vpc } = makeStack();
    const error = thrown(() => new EnidFleetStore(stack, "Store", { vpc, ...props }));
    expect(error).toMatchObject({ code: "ENID_CONFIG_INVALID" });
    expect(error.message).toContain("Stack/Store/05-enid.conflist");
    expect(error.message).toContain(place);
  });
});

describe("EnidArtifact", () => {
  const role = (stack: Stack) => new Role(stack, "Role", { assumedBy: new ServicePrincipal("ec2.amazonaws.com") });

  it("makes a file an asset, and knows its checksum", () => {
    const { stack } = makeStack();
    const file = writeStandIn();
    const artifact = new EnidArtifact(stack, "Release", { file });
    artifact.grantRead(role(stack));
    expect(artifact.platform).toBe("linux-x64");
    expect(artifact.sha256).toBe(createHash("sha256").update(readFileSync(file)).digest("hex"));
    expect(resourcesBelow(stack, "RoleDefault")).toMatchSnapshot();
  });

  it("takes what is in S3 already, with its key", () => {
    const { stack, artifact } = makeSurroundings();
    expect(artifact.s3Url).toBe("s3://releases/enid-0.1.0-linux-x64.tar.gz");
    const key = new Key(stack, "Key");
    new EnidArtifact(stack, "Other", {
      bucket: Bucket.fromBucketName(stack, "OtherBucket", "others"),
      key: "enid.tar.gz",
      sha256: SHA256,
      platform: "linux-arm64",
      encryptionKey: key,
    }).grantRead(role(stack));
    Template.fromStack(stack).hasResourceProperties("AWS::IAM::Policy", {
      PolicyDocument: {
        Statement: [Match.objectLike({ Action: "s3:GetObject" }), Match.objectLike({ Action: "kms:Decrypt" })],
      },
    });
  });

  it("refuses a file that is not the one its checksum is of, and half of what it needs", () => {
    const { stack } = makeStack();
    const file = writeStandIn();
    writeFileSync(`${file}.sha256`, `${SHA256}  enid-0.1.0-linux-x64.tar.gz\n`);
    expect(() => new EnidArtifact(stack, "A", { file })).toThrow(/but .*\.sha256 says 0123/);
    expect(() => new EnidArtifact(stack, "B", { file: "/nowhere/linux-x64.tar.gz" })).toThrow("npm run build");
    expect(() => new EnidArtifact(stack, "C", {})).toThrow("give file, or bucket, key and sha256");
    expect(() => new EnidArtifact(stack, "D", { file, sha256: SHA256 })).toThrow("file stands alone");
    const bucket = Bucket.fromBucketName(stack, "Bucket", "releases");
    expect(() => new EnidArtifact(stack, "E", { bucket, key: "linux-x64", sha256: "1" })).toThrow(
      "64 hexadecimal digits",
    );
    expect(() => new EnidArtifact(stack, "F", { bucket, key: "enid.tar.gz", sha256: SHA256 })).toThrow("give platform");
    const nameless = join(dirname(writeStandIn()), "enid.tar.gz");
    copyFileSync(writeStandIn(), nameless);
    expect(() => new EnidArtifact(stack, "G", { file: nameless })).toThrow("give platform");
  });
});

describe("ciliumValues", () => {
  it("are those of deploy/cilium", () => {
    expect(ciliumValues()).toEqual(readYaml("deploy/cilium/values.yaml"));
    expect(readMappings(readSource("deploy/cilium/ipv6/values.yaml"))).toEqual(
      readYaml("deploy/cilium/ipv6/values.yaml"),
    );
    expect(ciliumValues({ ipv6: true })).toMatchObject({
      ipv6: { enabled: true },
      extraConfig: { "local-router-ipv4": "169.254.23.0", "local-router-ipv6": "fe80::23" },
    });
    expect(ciliumChartVersion()).toMatch(/^1\.\d+\.\d+$/);
  });

  it.each(["a: [1]", "a: yes", "a: 1\na: 2", "- a", "a: |", "a:\n    b: 1\n  c: 2", "a: 'x'"])("refuses %j", (text) => {
    expect(() => readMappings(text)).toThrow();
  });
});

describe("ExampleStack", () => {
  it("lets an administrator in, from where it is told", () => {
    const adminArn = "arn:aws:iam::123456789012:role/Admin";
    const stack = new ExampleStack(makeApp(), "Example", {
      artifact: writeStandIn(),
      adminCidrs: ["203.0.113.7/32"],
      adminArn,
    });
    const template = Template.fromStack(stack);
    template.hasResourceProperties("AWS::EKS::AccessEntry", { PrincipalArn: adminArn });
    template.hasResourceProperties("AWS::EKS::Cluster", {
      ResourcesVpcConfig: { EndpointPublicAccess: true, PublicAccessCidrs: ["203.0.113.7/32"] },
    });
  });
});
