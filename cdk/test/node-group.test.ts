import { SecretValue } from "aws-cdk-lib";
import { Match, Template } from "aws-cdk-lib/assertions";
import { InstanceType, SecurityGroup } from "aws-cdk-lib/aws-ec2";
import { PolicyStatement, Role, ServicePrincipal } from "aws-cdk-lib/aws-iam";
import { describe, expect, it } from "vitest";
import { userData } from "../../src/bootstrap/index.ts";
import { effectiveSettings, readConfiguration } from "../../src/configuration/index.ts";
import { EnidError } from "../../src/errors.ts";
import { PERMISSIONS } from "../../src/providers/aws/index.ts";
import { readSource } from "../../test/house/source-files.ts";
import {
  type EnidConfiguration,
  EnidFleetStore,
  EnidNodeGroup,
  type EnidNodeGroupProps,
  EnidPodSubnets,
  EnidPropsError,
} from "../src/index.ts";
import { makeSurroundings, nodes, resourcesBelow, SHA256, thrown } from "./stacks.ts";
import { evaluated } from "./templates.ts";

/** The one with no other props, made once for all that only look at it. */
const usual = nodes();
const usualTemplate = Template.fromStack(usual.stack);

/** A configuration that its types would refuse. */
const untyped = (configuration: unknown) => configuration as EnidConfiguration;

const settingsOf = (base64: string) =>
  effectiveSettings(readConfiguration(Buffer.from(base64, "base64"), "05-enid.conflist"), {}).values;

/** What changes with files that have tests of their own: the user data and the policy. */
function withoutTexts(value: unknown): unknown {
  const text = JSON.stringify(value, (key, one) => {
    if (key === "UserData") return "(user data)";
    return key === "PolicyDocument" && one.Statement.length > 5 ? "(deploy/iam)" : one;
  });
  return JSON.parse(text);
}

describe("EnidNodeGroup", () => {
  it("makes role, policy, groups, launch template and node group", () => {
    expect(withoutTexts(resourcesBelow(usual.stack, "Nodes"))).toMatchSnapshot();
  });

  it("is the same each time", () => {
    expect(Template.fromStack(nodes().stack).toJSON()).toEqual(usualTemplate.toJSON());
  });

  it("requires IMDSv2 within one hop, and tags the primary interface with the cluster", () => {
    Template.fromStack(nodes({ tags: { team: "shop" } }).stack).hasResourceProperties("AWS::EC2::LaunchTemplate", {
      LaunchTemplateData: {
        MetadataOptions: { HttpTokens: "required", HttpPutResponseHopLimit: 1 },
        TagSpecifications: Match.arrayWith([
          {
            ResourceType: "network-interface",
            Tags: Match.arrayWith([
              { Key: "team", Value: "shop" },
              { Key: "enid.io/cluster", Value: "shop" },
            ]),
          },
        ]),
        SecurityGroupIds: ["sg-0a1b2c3d4e5f60718", Match.anyValue()],
      },
    });
    const wider = Template.fromStack(nodes({ metadataHopLimit: 2 }).stack);
    wider.hasResourceProperties("AWS::EC2::LaunchTemplate", {
      LaunchTemplateData: { MetadataOptions: { HttpPutResponseHopLimit: 2 } },
    });
  });

  it("has the user data that enid user-data prints", () => {
    const { group } = usual;
    expect(group.userData).toBe(
      userData("al2023-managed", {
        MAX_PODS: "20",
        CONFLIST_BASE64: group.conflist.base64,
        REGION: "eu-central-1",
        ARTIFACT_S3: "s3://releases/enid-0.1.0-linux-x64.tar.gz",
        ARTIFACT_SHA256: SHA256,
        REDIS_SECRET: "",
        REDIS_PASSWORD_FILE: "",
      }).text,
    );
    expect(settingsOf(group.conflist.base64)).toMatchObject({
      "first-interface-index": 1,
      "cluster-name": "shop",
      "subnet-tags": { "enid.io/pods": "true" },
    });
  });

  it("has the policy of deploy/iam, for its own cluster, VPC and subnets, and the actions of the code", () => {
    const { stack, vpc, podSubnets } = usual;
    const [policy] = Object.values(resourcesBelow(stack, "NodesPolicy"));
    const vpcId = JSON.stringify(stack.resolve(vpc.vpcId));
    const subnetIds = podSubnets.subnetIds.map((id) => JSON.stringify(stack.resolve(id)));
    const document = evaluated(policy?.Properties.PolicyDocument, (expression) => {
      const text = JSON.stringify(expression);
      if (text === '{"Ref":"AWS::Partition"}') return "aws";
      if (text === vpcId) return "VPC";
      return subnetIds.includes(text) ? `SUBNET${subnetIds.indexOf(text) + 1}` : undefined;
    });
    const expected = readSource("deploy/iam/enid-node.json")
      .replace(/"([^"]*\bSUBNET)\b"/g, '"$11", "$12"')
      .replace(/\bREGION\b/g, "eu-central-1")
      .replace(/\bACCOUNT\b/g, "123456789012")
      .replace(/\bCLUSTER\b/g, "shop");
    expect(document).toEqual(JSON.parse(expected));
    const { Statement } = document as { Statement: { Action: string | string[] }[] };
    const actions = new Set(Statement.flatMap(({ Action }) => Action));
    expect([...actions].sort()).toEqual(PERMISSIONS.map(({ action }) => `ec2:${action}`).sort());
  });

  it("has no other right over interfaces", () => {
    const template = JSON.stringify(usualTemplate.toJSON());
    expect(template).toContain(":iam::aws:policy/AmazonEKSWorkerNodePolicy");
    expect(template).not.toContain("AmazonEKS_CNI_Policy");
    const policies = Object.entries(resourcesBelow(usual.stack, "Nodes")).filter(
      ([, { Type }]) => Type === "AWS::IAM::Policy",
    );
    const others = policies.filter(([id]) => !id.startsWith("NodesPolicy"));
    expect(others).toHaveLength(1);
    expect(others[0]?.[1].Properties.PolicyDocument).toMatchObject({ Statement: [{ Action: "s3:GetObject" }] });
  });

  it("has nodes wait for their rights, and for the subnets of pods", () => {
    const { DependsOn = [] } = Object.values(resourcesBelow(usual.stack, "NodesNodegroup"))[0] ?? {};
    for (const prefix of ["NodesPolicy", "NodesRoleDefaultPolicy", "PodsSubnet1", "PodsRoutes2"]) {
      expect(
        DependsOn.filter((id) => id.startsWith(prefix)),
        prefix,
      ).toHaveLength(1);
    }
  });

  it("runs Bottlerocket from an image", () => {
    const { stack, group } = nodes({
      operatingSystem: "bottlerocket",
      artifact: undefined,
      image: "123456789012.dkr.ecr.eu-central-1.amazonaws.com/enid:0.1.0",
      instanceTypes: [new InstanceType("m7g.large")],
      additionalUserData: "# Mine.\n[settings.motd]\nx = 1",
    });
    expect(group.userData).toContain('source = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/enid:0.1.0"');
    expect(group.userData).toContain(`user-data = "${group.conflist.base64}"`);
    expect(group.userData.endsWith("[settings.motd]\nx = 1\n")).toBe(true);
    Template.fromStack(stack).hasResourceProperties("AWS::EKS::Nodegroup", { AmiType: "BOTTLEROCKET_ARM_64" });
    expect(withoutTexts(resourcesBelow(stack, "NodesLaunchTemplate"))).toMatchSnapshot();
  });

  it.each([
    ["m6i.large", {}, 20],
    ["m6i.large", { eni: { "first-interface-index": 0 } }, 29],
    ["m6i.large", { ipam: { "max-allocate": 12 } }, 14],
    ["m6i.large", { eni: { "prefix-delegation": "preferred" } }, 110],
    ["m6i.large", { eni: { "prefix-delegation": "preferred", "disable-prefix-delegation": true } }, undefined],
    ["m5.24xlarge", {}, 250],
  ] as const)("gives a kubelet on %s with %j room for %s pods", (type, configuration, pods) => {
    const make = () => nodes({ instanceTypes: [new InstanceType(type)], configuration }).group.maxPods;
    // The last but one contradicts itself, which enid's reader says.
    if (pods === undefined) expect(thrown(make)).toMatchObject({ code: "ENID_CONFIG_INVALID" });
    else expect(make()).toBe(pods);
  });

  it("counts the pods of the smallest type, or takes the number it is given", () => {
    const instanceTypes = [new InstanceType("m5.24xlarge"), new InstanceType("m6i.large")];
    expect(nodes({ instanceTypes }).group.maxPods).toBe(20);
    expect(nodes({ instanceTypes, maxPods: 17 }).group.userData).toContain("maxPods: 17");
  });

  it("takes labels, taints, capacity, spot, groups of pods, a role, and raw properties", () => {
    const { stack, cluster, artifact, podSubnets, vpc } = makeSurroundings();
    const role = new Role(stack, "Mine", { assumedBy: new ServicePrincipal("ec2.amazonaws.com") });
    const pods = new SecurityGroup(stack, "OfPods", { vpc });
    const group = new EnidNodeGroup(stack, "Nodes", {
      cluster,
      artifact,
      podSubnets,
      role,
      podSecurityGroups: [pods],
      capacity: { min: 0, max: 9, desired: 2 },
      capacityType: "SPOT",
      labels: { density: "high" },
      taints: [{ key: "spot", effect: "NO_SCHEDULE" }],
      agentNotReadyTaint: false,
      launchTemplateData: { monitoring: { enabled: true } },
      nodegroup: { nodegroupName: "dense", updateConfig: { maxUnavailable: 2 } },
    });
    const template = Template.fromStack(stack);
    template.hasResourceProperties("AWS::EKS::Nodegroup", {
      CapacityType: "SPOT",
      Labels: { density: "high" },
      NodegroupName: "dense",
      ScalingConfig: { MinSize: 0, MaxSize: 9, DesiredSize: 2 },
      Taints: [{ Key: "spot", Effect: "NO_SCHEDULE" }],
      UpdateConfig: { MaxUnavailable: 2 },
    });
    template.hasResourceProperties("AWS::EC2::LaunchTemplate", {
      LaunchTemplateData: { Monitoring: { Enabled: true } },
    });
    template.resourcePropertiesCountIs("AWS::IAM::Role", { AssumeRolePolicyDocument: Match.anyValue() }, 1);
    expect(group.role).toBe(role);
    // The id of the group is known later; the configuration on the node has it.
    expect(JSON.stringify(stack.resolve(group.conflist.base64))).toContain(
      JSON.stringify(stack.resolve(pods.securityGroupId)),
    );
  });

  it("takes further rights, user data behind its own, tags", () => {
    const { stack, group } = nodes({
      policyStatements: [
        new PolicyStatement({ actions: ["ssm:GetParameter"], resources: ["arn:aws:ssm:::parameter/a"] }),
      ],
      additionalUserData: "#!/bin/sh\necho later\n",
      tags: { team: "shop" },
    });
    const [, policy] = Object.entries(resourcesBelow(stack, "NodesRoleDefaultPolicy"))[0] ?? [];
    expect(policy?.Properties.PolicyDocument).toMatchObject({
      Statement: [{ Action: "s3:GetObject" }, { Action: "ssm:GetParameter", Resource: "arn:aws:ssm:::parameter/a" }],
    });
    const parts = group.userData.split("--==ENID==");
    expect(parts).toHaveLength(5);
    expect(parts.slice(0, 3).join("--==ENID==")).toBe(
      usual.group.userData.split("--==ENID==").slice(0, 3).join("--==ENID=="),
    );
    expect(parts.slice(3)).toEqual([
      '\nContent-Type: text/x-shellscript; charset="us-ascii"\n\n#!/bin/sh\necho later\n\n',
      "--\n",
    ]);
    Template.fromStack(stack).hasResourceProperties("AWS::EC2::LaunchTemplate", {
      LaunchTemplateData: {
        TagSpecifications: Match.arrayWith([
          Match.objectLike({ Tags: Match.arrayWith([{ Key: "team", Value: "shop" }]) }),
        ]),
      },
    });
  });

  it("shares a role with another group, and keeps its policy", () => {
    const { stack, cluster, artifact, podSubnets } = makeSurroundings();
    const role = new Role(stack, "Mine", { assumedBy: new ServicePrincipal("ec2.amazonaws.com") });
    for (const id of ["A", "B"]) new EnidNodeGroup(stack, id, { cluster, artifact, podSubnets, role });
    const names = Object.values(Template.fromStack(stack).findResources("AWS::IAM::Policy")).map(
      ({ Properties }) => Properties.PolicyName,
    );
    expect(new Set(names).size).toBe(3);
  });

  it("brings nodes of a fleet its section, the password by a file, and the way to the store", () => {
    const { stack, vpc, cluster, artifact, podSubnets } = makeSurroundings();
    const fleetStore = new EnidFleetStore(stack, "Store", { vpc, fleetName: "prod-1" });
    const group = new EnidNodeGroup(stack, "Nodes", { cluster, artifact, podSubnets, fleetStore });
    const text = String(
      evaluated(stack.resolve(group.userData), (expression) => {
        const key = JSON.stringify(expression);
        if (key.includes("PrimaryEndPoint.Address")) return "store.internal";
        return key === JSON.stringify(stack.resolve(fleetStore.password.secretArn))
          ? "arn:aws:secretsmanager:x"
          : undefined;
      }),
    );
    expect(text).toContain("redis_secret='arn:aws:secretsmanager:x'");
    expect(text).toContain("redis_password_file='/etc/enid/redis.password'");
    expect(settingsOf(/conflist='([^']+)'/.exec(text)?.[1] ?? "")).toMatchObject({
      "fleet-name": "prod-1",
      redis: ["store.internal:6380"],
      "redis-username": "enid",
      "redis-password-file": "/etc/enid/redis.password",
      "redis-tls": true,
      "redis-replica-acks": 1,
    });
    expect(text).not.toContain("{{resolve:");
    const template = Template.fromStack(stack);
    template.hasResourceProperties("AWS::EC2::SecurityGroupIngress", {
      FromPort: 6380,
      ToPort: 6380,
      IpProtocol: "tcp",
    });
    template.hasResourceProperties("AWS::IAM::Policy", {
      PolicyDocument: {
        Statement: Match.arrayWith([Match.objectLike({ Action: Match.arrayWith(["secretsmanager:GetSecretValue"]) })]),
      },
    });
  });

  describe("refuses at synthesis, in enid's own words,", () => {
    it.each<[string, unknown, string]>([
      ["an unknown key", { ipam: { "min-alocate": 10 } }, "ENID_CONFIG_INVALID"],
      ["a value out of range", { ipam: { "min-allocate": -1 } }, "ENID_CONFIG_INVALID"],
      ["settings that conflict", { ipam: { "min-allocate": 10, "max-allocate": 5 } }, "ENID_CONFIG_INVALID"],
      ["a subnet that is none", { eni: { "subnet-ids": ["subnet-1"] } }, "ENID_CONFIG_INVALID"],
      ["a password", { fleet: { redis: ["a:1"], "redis-password": "hunter2" } }, "ENID_USER_DATA_SECRET"],
      ["a password in a URL", { fleet: { redis: ["redis://enid:hunter2@a:1"] } }, "ENID_USER_DATA_SECRET"],
      [
        "a reference to a secret",
        { fleet: { redis: ["a:1"], "redis-username": SecretValue.secretsManager("store").unsafeUnwrap() } },
        "ENID_USER_DATA_SECRET",
      ],
    ])("%s", (_, configuration, code) => {
      const error = thrown(() => nodes({ configuration: untyped(configuration) }));
      expect(error).toBeInstanceOf(EnidError);
      expect(error).toMatchObject({ code });
      expect(error.message).toContain("Stack/Nodes/05-enid.conflist");
      expect(error.message).not.toContain("hunter2");
    });

    it("with what it is and what is allowed", () => {
      const error = thrown(() => nodes({ configuration: untyped({ ipam: { "min-alocate": 10 } }) }));
      expect(error.message).toMatch(/\/plugins\/0\/ipam\/min-alocate.*min-allocate/s);
    });
  });

  it.each<[string, Partial<EnidNodeGroupProps>, RegExp]>([
    ["no release", { artifact: undefined }, /al2023 need artifact/],
    ["an image on Amazon Linux", { image: "enid:1" }, /have no use for image/],
    [
      "a release of another platform",
      { instanceTypes: [new InstanceType("m7g.large")] },
      /for linux-x64, .* linux-arm64/,
    ],
    [
      "two architectures",
      { instanceTypes: [new InstanceType("m7g.large"), new InstanceType("m6i.large")] },
      /two architectures/,
    ],
    ["no types", { instanceTypes: [] }, /instanceTypes is empty/],
    ["an unknown type", { instanceTypes: [new InstanceType("m99.large")] }, /m99\.large; give maxPods/],
    [
      "a type without interfaces for pods",
      { configuration: { eni: { "first-interface-index": 9 } } },
      /no interface for pods/,
    ],
    ["capacity the wrong way round", { capacity: { min: 3, max: 2 } }, /min <= desired <= max/],
    ["no pods", { maxPods: 0 }, /maxPods is 0; allowed is a whole number from 1 to 9999/],
    ["a volume that the image does not fit on", { volumeGib: 8 }, /volumeGib is 8; allowed is .* from 20 to 65536/],
    ["further user data that is no script", { additionalUserData: "echo later" }, /begins with #!/],
    [
      "a script that ends the document",
      { additionalUserData: "#!/bin/sh\n--==ENID==--\n" },
      /without a line --==ENID==/,
    ],
    [
      "further settings in enid's own table",
      { artifact: undefined, image: "enid:1", operatingSystem: "bottlerocket", additionalUserData: "enabled = false" },
      /begins with a table \[settings/,
    ],
    ["another cluster's name", { configuration: { eni: { "cluster-name": "other" } } }, /leave it out/],
    [
      "subnets by tags that nobody made",
      { configuration: { eni: { "subnet-tags": { a: "b" } } } },
      /give podSubnetIds/,
    ],
  ])("refuses %s", (_, props, message) => {
    const error = thrown(() => nodes(props));
    expect(error).toBeInstanceOf(EnidPropsError);
    expect(error.message).toMatch(message);
    expect(error.message).toMatch(/^Stack\/Nodes: /);
  });

  it("refuses a cluster whose name CloudFormation draws, nodes in zones without pods, a password for Bottlerocket", () => {
    const { stack, cluster, artifact, vpc } = makeSurroundings();
    const later = { ...cluster, clusterName: vpc.vpcId };
    expect(() => new EnidNodeGroup(stack, "A", { cluster: later, artifact })).toThrow("give clusterName");
    const podSubnets = new EnidPodSubnets(stack, "OneZone", {
      vpc,
      secondaryCidrs: ["100.65.0.0/16"],
      zones: ["eu-central-1a"],
    });
    expect(() => new EnidNodeGroup(stack, "B", { cluster, artifact, podSubnets })).toThrow(
      "zones of the nodes: eu-central-1b",
    );
    const fleetStore = new EnidFleetStore(stack, "Store", { vpc });
    const bottlerocket = { cluster, image: "enid:1", operatingSystem: "bottlerocket", fleetStore } as const;
    expect(() => new EnidNodeGroup(stack, "C", bottlerocket)).toThrow("cannot fetch the password");
  });

  it("refuses IPv6 in subnets without it, and takes it where they have it", () => {
    const { stack, cluster, artifact, podSubnets } = makeSurroundings();
    const props = { cluster, artifact, podSubnets, configuration: { ipam: { "ip-families": "dual" } } } as const;
    expect(() => new EnidNodeGroup(stack, "A", props)).toThrow(
      'ip-families is "dual", and podSubnets has no IPv6 range',
    );
    podSubnets.cfnSubnets.forEach((subnet, at) => {
      subnet.ipv6CidrBlock = `2001:db8:0:${at}::/64`;
    });
    expect(new EnidNodeGroup(stack, "B", props).conflist.read).toBeDefined();
  });

  it("refuses user data that EC2 would not take", () => {
    const fixed = Array.from({ length: 250 }, (_, at) => ({
      namespace: `namespace-${at}`,
      "stateful-set": "database",
    }));
    const fleet = { redis: ["a:1"] };
    expect(() => nodes({ configuration: { ipam: { fixed }, fleet } })).toThrow(/bytes; EC2 takes 16384\. Shorten/);
  });
});
