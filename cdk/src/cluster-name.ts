import { Token } from "aws-cdk-lib";
import { CfnCluster } from "aws-cdk-lib/aws-eks";
import { Construct } from "constructs";
import type { EnidCluster } from "./node-group.ts";

/**
 * The name of the cluster as text. What a cluster of the app has as `clusterName` is a reference; the name that it was made with
 * is a property of its resource. Undefined where CloudFormation draws the name, and for clusters of aws-eks, which are custom resources.
 */
export function literalClusterName(cluster: EnidCluster): string | undefined {
  const { clusterName } = cluster;
  if (!Token.isUnresolved(clusterName)) return clusterName;
  if (!Construct.isConstruct(cluster)) return undefined;
  for (const one of (cluster as unknown as Construct).node.findAll()) {
    if (CfnCluster.isCfnCluster(one) && one.name !== undefined && !Token.isUnresolved(one.name)) return one.name;
  }
  return undefined;
}
