import { type Fields, fieldsOf, patchTo } from "../merge-patch.ts";
import type { AgentOffer, Dialect } from "../port.ts";
import type { CiliumNode } from "../resource.ts";
import { interfacesFor, offeredTo, type SpokenBy } from "./interfaces.ts";
import { poolFor, poolOf, releasesFor, wholePool } from "./pool.ts";

/** What is to be written, the status before the spec; absent = nothing of that part. */
export interface Patches {
  readonly status?: Fields;
  readonly spec?: Fields;
}

/**
 * What the CiliumNode lacks of what is offered, in fields that are enid's alone. `dialect` undefined: it is not known, and only
 * what no agent minds is written. `keepsPool`: the pool is kept beside the interfaces in eni-1.20 too, so that an older agent
 * that comes back finds it.
 */
export function patchesFor(
  whole: AgentOffer,
  node: CiliumNode,
  by: SpokenBy,
  { keepsPool, error }: { readonly keepsPool: boolean; readonly error: string },
): Patches {
  const { dialect } = by;
  const offer = offeredTo(whole, node, by);
  const told = fieldsOf(fieldsOf(node.object.status).ipam);
  const hasPool = dialect === "crd" || dialect === "eni-classic" || (dialect === "eni-1.20" && keepsPool);
  const shakesHands = dialect === "crd" || dialect === "eni-classic";
  const eni = dialect === "crd" ? undefined : patchTo(node.interfaces, interfacesFor(offer, node, by, hasPool));
  const releases = shakesHands ? patchTo(told["release-ips"], releasesFor(offer, node)) : undefined;
  const operator = node.error === error ? undefined : { error: error === "" ? null : error };
  const ipam = {
    ...(releases === undefined ? {} : { "release-ips": releases }),
    ...(operator === undefined ? {} : { "operator-status": operator }),
  };
  const status = {
    ...(eni === undefined ? {} : { eni: { enis: eni } }),
    ...(Object.keys(ipam).length === 0 ? {} : { ipam }),
  };
  const pool = hasPool ? patchTo(poolOf(node), poolFor(offer, node)) : undefined;
  const isAnother = dialect === "crd" && node.instanceId !== offer.instanceId;
  const spec = {
    // Agents of ipam crd have nothing to say of the instance.
    ...(isAnother ? { "instance-id": offer.instanceId } : {}),
    ...(pool === undefined ? {} : { ipam: { pool } }),
  };
  return {
    ...(Object.keys(status).length === 0 ? {} : { status }),
    ...(Object.keys(spec).length === 0 ? {} : { spec }),
  };
}

/**
 * The spec of a CiliumNode that is made. With ipam crd the pool needs no interfaces before it, so that no agent ever sees the
 * resource without it; with ipam eni a part of `spec.eni` tells who looks at it later that the agent speaks so.
 */
export function firstSpec(offer: AgentOffer, dialect: Dialect | undefined): Fields {
  const { instanceId, instanceType, availabilityZone, vpcId } = offer;
  const eni = { "instance-type": instanceType, "availability-zone": availabilityZone, "vpc-id": vpcId };
  return {
    "instance-id": instanceId,
    ...(dialect === undefined || dialect === "crd" ? {} : { eni }),
    ipam: dialect === "crd" ? { pool: wholePool(offer) } : {},
  };
}
