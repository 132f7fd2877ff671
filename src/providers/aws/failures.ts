import { EnidError, type ErrorCode, type ErrorValues } from "../../errors.ts";
import type { FailureClass, StepFailure } from "../../manager/ports/index.ts";
import type { BlockUnit } from "../../planning/index.ts";

/** A failure of one EC2 call, as the provider itself looks at it. Carried as `details` of the EnidError. */
export interface Ec2Failure extends StepFailure {
  readonly action: string;
  /** Empty when no answer came. */
  readonly requestId: string;
  /** What a step does something about itself; undefined for the rest. */
  readonly symptom: Symptom | undefined;
}

export type Symptom =
  /** The interface is unknown to EC2: gone, or made so lately that not all of EC2 knows it. */
  | "interface-unknown"
  | "attachment-unknown"
  /** Still or already attached. */
  | "in-use"
  | "device-index-taken"
  /** The instance or the attachment is on its way from one state to another. */
  | "wrong-state"
  /** Some of the addresses to give back are not on the interface. */
  | "not-assigned"
  /** The ClientToken was used with other parameters. */
  | "token-mismatch";

export interface FailureRule {
  /** EC2's code, exactly; "*" for the rules that apply when no other does. */
  readonly code: string;
  /** When given, the message must match as well. */
  readonly message?: RegExp;
  readonly class: FailureClass;
  /** Of a mutating call; describes never have one. */
  readonly effect: StepFailure["effect"];
  readonly symptom?: Symptom;
}

/**
 * EC2's answers, first match wins. docs/ec2.md shows this table and a test keeps the two equal. Sources: EC2 API
 * Reference "Error codes"; messages as quoted by cilium/cilium#8471, #31016, aws/amazon-vpc-cni-k8s#40, #989, #1399,
 * #1836.
 */
export const FAILURE_RULES: readonly FailureRule[] = [
  // The bucket of the action is empty, for the whole account. Nothing was done.
  { code: "RequestLimitExceeded", class: "throttled", effect: "none" },
  { code: "Client.RequestLimitExceeded", class: "throttled", effect: "none" },
  { code: "EC2ThrottledException", class: "throttled", effect: "none" },
  { code: "Throttling", class: "throttled", effect: "none" },
  { code: "ThrottlingException", class: "throttled", effect: "none" },
  { code: "TooManyRequestsException", class: "throttled", effect: "none" },
  { code: "SlowDown", class: "throttled", effect: "none" },

  // The subnet cannot give what was asked for: three forms of one fact.
  { code: "InsufficientFreeAddressesInSubnet", class: "subnet-exhausted", effect: "none" },
  { code: "InsufficientCidrBlocks", class: "subnet-exhausted", effect: "none" },
  {
    code: "InvalidParameterValue",
    message: /sufficient free ipv[46] /i,
    class: "subnet-exhausted",
    effect: "none",
  },

  // What enid believed of the instance or the interface is no longer so.
  { code: "PrivateIpAddressLimitExceeded", class: "limit", effect: "none" },
  { code: "InvalidInterface.IpAddressLimitExceeded", class: "limit", effect: "none" },
  { code: "AttachmentLimitExceeded", class: "limit", effect: "none" },
  {
    code: "InvalidParameterValue",
    message: /already has an interface attached at device index/i,
    class: "limit",
    effect: "none",
    symptom: "device-index-taken",
  },
  { code: "InvalidIPAddress.InUse", class: "limit", effect: "none" },
  { code: "Resource.AlreadyAssigned", class: "limit", effect: "none" },
  { code: "InvalidParameterValue", message: /move is not allowed/i, class: "limit", effect: "none" },

  // An address that was asked for by name: the primary one of an interface (aws/aws-sdk-go#2864), or none of the subnet's.
  { code: "InvalidParameterValue", message: /secondary-addresses/i, class: "configuration", effect: "none" },
  {
    code: "InvalidParameterValue",
    message: /subnet's (reserved )?address range/i,
    class: "configuration",
    effect: "none",
  },

  { code: "InvalidNetworkInterfaceID.NotFound", class: "gone", effect: "none", symptom: "interface-unknown" },
  { code: "InvalidAttachmentID.NotFound", class: "gone", effect: "none", symptom: "attachment-unknown" },
  { code: "InvalidInstanceID.NotFound", class: "gone", effect: "none" },
  {
    code: "InvalidParameterValue",
    message: /are not assigned to interface/i,
    class: "gone",
    effect: "none",
    symptom: "not-assigned",
  },

  // Passing states.
  { code: "InvalidNetworkInterface.InUse", class: "transient", effect: "none", symptom: "in-use" },
  {
    code: "InvalidParameterValue",
    message: /currently in use/i,
    class: "transient",
    effect: "none",
    symptom: "in-use",
  },
  { code: "IncorrectState", class: "transient", effect: "none", symptom: "wrong-state" },
  { code: "IncorrectInstanceState", class: "transient", effect: "none", symptom: "wrong-state" },
  { code: "InsufficientAddressCapacity", class: "transient", effect: "none" },
  { code: "InternalError", class: "transient", effect: "unknown" },
  { code: "InternalFailure", class: "transient", effect: "unknown" },
  { code: "Unavailable", class: "transient", effect: "unknown" },
  { code: "ServiceUnavailable", class: "transient", effect: "unknown" },

  // Permission, credentials, clock.
  { code: "UnauthorizedOperation", class: "unauthorized", effect: "none" },
  { code: "AuthFailure", class: "unauthorized", effect: "none" },
  { code: "AccessDenied", class: "unauthorized", effect: "none" },
  { code: "AccessDeniedException", class: "unauthorized", effect: "none" },
  { code: "RequestExpired", class: "unauthorized", effect: "none" },
  { code: "ExpiredToken", class: "unauthorized", effect: "none" },
  { code: "ExpiredTokenException", class: "unauthorized", effect: "none" },
  { code: "SignatureDoesNotMatch", class: "unauthorized", effect: "none" },
  { code: "InvalidClientTokenId", class: "unauthorized", effect: "none" },
  { code: "MissingAuthenticationToken", class: "unauthorized", effect: "none" },
  { code: "OptInRequired", class: "unauthorized", effect: "none" },
  { code: "Blocked", class: "unauthorized", effect: "none" },
  { code: "CredentialsProviderError", class: "unauthorized", effect: "none" },

  // Only the operator can help: configuration or quotas.
  { code: "InvalidSubnetID.NotFound", class: "configuration", effect: "none" },
  { code: "InvalidVpcID.NotFound", class: "configuration", effect: "none" },
  { code: "InvalidGroup.NotFound", class: "configuration", effect: "none" },
  { code: "InvalidSecurityGroupID.NotFound", class: "configuration", effect: "none" },
  { code: "InvalidGroupId.Malformed", class: "configuration", effect: "none" },
  { code: "SecurityGroupsPerInterfaceLimitExceeded", class: "configuration", effect: "none" },
  { code: "SecurityGroupsPerInstanceLimitExceeded", class: "configuration", effect: "none" },
  { code: "NetworkInterfaceLimitExceeded", class: "configuration", effect: "none" },
  // No public source has EC2's text for an IPv6 prefix of a subnet without IPv6, or its code for prefixes on Xen.
  { code: "InvalidParameterValue", message: /ipv6 cidr/i, class: "configuration", effect: "none" },
  { code: "Unsupported", class: "configuration", effect: "none" },
  { code: "UnsupportedOperation", class: "configuration", effect: "none" },
  { code: "TagLimitExceeded", class: "configuration", effect: "none" },

  // Something was made with this token, by other parameters.
  { code: "IdempotentParameterMismatch", class: "bug", effect: "unknown", symptom: "token-mismatch" },
  // Any other refusal of EC2: it did not accept what enid asked, and did nothing.
  { code: "*", class: "bug", effect: "none" },
];

/** No answer came, and nothing was sent: the connection was never made. */
const NEVER_SENT_SYSCALLS: ReadonlySet<string> = new Set(["connect", "getaddrinfo"]);
const CONNECT_TIMEOUT = /did not establish a connection/;
const DETAIL_LIMIT = 500;

interface Thrown {
  readonly name: string;
  readonly message: string;
  /** The code in EC2's own error document; absent when the answer was not EC2's. */
  readonly ec2Code: string | undefined;
  readonly systemCode: string | undefined;
  readonly syscall: string | undefined;
  readonly status: number | undefined;
  readonly requestId: string;
}

/** What a thrown thing of the SDK means. `mutation` false: a describe, which never has an effect. */
export function failureOf(
  thrown: unknown,
  call: { readonly action: string; readonly mutation: boolean; readonly subnetId?: string; readonly unit?: BlockUnit },
): EnidError {
  const seen = look(thrown);
  const known = judge(seen);
  const failure: Ec2Failure = {
    action: call.action,
    requestId: seen.requestId,
    class: known.class,
    ec2Code: known.code,
    effect: call.mutation ? known.effect : "none",
    symptom: known.symptom,
    ...(call.subnetId === undefined ? {} : { subnetId: call.subnetId }),
    ...(known.class === "subnet-exhausted" ? { unit: call.unit ?? "address" } : {}),
  };
  const [code, values] = told(failure, known.answered, seen);
  return new EnidError(code, values, { cause: thrown, details: failure });
}

/** The failure that an error of this room carries, if it is one of an EC2 call. */
export function ec2FailureOf(error: unknown): Ec2Failure | undefined {
  if (!(error instanceof EnidError)) return undefined;
  const details = error.details;
  return typeof details === "object" && details !== null && "action" in details ? (details as Ec2Failure) : undefined;
}

export function symptomOf(error: unknown): Symptom | undefined {
  return ec2FailureOf(error)?.symptom;
}

function judge(seen: Thrown): {
  class: FailureClass;
  effect: StepFailure["effect"];
  code: string;
  answered: boolean;
  symptom: Symptom | undefined;
} {
  if (seen.ec2Code !== undefined || seen.name === "CredentialsProviderError") {
    const code = seen.ec2Code ?? seen.name;
    const rule = ruleFor(code, seen.message);
    // A server error without a rule says nothing of what became of the call; throttling by status has no effect.
    if (rule.code === "*" && seen.status !== undefined && seen.status >= 500) {
      return { class: "transient", effect: "unknown", code, answered: true, symptom: undefined };
    }
    if (rule.code === "*" && seen.status === 429) {
      return { class: "throttled", effect: "none", code, answered: true, symptom: undefined };
    }
    return { class: rule.class, effect: rule.effect, code, answered: true, symptom: rule.symptom };
  }
  // The answer was not EC2's error document (a page of a proxy or load balancer, a cut-off answer), or none came.
  const neverSent =
    (seen.syscall !== undefined && NEVER_SENT_SYSCALLS.has(seen.syscall)) || CONNECT_TIMEOUT.test(seen.message);
  const code = seen.systemCode ?? (seen.status === undefined ? seen.name : `HTTP ${seen.status}`);
  return { class: "transient", effect: neverSent ? "none" : "unknown", code, answered: false, symptom: undefined };
}

function ruleFor(code: string, message: string): FailureRule {
  const rule = FAILURE_RULES.find(
    (one) => one.code === "*" || (one.code === code && (one.message === undefined || one.message.test(message))),
  );
  if (rule === undefined)
    throw new EnidError("ENID_INTERNAL", { detail: "the table of EC2 failures has no last rule" });
  return rule;
}

/** What stands before "free addresses" in the text of an exhausted subnet. */
const PREFIXES: Readonly<Record<Exclude<BlockUnit, "address">, string>> = {
  prefix: "a contiguous /28",
  "ipv6-prefix": "an IPv6 /80",
};

function told(failure: Ec2Failure, answered: boolean, seen: Thrown): [ErrorCode, ErrorValues] {
  const { action, ec2Code } = failure;
  const detail = shorten(answered || seen.status === undefined ? seen.message : unreadable(seen));
  // When it will be tried again is the manager's decision, which the provider does not know.
  const retryAt = "a pause";
  if (!answered) return ["ENID_EC2_UNREACHABLE", { action, detail }];
  if (failure.class === "throttled") return ["ENID_EC2_THROTTLED", { action, code: ec2Code, retryAt }];
  if (failure.class === "unauthorized") return ["ENID_EC2_UNAUTHORIZED", { action, detail: `${ec2Code}: ${detail}` }];
  if (failure.class === "subnet-exhausted") {
    const { subnetId = "", unit = "address" } = failure;
    if (unit === "address") return ["ENID_SUBNET_EMPTY", { subnetId, freeAddresses: "too few", retryAt }];
    return ["ENID_SUBNET_NO_PREFIX", { subnetId, what: PREFIXES[unit], retryAt }];
  }
  return ["ENID_EC2_FAILED", { action, code: ec2Code, detail }];
}

function unreadable(seen: Thrown): string {
  return `the answer with HTTP ${seen.status} is not one of EC2, or was cut off (${seen.message})`;
}

/** One line of at most DETAIL_LIMIT characters, without the SDK's hint and the long encoded authorization message. */
function shorten(message: string): string {
  const text = message
    .replace(/\s*Deserialization error: to see the raw response[^)\n]*/, "")
    .replace(/@smithy\/node-http-handler - (\[\w+\] )?/, "")
    .replace(/(Encoded authorization failure message: )(\S{24,})/, (_, lead: string, blob: string) => {
      return `${lead}${blob.slice(0, 16)}… (${blob.length} characters)`;
    })
    .replace(/\s+/g, " ")
    .trim();
  return text.length > DETAIL_LIMIT ? `${text.slice(0, DETAIL_LIMIT)}…` : text;
}

function look(thrown: unknown): Thrown {
  const fields = (typeof thrown === "object" && thrown !== null ? thrown : {}) as Record<string, unknown>;
  const metadata = (fields.$metadata ?? {}) as Record<string, unknown>;
  return {
    name: typeof fields.name === "string" ? fields.name : "Error",
    message: thrown instanceof Error ? thrown.message : String(thrown),
    ec2Code: typeof fields.Code === "string" && fields.Code !== "" ? fields.Code : undefined,
    systemCode: typeof fields.code === "string" ? fields.code : undefined,
    syscall: typeof fields.syscall === "string" ? fields.syscall : undefined,
    status: typeof metadata.httpStatusCode === "number" ? metadata.httpStatusCode : undefined,
    requestId: typeof metadata.requestId === "string" ? metadata.requestId : "",
  };
}
