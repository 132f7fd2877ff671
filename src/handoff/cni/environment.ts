import { EnidError } from "../../errors.ts";
import type { Pod } from "../../pool/index.ts";
import { type CniCall, quote } from "./call.ts";

export const CNI_VERBS = ["ADD", "DEL", "CHECK", "GC", "STATUS", "VERSION"] as const;
export type CniVerb = (typeof CNI_VERBS)[number];

type Environment = CniCall["environment"];

const CONTAINER_ID_LIMIT = 256;
const PATH_LIMIT = 4096;
const INTERFACE_NAME_LIMIT = 15; // IFNAMSIZ less the terminating zero
const ARGUMENT_LIMIT = 253; // Kubernetes object names are DNS subdomains
const FULL_ID = /^[0-9a-f]{32,}$/;
const SHORT_ID_LENGTH = 12;
const KNOWN_ARGUMENTS = [
  "IgnoreUnknown",
  "K8S_POD_NAMESPACE",
  "K8S_POD_NAME",
  "K8S_POD_INFRA_CONTAINER_ID",
  "K8S_POD_UID",
  "IP",
];

export function readVerb(environment: Environment): CniVerb {
  const value = environment.CNI_COMMAND;
  if (!value) throw invalid("CNI_COMMAND", "is not set");
  const verb = CNI_VERBS.find((known) => known === value);
  if (verb === undefined) throw new EnidError("ENID_CNI_VERB", { verb: value.slice(0, 32) });
  return verb;
}

/** The sandbox and its interface, by the rules of the CNI specification and of Linux. */
export function readSandbox(environment: Environment): { containerId: string; interfaceName: string } {
  const containerId = required(environment, "CNI_CONTAINERID");
  if (containerId.length > CONTAINER_ID_LIMIT) {
    throw invalid("CNI_CONTAINERID", `is longer than ${CONTAINER_ID_LIMIT} characters`);
  }
  if (!isCniName(containerId)) throw invalid("CNI_CONTAINERID", `${quote(containerId)} ${NAME_RULE}`);
  const interfaceName = required(environment, "CNI_IFNAME");
  const fault = interfaceNameFault(interfaceName);
  if (fault !== undefined) throw invalid("CNI_IFNAME", `${quote(interfaceName)} ${fault}`);
  return { containerId, interfaceName };
}

/** ADD and CHECK must name a network namespace. An IPAM plugin does not enter it, so any path will do. */
export function requireNamespace(environment: Environment): void {
  if (required(environment, "CNI_NETNS").length > PATH_LIMIT) {
    throw invalid("CNI_NETNS", `is longer than ${PATH_LIMIT} characters`);
  }
}

/**
 * Whose address it is, from the K8S_POD_ arguments that every Kubernetes runtime passes. Without them (cnitool, ptp)
 * the pod is named after the container.
 */
export function readPod(environment: Environment, containerId: string): Pod {
  const values = readArguments(environment.CNI_ARGS ?? "");
  const shortId = FULL_ID.test(containerId) ? containerId.slice(0, SHORT_ID_LENGTH) : containerId;
  return {
    namespace: podField(values, "K8S_POD_NAMESPACE"),
    name: podField(values, "K8S_POD_NAME") || shortId,
    uid: podField(values, "K8S_POD_UID"),
  };
}

/** `IP` in the arguments, as found; empty = no address is asked for. */
export function requestedInArguments(environment: Environment): string {
  return readArguments(environment.CNI_ARGS ?? "").get("IP") ?? "";
}

/** The pod, if the arguments state its namespace and name. Never throws: a DEL must succeed whatever they hold. */
export function readStatedPod(environment: Environment): Pod | undefined {
  try {
    const values = readArguments(environment.CNI_ARGS ?? "");
    const namespace = podField(values, "K8S_POD_NAMESPACE");
    const name = podField(values, "K8S_POD_NAME");
    return namespace === "" || name === "" ? undefined : { namespace, name, uid: podField(values, "K8S_POD_UID") };
  } catch {
    return undefined;
  }
}

export const NAME_RULE = 'must start with a letter or digit and go on with letters, digits, "_", "." and "-"';

/** The rule for container ids and network names (CNI specification, section 2). */
export function isCniName(text: string): boolean {
  return /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/.test(text);
}

/** CNI_ARGS is `K=V;K=V`. Unknown keys are an error unless IgnoreUnknown is true, so no wish is ignored silently. */
function readArguments(text: string): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  for (const pair of text.split(";")) {
    if (pair === "") continue;
    const equals = pair.indexOf("=");
    if (equals < 1) throw invalid("CNI_ARGS", `holds ${quote(pair)}, which is not KEY=VALUE`);
    values.set(pair.slice(0, equals), pair.slice(equals + 1));
  }
  const ignore = /^(1|true)$/i.test(values.get("IgnoreUnknown") ?? "");
  const unknown = [...values.keys()].find((key) => !KNOWN_ARGUMENTS.includes(key));
  if (unknown !== undefined && !ignore) {
    throw invalid("CNI_ARGS", `asks for ${quote(unknown)}, which enid does not know, without IgnoreUnknown=true`);
  }
  return values;
}

function podField(values: ReadonlyMap<string, string>, key: string): string {
  const value = values.get(key) ?? "";
  if (value.length > ARGUMENT_LIMIT || !/^[\x21-\x7e]*$/.test(value)) {
    throw invalid("CNI_ARGS", `has a ${key} that is no Kubernetes name: ${quote(value)}`);
  }
  return value;
}

function interfaceNameFault(name: string): string | undefined {
  if (Buffer.byteLength(name) > INTERFACE_NAME_LIMIT) return `is longer than ${INTERFACE_NAME_LIMIT} bytes`;
  if (name === "." || name === "..") return "is not an interface name";
  if (/[/:\s]/.test(name)) return 'must not contain "/", ":" or white space';
  return name.isWellFormed() ? undefined : "is not UTF-8";
}

function required(environment: Environment, variable: string): string {
  const value = environment[variable];
  if (!value) throw invalid(variable, "is not set");
  return value;
}

function invalid(variable: string, detail: string): EnidError {
  return new EnidError("ENID_CNI_ENVIRONMENT", { variable, detail });
}
