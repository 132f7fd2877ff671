/**
 * cilium-operator in ENI mode: one for all nodes.
 * Source: cilium/cilium, operator/pkg/ipam/nodemanager/{node_manager,node}.go and pkg/aws/ipam/node.go (v1.19/v1.20):
 * an initial full resync, then one each minute; the upkeep of each node runs by itself as soon as a trigger comes (10 ms
 * apart; --parallel-alloc-workers 50 bounds only how many nodes a resync looks at together, which costs no time here), one
 * interface in one pass, Create + Attach + ModifyNetworkInterfaceAttribute for a new one with addresses to fill it as far
 * as wanted; after a pass no other before a sync that began later; each pass that changed something is followed by one
 * DescribeNetworkInterfaces of the instance (cilium/cilium#27791), after which all nodes are looked at, those that lack
 * most first, and what changed is written to their CiliumNodes; failed passes back off 1 s x 2^n with jitter, times
 * ln(1 + nodes), at most 5 min; a new node whose instance is not known costs a describe, one node after the other.
 * Excess release is off (--aws-release-excess-ips=false), prefix delegation too; interfaces without owner are not looked
 * for (the collector runs only with tags or a cluster name).
 *
 * The limiter serves calls in the order in which they were asked for, and the upkeep of all nodes begins at once: in a cold
 * start every node's Create comes before any node's Attach, so that all become ready together at the end.
 *
 * Assumptions: a read or write of Kubernetes takes 50 ms; writes are not limited. The limiter of the source takes a
 * second token from a call that has to wait (Reserve, then Wait); what is documented, 4 calls/s, is what it gets here.
 */
import { type Clock, sleep } from "../../adapters/index.ts";
import { SimulatedError } from "../index.ts";
import type { FleetContext, NodeContext } from "../scenario/index.ts";
import { assignedOf, createdOf, hasTags, type ShownInterface, type ShownSubnet, textOf } from "./answers.ts";
import { CiliumEc2 } from "./cilium-ec2.ts";
import { CiliumNode, type NodeReader } from "./cilium-node.ts";
import { peerSettings } from "./peer-settings.ts";
import { SharedLock } from "./shared-lock.ts";

/** One read or write of the Kubernetes API, from its caller to whoever watches. An assumption. */
export const KUBERNETES_MS = 50;

const TRIGGER_MS = 10;
const RESYNC_MS = 60_000;
const FIRST_RETRY_MS = 1_000;
const BACKOFF_MOST_MS = 300_000;
const BACKOFF_RESET_MS = 600_000;
const ATTACH_TRIES = 5;

export class CiliumOperator {
  readonly #world: FleetContext;
  readonly #clock: Clock;
  readonly #ec2: CiliumEc2;
  readonly #lock = new SharedLock();
  /** By number of the node. */
  readonly #nodes = new Map<number, CiliumNode>();
  readonly #byInstance = new Map<string, CiliumNode>();
  /** What the full resyncs have seen of instances that no CiliumNode names yet. */
  readonly #unclaimed = new Map<string, readonly ShownInterface[]>();
  /** Nodes that the next look at all of them may find something to do for; of the others nothing has changed. */
  readonly #noteworthy = new Set<CiliumNode>();
  readonly #unpublished = new Set<CiliumNode>();
  #discovering: Promise<void> = Promise.resolve();

  constructor(world: FleetContext) {
    this.#world = world;
    this.#clock = world.clock;
    this.#ec2 = new CiliumEc2({ cloud: world.cloud, clock: world.clock, dice: world.dice });
    this.#discovering = this.#begin();
  }

  /** The agent wrote its CiliumNode: a new one, or again after its restart. It reads what is there. */
  announce(context: NodeContext, reader: NodeReader): void {
    this.#clock.after(KUBERNETES_MS, () => {
      const known = this.#nodes.get(context.node);
      if (known?.context.instanceId === context.instanceId) {
        known.reader = reader;
        this.#clock.after(KUBERNETES_MS, () => reader.receive(known.published));
        return;
      }
      if (known !== undefined) this.#forget(known);
      const node = new CiliumNode(context, peerSettings(context), reader);
      this.#nodes.set(context.node, node);
      this.#byInstance.set(context.instanceId, node);
      this.#discovering = this.#discovering.then(() => this.#discover(node));
    });
  }

  /** The CiliumNode was deleted: its upkeep ends, and of the instance nothing is known any more. */
  withdraw(context: NodeContext): void {
    const node = this.#nodes.get(context.node);
    if (node?.context.instanceId === context.instanceId) this.#forget(node);
  }

  /** The agent wrote how many addresses its pods have. */
  reportUsed(context: NodeContext, used: number): void {
    this.#clock.after(KUBERNETES_MS, () => {
      const node = this.#nodes.get(context.node);
      if (node?.context.instanceId !== context.instanceId) return;
      node.used = used;
      this.#consider(node);
    });
  }

  async #begin(): Promise<void> {
    for (;;) {
      try {
        await this.#ec2.instanceTypes();
        await this.#resync();
        break;
      } catch (thrown) {
        this.#noteFailure("start", thrown);
        await sleep(this.#clock, FIRST_RETRY_MS);
      }
    }
    void this.#resyncEachMinute();
  }

  async #resyncEachMinute(): Promise<void> {
    for (let failures = 0; ; ) {
      const startMs = this.#clock.monotonicMs();
      try {
        await this.#resync();
        failures = 0;
        this.#lookAtAll(startMs);
      } catch (thrown) {
        this.#noteFailure("resync", thrown);
        failures += 1;
      }
      await sleep(this.#clock, failures === 0 ? RESYNC_MS : FIRST_RETRY_MS * failures);
    }
  }

  async #resync(): Promise<void> {
    const isWanted = (instanceId: string) => instanceId !== "" && this.#isUnknown(instanceId);
    const shown = await this.#lock.alone(() => this.#ec2.resync(isWanted));
    this.#unclaimed.clear();
    for (const one of shown) {
      const node = this.#byInstance.get(one.instanceId);
      if (node !== undefined) node.learn(one);
      else this.#unclaimed.set(one.instanceId, [...(this.#unclaimed.get(one.instanceId) ?? []), one]);
    }
    for (const node of this.#nodes.values()) if (node.needed > 0) this.#noteworthy.add(node);
  }

  /** What is known of an instance cannot change but by the operator itself. */
  #isUnknown(instanceId: string): boolean {
    return (this.#byInstance.get(instanceId)?.interfaces.size ?? 0) === 0;
  }

  async #discover(node: CiliumNode): Promise<void> {
    if (this.#nodes.get(node.context.node) !== node) return;
    for (const shown of this.#unclaimed.get(node.context.instanceId) ?? []) node.learn(shown);
    this.#unclaimed.delete(node.context.instanceId);
    if (node.interfaces.size === 0) {
      try {
        await this.#describe(node);
      } catch (thrown) {
        this.#noteFailure("new node", thrown, node);
      }
    }
    this.#unpublished.add(node);
    this.#publish(node);
    this.#consider(node);
  }

  #forget(node: CiliumNode): void {
    this.#byInstance.delete(node.context.instanceId);
    this.#noteworthy.delete(node);
    this.#unpublished.delete(node);
    this.#nodes.delete(node.context.node);
  }

  /** allocationNeeded: begins a pass when the node lacks addresses and none runs. */
  #consider(node: CiliumNode): void {
    if (node.isMaintaining || node.needed === 0) return;
    if (node.resyncNeededMs !== undefined) {
      this.#noteworthy.add(node);
      return;
    }
    node.isMaintaining = true;
    this.#noteworthy.delete(node);
    const backoffMs = node.failedAtMs + this.#backoffMs(node) - this.#clock.monotonicMs();
    this.#clock.after(Math.max(TRIGGER_MS, backoffMs), () => void this.#maintain(node));
  }

  async #maintain(node: CiliumNode): Promise<void> {
    if (this.#nodes.get(node.context.node) !== node) return;
    let changed = false;
    try {
      changed = await this.#pass(node);
      node.failures = 0;
      node.resyncNeededMs = this.#clock.monotonicMs();
    } catch (thrown) {
      this.#noteFailure("upkeep", thrown, node);
      const nowMs = this.#clock.monotonicMs();
      node.failures = nowMs - node.failedAtMs > BACKOFF_RESET_MS ? 1 : node.failures + 1;
      node.failedAtMs = nowMs;
      changed = true;
    }
    node.isMaintaining = false;
    if (this.#nodes.get(node.context.node) !== node) return;
    this.#noteworthy.add(node);
    if (!changed) return;
    this.#unpublished.add(node);
    this.#clock.after(TRIGGER_MS, () => void this.#syncInstance(node));
  }

  /** The one describe after each pass. */
  async #syncInstance(node: CiliumNode): Promise<void> {
    try {
      this.#lookAtAll(await this.#describe(node));
    } catch (thrown) {
      this.#noteFailure("sync", thrown, node);
    }
  }

  /** When the sync began. */
  #describe(node: CiliumNode): Promise<number> {
    return this.#lock.together(async () => {
      const startMs = this.#clock.monotonicMs();
      for (const shown of await this.#ec2.interfacesOf(node.context.instanceId)) node.learn(shown);
      return startMs;
    });
  }

  /** After each sync: nodes that lack most first; what changed goes to Kubernetes. */
  #lookAtAll(syncedMs: number): void {
    for (const node of [...this.#noteworthy].sort((one, other) => other.needed - one.needed)) {
      if (node.resyncNeededMs !== undefined && node.resyncNeededMs < syncedMs) node.resyncNeededMs = undefined;
      if (node.resyncNeededMs === undefined) {
        this.#noteworthy.delete(node);
        this.#consider(node);
      }
    }
    for (const node of this.#unpublished) this.#publish(node);
  }

  /** Status, then spec: two writes. */
  #publish(node: CiliumNode): void {
    this.#unpublished.delete(node);
    const pool = node.pool();
    this.#clock.after(2 * KUBERNETES_MS, () => {
      node.published = pool;
      node.reader.receive(pool);
    });
  }

  /** One pass of MaintainIPPool: addresses on one interface, or one new interface. True when it changed something. */
  async #pass(node: CiliumNode): Promise<boolean> {
    const { needed, settings } = node;
    if (needed === 0) return false;
    const surge = Math.max(0, node.reader.pendingPods() - needed);
    const most = needed + settings.maxAboveWatermark + surge;
    const roomiest = node.roomiest();
    if (roomiest !== undefined && this.#freeIn(roomiest.known.subnetId) > 0) {
      const count = Math.min(roomiest.room, most, this.#freeIn(roomiest.known.subnetId));
      try {
        const parameters = { NetworkInterfaceId: roomiest.known.id, SecondaryPrivateIpAddressCount: count };
        node.addAddresses(roomiest.known.id, assignedOf(await this.#ec2.call("AssignPrivateIpAddresses", parameters)));
        return true;
      } catch (thrown) {
        this.#noteFailure("assign", thrown, node);
      }
    }
    if (node.interfaces.size >= settings.maxInterfaces) return false;
    await this.#createInterface(node, Math.min(most, settings.slotsPerInterface));
    return true;
  }

  async #createInterface(node: CiliumNode, count: number): Promise<void> {
    const { settings, context } = node;
    const primary = [...node.interfaces.values()].find(({ deviceIndex }) => deviceIndex === 0);
    const groups = settings.securityGroups.length > 0 ? settings.securityGroups : (primary?.securityGroups ?? []);
    const created = createdOf(
      await this.#ec2.call("CreateNetworkInterface", {
        SubnetId: this.#suitableSubnet(node),
        Description: `Cilium-CNI (${context.instanceId})`,
        SecurityGroupId: [...groups],
        SecondaryPrivateIpAddressCount: count,
        TagSpecification: [
          { ResourceType: "network-interface", Tag: [{ Key: "io.cilium/cilium-managed", Value: "true" }] },
        ],
      }),
    );
    let deviceIndex = node.nextDeviceIndex(settings.firstInterfaceIndex);
    try {
      const attachment = await this.#attach(node, created.id, deviceIndex);
      deviceIndex = attachment.deviceIndex;
      if (settings.deleteOnTermination) {
        await this.#ec2.call("ModifyNetworkInterfaceAttribute", {
          NetworkInterfaceId: created.id,
          Attachment: { AttachmentId: attachment.id, DeleteOnTermination: true },
        });
      }
    } catch (thrown) {
      await this.#ec2.call("DeleteNetworkInterface", { NetworkInterfaceId: created.id }).catch(() => undefined);
      throw thrown;
    }
    node.learn({ ...created, deviceIndex });
  }

  /** At the next index when one is taken, up to 5 times. */
  async #attach(node: CiliumNode, interfaceId: string, firstIndex: number) {
    for (let deviceIndex = firstIndex, tries = 1; ; deviceIndex = node.nextDeviceIndex(deviceIndex + 1), tries += 1) {
      try {
        const answer = await this.#ec2.call("AttachNetworkInterface", {
          NetworkInterfaceId: interfaceId,
          InstanceId: node.context.instanceId,
          DeviceIndex: deviceIndex,
        });
        return { id: textOf(answer, "attachmentId"), deviceIndex };
      } catch (thrown) {
        const isConflict = thrown instanceof SimulatedError && /interface attached at device/.test(thrown.message);
        if (!isConflict || tries === ATTACH_TRIES) throw thrown;
      }
    }
  }

  /** findSuitableSubnet: by id, else by tags, else the node's own when it has enough, else the emptiest of the zone. */
  #suitableSubnet({ settings, home }: CiliumNode): string {
    const own = this.#ec2.subnets.find(({ id }) => id === home?.subnetId);
    const isNamed = settings.subnetIds.length > 0 || Object.keys(settings.subnetTags).length > 0;
    if (!isNamed && own !== undefined && own.freeAddresses > settings.slotsPerInterface) return own.id;
    const isChosen = ({ id, tags }: ShownSubnet) =>
      settings.subnetIds.length > 0 ? settings.subnetIds.includes(id) : hasTags(tags, settings.subnetTags);
    const candidates = this.#ec2.subnets.filter(
      (one) => one.vpcId === home?.vpcId && one.zone === home.zone && isChosen(one),
    );
    const [best] = candidates.sort((one, other) => other.freeAddresses - one.freeAddresses);
    if (best === undefined) throw new SimulatedError("NoMatchingSubnet", "no matching subnet for a new interface");
    return best.id;
  }

  #freeIn(subnetId: string): number {
    return this.#ec2.subnets.find(({ id }) => id === subnetId)?.freeAddresses ?? 0;
  }

  #backoffMs({ failures }: CiliumNode): number {
    if (failures === 0) return 0;
    const longestMs = Math.min(BACKOFF_MOST_MS, FIRST_RETRY_MS * 2 ** failures);
    const drawnMs = FIRST_RETRY_MS + this.#world.dice.fraction() * (longestMs - FIRST_RETRY_MS);
    return Math.min(BACKOFF_MOST_MS, drawnMs * Math.log1p(this.#nodes.size));
  }

  /** Throws what is not an answer of EC2. */
  #noteFailure(what: string, thrown: unknown, node?: CiliumNode): void {
    if (!(thrown instanceof SimulatedError)) throw thrown;
    this.#world.log("operator", `${what} fails: ${thrown.code}`, node?.context.node);
  }
}
