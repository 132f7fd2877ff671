import type { NetworkInterface } from "@aws-sdk/client-ec2";
import type { Clock } from "../../adapters/index.ts";
import type { ObservedInterface, OtherIpam, Selection } from "../../manager/ports/index.ts";
import { type Carried, canonicalIpv6 } from "./block-units.ts";
import { OTHER_IPAM_NAMES, offLimits, otherIpamOf } from "./foreign.ts";
import type { MetadataInterface } from "./metadata-interfaces.ts";
import { TAG_INSTANCE } from "./options.ts";
import { missingTag, tagsOf } from "./subnets.ts";

/** An interface as EC2 described it, with what decides whether it may be touched. */
export interface KnownInterface
  extends Carried,
    Omit<ObservedInterface, "foreign" | "foreignBecause" | "ipv6Prefixes"> {
  readonly tags: Readonly<Record<string, string>>;
  /** Why it must not be touched, whatever the settings say. Undefined: it may. */
  readonly offLimits: string | undefined;
  /** The other IPAM program whose it is. Undefined: of none, as far as its marks say. */
  readonly otherIpam: OtherIpam | undefined;
}

/** Of an EC2 answer (describe or create). Ranges of subnets are not in it: `subnetCidr` is passed. */
export function fromEc2(described: NetworkInterface, instanceId: string, subnetCidr: string): KnownInterface {
  const attachment = described.Attachment;
  const attached = isAttached(described) && attachment?.InstanceId === instanceId;
  const tags = tagsOf(described.TagSet);
  const primaryAddress = described.PrivateIpAddress ?? "";
  const deviceIndex = attached ? (attachment.DeviceIndex ?? -1) : -1;
  const networkCard = attached ? (attachment.NetworkCardIndex ?? 0) : 0;
  return {
    id: described.NetworkInterfaceId ?? "",
    mac: (described.MacAddress ?? "").toLowerCase(),
    deviceIndex,
    networkCard,
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
    ipv6Prefixes: (described.Ipv6Prefixes ?? []).flatMap((prefix) =>
      prefix.Ipv6Prefix === undefined ? [] : canonicalIpv6(prefix.Ipv6Prefix),
    ),
    tags,
    offLimits: offLimits(described, tags, deviceIndex === 0 && networkCard === 0),
    otherIpam: otherIpamOf(described, tags),
  };
}

/** An interface on its way out counts as not attached: nothing new may be put on it. An empty attachment is none. */
export function isAttached(described: NetworkInterface): boolean {
  const status = described.Attachment?.Status;
  return described.Attachment?.AttachmentId !== undefined && status !== "detaching" && status !== "detached";
}

/** With no tag to exclude, none is excluded by tags. */
type ForeignSelection = Pick<Selection, "excludeInterfaceTags" | "adoptInterfacesOf">;

/**
 * What this process knows of the node's interfaces beyond what metadata shows: tags, attachment ids, who made them.
 * Filled by describes and by the answers of steps.
 */
export class InterfaceMemory {
  readonly #known = new Map<string, { readonly known: KnownInterface; readonly atMs: number }>();
  readonly #clock: Clock;
  #selection: ForeignSelection = { excludeInterfaceTags: {} };
  /** Another number: what is said of an interface here may have changed since. */
  #version = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get version(): number {
    return this.#version;
  }

  /** What the settings say of foreign interfaces, from now on. */
  select(selection: ForeignSelection): void {
    this.#version += 1;
    this.#selection = selection;
  }

  get(id: string): KnownInterface | undefined {
    return this.#known.get(id)?.known;
  }

  all(): readonly KnownInterface[] {
    return [...this.#known.values()].map((entry) => entry.known);
  }

  put(known: KnownInterface): void {
    this.#version += 1;
    this.#known.set(known.id, { known, atMs: this.#clock.monotonicMs() });
  }

  forget(id: string): void {
    this.#version += 1;
    this.#known.delete(id);
  }

  /**
   * EC2 listed all there are: the rest is forgotten. What was put after `sinceMs` (monotonic) stays as it is: the answer
   * of a change is newer than a list that lags it. Whose it is (tags, managed by whom) is of the list all the same:
   * changes carry that along from before.
   */
  replaceAll(listed: readonly KnownInterface[], sinceMs: number): void {
    const newer = [...this.#known.values()].filter((entry) => entry.atMs > sinceMs);
    this.#version += 1;
    this.#known.clear();
    for (const known of listed) this.put(known);
    for (const { known, atMs } of newer) {
      const { tags, offLimits, otherIpam } = this.get(known.id) ?? known;
      this.#known.set(known.id, { known: { ...known, tags, offLimits, otherIpam }, atMs });
    }
  }

  /** Why the interface must not be touched, as half a sentence; or undefined. */
  whyForeign(known: KnownInterface): string | undefined {
    if (known.offLimits !== undefined) return known.offLimits;
    const { excludeInterfaceTags: excluded, adoptInterfacesOf: adopted = [] } = this.#selection;
    if (Object.keys(excluded).length > 0 && missingTag(known.tags, excluded) === undefined) {
      return "excluded by exclude-interface-tags";
    }
    // The VPC CNI puts its tag on every interface of its node, so that one of enid may carry it.
    const { otherIpam } = known;
    if (otherIpam === undefined || known.madeBy === "enid" || adopted.includes(otherIpam)) return undefined;
    return `of ${OTHER_IPAM_NAMES[otherIpam]}`;
  }

  observed(known: KnownInterface): ObservedInterface {
    const { tags: _tags, offLimits: _offLimits, otherIpam: _otherIpam, ipv6Prefixes, ...rest } = known;
    return { ...rest, ...ipv6Part(ipv6Prefixes), ...foreignPart(this.whyForeign(known)) };
  }

  /**
   * An interface as metadata shows it, completed by what is known. Metadata shows neither tags nor types, so that one
   * EC2 has not described to this process counts as foreign. Undefined: metadata shows no address yet, so that the
   * interface cannot be judged (an EFA-only one never has any; it is recognised by what EC2 said of it).
   */
  observedFromMetadata(seen: MetadataInterface): ObservedInterface | undefined {
    const known = this.get(seen.id);
    const judged = known === undefined ? { foreign: true } : foreignPart(this.whyForeign(known));
    const { foreign } = judged;
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
      ...judged,
      attached: true,
      addresses,
      prefixes: seen.prefixes,
      ...ipv6Part(seen.ipv6Prefixes),
    };
  }
}

function foreignPart(because: string | undefined): Pick<ObservedInterface, "foreign" | "foreignBecause"> {
  return because === undefined ? { foreign: false } : { foreign: true, foreignBecause: because };
}

function ipv6Part(ipv6Prefixes: readonly string[]): Pick<ObservedInterface, "ipv6Prefixes"> {
  return ipv6Prefixes.length > 0 ? { ipv6Prefixes } : {};
}
