import { EnidError } from "../../errors.ts";
import { type Selection, TAG_CLUSTER } from "../../manager/ports/index.ts";
import type { Ec2 } from "./ec2.ts";
import { fromEc2, type KnownInterface } from "./interfaces.ts";
import { type Identity, readSecurityGroups } from "./metadata.ts";
import type { MetadataClient } from "./metadata-client.ts";
import { TAG_CREATED_AT, TAG_INSTANCE, TAG_INTENT, TAG_MANAGED } from "./options.ts";
import type { ProbeFacts, Target } from "./permissions-probes.ts";
import { resolveSecurityGroups } from "./security-groups.ts";
import { SharedLooks } from "./shared-looks.ts";
import { resolveSubnets, SubnetRanges } from "./subnets.ts";

/** What the settings say about the calls that are needed. */
export interface PermissionSettings {
  readonly selection: Selection;
  readonly families: "ipv4" | "ipv6" | "dual";
  /** Empty = interfaces get no tag of the cluster. */
  readonly clusterName: string;
  /** The primary interface carries pods too (`first-interface-index` 0). */
  readonly primaryCarriesPods: boolean;
  /** Fixed addresses wait in reservations (`fixed-parking`). */
  readonly parksInReservations: boolean;
}

/** what the actions are tried with: of the node itself, as far as its permissions let it be read. */
export class FactSource {
  /** What could not be read, and what is taken instead. */
  readonly notes: string[] = [];
  readonly #ec2: Ec2;
  readonly #metadata: MetadataClient;
  readonly #identity: Identity;
  readonly #settings: PermissionSettings;

  constructor(ec2: Ec2, metadata: MetadataClient, identity: Identity, settings: PermissionSettings) {
    this.#ec2 = ec2;
    this.#metadata = metadata;
    this.#identity = identity;
    this.#settings = settings;
  }

  /** What is known without asking EC2: enough to try the describes. */
  nothing(): ProbeFacts {
    const nobody: Target = { id: "", attachmentId: "", primaryAddress: "", securityGroups: [], tagged: false };
    return { ...this.#known(), subnetId: "", securityGroups: [], changed: nobody, addressed: [] };
  }

  #known(): Pick<ProbeFacts, "instanceId" | "instanceType" | "vpcId" | "tags"> {
    const { instanceId, instanceType, vpcId } = this.#identity;
    const { clusterName } = this.#settings;
    const tags = {
      [TAG_MANAGED]: "true",
      [TAG_INSTANCE]: instanceId,
      [TAG_INTENT]: "check-permissions",
      [TAG_CREATED_AT]: new Date(0).toISOString(),
      ...(clusterName === "" ? {} : { [TAG_CLUSTER]: clusterName }),
    };
    return { instanceId, instanceType, vpcId, tags };
  }

  /** What the daemon would work with; where EC2 does not tell, what metadata knows of the primary interface. */
  async facts(): Promise<ProbeFacts> {
    const { vpcId, primaryMac, primaryInterfaceId, primarySubnetId } = this.#identity;
    const { selection } = this.#settings;
    const ofPrimary = () => readSecurityGroups(this.#metadata, primaryMac);
    const ranges = new SubnetRanges();
    const looks = { ec2: this.#ec2, looks: new SharedLooks(), maxAgeMs: 0 };
    const subnetId = await this.#orElse(
      async () => (await resolveSubnets(looks, ranges, selection, this.#identity)).subnets[0]?.id ?? primarySubnetId,
      async () => primarySubnetId,
      `tried in ${primarySubnetId}, the node's own subnet`,
    );
    const securityGroups = await this.#orElse(
      () => resolveSecurityGroups(looks, selection, vpcId, ofPrimary),
      ofPrimary,
      "tried with the security groups of the primary interface",
    );
    const seen = await this.#orElse(
      () => this.#interfaces(),
      async () => [],
      `tried on ${primaryInterfaceId}, the primary interface, as metadata shows it`,
    );
    const found = seen.find((one) => one.id === primaryInterfaceId);
    const primary: Target =
      found === undefined ? await this.#primaryFromMetadata(await ofPrimary()) : this.#target(found);
    const tagged = seen.map((one) => this.#target(one)).filter((one) => one.tagged && one.id !== primary.id);
    const changed = tagged.find((one) => one.attachmentId !== "") ?? tagged[0] ?? primary;
    const addressed = this.#settings.primaryCarriesPods && changed !== primary ? [primary, changed] : [changed];
    return { ...this.#known(), subnetId, securityGroups, changed, addressed };
  }

  /** Those of this instance, and those of the cluster in this VPC: whichever has the tag that the policy asks for. */
  async #interfaces(): Promise<readonly KnownInterface[]> {
    const { instanceId, vpcId } = this.#identity;
    const own = await this.#ec2.describeInterfaces({ "attachment.instance-id": [instanceId] });
    const [key, value] = this.#tag();
    const ofCluster = await this.#ec2.describeInterfaces({ "vpc-id": [vpcId], [`tag:${key}`]: [value] });
    return [...own, ...ofCluster].map((one) => ({
      ...fromEc2(one, instanceId, ""),
      // Also of an attachment to another node: a dry run does not mind.
      attachmentId: one.Attachment?.AttachmentId ?? "",
    }));
  }

  #target({ id, attachmentId, primaryAddress, securityGroups, tags }: KnownInterface): Target {
    const [key, value] = this.#tag();
    return {
      id,
      attachmentId,
      primaryAddress,
      securityGroups,
      tagged: Object.hasOwn(tags, key) && tags[key] === value,
    };
  }

  async #primaryFromMetadata(securityGroups: readonly string[]): Promise<Target> {
    const { primaryMac, primaryInterfaceId } = this.#identity;
    const path = `/latest/meta-data/network/interfaces/macs/${primaryMac}/local-ipv4s`;
    const [primaryAddress = ""] = (await this.#metadata.lines(path)) ?? [];
    return { id: primaryInterfaceId, attachmentId: "", primaryAddress, securityGroups, tagged: false };
  }

  /** The tag by which the policy knows the interfaces of enid. */
  #tag(): readonly [string, string] {
    const { clusterName } = this.#settings;
    return clusterName === "" ? [TAG_MANAGED, "true"] : [TAG_CLUSTER, clusterName];
  }

  async #orElse<Output>(ask: () => Promise<Output>, other: () => Promise<Output>, instead: string): Promise<Output> {
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof EnidError)) throw error;
      this.notes.push(`${instead}: ${error.message}`);
      return other();
    }
  }
}
