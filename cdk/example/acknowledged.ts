export interface Acknowledged {
  /** As the report names the finding. */
  readonly id: string;
  readonly reason: string;
}

const ARN = "arn:<AWS::Partition>:ec2:<AWS::Region>:<AWS::AccountId>";

const NODE_POLICY: readonly Acknowledged[] = [
  {
    id: "AwsSolutions::AwsSolutions-IAM5[Resource::*]",
    reason: "IAM cannot narrow ec2:Describe* and ec2:GetSubnetCidrReservations (statement Look); they change nothing.",
  },
  {
    id: `AwsSolutions::AwsSolutions-IAM5[Resource::${ARN}:network-interface/*]`,
    reason:
      "Interfaces have no id before they are made. Each statement is narrowed by the cluster's tag or by the VPC.",
  },
  {
    id: `AwsSolutions::AwsSolutions-IAM5[Resource::${ARN}:security-group/*]`,
    reason: "Narrowed to the VPC; configuration and primary interface say which groups are used, and both may change.",
  },
  {
    id: `AwsSolutions::AwsSolutions-IAM5[Resource::${ARN}:instance/*]`,
    reason: "Instances come and go with the node group. Narrowed to those with the cluster's tag.",
  },
];

const NODE_ROLE: readonly Acknowledged[] = [
  {
    id: "AwsSolutions::AwsSolutions-IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/AmazonEKSWorkerNodePolicy]",
    reason: "EKS asks for it and keeps it in step with what its nodes call.",
  },
  {
    id: "AwsSolutions::AwsSolutions-IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/AmazonEC2ContainerRegistryPullOnly]",
    reason: "EKS asks for it: the images of its add-ons are in registries of accounts that differ by Region.",
  },
];

const SECRET: readonly Acknowledged[] = [
  {
    id: "AwsSolutions::AwsSolutions-SMG4",
    reason:
      "Drawn by Secrets Manager and known to nobody; changed by hand as docs/cdk.md says. Reached from the nodes' group alone.",
  },
];

/** CDK's own Lambda functions, which run helm and kubectl while the stack is deployed. */
const LAMBDA: readonly Acknowledged[] = managed(
  ["service-role/AWSLambdaBasicExecutionRole", "service-role/AWSLambdaVPCAccessExecutionRole"].map(
    (name) => `arn:<AWS::Partition>:iam::aws:policy/${name}`,
  ),
);

const KUBECTL: readonly Acknowledged[] = managed([
  "arn:<AWS::Partition>:iam::aws:policy/AmazonEC2ContainerRegistryReadOnly",
  // As CloudFormation has it: only where the partition has that registry.
  '{"Fn::If":["ClusterKubectlProviderHandlerHasEcrPublic69E09706",{"Fn::Join":["",["arn:",{"Ref":"AWS::Partition"},":iam::aws:policy/AmazonElasticContainerRegistryPublicReadOnly"]]},{"Ref":"AWS::NoValue"}]}',
]);

function managed(policies: readonly string[]): readonly Acknowledged[] {
  return policies.map((policy) => ({
    id: `AwsSolutions::AwsSolutions-IAM4[Policy::${policy}]`,
    reason: "CDK gives its own functions these policies, and has no option for others.",
  }));
}

/** Findings of cdk-nag's AwsSolutions pack (and of CDK's own checks) that stay, by the path of their construct in the stack. */
export const ACKNOWLEDGED: Readonly<Record<string, readonly Acknowledged[]>> = {
  PodSubnets: [
    {
      id: "AwsSolutions::AwsSolutions-IAM5[Resource::*]",
      reason: "IAM knows no resource of ec2:DeleteSubnetCidrReservation; creating is narrowed to the subnet.",
    },
  ],
  // CDK's own function behind `reservationsBy: "function"`; the name is that of all AwsCustomResources of a stack.
  AWS679f53fac002430cb0da5b7982bd2287: managed([
    "arn:<AWS::Partition>:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole",
  ]),
  "General/Policy": NODE_POLICY,
  "Dense/Policy": NODE_POLICY,
  "General/Role": NODE_ROLE,
  "Dense/Role": NODE_ROLE,
  "FleetStore/Password": SECRET,
  "FleetStore/DefaultPassword": SECRET,
  "FleetStore/Store": [
    {
      id: "AwsSolutions::AwsSolutions-AEC6",
      reason: "The store has users with rights of their own (UserGroupIds) instead: ElastiCache allows one of the two.",
    },
  ],
  "Cluster/Role": [
    {
      id: "AwsSolutions::AwsSolutions-IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/AmazonEKSClusterPolicy]",
      reason: "EKS asks for it.",
    },
  ],
  "Cluster/Resource": [
    {
      id: "CloudFormation-Validate::W9009",
      reason: "CDK's Cluster writes the property so; CloudFormation still takes it.",
    },
  ],
  "Cluster/KubectlProvider/Handler": [
    ...LAMBDA,
    ...KUBECTL,
    { id: "AwsSolutions::AwsSolutions-L1", reason: "CDK chooses the runtime of its handler." },
  ],
  "Cluster/KubectlProvider/Provider": [
    ...LAMBDA,
    {
      id: "AwsSolutions::AwsSolutions-IAM5[Resource::<ClusterKubectlProviderHandler2E05C68A.Arn>:*]",
      reason: "All versions of one function, which CDK's framework calls.",
    },
  ],
};
