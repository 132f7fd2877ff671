import type { NetworkInterface } from "@aws-sdk/client-ec2";
import type { OtherIpam } from "../../manager/ports/index.ts";

type Tags = Readonly<Record<string, string>>;

/**
 * What keeps every IPAM program off an interface (aws/amazon-vpc-cni-k8s, pkg/ipamd: eniNoManageTagKey); by its rule, with
 * the value "true" only. Set by people for interfaces of Multus and the like, so that adoption does not lift it.
 */
export const TAG_NO_MANAGE = "node.k8s.amazonaws.com/no_manage";

/** The VPC CNI sets both when it creates (pkg/awsutils: eniNodeTagKey, eniCreatedAtTagKey), the first also later. */
export const VPC_CNI_TAGS = ["node.k8s.amazonaws.com/instance_id", "node.k8s.amazonaws.com/createdAt"];

/** Cilium's operator sets them unless its garbage collection is off (cilium/cilium, pkg/defaults: ENIGarbageCollection…). */
export const CILIUM_TAGS = ["io.cilium/cilium-managed", "io.cilium/cluster-name"];
/** It describes what it creates as "Cilium-CNI (INSTANCE-ID)", tags or none. */
const CILIUM_DESCRIPTION = "Cilium-CNI (";

export const OTHER_IPAM_NAMES: Readonly<Record<OtherIpam, string>> = {
  "vpc-cni": "the VPC CNI",
  cilium: "Cilium's operator",
};

/** Why the interface must not be touched whatever the settings say, as half a sentence; undefined: it may. */
export function offLimits(described: NetworkInterface, tags: Tags, primary: boolean): string | undefined {
  if (described.RequesterManaged) return `managed by ${described.RequesterId || "an AWS service"}`;
  if (described.Operator?.Managed) return `managed by ${described.Operator.Principal || "an operator"}`;
  const type = described.InterfaceType;
  if (type !== undefined && type !== "interface") return `of type ${type}`;
  // The VPC CNI does not heed the tag on the primary interface either.
  return tagOf(tags, TAG_NO_MANAGE) === "true" && !primary ? `tagged ${TAG_NO_MANAGE}` : undefined;
}

/** The other IPAM program whose interface it is, by its marks. */
export function otherIpamOf(described: NetworkInterface, tags: Tags): OtherIpam | undefined {
  const tagged = (keys: readonly string[]) => keys.some((key) => tagOf(tags, key) !== undefined);
  if (tagged(VPC_CNI_TAGS)) return "vpc-cni";
  return tagged(CILIUM_TAGS) || described.Description?.startsWith(CILIUM_DESCRIPTION) ? "cilium" : undefined;
}

function tagOf(tags: Tags, key: string): string | undefined {
  return Object.hasOwn(tags, key) ? tags[key] : undefined;
}
