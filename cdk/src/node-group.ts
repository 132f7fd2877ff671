import { type CfnResource, Fn, Names, Stack, Token } from "aws-cdk-lib";
import {
  CfnLaunchTemplate,
  Connections,
  type IConnectable,
  InstanceArchitecture,
  InstanceType,
  type ISecurityGroup,
  type IVpc,
  SecurityGroup,
  type SubnetSelection,
  SubnetType,
} from "aws-cdk-lib/aws-ec2";
import { CfnNodegroup, type CfnNodegroupProps } from "aws-cdk-lib/aws-eks";
import {
  CfnPolicy,
  type IRole,
  ManagedPolicy,
  type PolicyStatement,
  Role,
  ServicePrincipal,
} from "aws-cdk-lib/aws-iam";
import { Construct, type IDependable } from "constructs";
import { effectiveSettings } from "../../src/configuration/index.ts";
import type { EnidArtifact } from "./artifact.ts";
import { literalClusterName } from "./cluster-name.ts";
import { type ChainedPlugin, type Conflist, type EnidConfiguration, makeConflist } from "./configuration.ts";
import type { EnidFleetStore } from "./fleet-store.ts";
import { maxPodsOf } from "./max-pods.ts";
import { type EnidPodSubnets, resourcesOf } from "./pod-subnets.ts";
import { nodePolicy, type PolicyDocument } from "./policy.ts";
import { EnidPropsError, wholeNumber } from "./props-error.ts";
import { hasPlaceFor, type OperatingSystem, renderUserData } from "./user-data.ts";

/** What a node group needs of its cluster: an ICluster of aws-eks or aws-eks-v2, or an object of your own. */
export interface EnidCluster {
  readonly clusterName: string;
  readonly clusterSecurityGroupId: string;
  readonly vpc: IVpc;
}

/** A taint of the nodes. */
export interface NodeTaint {
  /** As in `kubectl taint`. */
  readonly key: string;
  /** Value of the key. @default none */
  readonly value?: string;
  /** As EKS spells it. */
  readonly effect: "NO_SCHEDULE" | "NO_EXECUTE" | "PREFER_NO_SCHEDULE";
}

/** How many nodes. */
export interface NodeCapacity {
  /** Fewest nodes. @default 1 */
  readonly min?: number;
  /** Most nodes, at least 1. @default the greater of `min` and 3 */
  readonly max?: number;
  /** Nodes at first; an autoscaler changes it later. @default `min` */
  readonly desired?: number;
}

/** Props of EnidNodeGroup. */
export interface EnidNodeGroupProps {
  /** The cluster, without the add-on vpc-cni. */
  readonly cluster: EnidCluster;
  /** Name of the cluster as text: the policy has it in keys of conditions, where CloudFormation resolves nothing. @default what a cluster of aws-eks-v2 was made with */
  readonly clusterName?: string;
  /** The release that the nodes install. Needed for al2023, and only there. @default none */
  readonly artifact?: EnidArtifact;
  /** enid's container image, made by deploy/ec2/bottlerocket/Dockerfile. Needed for bottlerocket, and only there. @default none */
  readonly image?: string;
  /** What the configuration file says. `cluster-name`, `first-interface-index: 1`, the tags of `podSubnets` and the section of `fleetStore` are added where they are not there. @default only that */
  readonly configuration?: EnidConfiguration;
  /** CNI plugins that run after cilium-cni. @default none */
  readonly chainedPlugins?: readonly ChainedPlugin[];
  /** Subnets for pods. @default those that `configuration` selects */
  readonly podSubnets?: EnidPodSubnets;
  /** Subnets that the policy lets pods' interfaces into, where the configuration selects subnets by tags that no `podSubnets` has. @default those of `podSubnets`, of `subnet-ids`, or of the nodes */
  readonly podSubnetIds?: readonly string[];
  /** Security groups of pods (`eni.security-groups`). @default those of the node */
  readonly podSecurityGroups?: readonly ISecurityGroup[];
  /** Store of the fleet: its section, its password on the nodes, and the way to it. @default none: the nodes work alone */
  readonly fleetStore?: EnidFleetStore;
  /** Operating system, in the image that EKS optimizes. @default "al2023" */
  readonly operatingSystem?: OperatingSystem;
  /** Instance types, all of one architecture. @default m6i.large */
  readonly instanceTypes?: readonly InstanceType[];
  /** Number of nodes. @default 1 to 3 */
  readonly capacity?: NodeCapacity;
  /** Instances on demand or spot. @default "ON_DEMAND" */
  readonly capacityType?: "ON_DEMAND" | "SPOT";
  /** Subnets of the nodes themselves. @default private subnets with a way out */
  readonly subnets?: SubnetSelection;
  /** Security groups of the nodes beside that of the cluster and their own. @default none */
  readonly securityGroups?: readonly ISecurityGroup[];
  /** Role of the nodes; what they need is added to it. @default one with AmazonEKSWorkerNodePolicy, AmazonEC2ContainerRegistryPullOnly and enid's policy */
  readonly role?: IRole;
  /** What the nodes may do beside that. @default nothing */
  readonly policyStatements?: readonly PolicyStatement[];
  /** The kubelet's max-pods, 1 to 9999. @default what the smallest type holds by this configuration, and 2 in the host's network; at most 250, with prefixes 110 */
  readonly maxPods?: number;
  /** Hops of answers of instance metadata. 1: the host alone, where enid runs. 2: pods too. @default 1 */
  readonly metadataHopLimit?: 1 | 2;
  /** Labels of the nodes. @default none */
  readonly labels?: Readonly<Record<string, string>>;
  /** Taints of the nodes beside `node.cilium.io/agent-not-ready`. @default none */
  readonly taints?: readonly NodeTaint[];
  /** Whether nodes join with `node.cilium.io/agent-not-ready=true:NoExecute`, which Cilium's agent takes away. @default true */
  readonly agentNotReadyTaint?: boolean;
  /** Size of the volume of images and pods in GiB, 20 to 65536. @default 40 */
  readonly volumeGib?: number;
  /** Runs after enid is set up: on al2023 a script that begins with `#!`, on bottlerocket further settings in TOML. Whoever can describe the instance can read it. @default none */
  readonly additionalUserData?: string;
  /** Tags of instances, volumes and primary interfaces. @default none */
  readonly tags?: Readonly<Record<string, string>>;
  /** Further or other properties of the launch template's data. @default none */
  readonly launchTemplateData?: Partial<CfnLaunchTemplate.LaunchTemplateDataProperty>;
  /** Further or other properties of the node group. @default none */
  readonly nodegroup?: Partial<CfnNodegroupProps>;
}

const AMI_TYPES = {
  al2023: { "linux-x64": "AL2023_x86_64_STANDARD", "linux-arm64": "AL2023_ARM_64_STANDARD" },
  bottlerocket: { "linux-x64": "BOTTLEROCKET_x86_64", "linux-arm64": "BOTTLEROCKET_ARM_64" },
} as const;

/** Devices of the volumes: the last one is that of images and pods, the others keep the size in GiB that is here. */
const VOLUMES = {
  al2023: [{ device: "/dev/xvda" }],
  bottlerocket: [{ device: "/dev/xvda", gib: 4 }, { device: "/dev/xvdb" }],
} as const;

/** The tag of interfaces by which enid's policy knows those of the cluster (docs/permissions.md). */
const TAG_CLUSTER = "enid.io/cluster";

/** An EKS managed node group whose pod addresses enid manages. */
export class EnidNodeGroup extends Construct implements IConnectable {
  /** Of the nodes' own security group. */
  readonly connections: Connections;
  readonly role: IRole;
  readonly securityGroup: SecurityGroup;
  /** The kubelet's max-pods. */
  readonly maxPods: number;
  /** enid's policy, as the role has it. */
  readonly policy: PolicyDocument;
  readonly conflist: Conflist;
  /** The user data before base64. */
  readonly userData: string;
  readonly cfnLaunchTemplate: CfnLaunchTemplate;
  readonly cfnNodegroup: CfnNodegroup;
  readonly cfnPolicy: CfnPolicy;

  constructor(scope: Construct, id: string, props: EnidNodeGroupProps) {
    super(scope, id);
    const { cluster, operatingSystem: system = "al2023", fleetStore, podSubnets } = props;
    const clusterName = props.clusterName ?? literalClusterName(cluster);
    if (clusterName === undefined || Token.isUnresolved(clusterName)) {
      throw new EnidPropsError(
        this,
        "the name of the cluster is not known yet; give clusterName here, or with aws-eks-v2 to the cluster",
      );
    }
    const types = props.instanceTypes ?? [new InstanceType("m6i.large")];
    const platform = this.#platform(types);
    this.#checkRelease(props, system, platform);
    this.#checkZones(props);

    this.securityGroup = new SecurityGroup(this, "SecurityGroup", {
      vpc: cluster.vpc,
      description: `Nodes of ${clusterName} whose pod addresses enid manages`,
    });
    this.connections = new Connections({ securityGroups: [this.securityGroup] });
    const nodeSubnets = cluster.vpc.selectSubnets(props.subnets ?? { subnetType: SubnetType.PRIVATE_WITH_EGRESS });

    this.conflist = makeConflist(this, this.#configuration(props, clusterName), props.chainedPlugins);
    this.#checkFamilies(props);
    const ownMaxPods = props.maxPods === undefined ? undefined : wholeNumber(this, "maxPods", props.maxPods, [1, 9999]);
    this.maxPods = ownMaxPods ?? maxPodsOf(this, types.map(String), this.conflist);

    this.role = props.role ?? new Role(this, "Role", { assumedBy: new ServicePrincipal("ec2.amazonaws.com") });
    // Not AmazonEKS_CNI_Policy: it lets a node change every interface of the account.
    for (const name of ["AmazonEKSWorkerNodePolicy", "AmazonEC2ContainerRegistryPullOnly"]) {
      this.role.addManagedPolicy(ManagedPolicy.fromAwsManagedPolicyName(name));
    }
    this.policy = nodePolicy({
      region: Stack.of(this).region,
      account: Stack.of(this).account,
      vpcId: cluster.vpc.vpcId,
      subnetIds: this.#subnetsOfPods(props, nodeSubnets.subnetIds),
      clusterName,
    });
    this.cfnPolicy = new CfnPolicy(this, "Policy", {
      // Groups may share a role; of two policies of one name the later one would count.
      policyName: Names.uniqueResourceName(this, { maxLength: 120, separator: "-" }),
      policyDocument: this.policy,
      roles: [this.role.roleName],
    });
    const rights: IDependable[] = [this.cfnPolicy];
    for (const grant of [props.artifact?.grantRead(this.role), fleetStore?.grantPassword(this.role)]) {
      if (grant !== undefined) rights.push(grant);
    }
    for (const statement of props.policyStatements ?? []) {
      const { policyDependable } = this.role.addToPrincipalPolicy(statement);
      if (policyDependable !== undefined) rights.push(policyDependable);
    }
    fleetStore?.connections.allowDefaultPortFrom(this, "Nodes of the fleet");

    const values = {
      MAX_PODS: String(this.maxPods),
      CONFLIST_BASE64: this.conflist.base64,
      REGION: Stack.of(this).region,
      ARTIFACT_S3: props.artifact?.s3Url ?? "",
      ARTIFACT_SHA256: props.artifact?.sha256 ?? "",
      IMAGE: props.image ?? "",
      REDIS_SECRET: fleetStore?.password.secretArn ?? "",
      REDIS_PASSWORD_FILE: fleetStore?.passwordFile ?? "",
    };
    this.userData = renderUserData(this, system, values, props.additionalUserData);
    const volumeGib = wholeNumber(this, "volumeGib", props.volumeGib ?? 40, [20, 65_536]);
    this.cfnLaunchTemplate = new CfnLaunchTemplate(this, "LaunchTemplate", {
      launchTemplateData: {
        userData: Fn.base64(this.userData),
        // EKS adds the cluster's own group only where the template names none.
        securityGroupIds: [
          cluster.clusterSecurityGroupId,
          this.securityGroup.securityGroupId,
          ...(props.securityGroups ?? []).map((group) => group.securityGroupId),
        ],
        metadataOptions: {
          httpEndpoint: "enabled",
          httpTokens: "required",
          httpPutResponseHopLimit: props.metadataHopLimit ?? 1,
        },
        blockDeviceMappings: VOLUMES[system].map((volume) => ({
          deviceName: volume.device,
          ebs: {
            volumeSize: "gib" in volume ? volume.gib : volumeGib,
            volumeType: "gp3",
            encrypted: true,
            deleteOnTermination: true,
          },
        })),
        tagSpecifications: tagSpecifications(`${clusterName}/${this.node.id}`, clusterName, props.tags ?? {}),
        ...props.launchTemplateData,
      },
    });
    this.cfnNodegroup = new CfnNodegroup(this, "Nodegroup", {
      clusterName: cluster.clusterName,
      nodeRole: this.role.roleArn,
      subnets: nodeSubnets.subnetIds,
      amiType: AMI_TYPES[system][platform],
      instanceTypes: types.map(String),
      capacityType: props.capacityType ?? "ON_DEMAND",
      scalingConfig: this.#scaling(props.capacity ?? {}),
      launchTemplate: {
        id: this.cfnLaunchTemplate.attrLaunchTemplateId,
        version: this.cfnLaunchTemplate.attrLatestVersionNumber,
      },
      taints: taints(props),
      ...(props.labels === undefined ? {} : { labels: { ...props.labels } }),
      ...props.nodegroup,
    });
    // A node that starts before it may do what it must stays NotReady.
    this.cfnNodegroup.node.addDependency(...rights);
    for (const resource of podSubnets === undefined ? [] : resourcesOf(podSubnets)) this.#after(resource);
    if (fleetStore !== undefined) this.#after(fleetStore.cfnReplicationGroup);
  }

  #after(resource: CfnResource): void {
    this.cfnNodegroup.node.addDependency(resource);
  }

  #configuration(
    { configuration = {}, podSubnets, podSecurityGroups, fleetStore }: EnidNodeGroupProps,
    clusterName: string,
  ) {
    const { eni = {}, ipam = {}, fleet } = configuration;
    if (eni["cluster-name"] !== undefined && eni["cluster-name"] !== clusterName) {
      throw new EnidPropsError(
        this,
        `cluster-name is "${eni["cluster-name"]}", but the policy and the tags are for "${clusterName}"; leave it out`,
      );
    }
    const selects = eni["subnet-ids"] !== undefined || eni["subnet-tags"] !== undefined;
    return {
      eni: {
        "first-interface-index": 1,
        "cluster-name": clusterName,
        ...(podSubnets === undefined || selects ? {} : { "subnet-tags": podSubnets.subnetTags }),
        ...(podSecurityGroups === undefined
          ? {}
          : { "security-groups": podSecurityGroups.map((group) => group.securityGroupId) }),
        ...eni,
      },
      ipam,
      ...(fleetStore === undefined && fleet === undefined ? {} : { fleet: { ...fleetStore?.fleet, ...fleet } }),
    } satisfies EnidConfiguration;
  }

  #subnetsOfPods(
    { configuration, podSubnets, podSubnetIds }: EnidNodeGroupProps,
    ofNodes: string[],
  ): readonly string[] {
    if (podSubnetIds !== undefined) return podSubnetIds;
    const ids = configuration?.eni?.["subnet-ids"] ?? [];
    if (ids.length > 0) return ids;
    const tags = configuration?.eni?.["subnet-tags"];
    if (podSubnets !== undefined && tags === undefined) return podSubnets.subnetIds;
    if (tags === undefined || Object.keys(tags).length === 0) return ofNodes;
    throw new EnidPropsError(
      this,
      `the policy names the subnets for pods, and the configuration selects them by tags (${Object.keys(tags).join(", ")}); give podSubnetIds`,
    );
  }

  #platform(types: readonly InstanceType[]): "linux-x64" | "linux-arm64" {
    const platforms = new Set(
      types.map(({ architecture }) => (architecture === InstanceArchitecture.ARM_64 ? "linux-arm64" : "linux-x64")),
    );
    const [platform, other] = [...platforms];
    if (platform === undefined) throw new EnidPropsError(this, "instanceTypes is empty; leave it out for m6i.large");
    if (other !== undefined) {
      throw new EnidPropsError(this, `instanceTypes are of two architectures: ${types.map(String).join(", ")}`);
    }
    return platform;
  }

  #checkRelease({ artifact, image, fleetStore }: EnidNodeGroupProps, system: OperatingSystem, platform: string): void {
    if (
      system === "al2023"
        ? artifact === undefined || image !== undefined
        : image === undefined || artifact !== undefined
    ) {
      const [needed, other] = system === "al2023" ? ["artifact", "image"] : ["image", "artifact"];
      throw new EnidPropsError(this, `nodes of ${system} need ${needed}, and have no use for ${other}`);
    }
    if (artifact !== undefined && artifact.platform !== platform) {
      throw new EnidPropsError(
        this,
        `the artifact is for ${artifact.platform}, and the instance types are ${platform}`,
      );
    }
    if (fleetStore !== undefined && !hasPlaceFor(system, "REDIS_SECRET")) {
      throw new EnidPropsError(this, `nodes of ${system} cannot fetch the password of a fleetStore; use al2023`);
    }
  }

  /** A node in a zone without a subnet for pods would never be ready. */
  #checkZones({ cluster, subnets, podSubnets }: EnidNodeGroupProps): void {
    if (podSubnets === undefined) return;
    const { availabilityZones } = cluster.vpc.selectSubnets(subnets ?? { subnetType: SubnetType.PRIVATE_WITH_EGRESS });
    const lacking = availabilityZones.filter((zone) => !podSubnets.zones.includes(zone));
    if (lacking.length === 0) return;
    const names = lacking.map((zone) => (Token.isUnresolved(zone) ? "one known later" : zone));
    throw new EnidPropsError(this, `podSubnets has no subnet in zones of the nodes: ${[...new Set(names)].join(", ")}`);
  }

  /** EnidPodSubnets gives no IPv6 range; whoever wants one sets it on its `cfnSubnets` first. */
  #checkFamilies({ podSubnets }: EnidNodeGroupProps): void {
    const families = effectiveSettings(this.conflist.read, {}).values["ip-families"];
    const lacking = podSubnets?.cfnSubnets.filter(({ ipv6CidrBlock }) => ipv6CidrBlock === undefined) ?? [];
    if (families === "ipv4" || lacking.length === 0) return;
    throw new EnidPropsError(
      this,
      `ip-families is "${families}", and podSubnets has no IPv6 range: set ipv6CidrBlock on each of its cfnSubnets`,
    );
  }

  #scaling({ min = 1, max = Math.max(min, 3), desired = min }: NodeCapacity) {
    const isWhole = [min, max, desired].every((count) => Number.isInteger(count) && count >= 0);
    if (!isWhole || min > desired || desired > max || max === 0) {
      throw new EnidPropsError(
        this,
        `capacity is ${min}, ${desired}, ${max}; allowed are whole numbers, min <= desired <= max, max at least 1`,
      );
    }
    return { minSize: min, maxSize: max, desiredSize: desired };
  }
}

function tagSpecifications(name: string, clusterName: string, tags: Readonly<Record<string, string>>) {
  const all = Object.entries({ Name: name, ...tags }).map(([key, value]) => ({ key, value }));
  return [
    { resourceType: "instance", tags: all },
    { resourceType: "volume", tags: all },
    // The primary interface: with the cluster's tag the policy lets enid change it too.
    { resourceType: "network-interface", tags: [...all, { key: TAG_CLUSTER, value: clusterName }] },
  ];
}

function taints({ agentNotReadyTaint = true, taints: others = [] }: EnidNodeGroupProps): CfnNodegroup.TaintProperty[] {
  const cilium = { key: "node.cilium.io/agent-not-ready", value: "true", effect: "NO_EXECUTE" };
  return [...(agentNotReadyTaint ? [cilium] : []), ...others];
}
