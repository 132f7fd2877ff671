import { EnidError } from "../../errors.ts";
import { instanceType } from "../../instance-types/index.ts";
import type { NodeContext } from "../scenario/index.ts";

/** What a peer reads of a node's configuration, and what the instance type allows. */
export interface PeerSettings {
  /** 0 = none asked for. */
  readonly minAllocate: number;
  readonly preAllocate: number;
  /** Addresses for pods that the node may hold; never above what the instance can. */
  readonly maxAllocate: number;
  readonly maxAboveWatermark: number;
  /** Interfaces with a lower device index carry no pods. */
  readonly firstInterfaceIndex: number;
  readonly subnetIds: readonly string[];
  readonly subnetTags: Readonly<Record<string, string>>;
  readonly securityGroups: readonly string[];
  readonly deleteOnTermination: boolean;
  /** On the default network card. */
  readonly maxInterfaces: number;
  /** Addresses for pods on one interface: all but its primary address. */
  readonly slotsPerInterface: number;
}

/** Cilium's default (pkg/defaults: IPAMPreAllocation). */
const PRE_ALLOCATE = 8;

/** Errors: ENID_INSTANCE_TYPE_UNKNOWN. */
export function peerSettings({ settings, instanceType: type }: NodeContext): PeerSettings {
  const limits = instanceType(type);
  if (limits === undefined) {
    throw new EnidError("ENID_INSTANCE_TYPE_UNKNOWN", { instanceType: type, detail: "not in the shipped table" });
  }
  const { eni, ipam } = settings;
  const card = limits.interfacesByCard.find((one) => one.card === limits.defaultNetworkCard);
  const maxInterfaces = card?.interfaces ?? limits.maxInterfaces;
  const slotsPerInterface = limits.ipv4PerInterface - 1;
  const firstInterfaceIndex = numberOf(eni["first-interface-index"], 0);
  const capacity = Math.max(0, maxInterfaces - firstInterfaceIndex) * slotsPerInterface;
  const maxAllocate = numberOf(ipam["max-allocate"], 0);
  return {
    minAllocate: numberOf(ipam["min-allocate"], 0),
    preAllocate: numberOf(ipam["pre-allocate"], Math.min(PRE_ALLOCATE, capacity)),
    maxAllocate: maxAllocate > 0 ? Math.min(maxAllocate, capacity) : capacity,
    maxAboveWatermark: numberOf(ipam["max-above-watermark"], 0),
    firstInterfaceIndex,
    subnetIds: textsOf(eni["subnet-ids"]),
    subnetTags: tagsOf(eni["subnet-tags"]),
    securityGroups: textsOf(eni["security-groups"]),
    deleteOnTermination: eni["delete-on-termination"] !== false,
    maxInterfaces,
    slotsPerInterface,
  };
}

/**
 * The one measure of readiness for all policies: that many addresses are usable for pods. Without min-allocate a node is
 * ready with its first address.
 */
export function addressesToBeReady({ minAllocate, maxAllocate }: PeerSettings): number {
  return Math.min(Math.max(1, minAllocate), maxAllocate);
}

/** Addresses that a node lacks (hand-off watermarks of Cilium: calculateNeededIPs, pkg/ipam/node.go). */
export function neededAddresses(settings: PeerSettings, available: number, used: number): number {
  const wanted = Math.max(settings.preAllocate - (available - used), settings.minAllocate - available);
  return Math.max(0, Math.min(wanted, settings.maxAllocate - available));
}

function numberOf(value: unknown, otherwise: number): number {
  return typeof value === "number" && Number.isFinite(value) && value >= 0 ? Math.floor(value) : otherwise;
}

function textsOf(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((one) => typeof one === "string") : [];
}

function tagsOf(value: unknown): Readonly<Record<string, string>> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return {};
  return Object.fromEntries(
    Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === "string"),
  );
}
