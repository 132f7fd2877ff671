/** Peers and the limit, in the same simulated cloud as enid: written from what is documented of them, for comparison. */
import type { FleetContext, Policy, PolicyFleet } from "../scenario/index.ts";
import { CiliumAgent } from "./cilium-agent.ts";
import { CiliumOperator } from "./cilium-operator.ts";
import { OracleFleet } from "./oracle.ts";
import { Disks } from "./peer-pool.ts";
import { VpcCniDaemon, type WarmTarget } from "./vpc-cni-daemon.ts";

/** In the order in which a comparison shows them. */
export const POLICIES: readonly Policy[] = [
  {
    name: "cilium-operator",
    description:
      "Cilium's central operator with its defaults: 4 EC2 calls/s (burst 20) for all nodes, one interface per pass, one describe after each; ready with min-allocate addresses",
    createFleet: ciliumFleet,
  },
  {
    name: "vpc-cni",
    description:
      "Amazon VPC CNI with its defaults: a daemon per node, no shared budget, WARM_ENI_TARGET=1; ready with min-allocate addresses, or with those of its first interface if that is less (it knows no min-allocate)",
    createFleet: (world) => vpcCniFleet(world, { interfaces: 1 }),
  },
  {
    name: "vpc-cni-warm-ip",
    description:
      "Amazon VPC CNI with WARM_IP_TARGET=16: a daemon per node, no shared budget; ready with min-allocate addresses, or with 16 if that is less (it knows no min-allocate)",
    createFleet: (world) => vpcCniFleet(world, { addresses: 16 }),
  },
  {
    name: "oracle",
    description:
      "the limit: sees all nodes and token buckets, makes only the calls that are needed, each at the moment its token is there; ready with min-allocate addresses",
    createFleet: (world) => new OracleFleet(world),
  },
];

function ciliumFleet(world: FleetContext): PolicyFleet {
  const operator = new CiliumOperator(world);
  const disks = new Disks();
  return { start: (node) => new CiliumAgent(world.cloud, operator, node, disks.of(node)) };
}

function vpcCniFleet(world: FleetContext, warm: WarmTarget): PolicyFleet {
  const disks = new Disks();
  return { start: (node) => new VpcCniDaemon(world, node, disks.of(node), warm) };
}
