import ipaddr from "ipaddr.js";
import { EnidError } from "../../errors.ts";
import { isRecord, quote } from "./call.ts";
import { isCniName, NAME_RULE } from "./environment.ts";
import { CNI_VERSIONS, type CniVersion, isCniVersion } from "./versions.ts";

/** What enid reads of the network configuration on standard input; everything else is the main plugin's. */
export interface NetworkConfiguration {
  readonly cniVersion: CniVersion;
  readonly name: string;
  /** `prevResult` as found. */
  readonly previousResult: unknown;
  /** What the runtime put in for capabilities, as found. */
  readonly runtimeConfig: unknown;
  /** `args` as found. */
  readonly arguments: unknown;
  /** Of GC, as found. */
  readonly validAttachments: unknown;
}

const NAME_LIMIT = 256;

/** The JSON of standard input; ENID_CNI_DECODE says what is wrong with it. */
export function decodeDocument(stdin: string): Record<string, unknown> {
  if (stdin.trim() === "") throw undecodable("it is empty");
  if (!stdin.isWellFormed()) throw undecodable("it is not UTF-8");
  let document: unknown;
  try {
    document = JSON.parse(stdin);
  } catch (error) {
    throw undecodable(error instanceof Error ? error.message : String(error));
  }
  if (!isRecord(document)) throw undecodable("it is not a JSON object");
  return document;
}

export function readNetworkConfiguration(document: Record<string, unknown>): NetworkConfiguration {
  const { cniVersion, name, prevResult, runtimeConfig, args, "cni.dev/valid-attachments": valid } = document;
  if (!isCniVersion(cniVersion)) {
    const version = typeof cniVersion === "string" ? quote(cniVersion) : "(none)";
    throw new EnidError("ENID_CNI_VERSION", { version, supported: CNI_VERSIONS.join(", ") });
  }
  if (typeof name !== "string" || name === "") throw unusable("name is missing");
  if (name.length > NAME_LIMIT) throw unusable(`name is longer than ${NAME_LIMIT} characters`);
  if (!isCniName(name)) throw unusable(`name ${quote(name)} ${NAME_RULE}`);
  return { cniVersion, name, previousResult: prevResult, runtimeConfig, arguments: args, validAttachments: valid };
}

/** The addresses of a previous result, canonical and without prefix lengths: the main plugin may have widened those. */
export function previousAddresses(network: NetworkConfiguration): readonly string[] {
  const { previousResult } = network;
  if (previousResult === undefined) throw unusable("prevResult is missing; CHECK needs the result of the last ADD");
  if (!isRecord(previousResult)) throw unusable("prevResult is not an object");
  const ips = previousResult.ips ?? [];
  if (!Array.isArray(ips)) throw unusable("prevResult.ips is not an array");
  return ips.map((ip, index) => {
    if (!isRecord(ip) || typeof ip.address !== "string") {
      throw unusable(`prevResult.ips[${index}] has no address`);
    }
    return canonical(ip.address.replace(/\/.*$/s, ""));
  });
}

const ADDRESS_LIMIT = 64;

/** One IPv6 address can be written in many ways; the pool writes it as RFC 5952 says. */
function canonical(address: string): string {
  if (address.length > ADDRESS_LIMIT) return address;
  return ipaddr.IPv6.isValid(address) ? ipaddr.IPv6.parse(address).toRFC5952String() : address;
}

function undecodable(detail: string): EnidError {
  return new EnidError("ENID_CNI_DECODE", { detail: detail.slice(0, 200) });
}

function unusable(detail: string): EnidError {
  return new EnidError("ENID_CNI_CONFIG", { detail });
}
