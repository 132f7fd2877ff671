import type { NetworkInterface } from "@aws-sdk/client-ec2";
import type { Clock } from "../../adapters/index.ts";
import type { ObservedInterface } from "../../manager/ports/index.ts";
import type { MetadataInterface } from "./metadata.ts";
import { TAG_INSTANCE } from "./options.ts";
import { missingTag, tagsOf } from "./subnets.ts";

/** An interface as EC2 described it, with what decides whether it may be touched. */
export interface KnownInterface extends Omit<ObservedInterface, "foreign"> {
  readonly tags: Readonly<Record<string, string>>;
  /** Why it must not be touched, whatever the settings say. Undefined: it may. */
  readonly offLimits: string | undefined;
}

/** Of an EC2 answer (describe or create). Ranges of subnets are not in it: `subnetCidr` is passed. */
export function fromEc2(described: NetworkInterface, instanceId: string, subnetCidr: string): KnownInterface {
  const attachment = described.Attachment;
  const attached = isAttached(described) && attachment?.InstanceId === instanceId;
  const tags = tagsOf(described.TagSet);
  const primaryAddress = described.PrivateIpAddress ?? "";
  return {
    id: described.NetworkInterfaceId ?? "",
    mac: (described.MacAddress ?? "").toLowerCase(),
    deviceIndex: attached ? (attachment.DeviceIndex ?? -1) : -1,
    networkCard: attached ? (attachment.NetworkCardIndex ?? 0) : 0,
    subnetId: described.SubnetId ?? "",
    subnetCidr,
    primaryAddress,
    securityGroups: (described.Groups ?? []).flatMap((group) => group.GroupId ?? []),
    attachmentId: attached ? (attachment.AttachmentId ?? "") : "",
    madeBy: tags[TAG_INSTANCE] === instanceId ? "enid" : "other",
    attached,
    addresses: (described.PrivateIpAddresses ?? []).flatMap((address) =>
      address.Primary || address.PrivateIpAddress === undefined || address.PrivateIpAddress === primaryAddress
        ? []
        : address.PrivateIpAddress,
    ),
    prefixes: (described.Ipv4Prefixes ?? []).flatMap((prefix) => prefix.Ipv4Prefix ?? []),
    tags,
    offLimits: offLimits(described),
  };
}

/** An interface on its way out counts as not attached: nothing new may be put on it. An empty attachment is none. */
export function isAttached(described: NetworkInterface): boolean {
  const status = described.Attachment?.Status;
  return described.Attachment?.AttachmentId !== undefined && status !== "detaching" && status !== "detached";
}

function offLimits(described: NetworkInterface): string | undefined {
  if (described.RequesterManaged) return `managed by ${described.RequesterId || "an AWS service"}`;
  if (described.Operator?.Managed) return `managed by ${described.Operator.Principal || "an operator"}`;
  const type = described.InterfaceType;
  if (type !== undefined && type !== "interface") return `of type ${type}`;
  // Device indexes count per card, and the limits are those of card 0.
  const card = described.Attachment?.NetworkCardIndex ?? 0;
  return card > 0 ? `on network card ${card}` : undefined;
}

/**
 * What this process knows of the node's interfaces beyond what metadata shows: tags, attachment ids, who made them.
 * Filled by describes and by the answers of steps.
 */
export class InterfaceMemory {
  readonly #known = new Map<string, { readonly known: KnownInterface; readonly atMs: number }>();
  readonly #clock: Clock;
  #excludeTags: Readonly<Record<string, string>> = {};

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Interfaces with all these tags are foreign from now on. Empty: none is, by tags. */
  exclude(tags: Readonly<Record<string, string>>): void {
    this.#excludeTags = tags;
  }

  get(id: string): KnownInterface | undefined {
    return this.#known.get(id)?.known;
  }

  all(): readonly KnownInterface[] {
    return [...this.#known.values()].map((entry) => entry.known);
  }

  put(known: KnownInterface): void {
    this.#known.set(known.id, { known, atMs: this.#clock.monotonicMs() });
  }

  forget(id: string): void {
    this.#known.delete(id);
  }

  /**
   * EC2 listed all there are: the rest is forgotten. What was put after `sinceMs` (monotonic) stays as it is: the answer
   * of a change is newer than a list that lags it.
   */
  replaceAll(listed: readonly KnownInterface[], sinceMs: number): void {
    const newer = [...this.#known.values()].filter((entry) => entry.atMs > sinceMs);
    this.#known.clear();
    for (const known of listed) this.put(known);
    for (const entry of newer) this.#known.set(entry.known.id, entry);
  }

  /** Why the interface must not be touched, or undefined. */
  whyForeign(known: KnownInterface): string | undefined {
    if (known.offLimits !== undefined) return known.offLimits;
    const excluded =
      Object.keys(this.#excludeTags).length > 0 && missingTag(known.tags, this.#excludeTags) === undefined;
    return excluded ? "excluded by exclude-interface-tags" : undefined;
  }

  observed(known: KnownInterface): ObservedInterface {
    const { tags: _tags, offLimits: _offLimits, ...rest } = known;
    return { ...rest, foreign: this.whyForeign(known) !== undefined };
  }

  /**
   * An interface as metadata shows it, completed by what is known. Metadata shows neither tags nor types, so that one
   * EC2 has not described to this process counts as foreign. Undefined: metadata shows no address yet, so that the
   * interface cannot be judged (an EFA-only one never has any; it is recognised by what EC2 said of it).
   */
  observedFromMetadata(seen: MetadataInterface): ObservedInterface | undefined {
    const known = this.get(seen.id);
    const foreign = known === undefined || this.whyForeign(known) !== undefined;
    if (seen.addresses === undefined && !(known !== undefined && foreign)) return undefined;
    const [primaryAddress = "", ...addresses] = seen.addresses ?? [];
    return {
      id: seen.id,
      mac: seen.mac,
      deviceIndex: seen.deviceIndex,
      networkCard: seen.networkCard,
      subnetId: seen.subnetId,
      subnetCidr: seen.subnetCidr,
      primaryAddress,
      securityGroups: seen.securityGroups,
      attachmentId: known?.attachmentId ?? "",
      madeBy: known?.madeBy ?? "other",
      foreign,
      attached: true,
      addresses,
      prefixes: seen.prefixes,
    };
  }
}

/** The blocks an interface carries, as canonical CIDRs. */
export function blocksOf(carried: Pick<KnownInterface, "addresses" | "prefixes">): readonly string[] {
  return [...carried.addresses.map(addressBlock), ...carried.prefixes];
}

/** "10.0.1.7" → "10.0.1.7/32" */
export function addressBlock(address: string): string {
  return `${address}/32`;
}
