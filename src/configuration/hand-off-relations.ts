import type { Relation } from "./relations.ts";
import type { SettingName, SettingValues } from "./types.ts";

/** The settings that `handOffRelations` looks at beside those of relations.ts. */
export const HAND_OFF_RELATED = ["hand-off", "cilium-dialect"] as const satisfies SettingName[];

type Values = Pick<
  SettingValues,
  (typeof HAND_OFF_RELATED)[number] | "podCIDRs" | "ip-families" | "fixed" | "fixed-annotations"
>;

/** What does not go with the hand-off by the CiliumNode. */
export function handOffRelations(values: Values): Relation[] {
  if (values["hand-off"] !== "cilium-node") return [];
  return [...onPremises(values), ...families(values), ...fixed(values)];
}

const BLAMED = { name: "hand-off", at: "" } as const;

/** The whole range would have to stand in the resource; Cilium's own ipam modes serve ranges of a node. */
function onPremises({ podCIDRs }: Values): Relation[] {
  if (podCIDRs.length === 0) return [];
  const what = (where: string) =>
    `is for nodes on AWS, and ${where} gives this one ranges of its own; allowed is "cni"`;
  return [{ ...BLAMED, other: "podCIDRs", what }];
}

/** The pool of the older dialects names each address, and a prefix of IPv6 has too many. */
function families(values: Values): Relation[] {
  const wanted = values["ip-families"];
  if (wanted === "ipv4" || (wanted === "dual" && values["cilium-dialect"] === "eni-1.20")) return [];
  const what = (where: string) =>
    `serves IPv4, and both families with "cilium-dialect": "eni-1.20", while ${where} is "${wanted}"`;
  return [{ ...BLAMED, other: "ip-families", what }];
}

/** The agent takes its pods' addresses itself, any of those that the node offers. */
function fixed(values: Values): Relation[] {
  const what = (where: string) => `lets the agent choose addresses, and ${where} asks for fixed ones; allowed is "cni"`;
  return [
    ...(values.fixed.length > 0 ? [{ ...BLAMED, other: "fixed" as const, what }] : []),
    ...(values["fixed-annotations"] ? [{ ...BLAMED, other: "fixed-annotations" as const, what }] : []),
  ];
}
