import type { EC2Client, EC2ClientConfig } from "@aws-sdk/client-ec2";
import type { STSClient } from "@aws-sdk/client-sts";
import type { Clock, Random } from "../../adapters/index.ts";
import type { SharedBudget, SharedFacts, Telemetry } from "../../manager/ports/index.ts";

export interface AwsProviderOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly telemetry: Telemetry;
  /**
   * The environment of the process. Read from it: AWS_EC2_METADATA_SERVICE_ENDPOINT, AWS_ENDPOINT_URL_EC2,
   * AWS_ENDPOINT_URL_STS, AWS_ENDPOINT_URL, and the static credentials (AWS_ACCESS_KEY_ID and its companions) unless
   * AWS_PROFILE is set. Everything else of the SDK's credential chain stays with the SDK.
   */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Base URL of instance metadata. Default: the environment's, else http://169.254.169.254. */
  readonly metadataEndpoint?: string;
  /** Base URLs of the AWS services. Default: the environment's, else those of the Region. */
  readonly endpoints?: { readonly ec2?: string; readonly sts?: string };
  readonly limits?: Partial<AwsLimits>;
  /** What the nodes of the fleet share. Absent = each has its own share of the account's buckets, and asks EC2 itself. */
  readonly fleet?: FleetAccess | undefined;
  /** How requests travel. Absent, as in production: over sockets. Tests let them stay inside the process. */
  readonly transport?: Transport;
  /** Takes the place of the SDK's clients and of all connections; `transport`, endpoints and credentials count for nothing then. */
  readonly direct?: DirectAccess;
}

/** The fleet as the provider needs it. */
export interface FleetAccess {
  readonly budget: SharedBudget;
  readonly facts: SharedFacts;
  /** Called once the instance is known by its metadata, before EC2 is called: only then can the fleet be asked. */
  readonly located?: (place: Place) => void;
}

export interface Place {
  readonly instanceId: string;
  /** Empty when metadata does not say. */
  readonly accountId: string;
  readonly region: string;
  readonly zone: string;
}

/** What enid needs of a client of EC2. */
export type Ec2Sender = Pick<EC2Client, "send" | "destroy">;

/**
 * A way to the AWS services for commands of the SDK as they are: nothing is signed, written as text or parsed. It answers
 * and throws what the SDK's clients would; a simulation of many nodes has no time for more.
 */
export interface DirectAccess {
  readonly ec2: Ec2Sender;
  readonly sts: Pick<STSClient, "send" | "destroy">;
  readonly metadata: MetadataExchange;
}

/** A way to the AWS services and to instance metadata that is not a socket. */
export interface Transport {
  /**
   * A request handler for one client of the SDK, which destroys it with itself. `requestTimeoutMs` is the longest time
   * to the head of an answer; then the handler rejects with an error of name TimeoutError, as the SDK's own does.
   */
  readonly requestHandler: (requestTimeoutMs: number) => NonNullable<EC2ClientConfig["requestHandler"]>;
  readonly metadata: MetadataExchange;
}

/** Single requests to instance metadata; tokens and further tries are the client's. */
export interface MetadataExchange {
  /**
   * Rejects when no whole answer comes, with an error of name TimeoutError when none came in time, and once the signal is
   * aborted.
   */
  send(request: MetadataRequest): Promise<MetadataAnswer>;
  close(): void;
}

export interface MetadataRequest {
  readonly method: "GET" | "PUT";
  readonly url: string;
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string>>;
  /** From sending the request to the end of the answer. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

export interface MetadataAnswer {
  readonly status: number;
  readonly body: string;
}

/** How long and how often the provider tries. Tests shorten them; production uses `DEFAULT_LIMITS`. */
export interface AwsLimits {
  /** Mutating calls under way at once over all interfaces; one interface never has more than one. */
  readonly mutationsAtOnce: number;
  /** The part of the account's bucket of each EC2 action that this node takes for itself. Above 0, at most 1. */
  readonly bucketShare: number;
  /** How long a request may wait for a token of that bucket. */
  readonly tokenLimitMs: number;
  /** How long it may wait for one of the fleet's: its place in the queue is worth more than another try. */
  readonly sharedTokenLimitMs: number;
  /** TCP connect to the endpoint. */
  readonly connectTimeoutMs: number;
  /** From sending a request to the head of the answer; also the longest silence within an answer. */
  readonly requestTimeoutMs: number;
  /** One attempt as a whole, credentials included. */
  readonly attemptLimitMs: number;
  /** Further tries of a describe after a throttled or transient one. Mutations are never repeated blindly. */
  readonly describeRetries: number;
  /** Pause before the first further try of a describe; doubles. Jittered. */
  readonly describeRetryBaseMs: number;
  /** STS at start: reports only, so it may not hold anything up. */
  readonly accountLimitMs: number;
  /** First pause of a look repeated until EC2 shows what is waited for; doubles up to `lookMaxMs`. */
  readonly lookBaseMs: number;
  readonly lookMaxMs: number;
  /** How long an interface made just now may be answered with NotFound before it counts as gone. */
  readonly newInterfaceGraceMs: number;
  /** How long addresses of unknown fate are looked for: Describe lags Assign. */
  readonly additionLookMs: number;
  /** How long a describe may show what was before a change; what it shows as new is believed after that. */
  readonly describeLagMs: number;
  /**
   * How long a removal waits for a detach before the step is given back to be settled later: longer than the usual 2-3 s,
   * far shorter than the bad cases of minutes, which must not hold up the steps of other interfaces.
   */
  readonly detachLimitMs: number;
  /** Pause before the first look after a detach, which takes EC2 2-3 s; doubles up to `lookMaxMs`. */
  readonly detachBaseMs: number;
  readonly metadataTimeoutMs: number;
  readonly metadataAttempts: number;
  /** Pause before the second attempt at metadata; doubles. Jittered. */
  readonly metadataRetryBaseMs: number;
}

export const DEFAULT_LIMITS: AwsLimits = {
  mutationsAtOnce: 4,
  bucketShare: 0.25,
  tokenLimitMs: 10_000,
  sharedTokenLimitMs: 240_000,
  connectTimeoutMs: 2_000,
  requestTimeoutMs: 10_000,
  attemptLimitMs: 20_000,
  describeRetries: 2,
  describeRetryBaseMs: 500,
  accountLimitMs: 3_000,
  lookBaseMs: 250,
  lookMaxMs: 5_000,
  newInterfaceGraceMs: 30_000,
  additionLookMs: 8_000,
  describeLagMs: 5_000,
  detachLimitMs: 15_000,
  detachBaseMs: 3_000,
  metadataTimeoutMs: 1_000,
  metadataAttempts: 4,
  metadataRetryBaseMs: 100,
};

/** An intent older than this is past all lag of EC2: one look decides ("up to about five minutes", EC2's guidance). */
export const CONSISTENT_AFTER_MS = 10 * 60_000;

/** A ClientToken is remembered for at least 24 hours; an hour is kept back for clocks that differ. */
export const TOKEN_LIFE_MS = 23 * 3_600_000;

/** What the parts of the provider share. */
export interface Surroundings {
  readonly clock: Clock;
  readonly random: Random;
  readonly telemetry: Telemetry;
  readonly limits: AwsLimits;
}

export const TAG_INSTANCE = "enid.io/instance-id";
export const TAG_INTENT = "enid.io/intent";
export const TAG_CREATED_AT = "enid.io/created-at";
export const TAG_MANAGED = "enid.io/managed";
/** Given by the manager with the intent, when the settings name the cluster. */
