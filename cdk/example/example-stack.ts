import { KubectlV34Layer } from "@aws-cdk/lambda-layer-kubectl-v34";
import { Fn, Stack, type StackProps } from "aws-cdk-lib";
import { FlowLogDestination, InstanceType, IpAddresses, SubnetType, Vpc } from "aws-cdk-lib/aws-ec2";
import { CfnAddon } from "aws-cdk-lib/aws-eks";
import {
  Cluster,
  ClusterLoggingTypes,
  DefaultCapacityType,
  EndpointAccess,
  KubernetesVersion,
} from "aws-cdk-lib/aws-eks-v2";
import { Key } from "aws-cdk-lib/aws-kms";
import type { Construct } from "constructs";
import {
  ciliumChartVersion,
  ciliumValues,
  EnidArtifact,
  EnidFleetStore,
  EnidNodeGroup,
  EnidPodSubnets,
} from "../src/index.ts";

export interface ExampleProps extends StackProps {
  /** Path of the release that `npm run build` makes. */
  readonly artifact: string;
  /** Ranges from which the Kubernetes API may be reached over the Internet. @default none: from the VPC alone */
  readonly adminCidrs?: readonly string[];
  /** ARN of the role or user that administers the cluster with kubectl. @default none but CDK's own functions */
  readonly adminArn?: string;
}

export class ExampleStack extends Stack {
  constructor(scope: Construct, id: string, props: ExampleProps) {
    super(scope, id, props);

    // Nodes are in 10.0.0.0/16, pods in 100.64.0.0/16.
    const vpc = new Vpc(this, "Vpc", {
      ipAddresses: IpAddresses.cidr("10.0.0.0/16"),
      maxAzs: 2,
      natGateways: 1,
      subnetConfiguration: [
        { name: "public", subnetType: SubnetType.PUBLIC, cidrMask: 24 },
        { name: "nodes", subnetType: SubnetType.PRIVATE_WITH_EGRESS, cidrMask: 20 },
      ],
      flowLogs: { all: { destination: FlowLogDestination.toCloudWatchLogs() } },
    });
    const podSubnets = new EnidPodSubnets(this, "PodSubnets", {
      vpc,
      secondaryCidrs: ["100.64.0.0/16"],
      reserveForPrefixes: true,
      // Not every Region's CloudFormation can.
      reservationsBy: "function",
    });

    // EKS brings neither the VPC CNI nor kube-proxy nor CoreDNS: enid and Cilium are in the place of the first two.
    const { adminCidrs = [], adminArn } = props;
    const key = new Key(this, "Key", { enableKeyRotation: true, description: "Secrets of EnidExample" });
    const cluster = new Cluster(this, "Cluster", {
      clusterName: "enid-example",
      version: KubernetesVersion.V1_34,
      vpc,
      vpcSubnets: [{ subnetType: SubnetType.PRIVATE_WITH_EGRESS }],
      bootstrapSelfManagedAddons: false,
      defaultCapacityType: DefaultCapacityType.NODEGROUP,
      defaultCapacity: 0,
      // cdk-nag would want it private (EKS1), but does not see clusters of aws-eks-v2.
      endpointAccess:
        adminCidrs.length === 0 ? EndpointAccess.PRIVATE : EndpointAccess.PUBLIC_AND_PRIVATE.onlyFrom(...adminCidrs),
      secretsEncryptionKey: key,
      clusterLogging: Object.values(ClusterLoggingTypes),
      kubectlProviderOptions: { kubectlLayer: new KubectlV34Layer(this, "Kubectl") },
    });
    if (adminArn !== undefined) cluster.grantClusterAdmin("Admin", adminArn);

    const cilium = cluster.addHelmChart("Cilium", {
      repository: "https://helm.cilium.io",
      chart: "cilium",
      version: ciliumChartVersion(),
      release: "cilium",
      namespace: "kube-system",
      // Its pods wait for nodes, and the nodes are ready without them.
      wait: false,
      values: {
        ...ciliumValues(),
        // Without kube-proxy the agent cannot reach the API server by its service.
        k8sServiceHost: Fn.select(1, Fn.split("//", cluster.clusterEndpoint)),
        k8sServicePort: 443,
      },
    });

    const fleetStore = new EnidFleetStore(this, "FleetStore", { vpc, fleetName: "enid-example", encryptionKey: key });
    const artifact = new EnidArtifact(this, "Artifact", { file: props.artifact, platform: "linux-x64" });

    // Single addresses, ten ready before the kubelet starts; databases keep theirs.
    const general = new EnidNodeGroup(this, "General", {
      cluster,
      artifact,
      podSubnets,
      fleetStore,
      instanceTypes: [new InstanceType("m6i.xlarge"), new InstanceType("m5.xlarge")],
      capacity: { min: 2, max: 6 },
      configuration: {
        ipam: {
          "min-allocate": 10,
          "pre-allocate": 8,
          fixed: [{ namespace: "shop", "stateful-set": "db" }],
        },
      },
    });

    // Prefixes of 16 addresses, for many small pods on spot instances.
    const dense = new EnidNodeGroup(this, "Dense", {
      cluster,
      artifact,
      podSubnets,
      fleetStore,
      instanceTypes: [new InstanceType("c6i.2xlarge"), new InstanceType("c5.2xlarge")],
      capacityType: "SPOT",
      capacity: { min: 0, max: 10 },
      labels: { "example.com/density": "high" },
      taints: [{ key: "example.com/spot", value: "true", effect: "NO_SCHEDULE" }],
      configuration: {
        eni: { "prefix-delegation": "preferred" },
        ipam: { "min-allocate": 16, "pre-allocate": 16, "max-allocate": 96 },
      },
    });

    const dns = new CfnAddon(this, "CoreDns", { clusterName: cluster.clusterName, addonName: "coredns" });
    for (const group of [general, dense]) group.cfnNodegroup.node.addDependency(cilium);
    // Its pods need nodes.
    dns.node.addDependency(general.cfnNodegroup);
  }
}
