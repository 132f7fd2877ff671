/**
 * The simulated cloud for the production AWS provider without the SDK's clients and without HTTP: commands go to the
 * model and its answers come back as the SDK would hand them out or throw them. Everything above the client stays what
 * production runs. A contract suite holds it equal to the real SDK over the in-process transport.
 */
import type { EC2Client } from "@aws-sdk/client-ec2";
import type { STSClient } from "@aws-sdk/client-sts";
import type { Clock, Random } from "../../adapters/index.ts";
import { DEFAULT_LIMITS, type DirectAccess } from "../../providers/aws/index.ts";
import type { Answer, FaultEffect, Parameters, SimulatedCloud } from "../index.ts";
import { type CallOutcome, Calls } from "./calls.ts";
import { DirectMetadata } from "./metadata.ts";

export type { CallOutcome } from "./calls.ts";

export interface DirectOptions {
  readonly cloud: SimulatedCloud;
  /** The cloud's, not that of the client's process: what a client sent is carried out although it has died since. */
  readonly clock: Clock;
  /** Request ids, and the idempotency tokens that a command lacks. */
  readonly random: Random;
  /** The instance that the client runs on: whose metadata it sees. */
  readonly instanceId: string;
  /** Whose calls they are. Default: the key of the account that has the instance. */
  readonly accessKeyId?: string;
  /** From sending a call to its answer; then it rejects with a TimeoutError. Default: that of the AWS provider. */
  readonly requestTimeoutMs?: number;
  /** What becomes of a call, asked when it is sent; undefined: the cloud's fault rules decide. */
  readonly faultOf?: (action: string, parameters: Parameters) => FaultEffect | undefined;
  /** Just before the model carries out a call; not for one that a fault keeps from it. */
  readonly beforeEffect?: (action: string, parameters: Parameters) => void;
  /** Just after the model carried out or refused a call, whatever its caller will hear of it. */
  readonly afterEffect?: (action: string, parameters: Parameters, outcome: CallOutcome) => void;
  /** What becomes of an answer of instance metadata on its way. */
  readonly onMetadata?: (path: string, answer: Answer) => Answer;
}

export interface Direct extends DirectAccess {
  /** Requests that the cloud has yet to carry out or whose caller has yet to be told the end. */
  readonly inFlight: number;
  /**
   * The client is dead: what it has sent is carried out, no answer reaches it (its promises stay pending), nothing that
   * it sends arrives, and no timer is left but those of calls that the cloud has yet to carry out.
   */
  cut(): void;
}

/** Without latency it takes no timer and no turn of the loop. */
export function createDirectAccess(options: DirectOptions): Direct {
  const { cloud, clock, random, instanceId, faultOf, beforeEffect, afterEffect, onMetadata } = options;
  const { accessKeyId = cloud.accessKeyOf(instanceId), requestTimeoutMs = DEFAULT_LIMITS.requestTimeoutMs } = options;
  const calls = new Calls({
    cloud,
    clock,
    random,
    accessKeyId,
    requestTimeoutMs,
    faultOf,
    beforeEffect,
    afterEffect,
  });
  const metadata = new DirectMetadata({ cloud, clock, instanceId, onMetadata });
  const send = calls.send.bind(calls);
  // Every command carries its schema, so that one function sends them all; the SDK types each by itself.
  return {
    ec2: { send: send as EC2Client["send"], destroy: () => undefined },
    sts: { send: send as STSClient["send"], destroy: () => undefined },
    metadata,
    get inFlight() {
      return calls.inFlight + metadata.inFlight;
    },
    cut: () => {
      calls.cut();
      metadata.cut();
    },
  };
}
