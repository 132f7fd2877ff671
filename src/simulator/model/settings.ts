/**
 * How the simulated cloud behaves. Durations are those of a real EC2 as far as they are public; `speed` divides all of
 * them, so that tests need not wait.
 */

/** A duration drawn evenly between its two ends, in milliseconds. */
export interface Span {
  readonly minMs: number;
  readonly maxMs: number;
}

export interface Bucket {
  readonly capacity: number;
  readonly refillPerSecond: number;
}

export type MetadataOutage = "none" | "error" | "hang" | "reset";

export interface Settings {
  /** Every duration below is divided by it, every bucket refills that much faster. */
  readonly speed: number;
  /** Mean time from request to reply by action, each drawn within ±30 %; `*` is for the actions not named. */
  readonly latencyMs: Readonly<Record<string, number>>;
  /** From AttachNetworkInterface to attachment status `attached`. */
  readonly attachMs: Span;
  /** From DetachNetworkInterface to interface status `available`. */
  readonly detachMs: Span;
  /** How long Describe calls show the old state after each change. */
  readonly describeLagMs: Span;
  /** Each Describe is answered by one of so many views that lag by themselves. */
  readonly describeReplicas: number;
  /** How long instance metadata shows the old state after each change. */
  readonly metadataLagMs: Span;
  /** How long a new interface does not exist for the calls that name it. */
  readonly notFoundAfterCreateMs: number;
  /** True: attachments stay `attaching` until it is false again. */
  readonly attachStuck: boolean;
  /** True: attachments stay `detaching` until it is false again. */
  readonly detachStuck: boolean;
  /** `error` answers 500, `hang` never answers, `reset` closes the connection. */
  readonly metadataOutage: MetadataOutage;
  readonly throttling: boolean;
  /** Token buckets by action; an action's unfiltered and unpaginated form is `Action:unfiltered`. */
  readonly buckets: Readonly<Record<string, Bucket>>;
  /** Region quota of interfaces; beyond it NetworkInterfaceLimitExceeded. */
  readonly interfaceQuota: number;
  readonly securityGroupsPerInterface: number;
}

/** Mean latencies in ms: one scrape in the tests of amazon-vpc-cni-k8s (cni_test1.data). */
export const DEFAULT_SETTINGS: Settings = {
  speed: 1,
  latencyMs: {
    "*": 120,
    CreateNetworkInterface: 133,
    AttachNetworkInterface: 438,
    AssignPrivateIpAddresses: 294,
    UnassignPrivateIpAddresses: 294,
    ModifyNetworkInterfaceAttribute: 155,
    DetachNetworkInterface: 203,
    DeleteNetworkInterface: 263,
    CreateTags: 112,
    DeleteTags: 112,
    DescribeInstances: 133,
    DescribeNetworkInterfaces: 118,
  },
  attachMs: { minMs: 1_000, maxMs: 5_000 },
  detachMs: { minMs: 2_000, maxMs: 3_000 },
  describeLagMs: { minMs: 0, maxMs: 2_000 },
  describeReplicas: 1,
  metadataLagMs: { minMs: 1_000, maxMs: 18_000 },
  notFoundAfterCreateMs: 0,
  attachStuck: false,
  detachStuck: false,
  metadataOutage: "none",
  throttling: true,
  buckets: {},
  interfaceQuota: 5_000,
  securityGroupsPerInterface: 5,
};

/** What a model file or the control endpoint may say about the settings: a span may be one number. */
export type SettingsPatch = {
  readonly [K in keyof Settings]?: Settings[K] extends Span ? Span | number : Settings[K];
};

/** `patch` over `settings`; maps (latencyMs, buckets) are merged by key. The patch must be valid (see model-file). */
export function applySettings(settings: Settings, patch: SettingsPatch): Settings {
  const spans = (["attachMs", "detachMs", "describeLagMs", "metadataLagMs"] as const).flatMap((name) => {
    const value = patch[name];
    return value === undefined ? [] : [[name, typeof value === "number" ? { minMs: value, maxMs: value } : value]];
  });
  return {
    ...settings,
    ...patch,
    ...Object.fromEntries(spans),
    latencyMs: { ...settings.latencyMs, ...patch.latencyMs },
    buckets: { ...settings.buckets, ...patch.buckets },
  };
}
