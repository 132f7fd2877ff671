import type { AgentOffer, OfferedInterface } from "../handoff/cilium-node/port.ts";
import { familyOf } from "../pool/index.ts";
import { addressesOfBlock } from "./agent-view.ts";
import type { NodeState } from "./node.ts";
import type { NodeFacts } from "./ports/index.ts";

/** What the node offers to Cilium's agent: all that it has, also what is on its way back, until EC2 has it. */
export function nodeOffer(
  node: NodeState,
  facts: NodeFacts,
  vpcCidrs: readonly string[],
  said: Pick<AgentOffer, "wantedBack" | "error" | "ready">,
): AgentOffer {
  const { minAllocate, preAllocate, maxAllocate } = node.watermarks();
  const blocks = [...node.pool.blocks()];
  const leaving = blocks.filter(({ releasing, block }) => releasing > 0 && familyOf(block.cidr) === "ipv4");
  return {
    instanceId: facts.instanceId,
    instanceType: facts.instanceType,
    availabilityZone: facts.availabilityZone,
    vpcId: facts.vpcId,
    vpcCidrs,
    interfaces: [...node.interfaces.values()]
      .filter(({ foreign, deviceIndex }) => !foreign && deviceIndex >= 0)
      .sort((one, other) => node.poolIndex(one) - node.poolIndex(other))
      .map((record): OfferedInterface => {
        // An address that EC2 denies stays for the pod that has it; nobody else should get it.
        const own = blocks.filter(
          ({ block, leased }) => block.interfaceId === record.id && (leased > 0 || !node.lostSinceMs.has(block.cidr)),
        );
        const ipv4 = own.filter(({ block }) => familyOf(block.cidr) === "ipv4").map(({ block }) => block);
        return {
          id: record.id,
          mac: record.mac,
          primaryAddress: record.primaryAddress,
          deviceIndex: record.deviceIndex,
          subnetId: record.subnetId,
          subnetCidr: record.subnetCidr,
          securityGroups: record.securityGroups,
          addresses: ipv4.flatMap(({ cidr }) => addressesOfBlock(cidr)),
          prefixes: ipv4.filter(({ kind }) => kind === "prefix").map(({ cidr }) => cidr),
          ipv6Prefixes: own.flatMap(({ block }) => (familyOf(block.cidr) === "ipv6" ? [block.cidr] : [])),
        };
      }),
    leaving: leaving.flatMap(({ block }) => addressesOfBlock(block.cidr)),
    free: node.supply("ipv4").free,
    watermarks: { minAllocate, preAllocate, maxAllocate },
    ...said,
  };
}
