/**
 * What the VPC CNI asks of EC2 and of instance metadata, counted in its source: v1.23.1 (commit b521883) with the
 * defaults of its chart (charts/aws-vpc-cni/values.yaml), an instance type of its own table, nothing going wrong.
 */
export interface Cost {
  readonly changes: number;
  readonly describes: number;
}

export const VPC_CNI_VERSION = "v1.23.1";

/** Its hourly look for leaked interfaces; the first comes within five minutes of the start. */
const LEAK_CHECK: Cost = { changes: 0, describes: 1 };

/** A new node: CreateTags and AssignPrivateIpAddresses; DescribeNetworkInterfaces, DescribeSubnets. */
const START: Cost = add({ changes: 2, describes: 2 }, LEAK_CHECK);

/** Create, Attach, Modify; DescribeSubnets before the create and after it, DescribeInstances before the attach. */
const INTERFACE: Cost = { changes: 3, describes: 3 };

/** Detach, Delete; DescribeNetworkInterfaces before. */
const INTERFACE_REMOVED: Cost = { changes: 2, describes: 1 };

export const vpcCni = {
  start: START,
  /** m5.large: each of two interfaces is added once the one before has less than a whole interface free. */
  pods27: add(START, times(2, INTERFACE)),
  /** Two of three go; the addresses of the first stay. */
  pods27Gone: times(2, INTERFACE_REMOVED),
  /** One prefix at a time, until there are as many addresses as the node may have pods (110): seven, one of them at the start. */
  prefixBurst: { changes: 6, describes: 0 },
  prefixes: add(START, { changes: 6, describes: 0 }),
  /** CreateTags, AssignIpv6Addresses; DescribeNetworkInterfaces twice, DescribeSubnets twice; no leak check with IPv6. */
  ipv6: { changes: 2, describes: 4 },
  /** DescribeNetworkInterfaces, one DescribeSubnets for each interface, the leak check. */
  restart: (interfaces: number): Cost => ({ changes: 0, describes: interfaces + 2 }),
  /** Where each interface lacks one of the tags: CreateTags for each. */
  restartWithTags: (interfaces: number): Cost => ({ changes: interfaces, describes: interfaces + 2 }),
  /** One read each in two loops of 30 s; once a minute the list of interfaces and ten reads for each of them. */
  metadataReadsPerHour: (interfaces: number): number => 2 * 120 + 60 * (1 + 10 * interfaces),
} as const;

export function all({ changes, describes }: Cost): number {
  return changes + describes;
}

function add(one: Cost, other: Cost): Cost {
  return { changes: one.changes + other.changes, describes: one.describes + other.describes };
}

function times(factor: number, { changes, describes }: Cost): Cost {
  return { changes: factor * changes, describes: factor * describes };
}
