/**
 * The limit: a clairvoyant that sees all nodes, the true state of the cloud and every token bucket of the account. It makes
 * no describe and no call that is not needed, takes in one call what an interface can hold, is never throttled, and spends
 * each token at the moment at which there is one: first on pods that wait, then on nodes that are not ready in the order
 * of their start, then on pre-allocation. It knows no more of the future than the watermarks say, and gives nothing back.
 * Buckets: https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-throttling.html, as the simulated cloud has them.
 */
import type { Agent, FleetContext, NodeContext, PolicyFleet } from "../scenario/index.ts";
import { OracleAgent } from "./oracle-agent.ts";
import { OracleCentral } from "./oracle-central.ts";
import { OracleNode } from "./oracle-node.ts";
import { Disks } from "./peer-pool.ts";

export class OracleFleet implements PolicyFleet {
  readonly #central: OracleCentral;
  readonly #disks = new Disks();
  readonly #nodes = new Map<string, { readonly node: OracleNode; bootId: string }>();

  constructor(world: FleetContext) {
    this.#central = new OracleCentral(world);
  }

  start(context: NodeContext): Agent {
    const leases = this.#disks.of(context);
    const known = this.#nodes.get(context.instanceId);
    if (known === undefined) {
      const node = new OracleNode(this.#central, context, leases);
      this.#nodes.set(context.instanceId, { node, bootId: context.bootId });
      return new OracleAgent(node);
    }
    if (known.bootId !== context.bootId) {
      known.bootId = context.bootId;
      known.node.reboot(leases);
    }
    return new OracleAgent(known.node);
  }
}
