/**
 * Section "What enid makes of a failure" of docs/ec2.md, as rows: each code with the message that EC2 was seen to send
 * with it, each call that can be answered so, and the class that follows.
 */
export type Call =
  | "AssignPrivateIpAddresses"
  | "CreateNetworkInterface"
  | "AttachNetworkInterface"
  | "ModifyNetworkInterfaceAttribute";

export type ClassName =
  | "throttled"
  | "subnet-exhausted"
  | "limit"
  | "unauthorized"
  | "configuration"
  | "transient"
  | "gone"
  | "bug";

/** What a class calls for while it lasts (for an hour) and afterwards. */
export interface Reaction {
  /** The refused call is made at most so often in an hour in which it is always refused. */
  readonly callsPerHour: number;
  readonly degraded: string;
  /** It may end by itself. */
  readonly passes?: boolean;
  /** Another allowed subnet is used instead. */
  readonly elsewhere?: boolean;
  /** EC2 is described within so long after the first refusal. */
  readonly observesWithinMs?: number;
  /** After the fault is over, growth goes on within this: the longest pause of the class, with its jitter. */
  readonly recoversWithinMs: number;
}

const MINUTE_MS = 60_000;

export const REACTIONS: Readonly<Record<ClassName, Reaction>> = {
  // Doubling pauses up to a minute: everything that changes the cloud waits, the pool serves.
  throttled: { callsPerHour: 90, degraded: "ec2-throttled", passes: true, recoversWithinMs: 2 * MINUTE_MS },
  "subnet-exhausted": {
    // One or two minutes to a quarter of an hour, in each of two subnets.
    callsPerHour: 18,
    degraded: "subnet-exhausted",
    passes: true,
    elsewhere: true,
    recoversWithinMs: 20 * MINUTE_MS,
  },
  limit: {
    callsPerHour: 90,
    degraded: "ec2-failing",
    passes: true,
    observesWithinMs: 10_000,
    recoversWithinMs: 2 * MINUTE_MS,
  },
  gone: {
    callsPerHour: 90,
    degraded: "ec2-failing",
    passes: true,
    observesWithinMs: 10_000,
    recoversWithinMs: 2 * MINUTE_MS,
  },
  // What does not change by itself is tried slowly.
  unauthorized: { callsPerHour: 14, degraded: "ec2-unauthorized", recoversWithinMs: 14 * MINUTE_MS },
  configuration: { callsPerHour: 24, degraded: "ec2-failing", recoversWithinMs: 8 * MINUTE_MS },
  bug: { callsPerHour: 16, degraded: "ec2-failing", recoversWithinMs: 8 * MINUTE_MS },
  transient: { callsPerHour: 90, degraded: "ec2-failing", passes: true, recoversWithinMs: 2 * MINUTE_MS },
};

/** An interface that cannot be had is tried ever more slowly: each try may make one for nothing, and delete it again. */
export function reactionTo({ class: className, call }: Row): Reaction {
  const reaction = REACTIONS[className];
  const ofPlace = call !== "AssignPrivateIpAddresses" && (className === "limit" || className === "gone");
  return ofPlace ? { ...reaction, recoversWithinMs: 20 * MINUTE_MS } : reaction;
}

export interface Row {
  readonly code: string;
  readonly message: string;
  readonly httpStatus: number;
  readonly call: Call;
  readonly class: ClassName;
}

/**
 * After the refusal something is left to be settled: an interface that is made and not attached or not finished, or an
 * assign of which EC2 does not say whether it happened.
 */
export function leavesSomething({ call, class: className, httpStatus }: Row): boolean {
  if (call === "AssignPrivateIpAddresses") return className === "transient" && httpStatus >= 500;
  return call === "AttachNetworkInterface" || call === "ModifyNetworkInterfaceAttribute";
}

/** EC2's word for a subnet without a contiguous /28. */
export function isOfPrefixes({ code }: Row): boolean {
  return code === "InsufficientCidrBlocks";
}

const ASSIGN = ["AssignPrivateIpAddresses"] as const;
const CREATE = ["CreateNetworkInterface"] as const;
const ATTACH = ["AttachNetworkInterface"] as const;
const GROW = [...ASSIGN, ...CREATE] as const;
const ALL = [...GROW, ...ATTACH, "ModifyNetworkInterfaceAttribute"] as const;

function rows(
  className: ClassName,
  calls: readonly Call[],
  answers: readonly (readonly [code: string, message: string, httpStatus?: number])[],
): Row[] {
  return answers.flatMap(([code, message, httpStatus = 400]) =>
    calls.map((call) => ({ code, message, httpStatus, call, class: className })),
  );
}

const NOT_FOUND = "The networkInterface ID 'eni-0123456789abcdef0' does not exist";
const UNAUTHORIZED =
  "You are not authorized to perform this operation. Encoded authorization failure message: AbCdEfGhIjKlMnOpQrStUvWxYz0123456789";

export const ROWS: readonly Row[] = [
  ...rows("throttled", ALL, [["RequestLimitExceeded", "Request limit exceeded.", 503]]),
  ...rows("subnet-exhausted", GROW, [
    [
      "InsufficientFreeAddressesInSubnet",
      "The specified subnet does not have enough free addresses to satisfy the request.",
    ],
    ["InsufficientCidrBlocks", "The specified subnet does not have enough free cidr blocks to satisfy the request."],
    ["InvalidParameterValue", "There aren't sufficient free Ipv4 addresses or prefixes"],
  ]),
  ...rows("limit", ASSIGN, [
    ["PrivateIpAddressLimitExceeded", "Number of private addresses will exceed limit."],
    ["InvalidParameterValue", "[10.64.1.9] assigned, but move is not allowed."],
  ]),
  ...rows("limit", CREATE, [
    ["InvalidIPAddress.InUse", "The specified address is already in use."],
    ["Resource.AlreadyAssigned", "The address is already assigned."],
    ["InvalidInterface.IpAddressLimitExceeded", "The number of addresses exceeds the limit."],
  ]),
  ...rows("limit", ATTACH, [
    ["AttachmentLimitExceeded", "Interface count 4 exceeds the limit for m5.large"],
    ["InvalidParameterValue", "Instance 'i-0a000000000000001' already has an interface attached at device index '2'."],
  ]),
  ...rows("gone", ASSIGN, [["InvalidNetworkInterfaceID.NotFound", NOT_FOUND]]),
  ...rows("gone", ATTACH, [["InvalidInstanceID.NotFound", "The instance ID 'i-0a000000000000001' does not exist"]]),
  ...rows("transient", ATTACH, [
    ["IncorrectState", "Instance 'i-0a000000000000001' is not 'running'"],
    ["IncorrectInstanceState", "The pending-instance-creation instance is not in a valid state for this operation"],
  ]),
  ...rows("transient", GROW, [["InsufficientAddressCapacity", "Insufficient address capacity."]]),
  ...rows("transient", ALL, [
    ["InternalError", "An internal error has occurred", 500],
    ["InternalFailure", "An internal failure has occurred", 500],
    ["Unavailable", "The server is overloaded and can't handle the request.", 503],
    ["ServiceUnavailable", "The request has failed due to a temporary failure of the server.", 503],
  ]),
  ...rows("unauthorized", ALL, [
    ["UnauthorizedOperation", UNAUTHORIZED, 403],
    ["AuthFailure", "AWS was not able to validate the provided access credentials", 401],
  ]),
  ...rows("unauthorized", GROW, [
    ["RequestExpired", "Request has expired."],
    ["SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided.", 403],
  ]),
  ...rows("configuration", CREATE, [
    ["NetworkInterfaceLimitExceeded", "The maximum number of network interfaces has been reached."],
    [
      "SecurityGroupsPerInterfaceLimitExceeded",
      "The maximum number of security groups per interface has been reached.",
    ],
    ["InvalidGroup.NotFound", "The security group 'sg-0a000000000000001' does not exist"],
    ["InvalidSecurityGroupID.NotFound", "The security group 'sg-0a000000000000001' does not exist"],
    ["InvalidGroupId.Malformed", 'Invalid id: "sg-0a"'],
    ["InvalidSubnetID.NotFound", "The subnet ID 'subnet-0a000000000000002' does not exist"],
  ]),
  ...rows("configuration", ASSIGN, [
    ["InvalidParameterValue", "Address does not fall within the subnet's address range"],
    ["InvalidParameterValue", "Address 10.64.1.9 is not one of the secondary-addresses of interface eni-1"],
  ]),
  ...rows("bug", ASSIGN, [
    ["InvalidNetworkInterfaceId.Malformed", 'Invalid id: "eni-"'],
    ["InvalidParameterValue", "invalid value for parameter address: 10.64.1.999"],
    ["OperationNotPermitted", "You are not allowed to manage 'ela-attach' attachments."],
  ]),
  ...rows("bug", GROW, [
    ["InvalidParameterCombination", "The parameters may not be combined."],
    ["MissingParameter", "The request must contain a parameter."],
    ["InvalidParameter", "A parameter is invalid."],
    ["UnknownParameter", "The parameter is not recognized"],
    ["MalformedQueryString", "The query string contains a syntax error"],
  ]),
  ...rows("bug", CREATE, [["InvalidClientToken", "Invalid client token"]]),
];
