import { EnidError } from "../errors.ts";
import { familyOf, type Lease } from "../pool/index.ts";
import { addressesOfBlock } from "./agent-view.ts";
import type { DegradationName, Degradations } from "./degradations.ts";
import { isElsewhere } from "./fixed-held.ts";
import type { NodeState } from "./node.ts";
import type { Reach, ReachAddress, ReachPicture, ReachReport } from "./ports/index.ts";
import { reachBlocks } from "./reach-blocks.ts";

const SHOWN_AS = {
  "host-routes": "host-routes-failing",
  bird: "bird-failing",
} as const satisfies Record<ReachReport["kind"], DegradationName>;

export interface ReachingOptions {
  readonly node: NodeState;
  readonly reaches: readonly Reach[];
  readonly degradations: Degradations;
  /** Brings the next round forward. */
  readonly wake: () => void;
}

/** Keeps those that make addresses reachable in step with the node: the picture they go by, and what troubles them. */
export class Reaching {
  readonly #options: ReachingOptions;
  /** What the node was like when they were told last. */
  #told = -1;

  constructor(options: ReachingOptions) {
    this.#options = options;
  }

  start(): void {
    const { node, reaches, wake } = this.#options;
    this.#told = node.version;
    for (const reach of reaches) reach.start(() => pictureOf(node), wake);
  }

  /** In every round, and when a lease ended: tells that the picture changed, if it did. */
  look(nowMs: number): void {
    const { node, reaches, degradations } = this.#options;
    if (reaches.length === 0) return;
    if (this.#told !== node.version) {
      this.#told = node.version;
      for (const reach of reaches) reach.changed();
    }
    for (const reach of reaches) {
      const trouble = reach.trouble();
      if (trouble === undefined) degradations.clear(SHOWN_AS[reach.name]);
      else degradations.set(SHOWN_AS[reach.name], trouble, nowMs);
    }
  }

  /** Resolves once the addresses of the lease are reachable; rejects with the EnidError of the first that cannot be. */
  async ready(lease: Lease): Promise<void> {
    const { node, reaches } = this.#options;
    if (reaches.length === 0) return;
    const addresses = reachAddresses(node, lease);
    await Promise.all(reaches.map((reach) => reach.ready(addresses)));
  }

  /** Why pods that run may have limited connectivity. */
  trouble(): EnidError | undefined {
    for (const reach of this.#options.reaches) {
      const trouble = reach.trouble();
      // Of no account for the pods of this node.
      if (trouble?.code === "ENID_NODE_PORT_MARKS") continue;
      if (trouble !== undefined) return new EnidError("ENID_LIMITED", { reason: trouble.message }, { cause: trouble });
    }
    return undefined;
  }

  reports(): readonly ReachReport[] {
    return this.#options.reaches.map((reach) => reach.report());
  }

  async stop(): Promise<void> {
    await Promise.all(this.#options.reaches.map((reach) => reach.stop()));
  }
}

function pictureOf(node: NodeState): ReachPicture {
  const { pool, facts, settings } = node;
  const attached = [...node.interfaces.values()].filter(({ foreign, deviceIndex }) => !foreign && deviceIndex >= 0);
  const interfaces = isAgentsOwn(node) ? [] : attached;
  return {
    primaryInterfaceId: facts?.primaryInterfaceId ?? "",
    interfaces: interfaces.map((record) => ({
      id: record.id,
      mac: record.mac,
      networkCard: record.networkCard,
      deviceIndex: record.deviceIndex,
      subnetCidr: record.subnetCidr,
      primaryAddress: record.primaryAddress,
      primaryIsForPods: settings.values["use-primary-address"] && record.id !== facts?.primaryInterfaceId,
      usable: node.unusableBecause(record) === "",
    })),
    blocks: reachBlocks(node),
    // An address that follows its pod is announced where the pod is now, even if a pod that was cut off still has it here.
    addresses:
      node.agent === undefined
        ? [...pool.leases()]
            .flatMap((lease) => reachAddresses(node, lease))
            .filter(({ address }) => !isElsewhere(node, `${address}/32`))
        : offeredAddresses(node),
    bgp: {
      asn: settings.values.asn,
      includeFile: settings.values["bird-include-file"],
      controlSocket: settings.values["bird-control-socket"],
      neighbors: settings.values.uplinks.map(({ neighbor }) => neighbor),
    },
  };
}

/** The agent makes the way to its pods itself when it knows of interfaces, and so long as it is not known to be of ipam crd. */
function isAgentsOwn({ agent }: NodeState): boolean {
  return agent !== undefined && agent.dialect !== "crd";
}

/** The agent gives them to pods before anybody here hears of it. */
function offeredAddresses(node: NodeState): ReachAddress[] {
  if (isAgentsOwn(node)) return [];
  const blocks = [...node.pool.blocks()].map(({ block }) => block).filter(({ cidr }) => familyOf(cidr) === "ipv4");
  return blocks.flatMap(({ cidr, interfaceId }) => addressesOfBlock(cidr).map((address) => ({ address, interfaceId })));
}

function reachAddresses({ pool }: NodeState, { address, ipv6Address }: Lease): ReachAddress[] {
  const addresses = ipv6Address === undefined ? [address] : [address, ipv6Address];
  return addresses.map((each) => ({ address: each, interfaceId: pool.blockOf(each)?.interfaceId ?? "" }));
}
