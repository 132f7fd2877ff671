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
import type { LeaseService } from "./port.ts";
import { isCniVersion, NEWEST_CNI_VERSION } from "./versions.ts";

/** A call that was served: what to answer, and what telemetry is told. */
export interface Served {
  readonly answer: CniAnswer;
  /** A served verb, "GC" or "unknown": few values, since it becomes a metric label. */
  readonly verb: string;
  readonly error?: EnidError;
}

/** Serves one call; never rejects, since every failure is an answer. */
export async function serveCall(call: CniCall, service: LeaseService, signal: AbortSignal): Promise<Served> {
  const verb = verbLabel(call);
  try {
    return { verb, answer: await answerCall(call, service, signal) };
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

async function answerCall(call: CniCall, service: LeaseService, signal: AbortSignal): Promise<CniAnswer> {
  const verb = readVerb(call.environment);
  if (verb === "VERSION") return versionResult(statedVersion(call));
  const network = readNetworkConfiguration(decodeDocument(call.stdin));
  switch (verb) {
    case "ADD":
      return add(call, network, service, signal);
    case "DEL": {
      const { attachment, pod } = deletionOf(call, network);
      await service.remove(attachment, pod);
      return EMPTY_SUCCESS;
    }
    case "CHECK":
      return check(call, network, service);
    case "STATUS":
      return status(service);
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
  const answer = await service.add({ attachment, pod }, signal);
  signal.throwIfAborted();
  return addResult(network.cniVersion, answer);
}

/** The lease must exist and its addresses must be among those that the previous result gave the sandbox. */
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
  return EMPTY_SUCCESS;
}

function status(service: LeaseService): CniAnswer {
  const reason = service.notReady();
  if (reason !== undefined) throw reason;
  return EMPTY_SUCCESS;
}

function deletionOf(call: CniCall, network: NetworkConfiguration): Deletion {
  return { attachment: readAttachment(call, network), pod: readStatedPod(call.environment) };
}

function readAttachment(call: CniCall, network: NetworkConfiguration): Attachment {
  return { network: network.name, ...readSandbox(call.environment) };
}

function verbLabel(call: CniCall): string {
  const verb = call.environment.CNI_COMMAND ?? "";
  return verb === "GC" || CNI_VERBS.some((known) => known === verb) ? verb : "unknown";
}

/** `cniVersion` as the caller states it, whatever else is wrong with the input. */
function statedVersion(call: CniCall): unknown {
  try {
    return decodeDocument(call.stdin).cniVersion;
  } catch {
    return undefined;
  }
}
