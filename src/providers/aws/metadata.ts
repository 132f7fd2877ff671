import { EnidError } from "../../errors.ts";
import { canonicalPrefix } from "./block-units.ts";
import type { MetadataClient } from "./metadata-client.ts";

/** Who the node is, as instance metadata says. Fixed for the life of the instance. */
export interface Identity {
  readonly instanceId: string;
  readonly instanceType: string;
  readonly region: string;
  readonly availabilityZone: string;
  readonly vpcId: string;
  /** Lower case. */
  readonly primaryMac: string;
  readonly primaryInterfaceId: string;
  readonly primarySubnetId: string;
}

/** An interface as instance metadata shows it. */
export interface MetadataInterface {
  readonly id: string;
  readonly mac: string;
  readonly deviceIndex: number;
  readonly networkCard: number;
  readonly subnetId: string;
  /** Empty on an IPv6-only subnet. */
  readonly subnetCidr: string;
  /** The primary address first. Undefined: none is shown (not yet populated, IPv6-only, or EFA-only). */
  readonly addresses: readonly string[] | undefined;
  readonly prefixes: readonly string[];
  /** Canonical. */
  readonly ipv6Prefixes: readonly string[];
  /** False: its prefixes could not be read, so that what is missing above means nothing. */
  readonly complete: boolean;
  readonly securityGroups: readonly string[];
}

const MAC = /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/;

/** Reads the identity document and the primary interface. Rejects with ENID_METADATA_INCOMPLETE while parts are missing. */
export async function readIdentity(metadata: MetadataClient, signal?: AbortSignal): Promise<Identity> {
  const documentPath = "/latest/dynamic/instance-identity/document";
  const document = parseDocument(await required(metadata, documentPath, signal), documentPath);
  const primaryMac = (await required(metadata, "/latest/meta-data/mac", signal)).toLowerCase();
  const folder = `/latest/meta-data/network/interfaces/macs/${primaryMac}`;
  const [vpcId, primaryInterfaceId, primarySubnetId] = await Promise.all([
    required(metadata, `${folder}/vpc-id`, signal),
    required(metadata, `${folder}/interface-id`, signal),
    required(metadata, `${folder}/subnet-id`, signal),
  ]);
  return { ...document, primaryMac, vpcId, primaryInterfaceId, primarySubnetId };
}

/** The security groups of one interface; the metadata may be seconds late. */
export async function readSecurityGroups(
  metadata: MetadataClient,
  mac: string,
  signal?: AbortSignal,
): Promise<readonly string[]> {
  const path = `/latest/meta-data/network/interfaces/macs/${mac}/security-group-ids`;
  const groups = await metadata.lines(path, signal);
  if (groups === undefined || groups.length === 0) throw new EnidError("ENID_METADATA_INCOMPLETE", { path });
  return groups;
}

/**
 * Reads the tree of interfaces. `unreadable` names those of which an essential part is missing: a new mac appears
 * before its keys do, and one that goes away loses them first.
 */
export async function readInterfaces(
  metadata: MetadataClient,
  primaryMac: string,
  signal?: AbortSignal,
): Promise<{ readonly interfaces: readonly MetadataInterface[]; readonly unreadable: readonly string[] }> {
  const path = "/latest/meta-data/network/interfaces/macs/";
  const entries = await metadata.lines(path, signal);
  if (entries === undefined) throw new EnidError("ENID_METADATA_INCOMPLETE", { path });
  const macs = entries.map((entry) => entry.replace(/\/$/, "").toLowerCase()).filter((entry) => MAC.test(entry));
  const read = await Promise.all(macs.map((mac) => readInterface(metadata, mac, mac === primaryMac, signal)));
  return {
    interfaces: read.filter((one) => one !== undefined),
    unreadable: macs.filter((_, position) => read[position] === undefined),
  };
}

async function readInterface(
  metadata: MetadataClient,
  mac: string,
  primary: boolean,
  signal?: AbortSignal,
): Promise<MetadataInterface | undefined> {
  const folder = `/latest/meta-data/network/interfaces/macs/${mac}`;
  const line = async (key: string) => (await metadata.text(`${folder}/${key}`, signal))?.trim();
  const [id, number, card, subnetId, subnetCidr, addresses, prefixes, ipv6Prefixes, securityGroups] = await Promise.all(
    [
      line("interface-id"),
      line("device-number"),
      // The documentation calls it network-card-index, instances serve network-card; absent on types with one card.
      line("network-card"),
      line("subnet-id"),
      line("subnet-ipv4-cidr-block"),
      metadata.lines(`${folder}/local-ipv4s`, signal),
      readPrefixes(metadata, `${folder}/ipv4-prefix`, signal),
      readPrefixes(metadata, `${folder}/ipv6-prefix`, signal),
      metadata.lines(`${folder}/security-group-ids`, signal),
    ],
  );
  const deviceIndex = wholeNumber(number);
  const networkCard = card === undefined ? 0 : wholeNumber(card);
  if (id === undefined || subnetId === undefined || deviceIndex === undefined || networkCard === undefined) {
    return undefined;
  }
  // device-number reads 0 until the attachment has propagated; only the primary interface really has 0 on card 0.
  if (deviceIndex === 0 && networkCard === 0 && !primary) return undefined;
  return {
    id,
    mac,
    deviceIndex,
    networkCard,
    subnetId,
    subnetCidr: subnetCidr ?? "",
    addresses: addresses === undefined || addresses.length === 0 ? undefined : addresses,
    prefixes: prefixes ?? [],
    ipv6Prefixes: ipv6Prefixes ?? [],
    complete: prefixes !== undefined && ipv6Prefixes !== undefined,
    securityGroups: securityGroups ?? [],
  };
}

/**
 * The lines of a prefix key, canonical. 404 is none (or not yet: metadata does not tell the two apart). Undefined when it
 * cannot be read for another reason or holds what is no prefix: that says nothing of the prefixes, and the rest of the
 * interface is worth having all the same.
 */
async function readPrefixes(
  metadata: MetadataClient,
  path: string,
  signal?: AbortSignal,
): Promise<readonly string[] | undefined> {
  try {
    const lines = ((await metadata.lines(path, signal)) ?? []).map(canonicalPrefix);
    return lines.every((line) => line !== undefined) ? lines : undefined;
  } catch (error) {
    if (signal?.aborted) throw error;
    return undefined;
  }
}

type Document = Pick<Identity, "instanceId" | "instanceType" | "region" | "availabilityZone">;

function parseDocument(text: string, path: string): Document {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (cause) {
    throw new EnidError("ENID_METADATA_INCOMPLETE", { path: `${path} (it is not JSON)` }, { cause });
  }
  const field = (name: keyof Document): string => {
    const value = typeof parsed === "object" && parsed !== null ? (parsed as Record<string, unknown>)[name] : undefined;
    if (typeof value !== "string" || value === "") {
      throw new EnidError("ENID_METADATA_INCOMPLETE", { path: `${name} in ${path}` });
    }
    return value;
  };
  return {
    instanceId: field("instanceId"),
    instanceType: field("instanceType"),
    region: field("region"),
    availabilityZone: field("availabilityZone"),
  };
}

async function required(metadata: MetadataClient, path: string, signal?: AbortSignal): Promise<string> {
  const text = (await metadata.text(path, signal))?.trim();
  if (text === undefined || text === "") throw new EnidError("ENID_METADATA_INCOMPLETE", { path });
  return text;
}

function wholeNumber(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,4}$/.test(text) ? Number(text) : undefined;
}
