import { App, Stack } from "aws-cdk-lib";
import { Template } from "aws-cdk-lib/assertions";
import { Vpc } from "aws-cdk-lib/aws-ec2";
import { Bucket } from "aws-cdk-lib/aws-s3";
import {
  EnidArtifact,
  type EnidCluster,
  EnidNodeGroup,
  type EnidNodeGroupProps,
  EnidPodSubnets,
} from "../src/index.ts";
import { temporaryFolder } from "./stand-in.ts";
import type { Resource } from "./templates.ts";

export const SHA256 = "0123456789abcdef".repeat(4);

/** Without CDK's own look at the templates: it takes seconds, and cfn-lint looks at the example's. */
export function makeApp(): App {
  return new App({ builtinCloudFormationValidation: false, outdir: temporaryFolder() });
}

/** A stack of a known account and Region with a VPC in two zones. */
export function makeStack(): { readonly stack: Stack; readonly vpc: Vpc; readonly cluster: EnidCluster } {
  const stack = new Stack(makeApp(), "Stack", { env: { account: "123456789012", region: "eu-central-1" } });
  const vpc = new Vpc(stack, "Vpc", { availabilityZones: ["eu-central-1a", "eu-central-1b"], natGateways: 1 });
  return { stack, vpc, cluster: { clusterName: "shop", clusterSecurityGroupId: "sg-0a1b2c3d4e5f60718", vpc } };
}

/** The same with subnets for pods, and with a release that is in S3 already. */
export function makeSurroundings() {
  const { stack, vpc, cluster } = makeStack();
  const podSubnets = new EnidPodSubnets(stack, "Pods", { vpc, secondaryCidrs: ["100.64.0.0/16"] });
  const artifact = new EnidArtifact(stack, "Release", {
    bucket: Bucket.fromBucketName(stack, "Bucket", "releases"),
    key: "enid-0.1.0-linux-x64.tar.gz",
    sha256: SHA256,
  });
  return { stack, vpc, cluster, podSubnets, artifact };
}

/** A node group in the usual surroundings, with other props where they are given. */
export function nodes(props: Partial<EnidNodeGroupProps> = {}) {
  const surroundings = makeSurroundings();
  const { cluster, artifact, podSubnets } = surroundings;
  return {
    ...surroundings,
    group: new EnidNodeGroup(surroundings.stack, "Nodes", { cluster, artifact, podSubnets, ...props }),
  };
}

/** The resources of a stack whose logical ids begin so. */
export function resourcesBelow(stack: Stack, prefix: string): Record<string, Resource> {
  const { Resources } = Template.fromStack(stack).toJSON() as { Resources: Record<string, Resource> };
  return Object.fromEntries(Object.entries(Resources).filter(([id]) => id.startsWith(prefix)));
}

/** The error of a function that must throw one. */
export function thrown(run: () => unknown): Error {
  try {
    run();
  } catch (error) {
    if (error instanceof Error) return error;
  }
  throw new Error("nothing was thrown");
}
