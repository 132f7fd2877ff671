import { addressesIn, type SlotUnit } from "./blocks.ts";

/** Why a step is made: with the numbers it was decided by. */
export const sentences = {
  addBlocks(of: {
    readonly unit: SlotUnit;
    readonly count: number;
    readonly open: number;
    readonly id: string;
    readonly slots: number;
    readonly freeSlots: number;
    readonly subnetId: string;
    readonly subnetFree: number;
  }): string {
    const slotsSaid = `${of.freeSlots} of its ${of.slots} slots are free`;
    const subnetSaid = `${of.subnetId} has ${of.subnetFree} free addresses`;
    return `${share(of, "wanted")} ${goOn(of)} on ${of.id}: ${slotsSaid}, ${subnetSaid}`;
  },

  createInterface(of: {
    readonly unit: SlotUnit;
    readonly count: number;
    readonly brings: number;
    readonly open: number;
    readonly slots: number;
    readonly subnetId: string;
    readonly subnetFree: number;
    readonly card: number;
    readonly deviceIndex: number;
    readonly ipv6: boolean;
  }): string {
    const place = `device index ${of.deviceIndex}${of.card === 0 ? "" : ` of network card ${of.card}`}`;
    const hasPrimary = of.brings > of.count * addressesIn(of.unit);
    const primary = hasPrimary ? ", its primary address is for pods too" : "";
    const what =
      of.open > 0
        ? `${share(of, "still wanted")} ${goOn(of)} on a new interface at ${place}`
        : `a new interface at ${place} takes no IPv4 blocks`;
    const ipv6 = of.ipv6 ? ", and it brings the IPv6 prefix that pods need" : "";
    return `${what}: it has ${of.slots} slots${primary}, ${of.subnetId} has ${of.subnetFree} free addresses${ipv6}`;
  },

  addIpv6(of: { readonly interfaceId: string; readonly subnetId: string }): string {
    return `1 IPv6 prefix goes on ${of.interfaceId}: pods need one, no interface holds one, ${of.subnetId} has IPv6`;
  },

  makePlace(of: { readonly id: string; readonly count: number; readonly slots: number }): string {
    const what = `${counted(of.count, "free single address", "free single addresses")} of ${of.id}`;
    const slots = `no slot is free, all ${of.slots} of it are taken`;
    return `${what} ${of.count === 1 ? "makes" : "make"} place for ${counted(of.count, "prefix", "prefixes")}: ${slots}`;
  },

  releaseBlocks(of: {
    readonly id: string;
    readonly addresses: number;
    readonly prefixes: number;
    readonly left: number;
    readonly used: number;
  }): string {
    const parts = [
      ...(of.prefixes > 0 ? [counted(of.prefixes, "prefix", "prefixes")] : []),
      ...(of.addresses > 0 ? [counted(of.addresses, "single address", "single addresses")] : []),
    ];
    const total = of.addresses + of.prefixes * addressesIn("prefix");
    const what = `${total} of the ${of.left} addresses to give back come from ${of.id}: ${parts.join(" and ")}`;
    return `${what}, ${of.used} of its addresses are used`;
  },

  removeInterface(of: {
    readonly id: string;
    readonly addresses: number;
    readonly usable: boolean;
    readonly idleMs: number;
  }): string {
    const idle = `nothing on it has been leased for ${seconds(of.idleMs)} s`;
    const counts = of.usable ? `its ${of.addresses} addresses are to be given back` : "it may carry no pods";
    return `${of.id} is removed: ${idle}, and ${counts}`;
  },

  keptForRemoval(of: { readonly id: string; readonly addresses: number; readonly waitMs: number | undefined }): string {
    const until = of.waitMs === undefined ? "is changed by a step" : `is idle for ${seconds(of.waitMs)} s more`;
    return `${of.addresses} addresses of ${of.id} go with it: nothing on it is used, and it is removed when it ${until}`;
  },

  setSecurityGroups(of: {
    readonly id: string;
    readonly has: readonly string[];
    readonly wanted: readonly string[];
  }): string {
    return `${of.id} gets the security groups ${of.wanted.join(", ")}: it has ${of.has.join(", ") || "none"}`;
  },
};

/** "2 prefixes (32 addresses) for the 20 addresses wanted" or "9 of the 20 addresses wanted". */
function share(of: { unit: SlotUnit; count: number; open: number }, wanted: string): string {
  if (of.unit === "address") return `${of.count} of the ${of.open} addresses ${wanted}`;
  const prefixes = `${counted(of.count, "prefix", "prefixes")} (${of.count * addressesIn("prefix")} addresses)`;
  return `${prefixes} for the ${of.open} addresses ${wanted}`;
}

function goOn({ unit, count }: { unit: SlotUnit; count: number }): "go" | "goes" {
  return unit === "prefix" && count === 1 ? "goes" : "go";
}

function counted(count: number, one: string, more: string): string {
  return `${count} ${count === 1 ? one : more}`;
}

function seconds(durationMs: number): number {
  return Math.ceil(durationMs / 1000);
}
