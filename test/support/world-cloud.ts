import { EnidError, type ErrorCode, type ErrorValues } from "../../src/errors.ts";
import type { FailureClass, NodeFacts, ObservedInterface, Selection, StepFailure } from "../../src/manager/index.ts";
import type { Dice, WorldClock } from "./world-clock.ts";

export interface CloudSubnet {
  readonly id: string;
  readonly tags: Readonly<Record<string, string>>;
  /** What it can still give; what comes back is given out again first. */
  readonly free: string[];
}

export interface CloudInterface {
  readonly id: string;
  readonly subnetId: string;
  readonly primaryAddress: string;
  readonly madeBy: "enid" | "other";
  readonly foreign: boolean;
  readonly securityGroups: readonly string[];
  /** -1 while not attached. */
  deviceIndex: number;
  attachmentId: string;
  addresses: string[];
}

export const ALLOWED_TAGS = { pods: "true" };
/** The m5.large: three interfaces, ten addresses each. */
export const MAX_INTERFACES = 3;
export const SLOTS = 9;
const HISTORY_MS = 120_000;

/** EC2's side of a random world: the truth, its rules, and what of it can be seen late. No time passes in here. */
export class WorldCloud {
  readonly #clock: WorldClock;
  readonly #dice: Dice;
  readonly subnets: readonly CloudSubnet[];
  readonly interfaces = new Map<string, CloudInterface>();
  readonly #tokens = new Map<string, string>();
  #history: { readonly atMs: number; readonly interfaces: readonly CloudInterface[] }[] = [];
  #ids = 0;
  instanceId = "i-1";

  constructor(clock: WorldClock, dice: Dice, sizes: readonly number[]) {
    this.#clock = clock;
    this.#dice = dice;
    const tags = [ALLOWED_TAGS, ALLOWED_TAGS, { other: "1" }];
    this.subnets = tags.map((tag, n) => ({
      id: `subnet-0000000${"abc"[n]}`,
      tags: tag,
      free: Array.from({ length: sizes[n] ?? 0 }, (_, host) => `10.0.${n}.${host + 4}`),
    }));
    this.replaceInstance("i-1");
  }

  /** The instance is another one: its predecessor's interfaces ended with it. */
  replaceInstance(instanceId: string): void {
    for (const entry of [...this.interfaces.values()]) this.remove(entry.id);
    this.instanceId = instanceId;
    const id = this.primaryId;
    this.interfaces.set(id, this.#make("subnet-0000000a", 0, { id, madeBy: "other", deviceIndex: 0 }));
    this.changed();
  }

  get primaryId(): string {
    return `eni-primary-of-${this.instanceId}`;
  }

  facts(): NodeFacts {
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
        maxInterfaces: MAX_INTERFACES,
        ipv4PerInterface: SLOTS + 1,
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

  assign(interfaceId: string, count: number): string[] {
    const entry = this.#get(interfaceId, "AssignPrivateIpAddresses");
    if (entry.addresses.length + count > SLOTS) {
      throw refusal("AssignPrivateIpAddresses", "limit", "PrivateIpAddressLimitExceeded");
    }
    const added = this.#take(entry.subnetId, count);
    entry.addresses.push(...added);
    this.changed();
    return added;
  }

  /** Idempotent by its token, also after what it made is gone. */
  create(token: string, subnetId: string, count: number, securityGroups: readonly string[]): CloudInterface {
    const made = this.#tokens.get(token);
    if (made !== undefined) return this.#get(made, "CreateNetworkInterface");
    const entry = this.#make(subnetId, count, { id: `eni-${++this.#ids}`, madeBy: "enid", securityGroups });
    this.#tokens.set(token, entry.id);
    this.interfaces.set(entry.id, entry);
    this.changed();
    return entry;
  }

  madeWith(token: string): string | undefined {
    return this.#tokens.get(token);
  }

  /** Attaches at that index or, when it is taken, at the next free one above; once attached it stays as it is. */
  attach(interfaceId: string, wanted: number): CloudInterface {
    const entry = this.#get(interfaceId, "AttachNetworkInterface");
    if (entry.deviceIndex >= 0) return entry;
    const attached = [...this.interfaces.values()].filter(({ deviceIndex }) => deviceIndex >= 0);
    if (attached.length >= MAX_INTERFACES) throw refusal("AttachNetworkInterface", "limit", "AttachmentLimitExceeded");
    let index = wanted;
    while (attached.some(({ deviceIndex }) => deviceIndex === index)) index += 1;
    if (index >= MAX_INTERFACES) throw refusal("AttachNetworkInterface", "limit", "InvalidParameterValue");
    entry.deviceIndex = index;
    entry.attachmentId = `attach-${interfaceId}-${++this.#ids}`;
    this.changed();
    return entry;
  }

  detach(interfaceId: string): void {
    const entry = this.interfaces.get(interfaceId);
    if (entry === undefined) return;
    entry.deviceIndex = -1;
    entry.attachmentId = "";
    this.changed();
  }

  remove(interfaceId: string): readonly string[] {
    const entry = this.interfaces.get(interfaceId);
    if (entry === undefined) return [];
    for (const address of [entry.primaryAddress, ...entry.addresses]) this.#giveBack(entry.subnetId, address);
    this.interfaces.delete(interfaceId);
    this.changed();
    return entry.addresses;
  }

  unassign(interfaceId: string, addresses: readonly string[]): void {
    const entry = this.interfaces.get(interfaceId);
    if (entry === undefined) return;
    for (const address of addresses) {
      if (!entry.addresses.includes(address)) continue;
      entry.addresses = entry.addresses.filter((other) => other !== address);
      this.#giveBack(entry.subnetId, address);
    }
    this.changed();
  }

  /** Somebody else makes and attaches an interface of their own. */
  attachOther(foreign: boolean): void {
    const entry = this.#make("subnet-0000000a", 1, { id: `eni-other-${++this.#ids}`, madeBy: "other", foreign });
    this.interfaces.set(entry.id, entry);
    this.attach(entry.id, 1);
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
    const interfaces = [...this.interfaces.values()].map((entry) => ({ ...entry, addresses: [...entry.addresses] }));
    const firstKept = this.#history.findLastIndex((entry) => entry.atMs <= atMs - HISTORY_MS);
    this.#history = [...this.#history.slice(Math.max(0, firstKept)), { atMs, interfaces }];
  }

  subnetOf(address: string): string {
    return `subnet-0000000${"abc"[Number(address.split(".")[2])]}`;
  }

  #make(subnetId: string, count: number, fields: Partial<CloudInterface> & Pick<CloudInterface, "id" | "madeBy">) {
    const [primaryAddress = "", ...addresses] = this.#take(subnetId, count + 1);
    const entry: CloudInterface = {
      subnetId,
      primaryAddress,
      foreign: false,
      securityGroups: ["sg-00000001"],
      deviceIndex: -1,
      attachmentId: "",
      addresses,
      ...fields,
    };
    return entry;
  }

  #take(subnetId: string, count: number): string[] {
    const subnet = this.#subnet(subnetId);
    if (subnet.free.length < count) {
      throw refusal("AssignPrivateIpAddresses", "subnet-exhausted", "InsufficientFreeAddressesInSubnet", subnetId);
    }
    // EC2 gives any address; one that just came back is the worst case for whoever still remembers it.
    return this.#dice.chance(0.5) ? subnet.free.splice(0, count) : subnet.free.splice(-count, count);
  }

  #giveBack(subnetId: string, address: string): void {
    this.#subnet(subnetId).free.push(address);
  }

  #subnet(id: string): CloudSubnet {
    const subnet = this.subnets.find((other) => other.id === id);
    if (subnet === undefined) throw new Error(`no subnet ${id}`);
    return subnet;
  }

  #get(id: string, action: string): CloudInterface {
    const entry = this.interfaces.get(id);
    if (entry === undefined) throw refusal(action, "gone", "InvalidNetworkInterfaceID.NotFound");
    return entry;
  }
}

export function observed(entry: CloudInterface): ObservedInterface {
  const { id, deviceIndex, subnetId, primaryAddress, securityGroups, attachmentId, madeBy, foreign } = entry;
  return {
    id,
    mac: "02:00:00:00:00:01",
    deviceIndex,
    networkCard: 0,
    subnetId,
    subnetCidr: "10.0.0.0/16",
    primaryAddress,
    securityGroups: [...securityGroups],
    attachmentId,
    madeBy,
    foreign,
    attached: deviceIndex >= 0,
    addresses: [...entry.addresses],
    prefixes: [],
  };
}

function refusal(action: string, failureClass: FailureClass, ec2Code: string, subnetId?: string): EnidError {
  return cloudError(action, { class: failureClass, ec2Code, effect: "none", ...(subnetId ? { subnetId } : {}) });
}

/** An error as the EC2 provider makes it of a failed call. */
export function cloudError(action: string, failure: StepFailure): EnidError {
  const [code, values] = told(action, failure);
  return new EnidError(code, values, { details: failure });
}

function told(action: string, failure: StepFailure): [ErrorCode, ErrorValues] {
  const retryAt = "a pause";
  const { ec2Code } = failure;
  if (failure.class === "throttled") return ["ENID_EC2_THROTTLED", { action, code: ec2Code, retryAt }];
  if (failure.class === "unauthorized") return ["ENID_EC2_UNAUTHORIZED", { action, detail: ec2Code }];
  if (failure.class === "subnet-exhausted") {
    return ["ENID_SUBNET_EMPTY", { subnetId: failure.subnetId ?? "", freeAddresses: "too few", retryAt }];
  }
  return ["ENID_EC2_FAILED", { action, code: ec2Code, detail: "as the world wants it" }];
}
