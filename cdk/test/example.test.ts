import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { effectiveSettings, readConfiguration, type SettingValues } from "../../src/configuration/index.ts";
import { maxPodsOf } from "../../src/max-pods/index.ts";
import { PERMISSIONS } from "../../src/providers/aws/index.ts";
import { readYaml } from "../../test/deploy/yaml.ts";
import { readSource } from "../../test/house/source-files.ts";
import { ACKNOWLEDGED } from "../example/acknowledged.ts";
import { writeStandIn } from "./stand-in.ts";
import { lint, type Synthesized, synthesizeExample } from "./synth.ts";
import { evaluated, type Resource } from "./templates.ts";

/** Regions whose CloudFormation differs most: the first, a common one, one of another partition, one of few types. */
const REGIONS = ["us-east-1", "eu-central-1", "cn-north-1", "mx-central-1"];

/** Warnings of cfn-lint that stay. */
const EXPLAINED: Readonly<Record<string, string>> = {
  W3005: "CDK states dependencies that references state already: Cluster on its subnets, functions on their roles.",
};

const LOGS = ["api", "audit", "authenticator", "controllerManager", "scheduler"];

let example: Synthesized;
let standIn: string;

beforeAll(() => {
  standIn = writeStandIn();
  example = synthesizeExample(standIn);
}, 200_000);

afterAll(() => example?.remove());

/** All resources of a type, by logical id. */
function ofType(type: string): readonly (readonly [string, Resource])[] {
  return Object.entries(example.resources).filter(([, resource]) => resource.Type === type);
}

/** The one resource of a type whose logical id begins so. */
function one(type: string, prefix = ""): Resource {
  const [found, other] = ofType(type).filter(([id]) => id.startsWith(prefix));
  if (found === undefined || other !== undefined) throw new Error(`not one ${type} that begins with ${prefix}`);
  return found[1];
}

/** What the expressions of the template will be, more or less. */
function names(expression: Readonly<Record<string, unknown>>): string | undefined {
  if ("Fn::Sub" in expression) return String(expression["Fn::Sub"]).replace(/\$\{.*?\}/g, "x");
  if ("Fn::GetAtt" in expression) {
    const [id, attribute] = expression["Fn::GetAtt"] as [string, string];
    if (attribute === "PrimaryEndPoint.Address") return "store.internal";
    return attribute === "SubnetId" ? subnetId(id) : `${id}.${attribute}`;
  }
  const pseudo: Record<string, string> = {
    "AWS::Partition": "aws",
    "AWS::Region": "REGION",
    "AWS::AccountId": "ACCOUNT",
    "AWS::URLSuffix": "amazonaws.com",
  };
  const id = String(expression.Ref ?? "");
  if (example.resources[id]?.Type === "AWS::EC2::VPC") return "VPC";
  return pseudo[id] ?? (id === "" ? undefined : id);
}

const subnetId = (id: string) => `subnet-${createHash("sha256").update(id).digest("hex").slice(0, 17)}`;

interface Group {
  readonly userData: string;
  readonly settings: ReturnType<typeof effectiveSettings>;
  readonly values: SettingValues;
  readonly launchTemplate: Readonly<Record<string, unknown>>;
  readonly nodegroup: Readonly<Record<string, unknown>>;
  readonly policy: { readonly Statement: readonly { readonly Action: string | readonly string[] }[] };
}

/** A node group of the example as EC2 and enid will see it. */
function group(name: "General" | "Dense"): Group {
  const { LaunchTemplateData } = evaluated(one("AWS::EC2::LaunchTemplate", name).Properties, names) as {
    LaunchTemplateData: { UserData: string };
  };
  const userData = Buffer.from(LaunchTemplateData.UserData, "base64").toString();
  const conflist = Buffer.from(/conflist='([^']+)'/.exec(userData)?.[1] ?? "", "base64");
  const settings = effectiveSettings(readConfiguration(conflist, name), {});
  return {
    userData,
    settings,
    values: settings.values,
    launchTemplate: LaunchTemplateData,
    nodegroup: evaluated(one("AWS::EKS::Nodegroup", name).Properties, names) as Group["nodegroup"],
    policy: evaluated(one("AWS::IAM::Policy", `${name}Policy`).Properties.PolicyDocument, names) as Group["policy"],
  };
}

const tagsOf = (tags: unknown) =>
  Object.fromEntries((tags as { Key: string; Value: string }[]).map(({ Key, Value }) => [Key, Value]));

describe("the example, by cdk synth without a network,", () => {
  it("says nothing that a person would have to look after", () => {
    expect(`${example.stdout}${example.stderr}`).not.toMatch(/error|warning|acknowledge/i);
  });

  it("names the release that npm run build makes", () => {
    const { version } = JSON.parse(readSource("package.json")) as { version: string };
    const { context } = JSON.parse(readSource("cdk/example/cdk.json")) as { context: { artifact: string } };
    expect(context.artifact).toBe(`../../dist/enid-${version}-linux-x64.tar.gz`);
  });

  it("passes cfn-lint, also where CloudFormation has fewer types", () => {
    const findings = lint(example.file, REGIONS);
    expect(findings.filter(({ Level }) => Level !== "Warning")).toEqual([]);
    expect([...new Set(findings.map(({ Rule }) => Rule.Id))]).toEqual(Object.keys(EXPLAINED));
    // None of them is about what the constructs of this package say.
    const ours = /General|Dense|PodSubnets|FleetStore|Artifact/;
    expect(findings.filter(({ Message }) => ours.test(Message))).toEqual([]);
  });

  it("passes cdk-nag's AwsSolutions and CDK's own rules; every acknowledgement is needed, and has a reason", () => {
    const { pluginReports } = example.report;
    expect(pluginReports.map(({ pluginName }) => pluginName)).toEqual(["AwsSolutions", "CloudFormation Validate"]);
    expect(pluginReports.flatMap(({ violations }) => violations)).toEqual([]);
    const needed = pluginReports
      .flatMap(({ suppressedViolations = [] }) => suppressedViolations)
      .map(({ acknowledgedAt, acknowledgedId }) => `${acknowledgedAt} ${acknowledgedId}`);
    const given = Object.entries(ACKNOWLEDGED).flatMap(([path, all]) =>
      all.map(({ id }) => `EnidExample/${path} ${id}`),
    );
    expect(given.toSorted()).toEqual([...new Set(needed)].toSorted());
    for (const { reason } of Object.values(ACKNOWLEDGED).flat()) expect(reason).toMatch(/^[A-Z].{14,}\.$/);
  });

  it("has a cluster without the VPC CNI, and Cilium in the hand-off through CNI", () => {
    const cluster = one("AWS::EKS::Cluster").Properties;
    expect(cluster).toMatchObject({
      Name: "enid-example",
      BootstrapSelfManagedAddons: false,
      // AwsSolutions-EKS1 and -EKS2, which cdk-nag does not apply to clusters of aws-eks-v2.
      ResourcesVpcConfig: { EndpointPublicAccess: false, EndpointPrivateAccess: true },
      Logging: { ClusterLogging: { EnabledTypes: LOGS.map((Type) => ({ Type })) } },
    });
    expect(ofType("AWS::EKS::Addon").map(([, { Properties }]) => Properties.AddonName)).toEqual(["coredns"]);
    const chart = evaluated(one("Custom::AWSCDK-EKS-HelmChart").Properties, (expression) =>
      "Fn::Select" in expression ? "api.internal" : names(expression),
    ) as Record<string, string>;
    expect(chart).toMatchObject({ Chart: "cilium", Repository: "https://helm.cilium.io", Namespace: "kube-system" });
    expect(readSource("deploy/cilium/values.yaml")).toContain(`--version ${chart.Version}`);
    expect(JSON.parse(chart.Values ?? "")).toEqual({
      ...(readYaml("deploy/cilium/values.yaml") as object),
      k8sServiceHost: "api.internal",
      k8sServicePort: 443,
    });
  });

  it("has node groups that wait for Cilium, and an add-on that waits for nodes", () => {
    const [[chart] = [""]] = ofType("Custom::AWSCDK-EKS-HelmChart");
    for (const [, { DependsOn }] of ofType("AWS::EKS::Nodegroup")) expect(DependsOn).toContain(chart);
    expect(one("AWS::EKS::Addon").DependsOn?.[0]).toMatch(/^GeneralNodegroup/);
  });

  it("has one group with single addresses and one with prefixes, each with the max-pods of enid max-pods", () => {
    const [general, dense] = [group("General"), group("Dense")];
    expect(general.values).toMatchObject({
      "min-allocate": 10,
      "pre-allocate": 8,
      "prefix-delegation": "off",
      fixed: [{ namespace: "shop", "stateful-set": "db" }],
    });
    expect(dense.values).toMatchObject({ "min-allocate": 16, "max-allocate": 96, "prefix-delegation": "preferred" });
    for (const { userData, settings, nodegroup } of [general, dense]) {
      const smallest = Math.min(
        ...(nodegroup.InstanceTypes as string[]).map((type) => maxPodsOf(type, settings).maxPods),
      );
      expect(userData).toContain(`maxPods: ${smallest}\n`);
      expect(userData).toContain(`"--max-pods=${smallest}"`);
      expect(Buffer.byteLength(userData)).toBeLessThan(16_384);
    }
  });

  it("tags what the configuration selects by, and what the policy asks for", () => {
    for (const name of ["General", "Dense"] as const) {
      const { values, launchTemplate } = group(name);
      expect(Object.keys(values["subnet-tags"])).not.toEqual([]);
      const selected = ofType("AWS::EC2::Subnet").filter(([, { Properties }]) => {
        const tags = tagsOf(Properties.Tags);
        return Object.entries(values["subnet-tags"]).every(([key, value]) => tags[key] === value);
      });
      expect(selected.map(([, { Properties }]) => Properties.CidrBlock)).toEqual(["100.64.0.0/17", "100.64.128.0/17"]);
      expect(values["cluster-name"]).toBe("enid-example");
      const specifications = launchTemplate.TagSpecifications as { ResourceType: string; Tags: unknown }[];
      const primary = specifications.find(({ ResourceType }) => ResourceType === "network-interface");
      expect(tagsOf(primary?.Tags)).toMatchObject({ "enid.io/cluster": "enid-example" });
    }
  });

  it("gives both roles the policy of deploy/iam for its cluster and subnets, and the actions of the code", () => {
    const subnets = ofType("AWS::EC2::Subnet").filter(([id]) => id.startsWith("PodSubnets"));
    const arns = subnets.map(([id]) => `"arn:aws:ec2:REGION:ACCOUNT:subnet/${subnetId(id)}"`).join(", ");
    const expected = readSource("deploy/iam/enid-node.json")
      .replace('"arn:aws:ec2:REGION:ACCOUNT:subnet/SUBNET"', arns)
      .replace(/\bCLUSTER\b/g, "enid-example");
    for (const name of ["General", "Dense"] as const) {
      const { policy } = group(name);
      expect(policy).toEqual(JSON.parse(expected));
      const actions = new Set(policy.Statement.flatMap(({ Action }) => Action));
      expect([...actions].toSorted()).toEqual(PERMISSIONS.map(({ action }) => `ec2:${action}`).toSorted());
    }
  });

  it("has nodes fetch the asset by its checksum, and no secret in sight", () => {
    const sum = createHash("sha256").update(readFileSync(standIn)).digest("hex");
    for (const name of ["General", "Dense"] as const) {
      const { userData, values } = group(name);
      expect(userData).toContain(`sha256='${sum}'`);
      expect(userData).toMatch(/artifact='s3:\/\/cdk-hnb659fds-assets-x-x\/[0-9a-f]{64}(?:\.tar)?\.gz'/);
      expect(userData).toMatch(/redis_secret='FleetStorePassword\w+'/);
      expect(userData).not.toContain("{{resolve:");
      expect(values).toMatchObject({ "fleet-name": "enid-example", redis: ["store.internal:6380"], "redis-tls": true });
    }
  });

  it("leaves nothing in clear: volumes, store, secrets of the cluster", () => {
    for (const [, { Properties }] of ofType("AWS::EC2::LaunchTemplate")) {
      expect(JSON.stringify(Properties)).not.toContain('"Encrypted":false');
      expect(Properties).toMatchObject({ LaunchTemplateData: { MetadataOptions: { HttpTokens: "required" } } });
    }
    expect(one("AWS::ElastiCache::ReplicationGroup").Properties).toMatchObject({
      TransitEncryptionEnabled: true,
      AtRestEncryptionEnabled: true,
    });
    expect(one("AWS::EKS::Cluster").Properties).toHaveProperty("EncryptionConfig");
  });
});
