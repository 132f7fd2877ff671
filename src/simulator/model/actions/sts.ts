import { type Action, defineAction, type Result, timestamp } from "../action.ts";
import { callerOf, issueCredentials } from "../credentials.ts";
import { required } from "../lookups.ts";
import { SimulatedError } from "../simulated-error.ts";

export const getCallerIdentity: Action = defineAction({
  name: "GetCallerIdentity",
  service: "sts",
  kind: "describe",
  shape: {} as const,
  run(world, _request, { accessKeyId }): Result {
    const caller = callerOf(world.state, accessKeyId);
    return { Arn: caller.arn, UserId: caller.userId, Account: world.state.account };
  },
});

const ROLE_ARN = /^arn:aws[a-z-]*:iam::(\d{12}):role\/(?:[\x21-\x7e]+\/)?([\w+=,.@-]{1,64})$/;
const SESSION_NAME = /^[\w+=,.@-]{2,64}$/;
const MIN_SECONDS = 900;
const MAX_SECONDS = 43_200;

/** Every role may be assumed: the simulated cloud has no policies. */
export const assumeRole: Action = defineAction({
  name: "AssumeRole",
  service: "sts",
  kind: "describe",
  shape: {
    RoleArn: "string",
    RoleSessionName: "string",
    DurationSeconds: "integer",
    ExternalId: "string",
    Policy: "string",
    SourceIdentity: "string",
    Tags: { member: [{ Key: "string", Value: "string" }] },
  } as const,
  check(request) {
    required(request.RoleArn, "RoleArn");
    required(request.RoleSessionName, "RoleSessionName");
  },
  run(world, request): Result {
    const { RoleArn: roleArn = "", RoleSessionName: session = "", DurationSeconds: seconds = 3_600 } = request;
    const [, account = "", role = ""] = ROLE_ARN.exec(roleArn) ?? [];
    if (account === "" || !SESSION_NAME.test(session) || seconds < MIN_SECONDS || seconds > MAX_SECONDS) {
      throw new SimulatedError(
        "ValidationError",
        "1 validation error detected: the role, session name or duration is not valid",
      );
    }
    const issued = issueCredentials(world, { account, role, session, lifeMs: seconds * 1_000 });
    return {
      AssumedRoleUser: { AssumedRoleId: issued.caller.userId, Arn: issued.caller.arn },
      Credentials: {
        AccessKeyId: issued.accessKeyId,
        SecretAccessKey: issued.secretAccessKey,
        SessionToken: issued.sessionToken,
        Expiration: timestamp(issued.expiresAtMs),
      },
    };
  },
});
