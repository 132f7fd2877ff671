import { environmentOf, prefixModeOf, type Settings } from "../configuration/index.ts";
import { EnidError } from "../errors.ts";
import { type InstanceType, instanceType } from "../instance-types/index.ts";
import { nodeMaximum, type PlanLimits } from "../planning/index.ts";

/** Pods in the host's network, which need no address: EKS' own formula counts as many (amazon-eks-ami, max-pods-calculator.sh). */
const HOST_NETWORK_PODS = 2;

/** With prefixes addresses do not end first. EKS recommends at most so many for instances of fewer than 30 virtual CPUs. */
const MOST_WITH_PREFIXES = 110;

/** Kubernetes' and EKS' recommendation for the largest machines. */
const MOST = 250;

export interface MaxPods {
  readonly instanceType: string;
  /** What the kubelet is told. */
  readonly maxPods: number;
  /** Pod addresses that the node can hold: what `enid status` calls its capacity, or max-allocate where that is less. */
  readonly podAddresses: number;
  /** Pods in the host's network that are counted beside them. */
  readonly hostNetworkPods: number;
  /** Whether the addresses come as prefixes. */
  readonly prefixes: boolean;
  /** What makes it no more. */
  readonly limitedBy: "interfaces" | "max-allocate" | "recommendation";
}

/**
 * The kubelet's max-pods for nodes of this type with these settings.
 *
 * @throws EnidError ENID_MAX_PODS_TYPE: the table shipped with enid does not have the type; ENID_MAX_PODS_NONE: no pod could
 * have an address; ENID_MAX_PODS_RANGES: the addresses are no matter of the type.
 */
export function maxPodsOf(name: string, settings: Settings): MaxPods {
  if (environmentOf(settings) === "node-cidr") throw new EnidError("ENID_MAX_PODS_RANGES", {});
  const type = instanceType(name);
  if (type === undefined) throw new EnidError("ENID_MAX_PODS_TYPE", { type: name });
  const { values } = settings;
  const prefixes = prefixModeOf(settings) !== "off" && (type.hypervisor === "nitro" || type.bareMetal);
  const firstInterfaceIndex = values["first-interface-index"];
  const held = nodeMaximum(
    { ...limitsOf(type), firstInterfaceIndex, usePrimaryAddress: values["use-primary-address"] },
    { prefixes },
  );
  if (held === 0) {
    const { maxInterfaces } = type;
    throw new EnidError("ENID_MAX_PODS_NONE", { type: name, maxInterfaces, firstInterfaceIndex });
  }
  const isCut = values["max-allocate"] > 0 && values["max-allocate"] < held;
  const podAddresses = isCut ? values["max-allocate"] : held;
  const most = prefixes ? MOST_WITH_PREFIXES : MOST;
  const wanted = podAddresses + HOST_NETWORK_PODS;
  return {
    instanceType: name,
    maxPods: Math.min(wanted, most),
    podAddresses,
    hostNetworkPods: HOST_NETWORK_PODS,
    prefixes,
    limitedBy: wanted > most ? "recommendation" : isCut ? "max-allocate" : "interfaces",
  };
}

/** As the daemon reads them of the table: the default card first, cards without interfaces left out. */
function limitsOf({ maxInterfaces, ipv4PerInterface, interfacesByCard, defaultNetworkCard }: InstanceType) {
  const rank = ({ card }: { card: number }) => (card === defaultNetworkCard ? -1 : card);
  const cards = interfacesByCard
    .filter(({ interfaces }) => interfaces > 0)
    .map(({ card, interfaces }) => ({ card, maxInterfaces: interfaces }))
    .sort((a, b) => rank(a) - rank(b));
  const limits: Pick<PlanLimits, "maxInterfaces" | "addressesPerInterface" | "cards"> = {
    maxInterfaces,
    addressesPerInterface: ipv4PerInterface,
    ...(cards.length > 1 ? { cards } : {}),
  };
  return limits;
}
