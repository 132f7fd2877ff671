import { effectiveSettings, prefixModeOf, readConfiguration, type SettingValues } from "../../configuration/index.ts";
import { type InstanceType, instanceType } from "../../instance-types/index.ts";
import type { NodeSections } from "./policy.ts";

/** Pods that a node takes at most, however many addresses it could carry: the limit that EKS sets for large nodes. */
const MOST_PODS = 250;
const PREFIX_SIZE = 16;

/** The settings that these sections come to. Errors: ENID_CONFIG_SYNTAX, ENID_CONFIG_INVALID, with `file`. */
export function settingsOf({ eni, ipam, fleet }: NodeSections, file: string): SettingValues {
  const document = {
    cniVersion: "1.0.0",
    name: "cilium",
    type: "cilium-cni",
    eni,
    ipam: { type: "enid-ipam", ...ipam },
    ...(fleet === undefined ? {} : { fleet }),
  };
  const settings = effectiveSettings(readConfiguration(new TextEncoder().encode(JSON.stringify(document)), file), {});
  return { ...settings.values, "prefix-delegation": prefixModeOf(settings) };
}

/** What a node's interfaces can carry under the settings. */
export interface Capacity {
  /** Address slots of one interface beside its primary address. */
  readonly slots: number;
  /** Addresses of one slot: 1, or 16 with prefixes. */
  readonly perSlot: number;
  /** Whether pods have addresses of the primary interface. */
  readonly usesPrimary: boolean;
  /** Further interfaces for pods on the default card. */
  readonly further: number;
  /** Pod addresses that an interface made for pods brings with its own primary address: 0 or 1. */
  readonly ownAddress: 0 | 1;
}

export function capacityOf(type: InstanceType, settings: SettingValues): Capacity {
  const first = settings["first-interface-index"];
  const takesPrefixes = type.hypervisor === "nitro" || type.bareMetal;
  const hasPrefixes = settings["prefix-delegation"] !== "off" && takesPrefixes;
  return {
    slots: type.ipv4PerInterface - 1,
    perSlot: hasPrefixes ? PREFIX_SIZE : 1,
    usesPrimary: first === 0,
    further: Math.max(0, type.maxInterfaces - Math.max(first, 1)),
    ownAddress: settings["use-primary-address"] ? 1 : 0,
  };
}

/** All pod addresses that the node can have. */
export function addressesOf({ slots, perSlot, usesPrimary, further, ownAddress }: Capacity): number {
  return (usesPrimary ? slots * perSlot : 0) + further * (slots * perSlot + ownAddress);
}

/** Pods of a node whose group names no limit. */
export function podLimitOf(typeName: string, settings: SettingValues): number {
  const type = instanceType(typeName);
  return type === undefined ? 0 : Math.min(MOST_PODS, addressesOf(capacityOf(type, settings)));
}
