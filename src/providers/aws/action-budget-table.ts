/** A token bucket of EC2: a request takes one token; an empty bucket answers RequestLimitExceeded. */
export interface Bucket {
  readonly capacity: number;
  readonly refillPerSecond: number;
}

const DESCRIBING: Bucket = { capacity: 100, refillPerSecond: 20 };
const MUTATING: Bucket = { capacity: 50, refillPerSecond: 5 };
const ADDRESSING: Bucket = { capacity: 100, refillPerSecond: 5 };

/**
 * The buckets of the actions that are not like the rest of their kind. Each is one per action, account and Region,
 * shared by every caller of the account. Source:
 * https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-throttling.html
 */
export const BUCKETS: Readonly<Record<string, Bucket>> = {
  AssignIpv6Addresses: ADDRESSING,
  AssignPrivateIpAddresses: ADDRESSING,
  CreateNetworkInterface: ADDRESSING,
  CreateTags: { capacity: 100, refillPerSecond: 10 },
  DeleteNetworkInterface: ADDRESSING,
  DeleteTags: { capacity: 100, refillPerSecond: 10 },
  ModifyNetworkInterfaceAttribute: ADDRESSING,
  UnassignPrivateIpAddresses: ADDRESSING,
};

/**
 * The bucket of an action. What the table does not name is of its kind: AttachNetworkInterface, DetachNetworkInterface
 * and UnassignIpv6Addresses among the mutations; the describes as they are made here, filtered or in pages.
 */
export function bucketOf(call: { readonly action: string; readonly mutation: boolean }): Bucket {
  return BUCKETS[call.action] ?? (call.mutation ? MUTATING : DESCRIBING);
}
