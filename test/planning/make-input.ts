import type { FreeBlock, PlanInput, PlanInterface, PlanSubnet, Step, Watermarks } from "../../src/planning/index.ts";

export const NOW_MS = 1_700_000_000_000;
export const M5_LARGE = { maxInterfaces: 3, addressesPerInterface: 10, firstInterfaceIndex: 0 };

/** An m5.large that holds nothing on its primary interface, and pre-allocate 8; with what `changed` says. */
export function makeInput(
  changed: Partial<Omit<PlanInput, "watermarks">> = {},
  watermarks: Partial<Watermarks> = {},
): PlanInput {
  return {
    nowMs: NOW_MS,
    watermarks: { preAllocate: 8, minAllocate: 0, maxAllocate: 0, maxAboveWatermark: 0, ...watermarks },
    available: 0,
    used: 0,
    waiting: 0,
    pending: 0,
    interfaces: [makeInterface(0)],
    pendingDeviceIndexes: [],
    subnets: [{ id: "subnet-a", freeAddresses: 1000 }],
    limits: M5_LARGE,
    ...changed,
  };
}

export function makeInterface(deviceIndex: number, changed: Partial<PlanInterface> = {}): PlanInterface {
  const subnetId = "subnet-a";
  return {
    id: `eni-${deviceIndex}`,
    deviceIndex,
    subnetId,
    usable: true,
    slots: 9,
    slotsTaken: 0,
    slotsPending: 0,
    ...changed,
  };
}

/** An m5.large that takes prefixes where it can. */
export function makePrefixInput(
  changed: Partial<Omit<PlanInput, "watermarks">> = {},
  watermarks: Partial<Watermarks> = {},
): PlanInput {
  return makeInput({ prefixMode: "preferred", limits: { ...M5_LARGE, prefixes: true }, ...changed }, watermarks);
}

/** Free single addresses on an interface, which have no meaning but their names: "a-0", "a-1" ... */
export function freeSingles(count: number, name = "a"): FreeBlock[] {
  return Array.from({ length: count }, (_, index) => ({ cidr: `${name}-${index}`, unit: "address" }));
}

export function freePrefixes(count: number, name = "p"): FreeBlock[] {
  return Array.from({ length: count }, (_, index) => ({ cidr: `${name}-${index}`, unit: "prefix" }));
}

/**
 * Steps without their reasons: "eni-0 +8", "eni-0 +2 /28", "new 1 in subnet-a +9", "new 1 on card 2 in subnet-a +0
 * and an IPv6 prefix", "eni-1 -3", "eni-1 removed", "eni-1 sg-1 sg-2".
 */
export function brief(steps: readonly Step[]): string[] {
  return steps.map((step) => {
    if (step.kind === "release-blocks") return `${step.interfaceId} -${step.cidrs.length}`;
    if (step.kind === "remove-interface") return `${step.interfaceId} removed`;
    if (step.kind === "set-security-groups") return `${step.interfaceId} ${step.securityGroups.join(" ")}`;
    const unit = { address: "", prefix: " /28", "ipv6-prefix": " /80" }[step.unit ?? "address"];
    if (step.kind === "add-blocks") return `${step.interfaceId} +${step.count}${unit}`;
    const card = step.networkCard === undefined ? "" : ` on card ${step.networkCard}`;
    const ipv6 = step.ipv6Prefixes === undefined ? "" : " and a /80";
    return `new ${step.deviceIndex}${card} in ${step.subnetId} +${step.count}${unit}${ipv6}`;
  });
}

/** The input while the steps are under way. */
export function underWay(input: PlanInput, steps: readonly Step[], knownWhileMade = true): PlanInput {
  let { pending } = input;
  const subnets = new Map<string, PlanSubnet>(input.subnets.map((subnet) => [subnet.id, subnet]));
  const interfaces = [...input.interfaces];
  const pendingDeviceIndexes = [...input.pendingDeviceIndexes];
  const draw = (subnetId: string, count: number) => {
    const subnet = subnets.get(subnetId);
    if (subnet === undefined) throw new Error(`a step uses ${subnetId}, which is not allowed`);
    subnets.set(subnetId, { ...subnet, freeAddresses: subnet.freeAddresses - count });
  };
  for (const step of steps) {
    if (step.kind === "add-blocks") {
      const place = interfaces.findIndex(({ id }) => id === step.interfaceId);
      const target = interfaces[place];
      if (target === undefined) throw new Error(`a step adds to the unknown ${step.interfaceId}`);
      interfaces[place] = { ...target, slotsPending: target.slotsPending + step.count };
      draw(step.subnetId, step.count);
      pending += step.count;
    } else if (step.kind === "create-interface") {
      const { deviceIndex, subnetId, count } = step;
      pendingDeviceIndexes.push(deviceIndex);
      const slots = input.limits.addressesPerInterface - 1;
      if (knownWhileMade) {
        interfaces.push(makeInterface(deviceIndex, { subnetId, slots, slotsPending: count }));
      }
      draw(subnetId, count + 1);
      pending += count;
    } else throw new Error(`unexpected step ${step.kind}`);
  }
  return { ...input, pending, interfaces, pendingDeviceIndexes, subnets: [...subnets.values()] };
}

/** The input after all that is under way was done; the waiting pods still wait. Interfaces must be known while made. */
export function done(input: PlanInput): PlanInput {
  return {
    ...input,
    available: input.available + input.pending,
    pending: 0,
    pendingDeviceIndexes: [],
    interfaces: input.interfaces.map((one) => ({
      ...one,
      slotsTaken: one.slotsTaken + one.slotsPending,
      slotsPending: 0,
    })),
  };
}
