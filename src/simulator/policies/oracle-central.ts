import { type Clock, sleep } from "../../adapters/index.ts";
import { type SimulatedCloud, SimulatedError } from "../index.ts";
import type { FleetContext, NodeContext } from "../scenario/index.ts";
import { createdOf, hasTags, type ShownSubnet, textOf } from "./answers.ts";
import { AT_LEISURE, OracleQueue, type Urgency, type Wish } from "./oracle-queue.ts";
import type { PeerSettings } from "./peer-settings.ts";

/** How close the oracle's moment of an attachment comes to the real one. */
const ATTACHED_LOOK_MS = 50;
const EXHAUSTED: ReadonlySet<string> = new Set([
  "InsufficientCidrBlocks",
  "InsufficientFreeAddressesInSubnet",
  "InvalidParameterValue",
]);
const EMPTY_FOR_MS = 60_000;

interface CountedSubnet extends ShownSubnet {
  freeAddresses: number;
  emptyUntilMs: number;
}

/** A call that may be hurried; `current` changes as one call follows the other. */
export interface Chain {
  hurry(urgency: Urgency): void;
}

export interface Grown {
  readonly interfaceId: string;
  readonly deviceIndex: number;
  readonly addresses: readonly string[];
}

/** The calls of the whole fleet, one queue for each action, and what the clairvoyant knows of the subnets. */
export class OracleCentral {
  readonly #world: FleetContext;
  readonly #queues = new Map<string, OracleQueue>();
  readonly #subnets: readonly CountedSubnet[];

  constructor(world: FleetContext) {
    this.#world = world;
    this.#subnets = world.cloud.truth().subnets.map((one) => ({ ...one, emptyUntilMs: 0 }));
  }

  get cloud(): SimulatedCloud {
    return this.#world.cloud;
  }

  get clock(): Clock {
    return this.#world.clock;
  }

  log(text: string, node: NodeContext): void {
    this.#world.log("oracle", text, node.node);
  }

  wish(action: string, urgency: Urgency, parameters: Parameters<OracleQueue["wish"]>[1]): Wish {
    let queue = this.#queues.get(action);
    if (queue === undefined) {
      queue = new OracleQueue(this.cloud, this.clock, action);
      this.#queues.set(action, queue);
    }
    return queue.wish(urgency, parameters);
  }

  /** A new interface with so many addresses, attached. Errors: SimulatedError. */
  grow(node: NodeContext, settings: PeerSettings, deviceIndex: number, count: number, first: Urgency) {
    let urgency = first;
    let current: Wish | undefined;
    const step = (action: string, parameters: Parameters<OracleQueue["wish"]>[1]) => {
      current = this.wish(action, urgency, parameters);
      return current.answer;
    };
    const grown = async (): Promise<Grown> => {
      const subnet = this.#subnetFor(node, settings);
      const created = createdOf(
        await step("CreateNetworkInterface", {
          SubnetId: subnet.id,
          SecurityGroupId: [...this.#groupsOf(node, settings)],
          SecondaryPrivateIpAddressCount: count,
        }).catch((thrown: unknown) => {
          if (isExhausted(thrown)) subnet.emptyUntilMs = this.clock.monotonicMs() + EMPTY_FOR_MS;
          throw thrown;
        }),
      );
      subnet.freeAddresses -= count + 1;
      const attached = await step("AttachNetworkInterface", {
        NetworkInterfaceId: created.id,
        InstanceId: node.instanceId,
        DeviceIndex: deviceIndex,
      }).catch((thrown: unknown) => {
        // Nobody waits for it, and it fails only when the interface is gone already.
        const deletion = this.wish("DeleteNetworkInterface", AT_LEISURE, { NetworkInterfaceId: created.id });
        deletion.answer.catch(() => undefined);
        throw thrown;
      });
      if (settings.deleteOnTermination) this.#markForDeletion(created.id, textOf(attached, "attachmentId"));
      await this.#untilAttached(node.instanceId, created.id);
      return { interfaceId: created.id, deviceIndex, addresses: created.secondaryAddresses };
    };
    const chain: Chain = {
      hurry: (sooner) => {
        urgency = sooner < urgency ? sooner : urgency;
        current?.hurry(urgency);
      },
    };
    return { chain, grown: grown() };
  }

  /** Nobody waits for it: the interface goes with its instance. */
  #markForDeletion(interfaceId: string, attachmentId: string): void {
    const parameters = {
      NetworkInterfaceId: interfaceId,
      Attachment: { AttachmentId: attachmentId, DeleteOnTermination: true },
    };
    // It fails only when the interface is gone already.
    this.wish("ModifyNetworkInterfaceAttribute", AT_LEISURE, parameters).answer.catch(() => undefined);
  }

  async #untilAttached(instanceId: string, interfaceId: string): Promise<void> {
    for (;;) {
      const found = this.cloud.interfacesOf(instanceId).find(({ id }) => id === interfaceId);
      if (found?.attachment?.status === "attached") return;
      if (found === undefined) throw new SimulatedError("InvalidNetworkInterfaceID.NotFound", `${interfaceId} is gone`);
      await sleep(this.clock, ATTACHED_LOOK_MS);
    }
  }

  /** The emptiest that the configuration allows, in the instance's zone; without a choice its own. */
  #subnetFor(node: NodeContext, settings: PeerSettings): CountedSubnet {
    const primary = this.cloud.interfacesOf(node.instanceId).find(({ attachment }) => attachment?.deviceIndex === 0);
    const isNamed = settings.subnetIds.length > 0 || Object.keys(settings.subnetTags).length > 0;
    const isAllowed = ({ id, tags }: ShownSubnet) => {
      if (settings.subnetIds.length > 0) return settings.subnetIds.includes(id);
      return isNamed ? hasTags(tags, settings.subnetTags) : id === primary?.subnetId;
    };
    const nowMs = this.clock.monotonicMs();
    let best: CountedSubnet | undefined;
    for (const one of this.#subnets) {
      if (one.zone !== primary?.zone || one.vpcId !== primary.vpcId || !isAllowed(one) || one.emptyUntilMs > nowMs)
        continue;
      if (best === undefined || one.freeAddresses > best.freeAddresses) best = one;
    }
    if (best === undefined)
      throw new SimulatedError("InsufficientFreeAddressesInSubnet", "every allowed subnet is empty");
    return best;
  }

  #groupsOf(node: NodeContext, settings: PeerSettings): readonly string[] {
    if (settings.securityGroups.length > 0) return settings.securityGroups;
    const primary = this.cloud.interfacesOf(node.instanceId).find(({ attachment }) => attachment?.deviceIndex === 0);
    return primary?.securityGroups ?? [];
  }
}

function isExhausted(thrown: unknown): boolean {
  return thrown instanceof SimulatedError && EXHAUSTED.has(thrown.code);
}
