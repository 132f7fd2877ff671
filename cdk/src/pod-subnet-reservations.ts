import { CfnResource, Stack } from "aws-cdk-lib";
import { PolicyStatement } from "aws-cdk-lib/aws-iam";
import {
  AwsCustomResource,
  AwsCustomResourcePolicy,
  type AwsSdkCall,
  PhysicalResourceId,
  PhysicalResourceIdReference,
} from "aws-cdk-lib/custom-resources";
import type { Construct } from "constructs";
import type { PodSubnetReservation } from "./pod-subnet-layout.ts";

/** Who makes a subnet CIDR reservation: CloudFormation's own type, or a Lambda function that calls EC2. */
export type ReservationsBy = "cloudformation" | "function";

const DESCRIPTIONS = { prefix: "Prefixes of pods", explicit: "Addresses that wait for their pods" } as const;

/**
 * One subnet CIDR reservation. The resource is a CfnResource of any type: AWS::EC2::SubnetCidrReservation is younger than the oldest
 * aws-cdk-lib that the package takes.
 */
export function reserve(
  scope: Construct,
  id: string,
  { cidr, type }: PodSubnetReservation,
  { subnetId, by }: { readonly subnetId: string; readonly by: ReservationsBy },
): CfnResource {
  const properties = { SubnetId: subnetId, Cidr: cidr, ReservationType: type, Description: DESCRIPTIONS[type] };
  if (by === "cloudformation")
    return new CfnResource(scope, id, { type: "AWS::EC2::SubnetCidrReservation", properties });
  const create: AwsSdkCall = {
    service: "EC2",
    action: "createSubnetCidrReservation",
    parameters: properties,
    physicalResourceId: PhysicalResourceId.fromResponse("SubnetCidrReservation.SubnetCidrReservationId"),
  };
  const called = new AwsCustomResource(scope, id, {
    resourceType: "Custom::SubnetCidrReservation",
    onCreate: create,
    // Another range is another reservation; CloudFormation then deletes the one before.
    onUpdate: create,
    onDelete: {
      service: "EC2",
      action: "deleteSubnetCidrReservation",
      parameters: { SubnetCidrReservationId: new PhysicalResourceIdReference() },
    },
    policy: AwsCustomResourcePolicy.fromStatements([
      new PolicyStatement({
        actions: ["ec2:CreateSubnetCidrReservation"],
        resources: [Stack.of(scope).formatArn({ service: "ec2", resource: "subnet", resourceName: subnetId })],
      }),
      // IAM knows no resource for it.
      new PolicyStatement({ actions: ["ec2:DeleteSubnetCidrReservation"], resources: ["*"] }),
    ]),
    installLatestAwsSdk: false,
  });
  const resource = called.node.findAll().find((one): one is CfnResource => isCustom(one));
  if (resource === undefined) throw new Error(`${called.node.path} made no resource`);
  return resource;
}

const isCustom = (one: unknown) => CfnResource.isCfnResource(one) && one.cfnResourceType.startsWith("Custom::");
