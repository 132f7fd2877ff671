import type { NetworkInterface } from "@aws-sdk/client-ec2";
import type { Observation, ObservedInterface } from "../../manager/ports/index.ts";
import type { Ec2 } from "./ec2.ts";
import { fromEc2, type InterfaceMemory, type KnownInterface } from "./interfaces.ts";
import type { Identity } from "./metadata.ts";
import type { MetadataClient } from "./metadata-client.ts";
import { InterfaceTexts, type MetadataInterface, readInterfaces } from "./metadata-interfaces.ts";
import { CONSISTENT_AFTER_MS, type Surroundings, TAG_INSTANCE } from "./options.ts";
import type { SubnetRanges } from "./subnets.ts";

/** How far a describe may lag the answer of a change that this process made. */
const LAG_MS = 10_000;

/**
 * Looks at the node's interfaces.
 *
 * Attached interfaces and detached ones made by enid are two questions to EC2: filters are ANDed, and the primary
 * interface carries no tag of enid. The second question is asked only when its answer may hold something: at the first
 * look of the process (an earlier one may have left something), for some minutes after a step that could have left
 * something (`suspectLeftover`; describes may lag as long), while something detached is known, and when an interface of
 * enid is no longer among the attached ones. So an idle node's look is one DescribeNetworkInterfaces.
 */
export class Observer {
  readonly #world: Surroundings;
  readonly #metadata: MetadataClient;
  readonly #memory: InterfaceMemory;
  readonly #ranges: SubnetRanges;
  readonly #texts: InterfaceTexts;
  #lastLook: MetadataLook | undefined;
  #lookedBefore = false;
  /** Until then (monotonic) the second question is asked. */
  #suspectUntilMs = Number.NEGATIVE_INFINITY;

  constructor(world: Surroundings, metadata: MetadataClient, memory: InterfaceMemory, ranges: SubnetRanges) {
    this.#world = world;
    this.#metadata = metadata;
    this.#memory = memory;
    this.#ranges = ranges;
    this.#texts = new InterfaceTexts(world.clock, (seen) => isWhereEc2Says(seen, memory.get(seen.id)));
  }

  /** A step may have left an interface of enid detached. */
  suspectLeftover(): void {
    this.#suspectUntilMs = this.#world.clock.monotonicMs() + CONSISTENT_AFTER_MS;
  }

  async fromMetadata(identity: Identity, signal?: AbortSignal): Promise<Observation> {
    const startedAtMs = this.#world.clock.nowMs();
    const seen = await readInterfaces(this.#metadata, identity.primaryMac, signal, this.#texts);
    const last = this.#lastLook;
    const isAsBefore =
      last !== undefined &&
      last.memoryVersion === this.#memory.version &&
      last.unreadable === seen.unreadable.length &&
      last.seen.length === seen.interfaces.length &&
      last.seen.every((one, index) => one === seen.interfaces[index]);
    const { complete, interfaces } = isAsBefore ? last : this.#judge(seen.interfaces, seen.unreadable.length);
    return { source: "metadata", complete, startedAtMs, interfaces };
  }

  #judge(seen: readonly MetadataInterface[], unreadable: number): MetadataLook {
    const interfaces: ObservedInterface[] = [];
    let complete = unreadable === 0;
    for (const one of seen) {
      this.#ranges.learn(one.subnetId, one.subnetCidr);
      const observed = this.#memory.observedFromMetadata(one);
      if (observed === undefined || !one.complete) complete = false;
      if (observed !== undefined) interfaces.push(observed);
    }
    interfaces.sort(byDeviceIndex);
    this.#lastLook = { seen, unreadable, memoryVersion: this.#memory.version, complete, interfaces };
    return this.#lastLook;
  }

  async fromCloud(ec2: Ec2, identity: Identity, signal?: AbortSignal): Promise<Observation> {
    const startedAtMs = this.#world.clock.nowMs();
    const { instanceId } = identity;
    const lookedAtMs = this.#world.clock.monotonicMs();
    const suspected = !this.#lookedBefore || lookedAtMs < this.#suspectUntilMs;
    // Both at once where both are needed: of many nodes that start together each waits in one queue for its two tokens.
    const [attached, tagged] = await Promise.all([
      ec2.describeInterfaces({ "attachment.instance-id": [instanceId] }, signal),
      suspected ? this.#tagged(ec2, instanceId, signal) : undefined,
    ]);
    const isWanted = tagged === undefined && this.#somethingDetached(attached);
    const own = tagged ?? (isWanted ? await this.#tagged(ec2, instanceId, signal) : []);
    const described = [...attached, ...detachedOf(own, attached, instanceId)];
    await this.#ranges.require(
      ec2,
      described.map((one) => one.SubnetId ?? ""),
      signal,
    );
    const known = described.map((one) => fromEc2(one, instanceId, this.#ranges.of(one.SubnetId ?? "")));
    this.#memory.replaceAll(known, lookedAtMs - LAG_MS);
    this.#lookedBefore = true;
    const interfaces = known.map((one) => this.#memory.observed(one)).sort(byDeviceIndex);
    return { source: "cloud", complete: true, startedAtMs, interfaces };
  }

  #somethingDetached(attached: readonly NetworkInterface[]): boolean {
    const ids = new Set(attached.map((one) => one.NetworkInterfaceId));
    return this.#memory.all().some((one: KnownInterface) => one.madeBy === "enid" && !ids.has(one.id));
  }

  #tagged(ec2: Ec2, instanceId: string, signal?: AbortSignal): Promise<NetworkInterface[]> {
    return ec2.describeInterfaces({ [`tag:${TAG_INSTANCE}`]: [instanceId] }, signal);
  }
}

/** Interfaces of enid that hang on no other instance. One that somebody attached elsewhere is no longer the node's. */
function detachedOf(
  own: readonly NetworkInterface[],
  attached: readonly NetworkInterface[],
  instanceId: string,
): NetworkInterface[] {
  const ids = new Set(attached.map((one) => one.NetworkInterfaceId));
  return own.filter((one) => {
    const holder = one.Attachment?.Status === "detached" ? undefined : one.Attachment?.InstanceId;
    return !ids.has(one.NetworkInterfaceId) && (holder === undefined || holder === instanceId);
  });
}

/** What a look at metadata read, and what came of it with what was known of the interfaces then. */
interface MetadataLook {
  readonly seen: readonly MetadataInterface[];
  readonly unreadable: number;
  readonly memoryVersion: number;
  readonly complete: boolean;
  readonly interfaces: readonly ObservedInterface[];
}

/** EC2 described it, attached at this very place: then its place is worth remembering. */
function isWhereEc2Says(seen: MetadataInterface, known: KnownInterface | undefined): boolean {
  return (
    known?.attached === true &&
    known.deviceIndex === seen.deviceIndex &&
    known.networkCard === seen.networkCard &&
    known.subnetId === seen.subnetId
  );
}

function byDeviceIndex(a: ObservedInterface, b: ObservedInterface): number {
  return a.networkCard - b.networkCard || a.deviceIndex - b.deviceIndex || a.id.localeCompare(b.id);
}
