import { EC2Client } from "@aws-sdk/client-ec2";
import { GetCallerIdentityCommand, STSClient } from "@aws-sdk/client-sts";
import type { AwsLimits, AwsProviderOptions, Ec2Sender, Surroundings } from "./options.ts";

/** Connections to the endpoint: the mutations at once, and as many describes. */
const CONNECTIONS = 8;

/**
 * The EC2 client of a Region. One attempt per call: the SDK would repeat a count-based AssignPrivateIpAddresses after a
 * lost connection and take the addresses twice. What is repeated, and when, is decided in ec2.ts and by the manager.
 */
export function makeEc2Client(options: AwsProviderOptions, limits: AwsLimits, region: string): Ec2Sender {
  return options.direct?.ec2 ?? new EC2Client(shared(options, limits, region, "EC2"));
}

/**
 * The account of the credentials; `owner`, that of the instance, (with an event) when STS does not say within the limit, or
 * undefined when that is empty.
 */
export async function readAccount(
  options: AwsProviderOptions,
  world: Surroundings,
  region: string,
  owner: string,
): Promise<string | undefined> {
  const client = options.direct?.sts ?? new STSClient(shared(options, world.limits, region, "STS"));
  const startedAtMs = world.clock.monotonicMs();
  const late = new AbortController();
  const cancel = world.clock.after(world.limits.accountLimitMs, () => late.abort());
  const finished = (code: string, requestId: string) => {
    const durationMs = world.clock.monotonicMs() - startedAtMs;
    world.telemetry.cloudCall({ action: "GetCallerIdentity", code, durationMs, requestId });
  };
  try {
    const answer = await Promise.race([
      client.send(new GetCallerIdentityCommand({}), { abortSignal: late.signal }),
      new Promise<never>((_, reject) => {
        late.signal.addEventListener("abort", () => {
          reject(Object.assign(new Error(`no answer within ${world.limits.accountLimitMs} ms`), { name: "Timeout" }));
        });
      }),
    ]);
    finished("ok", answer.$metadata.requestId ?? "");
    return answer.Account;
  } catch (error) {
    const [code, detail] = error instanceof Error ? [error.name, error.message] : ["Error", String(error)];
    finished(code, "");
    world.telemetry.event({
      name: "account-unknown",
      level: "warn",
      message: `STS did not say which account this is (${code}: ${detail}); ${owner === "" ? "reports go without it" : `that of the instance, ${owner}, stands for it`}`,
      fields: { code },
    });
    return owner || undefined;
  } finally {
    cancel();
    client.destroy();
  }
}

function shared(options: AwsProviderOptions, limits: AwsLimits, region: string, service: "EC2" | "STS") {
  const { environment } = options;
  const endpoint =
    options.endpoints?.[service === "EC2" ? "ec2" : "sts"] ??
    (environment[`AWS_ENDPOINT_URL_${service}`] || environment.AWS_ENDPOINT_URL);
  const credentials = staticCredentials(environment);
  return {
    region,
    maxAttempts: 1,
    ...(endpoint ? { endpoint } : {}),
    ...(credentials === undefined ? {} : { credentials }),
    requestHandler: options.transport?.requestHandler(limits.requestTimeoutMs) ?? {
      connectionTimeout: limits.connectTimeoutMs,
      requestTimeout: limits.requestTimeoutMs,
      throwOnRequestTimeout: true,
      socketTimeout: limits.requestTimeoutMs,
      httpAgent: { keepAlive: true, maxSockets: CONNECTIONS },
      httpsAgent: { keepAlive: true, maxSockets: CONNECTIONS },
    },
  };
}

/** As the SDK's own chain begins; read here so that the environment is the injected one. */
function staticCredentials(environment: AwsProviderOptions["environment"]) {
  const { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_PROFILE } = environment;
  if (AWS_PROFILE || !AWS_ACCESS_KEY_ID || !AWS_SECRET_ACCESS_KEY) return undefined;
  return {
    accessKeyId: AWS_ACCESS_KEY_ID,
    secretAccessKey: AWS_SECRET_ACCESS_KEY,
    ...(AWS_SESSION_TOKEN ? { sessionToken: AWS_SESSION_TOKEN } : {}),
  };
}
