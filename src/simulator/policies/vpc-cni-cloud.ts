/**
 * What the VPC CNI asks of EC2 and of instance metadata, call by call.
 * Source: aws/amazon-vpc-cni-k8s at b52188387f2e (August 2026), pkg/awsutils/awsutils.go: DescribeAllENIs, TagENI,
 * IsSubnetExcluded (one DescribeSubnets for each interface set up), AllocENI (DescribeSubnets, CreateNetworkInterface,
 * DescribeInstances for a free device number, AttachNetworkInterface, ModifyNetworkInterfaceAttribute),
 * waitForENIAndIPsAttached (metadata, 100 ms doubling, 15 % jitter, 12 times), FreeENI (DescribeNetworkInterfaces,
 * DetachNetworkInterface, 2 s, DeleteNetworkInterface; 12 tries each), cleanUpLeakedENIs (0 to 300 s after the start and
 * after each hour). Its EC2 client is made by config.LoadDefaultConfig without retry options: 3 attempts.
 */
import { type Clock, sleep } from "../../adapters/index.ts";
import type { Dice } from "../engine/index.ts";
import { type SimulatedCloud, SimulatedError } from "../index.ts";
import type { NodeContext } from "../scenario/index.ts";
import {
  assignedOf,
  createdOf,
  hasTags,
  interfaceOf,
  listOf,
  type ShownInterface,
  type ShownSubnet,
  subnetsOf,
  textOf,
} from "./answers.ts";
import type { Ec2Client } from "./ec2-client.ts";
import { InstanceMetadata, type MetadataInterface } from "./instance-metadata.ts";
import type { PeerSettings } from "./peer-settings.ts";

const NODE_TAG = "node.k8s.amazonaws.com/instance_id";
const CREATED_TAG = "node.k8s.amazonaws.com/createdAt";
const DESCRIPTION = "aws-K8S-";
const MAX_TRIES = 12;
const MAX_BACKOFF_MS = 60_000;
const AFTER_DETACH_MS = 2_000;
const LEAK_AGE_MS = 300_000;

export interface VpcCniCloudOptions {
  readonly cloud: SimulatedCloud;
  readonly ec2: Ec2Client;
  readonly clock: Clock;
  readonly dice: Dice;
  readonly node: NodeContext;
  readonly settings: PeerSettings;
}

interface Backoff {
  readonly firstMs: number;
  readonly jitter: number;
  readonly tries: number;
}

export class VpcCniCloud {
  readonly #options: VpcCniCloudOptions;
  readonly #metadata: InstanceMetadata;
  #primary: ShownInterface | undefined;

  constructor(options: VpcCniCloudOptions) {
    this.#options = options;
    this.#metadata = new InstanceMetadata(options.cloud, options.node.instanceId);
  }

  /** The interfaces that metadata shows, with what EC2 says of them. Up to 12 tries of the describe. */
  async describeAll(): Promise<readonly { readonly seen: MetadataInterface; readonly shown: ShownInterface }[]> {
    const seen = this.#metadata.interfaces();
    let thrown: unknown;
    for (let tries = 0; tries < MAX_TRIES; tries += 1) {
      try {
        const answer = await this.#call("DescribeNetworkInterfaces", { NetworkInterfaceId: seen.map(({ id }) => id) });
        const shown = new Map(
          listOf(answer, "networkInterfaceSet").map((one) => [textOf(one, "networkInterfaceId"), one]),
        );
        const all = seen.flatMap((one) => {
          const found = shown.get(one.id);
          return found === undefined ? [] : [{ seen: one, shown: interfaceOf(found) }];
        });
        this.#primary = all.find(({ shown: one }) => one.deviceIndex === 0)?.shown;
        return all;
      } catch (error) {
        thrown = error;
        await sleep(this.#options.clock, tries * 10);
      }
    }
    throw thrown;
  }

  /** Nothing when the tag is there. */
  async tag({ id, tags }: ShownInterface): Promise<void> {
    const wanted = { [NODE_TAG]: this.#instanceId };
    if (hasTags(tags, wanted)) return;
    const parameters = { ResourceId: [id], Tag: [{ Key: NODE_TAG, Value: this.#instanceId }] };
    await this.#retry({ firstMs: 500, jitter: 0.3, tries: 5 }, () => this.#call("CreateTags", parameters));
  }

  /** Asks whether the interface's subnet is excluded by a tag. No subnet here is: only the call counts. */
  async checkSubnet(): Promise<void> {
    await this.#subnets();
  }

  async assign(interfaceId: string, count: number): Promise<readonly string[]> {
    const parameters = { NetworkInterfaceId: interfaceId, SecondaryPrivateIpAddressCount: count };
    return assignedOf(await this.#call("AssignPrivateIpAddresses", parameters));
  }

  async unassign(interfaceId: string, addresses: readonly string[]): Promise<void> {
    await this.#call("UnassignPrivateIpAddresses", {
      NetworkInterfaceId: interfaceId,
      PrivateIpAddress: [...addresses],
    });
  }

  /** A new interface, attached and shown by metadata with its addresses, and those addresses. */
  async allocate(count: number): Promise<{ readonly id: string; readonly addresses: readonly string[] }> {
    const created = await this.#create(count);
    const attachmentId = await this.#attach(created.id);
    try {
      await this.#call("ModifyNetworkInterfaceAttribute", {
        NetworkInterfaceId: created.id,
        Attachment: { AttachmentId: attachmentId, DeleteOnTermination: true },
      });
    } catch (thrown) {
      await this.free(created.id);
      throw thrown;
    }
    const addresses = await this.#waitForMetadata(created.mac, count);
    await this.checkSubnet();
    return { id: created.id, addresses };
  }

  /** Detaches and deletes. */
  async free(interfaceId: string): Promise<void> {
    const answer = await this.#call("DescribeNetworkInterfaces", { NetworkInterfaceId: [interfaceId] });
    const [shown] = listOf(answer, "networkInterfaceSet").map(interfaceOf);
    if (shown === undefined || shown.attachmentId === "") return;
    await this.#retry({ firstMs: 200, jitter: 0.15, tries: MAX_TRIES }, () =>
      this.#call("DetachNetworkInterface", { AttachmentId: shown.attachmentId }),
    );
    await sleep(this.#options.clock, AFTER_DETACH_MS);
    await this.#delete(interfaceId);
  }

  /**
   * getLeakedENIs: deletes interfaces of any node of the VPC that hang on nothing, are described as it describes its own,
   * and are older than 5 minutes. One without a time gets one, and is left for the next sweep.
   */
  async sweep(): Promise<void> {
    const answer = await this.#call("DescribeNetworkInterfaces", {
      Filter: [
        { Name: "status", Value: ["available"] },
        { Name: "tag-key", Value: [NODE_TAG] },
        { Name: "vpc-id", Value: [this.#primary?.vpcId ?? ""] },
      ],
      MaxResults: 1_000,
    });
    const oldestMs = this.#options.node.clock.nowMs() - LEAK_AGE_MS;
    for (const { id, tags, description } of listOf(answer, "networkInterfaceSet").map(interfaceOf)) {
      if (!description.startsWith(DESCRIPTION)) continue;
      const created = tags[CREATED_TAG];
      if (created === undefined) await this.#tagTime(id);
      else if (!(Date.parse(created) > oldestMs)) await this.#delete(id);
    }
  }

  get #instanceId(): string {
    return this.#options.node.instanceId;
  }

  /** RFC 3339, whole seconds. */
  #time(): string {
    return new Date(this.#options.node.clock.nowMs()).toISOString().replace(/\.\d+Z$/, "Z");
  }

  async #tagTime(interfaceId: string): Promise<void> {
    const parameters = { ResourceId: [interfaceId], Tag: [{ Key: CREATED_TAG, Value: this.#time() }] };
    await this.#retry({ firstMs: 500, jitter: 0.3, tries: 5 }, () => this.#call("CreateTags", parameters));
  }

  /**
   * In the subnet with the most free addresses: the primary interface's, or one tagged for the VPC CNI
   * (kubernetes.io/role/cni=1). The subnets that the node's configuration names stand for those so tagged.
   */
  async #create(count: number): Promise<ShownInterface> {
    const { settings } = this.#options;
    const isTagged = ({ id, tags }: ShownSubnet) =>
      settings.subnetIds.includes(id) ||
      (Object.keys(settings.subnetTags).length > 0 && hasTags(tags, settings.subnetTags));
    const subnets = [...(await this.#subnets())]
      .filter((one) => one.id === this.#primary?.subnetId || isTagged(one))
      .sort((one, other) => other.freeAddresses - one.freeAddresses);
    let thrown: unknown = new SimulatedError(
      "InsufficientFreeAddressesInSubnet",
      "no valid subnet for a new interface",
    );
    for (const { id } of subnets) {
      try {
        return createdOf(await this.#call("CreateNetworkInterface", this.#creation(id, count)));
      } catch (error) {
        thrown = error;
      }
    }
    throw thrown;
  }

  #creation(subnetId: string, count: number) {
    const { node, settings } = this.#options;
    const named = settings.securityGroups.length > 0 ? settings.securityGroups : (this.#primary?.securityGroups ?? []);
    return {
      SubnetId: subnetId,
      Description: `${DESCRIPTION}${node.instanceId}`,
      SecurityGroupId: [...named],
      SecondaryPrivateIpAddressCount: count,
      TagSpecification: [
        {
          ResourceType: "network-interface",
          Tag: [
            { Key: NODE_TAG, Value: node.instanceId },
            { Key: CREATED_TAG, Value: this.#time() },
          ],
        },
      ],
    };
  }

  async #attach(interfaceId: string): Promise<string> {
    try {
      const answer = await this.#call("DescribeInstances", { InstanceId: [this.#instanceId] });
      const [instance] = listOf(answer, "reservationSet").flatMap((one) => listOf(one, "instancesSet"));
      const interfaces = instance === undefined ? [] : listOf(instance, "networkInterfaceSet").map(interfaceOf);
      const taken = new Set(interfaces.map(({ deviceIndex }) => deviceIndex));
      let deviceIndex = 0;
      while (taken.has(deviceIndex)) deviceIndex += 1;
      const attached = await this.#call("AttachNetworkInterface", {
        NetworkInterfaceId: interfaceId,
        InstanceId: this.#instanceId,
        DeviceIndex: deviceIndex,
      });
      return textOf(attached, "attachmentId");
    } catch (thrown) {
      await this.#delete(interfaceId).catch(() => undefined);
      throw thrown;
    }
  }

  /** Without the primary address; a part of them when the rest does not show within the 12 tries. */
  async #waitForMetadata(mac: string, count: number): Promise<readonly string[]> {
    let shown: readonly string[] = [];
    const look = async () => {
      shown = (this.#metadata.addresses(mac) ?? []).slice(1);
      if (shown.length < count)
        throw new SimulatedError("MetadataIncomplete", `metadata shows ${shown.length} of ${count}`);
    };
    await this.#retry({ firstMs: 100, jitter: 0.15, tries: MAX_TRIES }, look).catch((thrown: unknown) => {
      if (shown.length === 0) throw thrown;
    });
    return shown;
  }

  async #delete(interfaceId: string): Promise<void> {
    await this.#retry({ firstMs: 500, jitter: 0.15, tries: MAX_TRIES }, async () => {
      try {
        await this.#call("DeleteNetworkInterface", { NetworkInterfaceId: interfaceId });
      } catch (thrown) {
        if (!(thrown instanceof SimulatedError) || thrown.code !== "InvalidNetworkInterfaceID.NotFound") throw thrown;
      }
    });
  }

  async #subnets(): Promise<readonly ShownSubnet[]> {
    const answer = await this.#call("DescribeSubnets", {
      Filter: [
        { Name: "vpc-id", Value: [this.#primary?.vpcId ?? ""] },
        { Name: "availability-zone", Value: [this.#primary?.zone ?? ""] },
      ],
    });
    return subnetsOf(answer);
  }

  async #retry({ firstMs, jitter, tries }: Backoff, act: () => Promise<unknown>): Promise<void> {
    for (let delayMs = firstMs, tried = 1; ; delayMs = Math.min(MAX_BACKOFF_MS, delayMs * 2), tried += 1) {
      try {
        await act();
        return;
      } catch (thrown) {
        if (tried === tries) throw thrown;
        await sleep(this.#options.clock, delayMs * (1 + jitter * this.#options.dice.fraction()));
      }
    }
  }

  #call(action: string, parameters: Parameters<Ec2Client["call"]>[1]) {
    return this.#options.ec2.call(action, parameters);
  }
}
