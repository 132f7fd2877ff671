import { EnidError } from "../../errors.ts";
import type { MetadataClient } from "./metadata-client.ts";

/** Who the node is, as instance metadata says. Fixed for the life of the instance. */
export interface Identity {
  readonly instanceId: string;
  readonly instanceType: string;
  readonly region: string;
  readonly availabilityZone: string;
  /** Owner of the instance; empty when the document does not say. */
  readonly accountId: string;
  readonly vpcId: string;
  /** Lower case. */
  readonly primaryMac: string;
  readonly primaryInterfaceId: string;
  readonly primarySubnetId: string;
  /** IPv4 CIDRs of the VPC, the primary one first. */
  readonly vpcCidrs: readonly string[];
}

/** Reads the identity document and the primary interface. Rejects with ENID_METADATA_INCOMPLETE while parts are missing. */
export async function readIdentity(metadata: MetadataClient, signal?: AbortSignal): Promise<Identity> {
  const documentPath = "/latest/dynamic/instance-identity/document";
  const document = parseDocument(await required(metadata, documentPath, signal), documentPath);
  const primaryMac = (await required(metadata, "/latest/meta-data/mac", signal)).toLowerCase();
  const folder = `/latest/meta-data/network/interfaces/macs/${primaryMac}`;
  const [vpcId, primaryInterfaceId, primarySubnetId, vpcCidrs] = await Promise.all([
    required(metadata, `${folder}/vpc-id`, signal),
    required(metadata, `${folder}/interface-id`, signal),
    required(metadata, `${folder}/subnet-id`, signal),
    readVpcCidrs(metadata, folder, signal),
  ]);
  return { ...document, primaryMac, vpcId, primaryInterfaceId, primarySubnetId, vpcCidrs };
}

/** The IPv4 CIDRs of the VPC, the primary one first; metadata lists the others in no order. */
async function readVpcCidrs(
  metadata: MetadataClient,
  folder: string,
  signal: AbortSignal | undefined,
): Promise<readonly string[]> {
  const [primary = [], all = []] = await Promise.all([
    metadata.lines(`${folder}/vpc-ipv4-cidr-block`, signal),
    metadata.lines(`${folder}/vpc-ipv4-cidr-blocks`, signal),
  ]);
  return [...new Set([...primary, ...all])].filter((cidr) => cidr !== "");
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

type Document = Pick<Identity, "instanceId" | "instanceType" | "region" | "availabilityZone" | "accountId">;

function parseDocument(text: string, path: string): Document {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (cause) {
    throw new EnidError("ENID_METADATA_INCOMPLETE", { path: `${path} (it is not JSON)` }, { cause });
  }
  const optional = (name: keyof Document): string => {
    const value = typeof parsed === "object" && parsed !== null ? (parsed as Record<string, unknown>)[name] : undefined;
    return typeof value === "string" ? value : "";
  };
  const field = (name: keyof Document): string => {
    const value = optional(name);
    if (value === "") throw new EnidError("ENID_METADATA_INCOMPLETE", { path: `${name} in ${path}` });
    return value;
  };
  return {
    instanceId: field("instanceId"),
    instanceType: field("instanceType"),
    region: field("region"),
    availabilityZone: field("availabilityZone"),
    accountId: optional("accountId"),
  };
}

async function required(metadata: MetadataClient, path: string, signal?: AbortSignal): Promise<string> {
  const text = (await metadata.text(path, signal))?.trim();
  if (text === undefined || text === "") throw new EnidError("ENID_METADATA_INCOMPLETE", { path });
  return text;
}
