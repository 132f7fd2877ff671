import { type InstanceType, instanceTypeNames } from "../../../instance-types/index.ts";
import { defineAction, type Result } from "../action.ts";
import { applyFilters, FILTER_SHAPE, type FilterFields } from "../filters.ts";
import { typeNamed, unknownTypes } from "../limits.ts";
import { PAGE_SHAPE, paginate } from "../pagination.ts";
import { invalidValue, SimulatedError } from "../simulated-error.ts";

const MAX_NAMES = 100;

/** What the table of instance types knows: network limits, hypervisor, bare metal. Nothing else is made up. */
export const describeInstanceTypes = defineAction({
  name: "DescribeInstanceTypes",
  service: "ec2",
  kind: "describe",
  shape: { InstanceType: ["string"], Filter: FILTER_SHAPE, ...PAGE_SHAPE } as const,
  check(request) {
    if (request.InstanceType.length > MAX_NAMES)
      throw invalidValue(`At most ${MAX_NAMES} instance types may be named.`);
  },
  run(_world, request) {
    const names = [...new Set(request.InstanceType)];
    const unknown = names.filter((name) => typeNamed(name) === undefined);
    if (unknown.length > 0) throw new SimulatedError("InvalidInstanceType", unknownTypes(unknown));
    const types = (names.length === 0 ? instanceTypeNames() : names).flatMap((name) => typeNamed(name) ?? []);
    const selected = applyFilters<Filterable>(types, request.Filter, FILTERS);
    const scope = ["DescribeInstanceTypes", names, request.Filter];
    const page = paginate(selected, (one) => one.instanceType, request, { scope, ceiling: 100 });
    return { instanceTypeSet: page.items.map(typeResult), nextToken: page.nextToken };
  },
});

type Filterable = InstanceType & { readonly tags?: never };

const FILTERS: FilterFields<Filterable> = {
  "bare-metal": (one) => [String(one.bareMetal)],
  hypervisor: (one) => (one.hypervisor === "" ? [] : [one.hypervisor]),
  "instance-type": (one) => [one.instanceType],
  "network-info.ipv4-addresses-per-interface": (one) => [String(one.ipv4PerInterface)],
  "network-info.ipv6-addresses-per-interface": (one) => [String(one.ipv4PerInterface)],
  "network-info.maximum-network-cards": (one) => [String(one.interfacesByCard.length)],
  "network-info.maximum-network-interfaces": (one) => [String(totalInterfaces(one))],
};

function typeResult(one: InstanceType): Result {
  return {
    instanceType: one.instanceType,
    bareMetal: one.bareMetal,
    hypervisor: one.hypervisor || undefined,
    networkInfo: {
      maximumNetworkInterfaces: totalInterfaces(one),
      maximumNetworkCards: one.interfacesByCard.length,
      defaultNetworkCardIndex: one.defaultNetworkCard,
      networkCards: one.interfacesByCard.map(({ card, interfaces }) => ({
        networkCardIndex: card,
        maximumNetworkInterfaces: interfaces,
      })),
      ipv4AddressesPerInterface: one.ipv4PerInterface,
      ipv6AddressesPerInterface: one.ipv4PerInterface,
    },
  };
}

/** EC2 gives the sum over the network cards. */
function totalInterfaces(one: InstanceType): number {
  return one.interfacesByCard.reduce((sum, { interfaces }) => sum + interfaces, 0);
}
