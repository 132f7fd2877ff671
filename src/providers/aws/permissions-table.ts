/** Kinds of resources that IAM judges a call by, as they stand in ARNs. */
export type ResourceKind = "network-interface" | "subnet" | "security-group" | "instance";

/** A statement of the policy: what grants an action, and on what condition. */
export interface Grantor {
  /** The Sid in deploy/iam/enid-node.json. */
  readonly sid: string;
  /** The kind of resource that the statement is about. Absent = the action knows no resources. */
  readonly resource?: ResourceKind;
  /** The statement's condition, half a sentence. Absent = it has none. */
  readonly condition?: string;
  /** The condition is the cluster's tag on an interface that exists already, which the primary one lacks. */
  readonly byTag?: true;
}

/** When an action is needed: always, or only with certain settings. */
export type Need = "always" | "security-groups" | "ipv6" | "reservations";

export interface Permission {
  /** The action of EC2; in IAM `ec2:` stands before it. */
  readonly action: string;
  readonly need: Need;
  /** All of them together grant it. */
  readonly grantors: readonly Grantor[];
  /** The call that this permission is a part of, for an action that enid does not call by itself. */
  readonly within?: string;
}

/** The settings that make an action necessary, as reports show them. */
export const NEEDS: Readonly<Record<Need, string>> = {
  always: "always",
  "security-groups": "security-groups, security-group-tags",
  ipv6: "ip-families ipv6 or dual",
  reservations: "fixed-parking reservation",
};

const LOOK: readonly Grantor[] = [{ sid: "Look" }];

const BY_CLUSTER_TAG: Grantor = {
  sid: "ChangeInterfacesOfCluster",
  resource: "network-interface",
  condition: "the interface has the cluster's tag enid.io/cluster",
  byTag: true,
};
const OF_INSTANCES: Grantor = {
  sid: "ChangeInstancesOfCluster",
  resource: "instance",
  condition: "the instance has the tag kubernetes.io/cluster/CLUSTER",
};
const IN_VPC = "it is in the VPC of the statement";

const ADDRESSES: readonly Grantor[] = [{ sid: "ChangeAddresses", resource: "network-interface", condition: IN_VPC }];
const IPV6: readonly Grantor[] = [{ sid: "ChangeIpv6", resource: "network-interface", condition: IN_VPC }];

/**
 * Every action of EC2 that enid can call, and what of deploy/iam/enid-node.json grants it. Tests keep it equal to the
 * commands that the code sends and to the policy. Prefixes and the sweep of the cluster need no action of their own:
 * prefixes are assigned like addresses, leftovers are described and deleted like the node's own interfaces.
 *
 * Source of resources and condition keys:
 * https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2.html
 */
export const PERMISSIONS: readonly Permission[] = [
  { action: "DescribeSubnets", need: "always", grantors: LOOK },
  { action: "DescribeNetworkInterfaces", need: "always", grantors: LOOK },
  { action: "DescribeInstanceTypes", need: "always", grantors: LOOK },
  { action: "DescribeSecurityGroups", need: "security-groups", grantors: LOOK },
  { action: "GetSubnetCidrReservations", need: "reservations", grantors: LOOK },
  {
    action: "CreateNetworkInterface",
    need: "always",
    grantors: [
      {
        sid: "CreateTaggedInterfaces",
        resource: "network-interface",
        condition: "the interface gets the cluster's tag enid.io/cluster (set cluster-name)",
      },
      { sid: "CreateInSubnets", resource: "subnet", condition: "it is one of the statement, in its VPC" },
      { sid: "CreateWithSecurityGroups", resource: "security-group", condition: IN_VPC },
    ],
  },
  {
    action: "CreateTags",
    need: "always",
    grantors: [
      {
        sid: "TagWhileCreating",
        resource: "network-interface",
        condition: "the tags come with CreateNetworkInterface",
      },
    ],
    within: "CreateNetworkInterface",
  },
  { action: "AttachNetworkInterface", need: "always", grantors: [BY_CLUSTER_TAG, OF_INSTANCES] },
  {
    action: "ModifyNetworkInterfaceAttribute",
    need: "always",
    grantors: [
      BY_CLUSTER_TAG,
      OF_INSTANCES,
      { sid: "ChangeSecurityGroups", resource: "security-group", condition: IN_VPC },
    ],
  },
  { action: "AssignPrivateIpAddresses", need: "always", grantors: ADDRESSES },
  { action: "UnassignPrivateIpAddresses", need: "always", grantors: ADDRESSES },
  { action: "DetachNetworkInterface", need: "always", grantors: [BY_CLUSTER_TAG, OF_INSTANCES] },
  { action: "DeleteNetworkInterface", need: "always", grantors: [BY_CLUSTER_TAG] },
  { action: "AssignIpv6Addresses", need: "ipv6", grantors: IPV6 },
  { action: "UnassignIpv6Addresses", need: "ipv6", grantors: IPV6 },
];

/** What enid calls beside EC2; AWS lets every identity do it. */
export const WITHOUT_PERMISSION: readonly string[] = ["sts:GetCallerIdentity"];
