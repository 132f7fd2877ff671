import type { Clock } from "../../adapters/index.ts";
import type { AddAnswer, AddRequest, LeaseService } from "../../handoff/cni/index.ts";
import type { CiliumAgent } from "./agent.ts";

type Lease = NonNullable<ReturnType<LeaseService["lookup"]>>;
type Attachment = Lease["attachment"];

/**
 * The agent as a CNI plugin asks it: ADD makes an endpoint with an address, DEL ends it. Endpoints outlive the agent's
 * processes and end with the boot. There is no GC: cilium-cni has none.
 */
export class AgentLeases implements LeaseService {
  readonly #agent: CiliumAgent;
  readonly #clock: Clock;
  readonly #leases = new Map<string, Lease>();

  constructor(agent: CiliumAgent, clock: Clock) {
    this.#agent = agent;
    this.#clock = clock;
  }

  /** Errors: ENID_NO_ADDRESS. */
  async add({ attachment, pod }: AddRequest): Promise<AddAnswer> {
    const known = this.lookup(attachment);
    if (known !== undefined) return { address: known.address };
    const address = this.#agent.allocateNow(`${pod.namespace}/${pod.name}`);
    this.#leases.set(keyOf(attachment), { address, attachment, pod, leasedAtMs: this.#clock.nowMs() });
    return { address };
  }

  async remove(attachment: Attachment): Promise<void> {
    const lease = this.lookup(attachment);
    if (lease === undefined) return;
    this.#leases.delete(keyOf(attachment));
    this.#agent.release(lease.address);
  }

  lookup(attachment: Attachment): Lease | undefined {
    return this.#leases.get(keyOf(attachment));
  }

  notReady(): undefined {
    // STATUS of cilium-cni asks whether the agent answers, and no more.
    return undefined;
  }

  /** The machine is booted. */
  clear(): void {
    this.#leases.clear();
  }
}

function keyOf({ network, containerId, interfaceName }: Attachment): string {
  return `${network} ${containerId} ${interfaceName}`;
}
