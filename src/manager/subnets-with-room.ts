import type { NodeState } from "./node.ts";

/** Subnets of the usable interfaces with free slots; "any" while another interface can be made. */
export function subnetsWithRoom(node: NodeState): ReadonlySet<string> | "any" {
  const limits = node.facts?.limits;
  const attached = [...node.interfaces.values()].filter(({ deviceIndex }) => deviceIndex >= 0);
  const making = [...node.intents.values()].filter(({ intent }) => intent.step.kind === "create-interface");
  const places = limits?.cards?.reduce((sum, { maxInterfaces }) => sum + maxInterfaces, 0) ?? limits?.maxInterfaces;
  if (limits === undefined || attached.length + making.length < (places ?? 0)) return "any";
  const blocks = new Map(node.pool.interfaceCounts().map((counts) => [counts.id, counts.blocks]));
  const open = attached.filter(
    (record) => node.unusableBecause(record) === "" && (blocks.get(record.id) ?? 0) < limits.ipv4PerInterface - 1,
  );
  return new Set(open.map(({ subnetId }) => subnetId));
}
