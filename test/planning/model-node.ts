import {
  addressesIn,
  excess,
  type FreeBlock,
  type Place,
  type PlanInput,
  type PlanInterface,
  type PlanLimits,
  type PrefixMode,
  type Step,
  type Watermarks,
} from "../../src/planning/index.ts";
import { NOW_MS } from "./make-input.ts";

export interface ModelSubnet {
  readonly id: string;
  free: number;
  readonly ipv6: boolean;
  /** No /28 fits, whatever the count says. */
  fragmented: boolean;
  prefixesBlockedUntilMs?: number;
}

interface ModelBlock {
  readonly unit: "address" | "prefix" | "primary";
  /** Addresses of it that pods have. */
  used: number;
  releasing: boolean;
}

interface ModelInterface {
  readonly id: string;
  readonly place: Place;
  readonly subnetId: string;
  readonly made: boolean;
  readonly foreign: boolean;
  readonly blocks: Map<string, ModelBlock>;
  ipv6Prefixes: number;
  groups: readonly string[];
  idleSinceMs: number;
  leaving: boolean;
}

export interface ModelSettings {
  readonly watermarks: Watermarks;
  readonly prefixMode: PrefixMode;
  readonly families: "ipv4" | "ipv6" | "dual";
  readonly limits: PlanLimits;
  readonly subnets: readonly ModelSubnet[];
  /** Places that others took. */
  readonly foreign: readonly Place[];
}

/** How long a subnet without a /28 is not asked again, and how long an interface stays idle before it may go. */
export const AGAIN_MS = 60_000;
export const IDLE_MS = 300_000;

/** A node that carries plans out, as simply as that can be said: what the manager, the pool and EC2 do together. */
export class ModelNode {
  watermarks: Watermarks;
  nowMs = NOW_MS;
  waiting = 0;
  blocked = false;
  groups: readonly string[] = ["sg-1"];
  readonly interfaces: ModelInterface[] = [];
  readonly subnets: readonly ModelSubnet[];
  readonly underWay: Step[] = [];
  readonly #settings: ModelSettings;
  #names = 0;

  constructor(settings: ModelSettings) {
    this.#settings = settings;
    this.watermarks = settings.watermarks;
    this.subnets = settings.subnets.map((subnet) => ({ ...subnet }));
    const subnetId = this.subnets[0]?.id ?? "subnet-none";
    this.#attach({ card: 0, deviceIndex: 0 }, subnetId, false, false);
    for (const place of settings.foreign) this.#attach(place, subnetId, false, true);
  }

  input(): PlanInput {
    const { limits, prefixMode, families } = this.#settings;
    const making = this.underWay.flatMap((step) => (step.kind === "create-interface" ? [step] : []));
    const { available, used } = this.counts();
    const count = excess({ ...this.watermarks, available, used });
    return {
      nowMs: this.nowMs,
      watermarks: this.watermarks,
      available,
      used,
      waiting: this.waiting,
      pending: this.underWay.reduce((sum, step) => sum + bringsOf(step, limits), 0),
      interfaces: [
        ...this.interfaces.map((one) => this.#asPlanned(one)),
        ...making.map((step) => ({
          ...{ id: `making-${step.reason}`, subnetId: step.subnetId, usable: true, busy: true },
          ...{ deviceIndex: step.deviceIndex, networkCard: step.networkCard ?? 0 },
          ...{ slots: limits.addressesPerInterface - 1, slotsTaken: 0, slotsPending: step.count },
          ipv6Prefixes: step.ipv6Prefixes ?? 0,
        })),
      ],
      pendingDeviceIndexes: [],
      pendingPlaces: making.map(({ networkCard = 0, deviceIndex }) => ({ card: networkCard, deviceIndex })),
      subnets: this.subnets.map(({ id, free, ipv6, prefixesBlockedUntilMs }) => ({
        ...{ id, freeAddresses: free, ipv6 },
        ...(prefixesBlockedUntilMs === undefined ? {} : { prefixesBlockedUntilMs }),
      })),
      ...{ limits, prefixMode, families, securityGroups: this.groups },
      giveBack: { count, interfaceIdleMs: IDLE_MS },
      ...(this.blocked ? { blocked: { untilMs: this.nowMs + 1000, reason: "throttled" } } : {}),
    };
  }

  counts(): { available: number; used: number } {
    const carrying = this.interfaces.filter((one) => this.#isUsable(one));
    const blocks = carrying.flatMap((one) => [...one.blocks.values()].filter(({ releasing }) => !releasing));
    return {
      available: blocks.reduce((sum, { unit }) => sum + sizeOf(unit), 0),
      used: blocks.reduce((sum, { used }) => sum + used, 0),
    };
  }

  /** The steps are called for; what they give back is for no pod from here on. */
  begin(steps: readonly Step[]): void {
    for (const step of steps) {
      this.underWay.push(step);
      if (step.kind === "release-blocks") {
        for (const cidr of step.cidrs) this.#blockOn(step.interfaceId, cidr).releasing = true;
      } else if (step.kind === "remove-interface") {
        const one = this.interface(step.interfaceId);
        if (!one.made || [...one.blocks.values()].some(({ used }) => used > 0)) throw new Error(`${one.id} is in use`);
        one.leaving = true;
      } else if (step.kind !== "set-security-groups") this.#subnet(step.subnetId).free -= drawnBy(step);
    }
  }

  /** A step ends. Prefixes are not to be had in a fragmented subnet, whatever else happens. */
  end(step: Step, succeeds: boolean): void {
    this.underWay.splice(this.underWay.indexOf(step), 1);
    if (step.kind === "add-blocks" || step.kind === "create-interface") {
      const subnet = this.#subnet(step.subnetId);
      const isRefused = step.unit === "prefix" && subnet.fragmented;
      if (isRefused) subnet.prefixesBlockedUntilMs = this.nowMs + AGAIN_MS;
      if (isRefused || !succeeds) subnet.free += drawnBy(step);
      else this.#grow(step);
    } else if (step.kind === "release-blocks") {
      for (const cidr of step.cidrs) this.#returned(step.interfaceId, cidr, succeeds);
    } else if (step.kind === "remove-interface") {
      const one = this.interface(step.interfaceId);
      one.leaving = false;
      if (!succeeds) return;
      this.interfaces.splice(this.interfaces.indexOf(one), 1);
      const drawn = [...one.blocks.values()].reduce(
        (sum, { unit }) => sum + (unit === "primary" ? 0 : sizeOf(unit)),
        1,
      );
      this.#subnet(one.subnetId).free += drawn;
    } else if (succeeds) this.interface(step.interfaceId).groups = step.securityGroups;
  }

  /** Pods that wait get what is free. */
  serve(): void {
    for (const one of this.interfaces.filter((each) => this.#isUsable(each))) {
      for (const block of one.blocks.values()) {
        while (!block.releasing && block.used < sizeOf(block.unit) && this.waiting > 0) {
          block.used++;
          this.waiting--;
        }
      }
    }
  }

  /** Ends up to `count` pods, those of every `stride`th address first. */
  endPods(count: number, stride: number): void {
    const inUse = this.interfaces.flatMap((one) => [...one.blocks.values()].map((block) => ({ one, block })));
    let left = count;
    for (let offset = 0; offset < stride; offset++) {
      for (let place = offset; place < inUse.length && left > 0; place += stride) {
        const { one, block } = inUse[place] as (typeof inUse)[number];
        const ended = Math.min(left, block.used);
        block.used -= ended;
        left -= ended;
        if (ended > 0) one.idleSinceMs = this.nowMs;
      }
    }
  }

  interface(id: string): ModelInterface {
    const found = this.interfaces.find((one) => one.id === id);
    if (found === undefined) throw new Error(`a step names the unknown interface ${id}`);
    return found;
  }

  #asPlanned(one: ModelInterface): PlanInterface {
    const steps = this.underWay.filter((step) => "interfaceId" in step && step.interfaceId === one.id);
    const adding = steps.flatMap((step) => (step.kind === "add-blocks" ? [step] : []));
    const ipv6 = adding.filter(({ unit }) => unit === "ipv6-prefix").length;
    const blocks = [...one.blocks];
    const used = blocks.reduce((sum, [, block]) => sum + block.used, 0);
    const free = blocks.flatMap(([cidr, { unit, used: usedHere, releasing }]): FreeBlock[] =>
      unit === "primary" || usedHere > 0 || releasing ? [] : [{ cidr, unit }],
    );
    const pending = adding.filter(({ unit }) => unit !== "ipv6-prefix");
    return {
      ...{ id: one.id, subnetId: one.subnetId, usable: this.#isUsable(one), busy: steps.length > 0, used },
      ...{ deviceIndex: one.place.deviceIndex, networkCard: one.place.card },
      slots: this.#settings.limits.addressesPerInterface - 1,
      slotsTaken: blocks.filter(([, { unit }]) => unit !== "primary").length,
      slotsPending: pending.reduce((sum, { count }) => sum + count, 0),
      removable: one.made,
      freeBlocks: free,
      ipv6Prefixes: one.ipv6Prefixes + ipv6,
      securityGroups: one.groups,
      ...(used === 0 ? { idleSinceMs: one.idleSinceMs } : {}),
    };
  }

  #isUsable({ foreign, leaving, place, subnetId }: ModelInterface): boolean {
    const carries = place.card !== 0 || place.deviceIndex >= this.#settings.limits.firstInterfaceIndex;
    return !foreign && !leaving && carries && this.subnets.some(({ id }) => id === subnetId);
  }

  #attach(place: Place, subnetId: string, made: boolean, foreign: boolean): ModelInterface {
    const one: ModelInterface = {
      ...{ id: `eni-${this.#names++}`, place, subnetId, made, foreign, blocks: new Map(), ipv6Prefixes: 0 },
      ...{ groups: ["sg-0"], idleSinceMs: this.nowMs, leaving: false },
    };
    this.interfaces.push(one);
    return one;
  }

  #grow(step: Extract<Step, { kind: "add-blocks" | "create-interface" }>): void {
    if (step.kind === "add-blocks" && step.unit === "ipv6-prefix") {
      this.interface(step.interfaceId).ipv6Prefixes += step.count;
      return;
    }
    const unit = step.unit === "prefix" ? "prefix" : "address";
    const place = step.kind === "create-interface" && { card: step.networkCard ?? 0, deviceIndex: step.deviceIndex };
    const one =
      place === false ? this.interface((step as { interfaceId: string }).interfaceId) : this.#make(place, step);
    for (let count = 0; count < step.count; count++) {
      one.blocks.set(`block-${this.#names++}`, { unit, used: 0, releasing: false });
    }
  }

  #make(place: Place, step: Step): ModelInterface {
    if (step.kind !== "create-interface") throw new Error("no interface is made");
    const one = this.#attach(place, step.subnetId, true, false);
    one.ipv6Prefixes = step.ipv6Prefixes ?? 0;
    if (this.#settings.limits.usePrimaryAddress === true) {
      one.blocks.set(`primary-${one.id}`, { unit: "primary", used: 0, releasing: false });
    }
    return one;
  }

  #returned(interfaceId: string, cidr: string, succeeds: boolean): void {
    const block = this.#blockOn(interfaceId, cidr);
    block.releasing = false;
    if (!succeeds) return;
    this.interface(interfaceId).blocks.delete(cidr);
    this.#subnet(this.interface(interfaceId).subnetId).free += sizeOf(block.unit);
  }

  #blockOn(interfaceId: string, cidr: string): ModelBlock {
    const block = this.interface(interfaceId).blocks.get(cidr);
    if (block === undefined || block.used > 0) throw new Error(`${cidr} of ${interfaceId} cannot be given back`);
    return block;
  }

  #subnet(id: string): ModelSubnet {
    const found = this.subnets.find((one) => one.id === id);
    if (found === undefined) throw new Error(`a step uses the subnet ${id}, which is not allowed`);
    return found;
  }
}

/** IPv4 addresses for pods that a step brings. */
export function bringsOf(step: Step, limits: PlanLimits): number {
  if (step.kind === "add-blocks") return step.count * addressesIn(step.unit ?? "address");
  if (step.kind !== "create-interface") return 0;
  return step.count * addressesIn(step.unit ?? "address") + (limits.usePrimaryAddress === true ? 1 : 0);
}

function drawnBy(step: Extract<Step, { kind: "add-blocks" | "create-interface" }>): number {
  return step.count * addressesIn(step.unit ?? "address") + (step.kind === "create-interface" ? 1 : 0);
}

function sizeOf(unit: ModelBlock["unit"]): number {
  return unit === "prefix" ? 16 : 1;
}
