import type { Subnet, Tag } from "@aws-sdk/client-ec2";
import { EnidError } from "../../errors.ts";
import type { Resolution, Selection, SubnetFact } from "../../manager/ports/index.ts";
import { canonicalIpv6 } from "./block-units.ts";
import type { Ec2 } from "./ec2.ts";
import type { Filters } from "./ec2-transport.ts";
import type { Identity } from "./metadata.ts";
import { FRESH_AGE_MS, RANGES_AGE_MS, SharedLooks, SUBNETS_AGE_MS } from "./shared-looks.ts";

/** How many subnets or groups an error lists. */
const LISTED = 20;

/**
 * The address ranges of the subnets seen so far. A subnet's range never changes, so that one look lasts; interfaces as
 * EC2 describes them do not carry it.
 */
export class SubnetRanges {
  readonly #looks: SharedLooks;
  readonly #ranges = new Map<string, string>();

  constructor(looks = new SharedLooks()) {
    this.#looks = looks;
  }

  learn(subnetId: string, cidr: string): void {
    if (cidr !== "") this.#ranges.set(subnetId, cidr);
  }

  /** Empty when unknown, or when the subnet has no IPv4 range. */
  of(subnetId: string): string {
    return this.#ranges.get(subnetId) ?? "";
  }

  /** Asks EC2 for those of `subnetIds` that are unknown; no call when all are known. */
  async require(ec2: Ec2, subnetIds: Iterable<string>, signal?: AbortSignal): Promise<void> {
    const missing = [...new Set(subnetIds)].filter((id) => id !== "" && !this.#ranges.has(id));
    if (missing.length === 0) return;
    for (const subnet of await this.#looks.subnets(ec2, { "subnet-id": missing }, RANGES_AGE_MS, signal)) {
      this.#ranges.set(subnet.SubnetId ?? "", subnet.CidrBlock ?? "");
    }
  }
}

type Choice = Pick<Selection, "subnetIds" | "subnetTags">;
type Home = Pick<Identity, "vpcId" | "availabilityZone" | "primarySubnetId">;

/** What the answers of describes are had through, and how old they may be in a fleet. */
export interface Looks {
  readonly ec2: Ec2;
  readonly looks: SharedLooks;
  readonly maxAgeMs: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * The allowed subnets: those of `subnetIds`, else those with all `subnetTags`, else the one of the primary interface;
 * always in the node's VPC and zone. Costs one DescribeSubnets, in a fleet of one node for all. Rejects with
 * ENID_SUBNET_NO_MATCH when none is left; never by an answer that is older than the question.
 */
export async function resolveSubnets(
  { ec2, looks, maxAgeMs, signal }: Looks,
  ranges: SubnetRanges,
  choice: Choice,
  home: Home,
): Promise<Pick<Resolution, "subnets" | "refused">> {
  const look = async (ageMs: number) => {
    const seen = await looks.subnets(ec2, question(choice, home), Math.min(ageMs, SUBNETS_AGE_MS), signal);
    for (const subnet of seen) ranges.learn(subnet.SubnetId ?? "", subnet.CidrBlock ?? "");
    return chooseSubnets(seen, choice, home);
  };
  let { subnets, refused } = await look(maxAgeMs);
  if (subnets.length === 0 && looks.areShared) ({ subnets, refused } = await look(FRESH_AGE_MS));
  if (subnets.length === 0) {
    throw new EnidError(
      "ENID_SUBNET_NO_MATCH",
      {
        selection: describeChoice(choice),
        vpcId: home.vpcId,
        availabilityZone: home.availabilityZone,
        seen: listed(refused.map((one) => `${one.id} (${one.why})`)),
      },
      { details: { refused } },
    );
  }
  return { subnets, refused };
}

/** Pure: which of the subnets seen are allowed, and why each other one is not. Both ordered by id. */
export function chooseSubnets(
  seen: readonly Subnet[],
  choice: Choice,
  home: Home,
): Pick<Resolution, "subnets" | "refused"> {
  const subnets: SubnetFact[] = [];
  const refused: { id: string; why: string }[] = [];
  const wanted = wantedIds(choice, home);
  for (const subnet of [...seen].sort((a, b) => (a.SubnetId ?? "").localeCompare(b.SubnetId ?? ""))) {
    const id = subnet.SubnetId ?? "";
    const tags = tagsOf(subnet.Tags);
    const why = refusal(subnet, tags, choice, wanted, home);
    if (why !== undefined) refused.push({ id, why });
    else {
      subnets.push({
        id,
        cidr: subnet.CidrBlock ?? "",
        freeAddresses: subnet.AvailableIpAddressCount ?? 0,
        ...ipv6Part(subnet),
        tags,
      });
    }
  }
  for (const id of wanted ?? []) {
    if (!seen.some((subnet) => subnet.SubnetId === id)) refused.push({ id, why: "EC2 knows no such subnet" });
  }
  return { subnets, refused };
}

/** A block on its way in or out gives no prefixes, so that only an associated one counts. */
function ipv6Part(subnet: Subnet): Pick<SubnetFact, "ipv6Cidr"> {
  const associations = subnet.Ipv6CidrBlockAssociationSet ?? [];
  const cidr = associations.find((one) => one.Ipv6CidrBlockState?.State === "associated")?.Ipv6CidrBlock;
  return cidr === undefined ? {} : { ipv6Cidr: canonicalIpv6(cidr) };
}

/** Why a tag set lacks what is wanted; undefined when it has all of it. Values compare exactly. */
export function missingTag(
  tags: Readonly<Record<string, string>>,
  wanted: Readonly<Record<string, string>>,
): string | undefined {
  for (const [key, value] of Object.entries(wanted)) {
    const found = Object.hasOwn(tags, key) ? tags[key] : undefined;
    if (found === undefined) return `has no tag ${key}`;
    if (found !== value) return `tag ${key} is ${JSON.stringify(found)}, not ${JSON.stringify(value)}`;
  }
  return undefined;
}

export function tagsOf(tags: readonly Tag[] | undefined): Record<string, string> {
  return Object.fromEntries((tags ?? []).map((tag) => [tag.Key ?? "", tag.Value ?? ""]));
}

/** "a, b, c and 3 more" */
export function listed(items: readonly string[]): string {
  if (items.length === 0) return "none";
  const rest = items.length - LISTED;
  return items.slice(0, LISTED).join(", ") + (rest > 0 ? ` and ${rest} more` : "");
}

function refusal(
  subnet: Subnet,
  tags: Readonly<Record<string, string>>,
  choice: Choice,
  wanted: readonly string[] | undefined,
  home: Home,
): string | undefined {
  if (wanted !== undefined && !wanted.includes(subnet.SubnetId ?? "")) return "not among those named";
  const lacking = wanted === undefined ? missingTag(tags, choice.subnetTags) : undefined;
  if (lacking !== undefined) return lacking;
  if (subnet.VpcId !== home.vpcId) return `in ${subnet.VpcId}, not in the node's VPC`;
  if (subnet.AvailabilityZone !== home.availabilityZone) return `in zone ${subnet.AvailabilityZone}`;
  if (subnet.State !== "available") return `state ${subnet.State}`;
  return undefined;
}

/** Ids win over tags, as in Cilium. With neither, the node's own subnet. Undefined: chosen by tags. */
function wantedIds(choice: Choice, home: Home): readonly string[] | undefined {
  if (choice.subnetIds.length > 0) return choice.subnetIds;
  return Object.keys(choice.subnetTags).length > 0 ? undefined : [home.primarySubnetId];
}

/** By tags the whole VPC is asked for, so that an error can say why each other subnet does not do. */
function question(choice: Choice, home: Home): Filters {
  const wanted = wantedIds(choice, home);
  return wanted === undefined ? { "vpc-id": [home.vpcId] } : { "subnet-id": wanted };
}

function describeChoice(choice: Choice): string {
  if (choice.subnetIds.length > 0) return `subnet-ids ${choice.subnetIds.join(", ")}`;
  const tags = Object.entries(choice.subnetTags);
  if (tags.length === 0) return "the primary interface's subnet";
  return `subnet-tags ${tags.map(([key, value]) => `${key}=${value}`).join(", ")}`;
}
