import { EnidError } from "../../errors.ts";
import { ec2FailureOf } from "./failures.ts";
import type { Probe } from "./permissions-probes.ts";
import type { Grantor, Permission, ResourceKind } from "./permissions-table.ts";

export type Verdict = "allowed" | "denied" | "unknown";

/** What one call showed. */
export interface Finding {
  readonly verdict: Verdict;
  readonly on: string;
  /** Sids of the policy that are missing, or whose condition does not hold. Empty when allowed or not known. */
  readonly statements: readonly string[];
  /** Why it is not allowed; when it is, empty or how that shows. */
  readonly detail: string;
  /** The IAM action that EC2 named as refused, without `ec2:`; empty when it named none. */
  readonly refused: string;
}

/** EC2's answers that say "not permitted"; other refusals of credentials say nothing of permissions. */
const DENIALS: ReadonlySet<string> = new Set(["UnauthorizedOperation", "AccessDenied", "AccessDeniedException"]);

/** EC2's answers to an impossible call that it was ready to carry out. */
const IMPOSSIBLE: ReadonlySet<string> = new Set([
  "InvalidParameterValue",
  "InvalidIPAddress.InUse",
  "OperationNotPermitted",
  "PrivateIpAddressLimitExceeded",
  "Resource.AlreadyAssigned",
  "UnsupportedOperation",
]);

/**
 * "User: U is not authorized to perform: ec2:A on resource: ARN because no identity-based policy allows the ec2:A action."
 * Such details came to EC2's messages in 2023; without them the message says nothing but that it was not authorized.
 */
const REFUSED = /not authorized to perform: ec2:(\w+)(?: on resource: (\S+))?/;
const ALLOWS = /allows the ec2:(\w+) action/;
const EXPLICIT = /with an explicit deny in (an? [\w -]*?policy)/;
const KIND = /^arn:[\w-]*:ec2:[^:]*:[^:]*:([\w-]+)\//;

/** The call was allowed, though it could not be carried out. `code`: EC2's; empty when there was nothing to change. */
export function allowedThough(probe: Probe, code: string): Finding {
  const answer =
    code === ""
      ? "accepted a call that changes nothing"
      : `refused an impossible call with ${code}, not for the permission`;
  const detail = `EC2 has no dry run of it; it ${answer}`;
  return { verdict: "allowed", on: probe.on, statements: [], detail, refused: "" };
}

/** What the answer to a call that changes nothing means. `error`: what the transport rejected with. */
export function judge(permission: Permission, probe: Probe, error: unknown): Finding {
  const failure = ec2FailureOf(error);
  const nothing = { on: probe.on, statements: [], detail: "", refused: "" };
  if (failure === undefined || !(error instanceof EnidError)) throw error;
  if (failure.ec2Code === "DryRunOperation") return { ...nothing, verdict: "allowed" };
  if (probe.how === "impossible" && IMPOSSIBLE.has(failure.ec2Code)) return allowedThough(probe, failure.ec2Code);
  if (!DENIALS.has(failure.ec2Code)) return { ...nothing, verdict: "unknown", detail: error.message };
  const message = error.cause instanceof Error ? error.cause.message : error.message;
  const [, action = "", arn = ""] = REFUSED.exec(message) ?? [];
  const refused = ALLOWS.exec(message)?.[1] ?? action;
  const explicit = EXPLICIT.exec(message)?.[1];
  if (explicit !== undefined) {
    const detail = `${explicit} denies it explicitly; no statement that allows it helps`;
    return { ...nothing, verdict: "denied", detail, refused };
  }
  return { on: probe.on, refused, ...missing(permission, probe, KIND.exec(arn)?.[1]) };
}

/** Which statements could be missing. `kind`: of the resource that EC2 named. */
function missing(
  permission: Permission,
  { target }: Probe,
  kind: string | undefined,
): Pick<Finding, "verdict" | "statements" | "detail"> {
  const named = permission.grantors.filter((one) => one.resource !== undefined && one.resource === kind);
  const grantors = named.length > 0 ? named : permission.grantors;
  const statements = grantors.map((one) => one.sid);
  // A policy by tag refuses an interface without the tag, and rightly: that shows nothing of those that enid makes.
  const byTag = grantors.find((one) => one.byTag);
  if (byTag !== undefined && target !== undefined && !target.tagged) {
    const detail = `refused on ${target.id}, which lacks the tag that ${byTag.sid} asks for; try again once an interface of the cluster has it`;
    return { verdict: "unknown", statements, detail };
  }
  return { verdict: "denied", statements, detail: grantors.map(described).join("; ") };
}

function described({ sid, resource, condition }: Grantor): string {
  const on = resource === undefined ? "" : ` for ${PLURAL[resource]}`;
  const unless = condition === undefined ? "" : `, or its condition does not hold: ${condition}`;
  return `statement ${sid}${on} is missing${unless}`;
}

const PLURAL: Readonly<Record<ResourceKind, string>> = {
  "network-interface": "interfaces",
  subnet: "subnets",
  "security-group": "security groups",
  instance: "instances",
};
