import { EnidError } from "../../errors.ts";
import { makeEc2Client } from "./clients.ts";
import { Ec2 } from "./ec2.ts";
import { Ec2Transport } from "./ec2-transport.ts";
import { type Identity, readIdentity } from "./metadata.ts";
import { MetadataClient } from "./metadata-client.ts";
import { MutationQueues } from "./mutation-queues.ts";
import { type AwsProviderOptions, DEFAULT_LIMITS, type Ec2Sender, type Surroundings } from "./options.ts";
import { FactSource, type PermissionSettings } from "./permissions-facts.ts";
import { creation, type Probe, type ProbeFacts, probesOf, type Untried } from "./permissions-probes.ts";
import { NEEDS, type Need, PERMISSIONS, type Permission } from "./permissions-table.ts";
import { allowedThough, type Finding, judge, type Verdict } from "./permissions-verdicts.ts";

export interface PermissionCheck {
  /** The action of EC2; in IAM `ec2:` stands before it. */
  readonly action: string;
  readonly verdict: Verdict;
  /** With these settings enid calls it. */
  readonly needed: boolean;
  /** "always", or the settings that make it necessary. */
  readonly neededFor: string;
  /** What it was tried on. Empty = it was not tried. */
  readonly on: string;
  /** Sids of deploy/iam/enid-node.json that are missing, or whose condition does not hold. */
  readonly statements: readonly string[];
  /** Why it is not allowed, or not known to be; when it is allowed, empty or how that shows. */
  readonly detail: string;
}

export interface PermissionReport {
  readonly instanceId: string;
  readonly region: string;
  readonly vpcId: string;
  /** One for each action that enid can call. */
  readonly checks: readonly PermissionCheck[];
  /** What could not be found out as the daemon would, and what was taken instead. */
  readonly notes: readonly string[];
}

/**
 * Tries every action that enid can call, with the node's own interfaces, subnets and groups. Nothing is changed: a call
 * has DryRun set, or, where EC2 knows none, asks for what cannot be; and no mutation is tried before EC2 has honoured
 * DryRun for the describes.
 *
 * @throws EnidError when nothing can be said at all: no metadata, no credentials, EC2 does not answer.
 */
export async function checkPermissions(
  options: AwsProviderOptions,
  settings: PermissionSettings,
): Promise<PermissionReport> {
  const { clock, random, telemetry, environment } = options;
  const world: Surroundings = { clock, random, telemetry, limits: { ...DEFAULT_LIMITS, ...options.limits } };
  const endpoint =
    options.metadataEndpoint ?? (environment.AWS_EC2_METADATA_SERVICE_ENDPOINT || "http://169.254.169.254");
  const metadata = new MetadataClient(world, endpoint, (options.direct ?? options.transport)?.metadata);
  try {
    const identity = await readIdentity(metadata);
    const client = makeEc2Client(options, world.limits, identity.region);
    try {
      return await new Check(world, client, metadata, identity, settings).run();
    } finally {
      client.destroy();
    }
  } finally {
    metadata.close();
  }
}

class Check {
  readonly #client: Ec2Sender;
  readonly #transport: Ec2Transport;
  readonly #metadata: MetadataClient;
  readonly #identity: Identity;
  readonly #settings: PermissionSettings;
  /** EC2 has judged at least one call. */
  #judged = false;

  constructor(
    world: Surroundings,
    client: Ec2Sender,
    metadata: MetadataClient,
    identity: Identity,
    settings: PermissionSettings,
  ) {
    this.#client = client;
    this.#transport = new Ec2Transport(world, new MutationQueues(world.limits.mutationsAtOnce));
    this.#metadata = metadata;
    this.#identity = identity;
    this.#settings = settings;
  }

  async run(): Promise<PermissionReport> {
    const { instanceId, region, vpcId } = this.#identity;
    const source = new FactSource(
      new Ec2(this.#client, this.#transport),
      this.#metadata,
      this.#identity,
      this.#settings,
    );
    const nothing = source.nothing();
    const looks = PERMISSIONS.filter(({ action }) => action.startsWith("Describe"));
    const checks: PermissionCheck[] = [];
    // Describes first, and without the facts that need them: they also show that EC2 answers and honours DryRun.
    for (const permission of looks) checks.push(await this.#check(permission, nothing));
    const facts = await source.facts();
    for (const permission of PERMISSIONS) {
      if (looks.includes(permission)) continue;
      if (permission.action === "CreateNetworkInterface") checks.push(...(await this.#creation(facts)));
      else if (permission.within === undefined) checks.push(await this.#check(permission, facts));
    }
    return { instanceId, region, vpcId, checks, notes: source.notes };
  }

  /** The worst of what the calls show by which the action is tried. */
  async #check(permission: Permission, facts: ProbeFacts): Promise<PermissionCheck> {
    const findings: Finding[] = [];
    for (const probe of probesOf(this.#client, permission.action, facts)) {
      findings.push(await this.#try(permission, probe));
    }
    const worst =
      findings.find(({ verdict }) => verdict === "denied") ??
      findings.find(({ verdict }) => verdict === "unknown") ??
      findings[0];
    if (worst === undefined) throw new EnidError("ENID_INTERNAL", { detail: `${permission.action} was not tried` });
    const on = worst.verdict === "allowed" ? findings.map((one) => one.on) : [worst.on];
    return this.#line(permission, { ...worst, on: [...new Set(on)].join(", ") });
  }

  /** CreateNetworkInterface and the ec2:CreateTags within it: which of the two is missing shows without tags. */
  async #creation(facts: ProbeFacts): Promise<readonly PermissionCheck[]> {
    const create = permissionOf("CreateNetworkInterface");
    const tag = permissionOf("CreateTags");
    const finding = await this.#try(create, creation(this.#client, facts, true));
    const inside = { ...finding, statements: [] };
    if (finding.verdict !== "denied") {
      const detail = finding.verdict === "allowed" ? "" : "CreateNetworkInterface, which it comes with, is not known";
      return [this.#line(create, finding), this.#line(tag, { ...inside, detail })];
    }
    const untagged =
      finding.refused === "CreateTags" || finding.refused === "CreateNetworkInterface"
        ? undefined
        : await this.#try(create, creation(this.#client, facts, false));
    if (finding.refused === "CreateTags" || untagged?.verdict === "allowed") {
      const statements = tag.grantors.map(({ sid }) => sid);
      const detail = `statement ${statements.join(", ")} is missing, or its condition does not hold: ${tag.grantors[0]?.condition}`;
      const refused = finding.statements.length === 0 ? finding : { ...finding, statements, detail };
      const open = untagged ?? { ...inside, verdict: "unknown", detail: "refused for the ec2:CreateTags within it" };
      return [this.#line(create, open), this.#line(tag, refused)];
    }
    const detail = "EC2 refuses CreateNetworkInterface, which it comes with";
    return [this.#line(create, finding), this.#line(tag, { ...inside, verdict: "unknown", detail })];
  }

  async #try(permission: Permission, probe: Probe | Untried): Promise<Finding> {
    if ("why" in probe) {
      return { verdict: "unknown", on: probe.on, statements: [], detail: probe.why, refused: "" };
    }
    try {
      await this.#transport.persist(probe.call, probe.send, undefined);
    } catch (error) {
      const finding = judge(permission, probe, error);
      // Without an answer, or without valid credentials, the other calls would fare the same; and none but a describe
      // is tried of an EC2 that has not been seen to judge one.
      if (finding.verdict === "unknown" && !this.#judged) throw error;
      this.#judged ||= finding.verdict !== "unknown";
      return finding;
    }
    if (probe.how === "impossible") return allowedThough(probe, "");
    // Never seen of EC2. What answers here may be an imitation, on which a mutation would be carried out.
    throw new EnidError("ENID_REFUSED", {
      detail: `the EC2 endpoint carried out ${probe.call.action} instead of a dry run; nothing more was tried`,
    });
  }

  #line({ action, need }: Permission, finding: Omit<Finding, "refused">): PermissionCheck {
    const { verdict, on, statements, detail } = finding;
    return { action, verdict, needed: this.#needs(need), neededFor: NEEDS[need], on, statements, detail };
  }

  #needs(need: Need): boolean {
    const { selection, families, parksInReservations } = this.#settings;
    switch (need) {
      case "always":
        return true;
      case "security-groups":
        return selection.securityGroups.length > 0 || Object.keys(selection.securityGroupTags).length > 0;
      case "ipv6":
        return families !== "ipv4";
      case "reservations":
        return parksInReservations;
    }
  }
}

function permissionOf(action: string): Permission {
  const permission = PERMISSIONS.find((one) => one.action === action);
  if (permission === undefined) throw new EnidError("ENID_INTERNAL", { detail: `${action} is not in the table` });
  return permission;
}
