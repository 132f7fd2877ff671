import type { NodeFacts, ObservedInterface, Selection } from "../../src/manager/index.ts";
import type { BlockUnit } from "../../src/planning/index.ts";
import type { Dice, WorldClock } from "./world-clock.ts";
import { WorldCluster } from "./world-cluster.ts";
import { type Carried, type CloudSubnet, cidrsOn, holds, refusal, WorldSubnets } from "./world-subnets.ts";

export interface CloudInterface extends Carried {
  readonly id: string;
  readonly subnetId: string;
  readonly primaryAddress: string;
  readonly madeBy: "enid" | "other";
  readonly foreign: boolean;
  securityGroups: readonly string[];
  /** Of its tags; empty = none. */
  readonly cluster: string;
  /** Wall ms, as its tag says. */
  readonly createdAtMs: number;
  /** -1 while not attached. */
  deviceIndex: number;
  networkCard: number;
  attachmentId: string;
  /** A detach takes its time: until then the place is not free, and the interface cannot be deleted. */
  leaves?: { readonly place: string; readonly untilMs: number };
}

export const SLOTS = 9;
const HISTORY_MS = 120_000;

export interface CloudOptions {
  readonly clock: WorldClock;
  readonly dice: Dice;
  /** Addresses of each subnet. */
  readonly sizes: readonly number[];
  /** Which of the subnets have an IPv6 CIDR. */
  readonly ipv6: readonly number[];
  /** Interfaces by network card, the default one first. */
  readonly cards: readonly number[];
}

/** What a create asks for. */
export interface Wanted {
  readonly subnetId: string;
  readonly count: number;
  readonly unit?: "address" | "prefix";
  readonly ipv6Prefixes?: number;
  readonly securityGroups: readonly string[];
  readonly cluster: string;
}

/** EC2's side of a random world: the truth, its rules, and what of it can be seen late. No time passes in here. */
export class WorldCloud {
  readonly #clock: WorldClock;
  readonly #cards: readonly number[];
  readonly #stock: WorldSubnets;
  readonly interfaces = new Map<string, CloudInterface>();
  /** What belongs to other nodes of the cluster, or did. */
  readonly cluster: WorldCluster;
  /** All that the primary interface ever had: a group that was everyone's may still be asked for. */
  readonly primaryGroups = new Set<string>(["sg-00000001"]);
  readonly #tokens = new Map<string, string>();
  #history: { readonly atMs: number; readonly interfaces: readonly CloudInterface[] }[] = [];
  #ids = 0;
  instanceId = "i-1";
  /** How long a detach takes at the moment. */
  detachMs = 0;

  constructor({ clock, dice, sizes, ipv6, cards }: CloudOptions) {
    this.#clock = clock;
    this.#cards = cards;
    this.#stock = new WorldSubnets(dice, sizes, ipv6);
    this.cluster = new WorldCluster(clock, dice, this.#stock);
    this.replaceInstance("i-1");
  }

  get subnets(): readonly CloudSubnet[] {
    return this.#stock.all;
  }

  /** The instance is another one: its predecessor's interfaces end with it, but for what hangs on nothing. */
  replaceInstance(instanceId: string): void {
    for (const entry of [...this.interfaces.values()]) {
      const isLeft = entry.deviceIndex < 0 && entry.madeBy === "enid" && entry.cluster !== "";
      if (isLeft) this.cluster.inherit(entry, this.instanceId);
      this.#drop(entry, isLeft ? [] : cidrsOn(entry), !isLeft);
    }
    this.instanceId = instanceId;
    const id = this.primaryId;
    this.interfaces.set(id, this.#make("subnet-0000000a", { id, madeBy: "other", deviceIndex: 0 }));
    this.changed();
  }

  get primaryId(): string {
    return `eni-primary-of-${this.instanceId}`;
  }

  get primary(): CloudInterface {
    return this.#get(this.primaryId, "DescribeNetworkInterfaces");
  }

  facts(): NodeFacts {
    const [maxInterfaces = 0] = this.#cards;
    const cards = this.#cards.map((most, card) => ({ card, maxInterfaces: most }));
    return {
      instanceId: this.instanceId,
      instanceType: "m5.large",
      region: "eu-central-1",
      availabilityZone: "eu-central-1a",
      vpcId: "vpc-1",
      accountId: "111122223333",
      primaryInterfaceId: this.primaryId,
      primarySubnetId: "subnet-0000000a",
      limits: {
        maxInterfaces,
        ipv4PerInterface: SLOTS + 1,
        ...(cards.length > 1 ? { cards } : {}),
        source: "ec2",
        hypervisor: "nitro",
        bareMetal: false,
      },
    };
  }

  allowed(selection: Pick<Selection, "subnetIds" | "subnetTags">): CloudSubnet[] {
    const tags = Object.entries(selection.subnetTags);
    if (selection.subnetIds.length === 0 && tags.length === 0)
      return this.subnets.filter(({ id }) => id === "subnet-0000000a");
    return this.subnets.filter(
      (subnet) =>
        (selection.subnetIds.length === 0 || selection.subnetIds.includes(subnet.id)) &&
        tags.every(([key, value]) => subnet.tags[key] === value),
    );
  }

  /** Answers the CIDRs. */
  assign(interfaceId: string, count: number, unit: BlockUnit = "address"): string[] {
    const entry = this.#get(interfaceId, "AssignPrivateIpAddresses");
    const taken = unit === "ipv6-prefix" ? entry.ipv6Prefixes.length : entry.addresses.length + entry.prefixes.length;
    if (taken + count > SLOTS) throw refusal("AssignPrivateIpAddresses", "limit", "PrivateIpAddressLimitExceeded");
    const added = this.#stock.takeBlocks(entry.subnetId, count, unit);
    entry.addresses.push(...added.addresses);
    entry.prefixes.push(...added.prefixes);
    entry.ipv6Prefixes.push(...added.ipv6Prefixes);
    this.changed();
    return cidrsOn(added);
  }

  /** Which interface has the address in one of its blocks now. */
  holderOf(address: string): CloudInterface | undefined {
    return [...this.interfaces.values()].find((entry) => cidrsOn(entry).some((cidr) => holds(cidr, address)));
  }

  /** Idempotent by its token, also after what it made is gone. */
  create(token: string, wanted: Wanted): CloudInterface {
    const made = this.#tokens.get(token);
    if (made !== undefined) return this.#get(made, "CreateNetworkInterface");
    const { subnetId, count, unit = "address", ipv6Prefixes = 0, securityGroups, cluster } = wanted;
    // The prefixes first: a subnet that cannot give them gives nothing.
    const blocks = this.#stock.takeBlocks(subnetId, count, unit, 1);
    if (ipv6Prefixes > 0) {
      blocks.ipv6Prefixes = this.#stock.takeBlocks(subnetId, ipv6Prefixes, "ipv6-prefix").ipv6Prefixes;
    }
    const fields = { id: `eni-${++this.#ids}`, madeBy: "enid", securityGroups, cluster, ...blocks } as const;
    const entry = this.#make(subnetId, fields);
    this.#tokens.set(token, entry.id);
    this.interfaces.set(entry.id, entry);
    this.changed();
    return entry;
  }

  madeWith(token: string): string | undefined {
    return this.#tokens.get(token);
  }

  /** Attaches at that index or, when it is taken, at the next free one above; once attached it stays as it is. */
  attach(interfaceId: string, wanted: number, card = 0): CloudInterface {
    const entry = this.#get(interfaceId, "AttachNetworkInterface");
    if (entry.deviceIndex >= 0) return entry;
    if (this.isLeaving(entry)) throw refusal("AttachNetworkInterface", "transient", "IncorrectState");
    const taken = this.#places();
    const most = this.#cards[card] ?? 0;
    const onCard = taken.filter((place) => place.startsWith(`${card}/`)).length;
    if (onCard >= most) throw refusal("AttachNetworkInterface", "limit", "AttachmentLimitExceeded");
    let index = wanted;
    while (taken.includes(`${card}/${index}`)) index += 1;
    // Indexes count from 0 on the card of the primary interface, from 1 on the others.
    if (index > (card === 0 ? most - 1 : most))
      throw refusal("AttachNetworkInterface", "limit", "InvalidParameterValue");
    entry.deviceIndex = index;
    entry.networkCard = card;
    entry.attachmentId = `attach-${interfaceId}-${++this.#ids}`;
    this.changed();
    return entry;
  }

  detach(interfaceId: string): void {
    const entry = this.interfaces.get(interfaceId);
    if (entry === undefined || entry.deviceIndex < 0) return;
    entry.leaves = {
      place: `${entry.networkCard}/${entry.deviceIndex}`,
      untilMs: this.#clock.monotonicMs() + this.detachMs,
    };
    Object.assign(entry, { deviceIndex: -1, networkCard: 0, attachmentId: "" });
    this.changed();
  }

  isLeaving({ leaves }: CloudInterface): boolean {
    return leaves !== undefined && leaves.untilMs > this.#clock.monotonicMs();
  }

  remove(interfaceId: string): void {
    const entry = this.interfaces.get(interfaceId);
    if (entry === undefined) return;
    if (entry.deviceIndex >= 0 || this.isLeaving(entry)) {
      throw refusal("DeleteNetworkInterface", "transient", "InvalidNetworkInterface.InUse");
    }
    this.#drop(entry, cidrsOn(entry));
    this.changed();
  }

  /** Whole blocks, by their CIDRs; what is not there is not minded. */
  unassign(interfaceId: string, cidrs: readonly string[]): void {
    const entry = this.interfaces.get(interfaceId);
    if (entry === undefined) return;
    const going = cidrsOn(entry).filter((one) => cidrs.includes(one));
    entry.addresses = entry.addresses.filter((one) => !going.includes(`${one}/32`));
    entry.prefixes = entry.prefixes.filter((one) => !going.includes(one));
    entry.ipv6Prefixes = entry.ipv6Prefixes.filter((one) => !going.includes(one));
    this.#stock.giveBack(entry.subnetId, going);
    this.changed();
  }

  setSecurityGroups(interfaceId: string, securityGroups: readonly string[]): void {
    const entry = this.#get(interfaceId, "ModifyNetworkInterfaceAttribute");
    entry.securityGroups = securityGroups;
    if (interfaceId === this.primaryId) for (const group of securityGroups) this.primaryGroups.add(group);
    this.changed();
  }

  /** Whether the subnet could give a prefix now. */
  hasPrefix(subnetId: string): boolean {
    return this.#stock.hasPrefix(subnetId);
  }

  /** Strangers take single addresses all over the subnets, or give all of them back. */
  fragment(how: "scatter" | "gather"): void {
    this.#stock[how]();
  }

  /** Somebody else makes and attaches an interface of their own. */
  attachOther(foreign: boolean, card: number): void {
    const id = `eni-other-${++this.#ids}`;
    const entry = this.#make("subnet-0000000a", { id, madeBy: "other", foreign });
    entry.addresses = this.#stock.take("subnet-0000000a", 1);
    this.interfaces.set(entry.id, entry);
    this.attach(entry.id, 1, card);
  }

  /** How many more interfaces could be attached. */
  freePlaces(): number {
    return this.#cards.reduce((sum, most) => sum + most, 0) - this.#places().length;
  }

  /** The node's interfaces and the unattached ones of enid, as they were `lagMs` ago. */
  seen(lagMs: number): ObservedInterface[] {
    const atMs = this.#clock.monotonicMs() - lagMs;
    const [oldest] = this.#history;
    const then = this.#history.findLast((entry) => entry.atMs <= atMs) ?? oldest;
    return (then?.interfaces ?? []).map(observed);
  }

  /** To be called after each change: keeps what a late observation shows. */
  changed(): void {
    const atMs = this.#clock.monotonicMs();
    const interfaces = [...this.interfaces.values()].map((entry) => ({
      ...entry,
      addresses: [...entry.addresses],
      prefixes: [...entry.prefixes],
      ipv6Prefixes: [...entry.ipv6Prefixes],
    }));
    const firstKept = this.#history.findLastIndex((entry) => entry.atMs <= atMs - HISTORY_MS);
    this.#history = [...this.#history.slice(Math.max(0, firstKept)), { atMs, interfaces }];
  }

  /** "<card>/<index>" of what is attached or on its way out. */
  #places(): string[] {
    return [...this.interfaces.values()].flatMap((entry) => {
      if (entry.deviceIndex >= 0) return [`${entry.networkCard}/${entry.deviceIndex}`];
      return this.isLeaving(entry) && entry.leaves !== undefined ? [entry.leaves.place] : [];
    });
  }

  #drop(entry: CloudInterface, cidrs: readonly string[], withPrimary = true): void {
    const primary = withPrimary ? [`${entry.primaryAddress}/32`] : [];
    this.#stock.giveBack(entry.subnetId, [...primary, ...cidrs]);
    this.interfaces.delete(entry.id);
  }

  #make(subnetId: string, fields: Partial<CloudInterface> & Pick<CloudInterface, "id" | "madeBy">): CloudInterface {
    const [primaryAddress = ""] = this.#stock.take(subnetId, 1);
    return {
      subnetId,
      primaryAddress,
      foreign: false,
      securityGroups: ["sg-00000001"],
      cluster: "",
      createdAtMs: this.#clock.nowMs(),
      deviceIndex: -1,
      networkCard: 0,
      attachmentId: "",
      addresses: [],
      prefixes: [],
      ipv6Prefixes: [],
      ...fields,
    };
  }

  #get(id: string, action: string): CloudInterface {
    const entry = this.interfaces.get(id);
    if (entry === undefined) throw refusal(action, "gone", "InvalidNetworkInterfaceID.NotFound");
    return entry;
  }
}

export function observed(entry: CloudInterface): ObservedInterface {
  const { id, deviceIndex, networkCard, subnetId, primaryAddress, attachmentId, madeBy, foreign } = entry;
  return {
    id,
    mac: "02:00:00:00:00:01",
    deviceIndex,
    networkCard,
    subnetId,
    subnetCidr: "10.0.0.0/16",
    primaryAddress,
    securityGroups: [...entry.securityGroups],
    attachmentId,
    madeBy,
    foreign,
    attached: deviceIndex >= 0,
    addresses: [...entry.addresses],
    prefixes: [...entry.prefixes],
    ...(entry.ipv6Prefixes.length > 0 ? { ipv6Prefixes: [...entry.ipv6Prefixes] } : {}),
  };
}
