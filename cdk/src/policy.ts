import { Aws } from "aws-cdk-lib";
import { readRepositoryFile } from "./repository.ts";

/** What the placeholders of deploy/iam/enid-node.json become; docs/permissions.md explains each. */
export interface PolicyScope {
  /** Region, e.g. "eu-central-1"; may be a token. */
  readonly region: string;
  /** Account, twelve digits; may be a token. */
  readonly account: string;
  /** "vpc-…"; may be a token. */
  readonly vpcId: string;
  /** Subnets that the configuration allows, at least one; may be tokens. */
  readonly subnetIds: readonly string[];
  /** Name of the cluster. No token: it is part of a key of a condition, where CloudFormation resolves nothing. */
  readonly clusterName: string;
}

export interface PolicyStatement {
  readonly Sid: string;
  readonly Effect: string;
  readonly Action: string | readonly string[];
  readonly Resource: string | readonly string[];
  readonly Condition?: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

export interface PolicyDocument {
  readonly Version: string;
  readonly Statement: readonly PolicyStatement[];
}

/** The least-privilege policy of a node: that of deploy/iam/, its placeholders replaced. */
export function nodePolicy(scope: PolicyScope): PolicyDocument {
  const document = JSON.parse(readRepositoryFile("deploy/iam/enid-node.json")) as PolicyDocument;
  return replaced(document, scope) as PolicyDocument;
}

function replaced(value: unknown, scope: PolicyScope): unknown {
  if (typeof value === "string") return fill(value, scope);
  if (Array.isArray(value)) return value.flatMap((one) => forEachSubnet(one, scope));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, one]) => [fill(key, scope), key === "Sid" ? one : replaced(one, scope)]),
  );
}

/** An entry that names a subnet becomes one for each. */
function forEachSubnet(value: unknown, scope: PolicyScope): unknown[] {
  if (typeof value !== "string" || !/\bSUBNET\b/.test(value)) return [replaced(value, scope)];
  return scope.subnetIds.map((id) => fill(value, scope).replace(/\bSUBNET\b/, () => id));
}

function fill(text: string, { region, account, vpcId, clusterName }: PolicyScope): string {
  const values: Readonly<Record<string, string>> = {
    REGION: region,
    ACCOUNT: account,
    VPC: vpcId,
    CLUSTER: clusterName,
  };
  return text
    .replace(/^arn:aws:/, () => `arn:${Aws.PARTITION}:`)
    .replace(/\b(?:REGION|ACCOUNT|VPC|CLUSTER)\b/g, (placeholder) => values[placeholder] ?? placeholder);
}
