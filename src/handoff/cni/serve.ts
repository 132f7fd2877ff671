import { coerceError, EnidError } from "../../errors.ts";
import type { Attachment, Pod } from "../../pool/index.ts";
import { addResult, type CniAnswer, EMPTY_SUCCESS, errorAnswer, versionResult } from "./answers.ts";
import type { CniCall } from "./call.ts";
import { CNI_VERBS, readPod, readSandbox, readStatedPod, readVerb, requireNamespace } from "./environment.ts";
import {
  decodeDocument,
  type NetworkConfiguration,
  previousAddresses,
  readNetworkConfiguration,
} from "./network-configuration.ts";
import { podAnnotations } from "./pod-annotations.ts";
import type { LeaseService } from "./port.ts";
import { requestedAddresses } from "./requested-addresses.ts";
import { validAttachments } from "./valid-attachments.ts";
import { isCniVersion, isFrom, NEWEST_CNI_VERSION, VERB_SINCE } from "./versions.ts";

/** A call that was served: what to answer, and what telemetry is told. */
export interface Served {
  readonly answer: CniAnswer;
  /** A served verb or "unknown": few values, since it becomes a metric label. */
  readonly verb: string;
  readonly error?: EnidError;
}

/** Serves one call; never rejects, since every failure is an answer. */
export async function serveCall(call: CniCall, service: LeaseService, signal: AbortSignal): Promise<Served> {
  const verb = verbLabel(call);
  try {
    return { verb, ...(await answerCall(call, service, signal)) };
  } catch (thrown) {
    const error =
      signal.aborted && verb === "ADD" ? new EnidError("ENID_CNI_CALLER_GONE", { verb }) : coerceError(thrown);
    const asked = statedVersion(call);
    return { verb, error, answer: errorAnswer(isCniVersion(asked) ? asked : NEWEST_CNI_VERSION, error) };
  }
}

/** What a DEL ends. */
export interface Deletion {
  readonly attachment: Attachment;
  /** Undefined when the caller does not say it in full. */
  readonly pod: Pod | undefined;
}

/** What a queued deletion is replayed from. */
export function readDeletion(call: CniCall): Deletion {
  const verb = readVerb(call.environment);
  if (verb !== "DEL") throw new EnidError("ENID_CNI_REQUEST", { detail: `CNI_COMMAND is ${verb}, not DEL` });
  return deletionOf(call, readNetworkConfiguration(decodeDocument(call.stdin)));
}

type Answered = Omit<Served, "verb">;

async function answerCall(call: CniCall, service: LeaseService, signal: AbortSignal): Promise<Answered> {
  const verb = readVerb(call.environment);
  if (verb === "VERSION") return { answer: versionResult(statedVersion(call)) };
  const network = readNetworkConfiguration(decodeDocument(call.stdin));
  requireVerbOf(verb, network);
  switch (verb) {
    case "ADD":
      return { answer: await add(call, network, service, signal) };
    case "DEL": {
      const { attachment, pod } = deletionOf(call, network);
      await service.remove(attachment, pod);
      return { answer: EMPTY_SUCCESS };
    }
    case "CHECK":
      return { answer: check(call, network, service) };
    case "GC":
      return { answer: await collect(network, service) };
    case "STATUS":
      return status(network, service);
  }
}

async function add(
  call: CniCall,
  network: NetworkConfiguration,
  service: LeaseService,
  signal: AbortSignal,
): Promise<CniAnswer> {
  const attachment = readAttachment(call, network);
  requireNamespace(call.environment);
  const pod = readPod(call.environment, attachment.containerId);
  const sandboxPath = call.environment.CNI_NETNS ?? "";
  const wanted = requestedAddresses(network, call.environment);
  const annotations = podAnnotations(network);
  const request = {
    attachment,
    pod,
    sandboxPath,
    ...(wanted === undefined ? {} : { wanted }),
    ...(annotations === undefined ? {} : { annotations }),
  };
  const answer = await service.add(request, signal);
  signal.throwIfAborted();
  return addResult(network.cniVersion, answer);
}

/**
 * The lease must exist, its addresses must be among those that the previous result gave the sandbox, and the node must
 * still have them.
 */
function check(call: CniCall, network: NetworkConfiguration, service: LeaseService): CniAnswer {
  const attachment = readAttachment(call, network);
  requireNamespace(call.environment);
  const expected = previousAddresses(network);
  const lease = service.lookup(attachment);
  if (lease === undefined) throw new EnidError("ENID_LEASE_MISSING", { ...attachment });
  const leased = lease.ipv6Address === undefined ? [lease.address] : [lease.address, lease.ipv6Address];
  if (!leased.every((address) => expected.includes(address))) {
    throw new EnidError("ENID_LEASE_DIFFERS", {
      containerId: attachment.containerId,
      leased: leased.join(" and "),
      expected: expected.length === 0 ? "no address" : expected.join(", ").slice(0, 200),
    });
  }
  const lost = service.lost?.(lease);
  if (lost !== undefined) throw lost;
  return EMPTY_SUCCESS;
}

/** Ends the leases of the network whose attachments the runtime no longer names. */
async function collect(network: NetworkConfiguration, service: LeaseService): Promise<CniAnswer> {
  if (service.collect === undefined) throw new EnidError("ENID_CNI_VERB", { verb: "GC" });
  await service.collect(network.name, validAttachments(network));
  return EMPTY_SUCCESS;
}

/** The two codes of STATUS: ADD cannot be served; that, and pods that run may have limited connectivity. */
const NOT_AVAILABLE = 50;
const LIMITED_CONNECTIVITY = 51;

/**
 * Whatever the reason is, STATUS says it with one of its own codes. Where pods that run are not reached, neither are new
 * ones: no more of them should come, so 51 is answered even while there are addresses.
 */
function status({ cniVersion }: NetworkConfiguration, service: LeaseService): Answered {
  const reason = service.notReady();
  const limited = service.limited?.();
  if (limited !== undefined) {
    const error = reason === undefined ? limited : alsoNotReady(limited, reason);
    return { error, answer: errorAnswer(cniVersion, error, LIMITED_CONNECTIVITY) };
  }
  if (reason !== undefined) return { error: reason, answer: errorAnswer(cniVersion, reason, NOT_AVAILABLE) };
  return { answer: EMPTY_SUCCESS };
}

function alsoNotReady(limited: EnidError, { message }: EnidError): EnidError {
  const reason = `${limited.values.reason ?? limited.message}; and no pod gets an address: ${message}`;
  return new EnidError(limited.code, { ...limited.values, reason }, { cause: limited });
}

/** A verb is not there in versions before the one that brought it: the plugins of the CNI project answer so too. */
function requireVerbOf(verb: string, { cniVersion }: NetworkConfiguration): void {
  const since = VERB_SINCE[verb];
  if (since === undefined || isFrom(cniVersion, since)) return;
  throw new EnidError("ENID_CNI_VERB_VERSION", { verb, version: cniVersion, since });
}

function deletionOf(call: CniCall, network: NetworkConfiguration): Deletion {
  return { attachment: readAttachment(call, network), pod: readStatedPod(call.environment) };
}

function readAttachment(call: CniCall, network: NetworkConfiguration): Attachment {
  return { network: network.name, ...readSandbox(call.environment) };
}

function verbLabel(call: CniCall): string {
  const verb = call.environment.CNI_COMMAND ?? "";
  return CNI_VERBS.some((known) => known === verb) ? verb : "unknown";
}

/** `cniVersion` as the caller states it, whatever else is wrong with the input. */
function statedVersion(call: CniCall): unknown {
  try {
    return decodeDocument(call.stdin).cniVersion;
  } catch {
    return undefined;
  }
}
