import { EnidError } from "../errors.ts";
import { blockHere } from "./fixed-held.ts";
import type { NodeState } from "./node.ts";
import type { FixedRecord, Provider } from "./ports/index.ts";

/** ENID_FIXED_OUT_OF_REACH when the address can never be on this node, as its zone and settings are; undefined = it can. */
export function outOfReach(node: NodeState, record: FixedRecord): EnidError | undefined {
  const { pod, address, subnetId, zone } = record;
  const refuse = (because: string, wouldWork: string) =>
    new EnidError("ENID_FIXED_OUT_OF_REACH", { pod, address, because, wouldWork });
  if (node.hasRanges) {
    return subnetId === "" ? undefined : refuse(`it is of ${subnetId} on AWS`, `nodes on AWS in zone ${zone}`);
  }
  if (subnetId === "") return refuse("it is an address on-premises", "nodes on-premises");
  const { facts, resolution } = node;
  if (facts === undefined || resolution === undefined) return undefined;
  const works = `nodes in zone ${zone} whose settings allow ${subnetId}`;
  if (zone !== "" && zone !== facts.availabilityZone)
    return refuse(`it is of ${subnetId} in zone ${zone}, and this node is in ${facts.availabilityZone}`, works);
  if (resolution.subnets.some(({ id }) => id === subnetId)) return undefined;
  const allowed = resolution.subnets.map(({ id }) => id).join(", ");
  return refuse(`it is of ${subnetId}, and the settings of this node allow ${allowed}`, works);
}

/** While the fleet is away, the instance itself says whether the address was moved away from it. */
export async function isReallyHere(
  { node, provider }: { readonly node: NodeState; readonly provider: Pick<Provider, "observe"> },
  record: FixedRecord,
  signal: AbortSignal,
): Promise<boolean> {
  const block = blockHere(node, record);
  if (block === undefined) return false;
  if (node.hasRanges) return true;
  const observation = await provider.observe("metadata", signal).catch(() => undefined);
  const seen = observation?.interfaces.find(({ id }) => id === block.block.interfaceId);
  return observation?.complete !== true || seen?.addresses.includes(record.address) === true;
}
