import type { NodeView } from "./node-view.ts";
import type { Rejection } from "./types.ts";

export type Fault = Pick<Rejection, "rule" | "interfaceId" | "address">;

/**
 * Why the agent in eni mode does not take a CiliumNode over, all reasons of it; none = it does. One fault is enough for the
 * whole resource to be passed over: the agent stays with the version before, and waits for a better one.
 * Source: cilium/cilium, `validateENIConfig` of pkg/ipam/crd.go (1.17 to 1.19), pkg/ipam/eni.go (1.20) and its successor,
 * which demands the interface's primary address and the CIDR of its subnet as well (without them, versions before leave the
 * device unconfigured).
 */
export function faultsOf({ interfaces, pool }: NodeView): readonly Fault[] {
  const ofInterfaces = interfaces.flatMap((one): Fault[] => {
    const interfaceId = one.id;
    return [
      ...(one.ip === "" ? [{ rule: "interface-ip-missing" as const, interfaceId }] : []),
      ...(one.subnetCidr === "" ? [{ rule: "subnet-cidr-missing" as const, interfaceId }] : []),
      ...(one.vpcPrimaryCidr === "" ? [{ rule: "vpc-primary-cidr-missing" as const, interfaceId }] : []),
      ...(one.vpcCidrs.includes("") ? [{ rule: "vpc-cidr-empty" as const, interfaceId }] : []),
    ];
  });
  const addressesOf = new Map(interfaces.map(({ id, addresses }) => [id, new Set(addresses)]));
  const ofPool = [...(pool ?? [])].flatMap(([address, { resource }]): Fault[] => {
    const there = addressesOf.get(resource);
    if (there === undefined) return [{ rule: "pool-resource-unknown", interfaceId: resource, address }];
    return there.has(address) ? [] : [{ rule: "pool-address-not-on-interface", interfaceId: resource, address }];
  });
  return [...ofInterfaces, ...ofPool];
}
