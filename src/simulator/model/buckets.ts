/**
 * Request throttling: one token bucket per action, as EC2 keeps it per account and Region.
 * Source: https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-throttling.html
 */
import type { Bucket, Settings } from "./settings.ts";

const MUTATING: Bucket = { capacity: 50, refillPerSecond: 5 };
const DESCRIBE: Bucket = { capacity: 100, refillPerSecond: 20 };
const UNFILTERED: Bucket = { capacity: 50, refillPerSecond: 10 };
const ADDRESSING: Bucket = { capacity: 100, refillPerSecond: 5 };

const PUBLISHED: Readonly<Record<string, Bucket>> = {
  CreateNetworkInterface: ADDRESSING,
  DeleteNetworkInterface: ADDRESSING,
  ModifyNetworkInterfaceAttribute: ADDRESSING,
  AssignPrivateIpAddresses: ADDRESSING,
  UnassignPrivateIpAddresses: ADDRESSING,
  AssignIpv6Addresses: ADDRESSING,
  CreateTags: { capacity: 100, refillPerSecond: 10 },
  DeleteTags: { capacity: 100, refillPerSecond: 10 },
  CreateSubnetCidrReservation: { capacity: 5, refillPerSecond: 1 },
  DeleteSubnetCidrReservation: { capacity: 5, refillPerSecond: 1 },
  "DescribeInstances:unfiltered": UNFILTERED,
  "DescribeNetworkInterfaces:unfiltered": UNFILTERED,
  "DescribeSecurityGroups:unfiltered": UNFILTERED,
};

interface Level {
  tokens: number;
  atMs: number;
}

export class Buckets {
  readonly #levels = new Map<string, Level>();

  /** Takes a token; false when the bucket is empty. `name` is an action, or `Action:unfiltered`. */
  take(name: string, kind: "mutating" | "describe", settings: Settings, nowMs: number): boolean {
    const bucket = bucketOf(name, kind, settings);
    const level = this.#levels.get(name) ?? { tokens: bucket.capacity, atMs: nowMs };
    const refilled = (Math.max(0, nowMs - level.atMs) / 1_000) * bucket.refillPerSecond * settings.speed;
    level.tokens = Math.min(bucket.capacity, level.tokens + refilled);
    level.atMs = nowMs;
    this.#levels.set(name, level);
    if (level.tokens < 1) return false;
    level.tokens -= 1;
    return true;
  }
}

/** The bucket that EC2 documents for an action; Describe and Get actions in their filtered form. */
export function publishedBucket(action: string): Bucket {
  return PUBLISHED[action] ?? (/^(Describe|Get)/.test(action) ? DESCRIBE : MUTATING);
}

export function bucketOf(name: string, kind: "mutating" | "describe", settings: Settings): Bucket {
  return settings.buckets[name] ?? PUBLISHED[name] ?? (kind === "mutating" ? MUTATING : DESCRIBE);
}
