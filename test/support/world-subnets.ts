import { EnidError, type ErrorCode, type ErrorValues } from "../../src/errors.ts";
import type { FailureClass, StepFailure } from "../../src/manager/index.ts";
import type { BlockUnit } from "../../src/planning/index.ts";
import type { Dice } from "./world-clock.ts";

export interface CloudSubnet {
  readonly id: string;
  readonly tags: Readonly<Record<string, string>>;
  /** What it can still give; what comes back is given out again first. */
  readonly free: string[];
  /** Whether it has an IPv6 CIDR. */
  readonly ipv6: boolean;
}

/** What an interface carries besides its primary address. */
export interface Carried {
  addresses: string[];
  prefixes: string[];
  ipv6Prefixes: string[];
}

export const ALLOWED_TAGS = { pods: "true" };

/** All blocks, as canonical CIDRs. */
export function cidrsOn({ addresses, prefixes, ipv6Prefixes }: Readonly<Carried>): string[] {
  return [...addresses.map((address) => `${address}/32`), ...prefixes, ...ipv6Prefixes];
}

/** Whether the address is of the block. */
export function holds(cidr: string, address: string): boolean {
  const [base = ""] = cidr.split("/");
  if (cidr.includes(":")) return address.startsWith(base);
  return cidr.endsWith("/28") ? addressesIn(cidr).includes(address) : base === address;
}

/** IPv4 addresses of a block; of an IPv6 one none. */
export function addressesIn(cidr: string): string[] {
  if (cidr.includes(":")) return [];
  const [base = ""] = cidr.split("/");
  if (!cidr.endsWith("/28")) return [base];
  const [a, b, c, first] = base.split(".");
  return Array.from({ length: 16 }, (_, n) => `${a}.${b}.${c}.${Number(first) + n}`);
}

/** Where an address or block of either family comes from. */
export function subnetOf(address: string): string {
  const n = address.includes(":") ? Number(address.split(":")[3]) - 1 : Number(address.split(".")[2]);
  return `subnet-0000000${"abc"[n]}`;
}

/** The subnets of a world: what they can give, what came back, and what others keep of them. */
export class WorldSubnets {
  readonly all: readonly CloudSubnet[];
  readonly #dice: Dice;
  readonly #ipv6Back = new Map<string, string[]>();
  #ipv6Next = 1;
  /** What strangers took, scattered. */
  #scattered: string[] = [];

  constructor(dice: Dice, sizes: readonly number[], ipv6: readonly number[]) {
    this.#dice = dice;
    this.all = [ALLOWED_TAGS, ALLOWED_TAGS, { other: "1" }].map((tags, n) => ({
      id: `subnet-0000000${"abc"[n]}`,
      tags,
      free: Array.from({ length: sizes[n] ?? 0 }, (_, host) => `10.0.${n}.${host + 4}`),
      ipv6: ipv6.includes(n),
    }));
  }

  /** All or nothing; `beside` is what must be left for something else of the same call. */
  takeBlocks(subnetId: string, count: number, unit: BlockUnit, beside = 0): Carried {
    const taken: Carried = { addresses: [], prefixes: [], ipv6Prefixes: [] };
    const subnet = this.get(subnetId);
    if (unit === "ipv6-prefix") {
      if (!subnet.ipv6) throw refusal("AssignIpv6Addresses", "configuration", "InvalidParameterValue");
      taken.ipv6Prefixes = Array.from({ length: count }, () => this.#takeIpv6(subnetId));
      return taken;
    }
    const enough = subnet.free.length >= count * (unit === "prefix" ? 16 : 1) + beside;
    if (!enough) throw exhausted(subnetId, unit);
    if (unit === "address") {
      taken.addresses = this.take(subnetId, count);
      return taken;
    }
    while (taken.prefixes.length < count) {
      const prefix = this.#freePrefix(subnet);
      if (prefix === undefined) {
        subnet.free.push(...taken.prefixes.flatMap(addressesIn));
        throw exhausted(subnetId, unit);
      }
      const inside = new Set(addressesIn(prefix));
      subnet.free.splice(0, subnet.free.length, ...subnet.free.filter((address) => !inside.has(address)));
      taken.prefixes.push(prefix);
    }
    return taken;
  }

  take(subnetId: string, count: number): string[] {
    const { free } = this.get(subnetId);
    if (free.length < count) throw exhausted(subnetId, "address");
    // EC2 gives any address; one that just came back is the worst case for whoever still remembers it.
    return this.#dice.chance(0.5) ? free.splice(0, count) : free.splice(-count, count);
  }

  giveBack(subnetId: string, cidrs: readonly string[]): void {
    const ipv6 = cidrs.filter((cidr) => cidr.includes(":"));
    this.#ipv6Back.set(subnetId, [...(this.#ipv6Back.get(subnetId) ?? []), ...ipv6]);
    this.get(subnetId).free.push(...cidrs.flatMap(addressesIn));
  }

  /** Whether the subnet could give a prefix now. */
  hasPrefix(subnetId: string): boolean {
    return this.#freePrefix(this.get(subnetId)) !== undefined;
  }

  /** Others take single addresses here and there, so that no row of 16 is left. */
  scatter(): void {
    for (const { free } of this.all) {
      const taken = free.filter((address) => Number(address.split(".")[3]) % 16 === this.#dice.between(0, 1) * 5);
      free.splice(0, free.length, ...free.filter((address) => !taken.includes(address)));
      this.#scattered.push(...taken);
    }
  }

  /** And give them back. */
  gather(): void {
    for (const address of this.#scattered) this.get(subnetOf(address)).free.push(address);
    this.#scattered = [];
  }

  get(id: string): CloudSubnet {
    const subnet = this.all.find((other) => other.id === id);
    if (subnet === undefined) throw new Error(`no subnet ${id}`);
    return subnet;
  }

  #takeIpv6(subnetId: string): string {
    const back = this.#ipv6Back.get(subnetId)?.pop();
    return back ?? `2001:db8:0:${"abc".indexOf(subnetId.slice(-1)) + 1}:${(this.#ipv6Next++).toString(16)}::/80`;
  }

  /** An aligned row of 16 free addresses. */
  #freePrefix({ id, free }: CloudSubnet): string | undefined {
    const there = new Set(free);
    const net = `10.0.${"abc".indexOf(id.slice(-1))}`;
    for (let first = 16; first < 240; first += 16) {
      if (!there.has(`${net}.${first}`)) continue;
      const cidr = `${net}.${first}/28`;
      if (addressesIn(cidr).every((address) => there.has(address))) return cidr;
    }
    return undefined;
  }
}

function exhausted(subnetId: string, unit: BlockUnit): EnidError {
  const code = unit === "prefix" ? "InsufficientCidrBlocks" : "InsufficientFreeAddressesInSubnet";
  return cloudError("AssignPrivateIpAddresses", {
    class: "subnet-exhausted",
    ec2Code: code,
    effect: "none",
    subnetId,
    unit,
  });
}

export function refusal(action: string, failureClass: FailureClass, ec2Code: string): EnidError {
  return cloudError(action, { class: failureClass, ec2Code, effect: "none" });
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
