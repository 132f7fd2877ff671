import { EnidError } from "../../src/errors.ts";
import type {
  FailureClass,
  Intent,
  Leftover,
  NodeFacts,
  Observation,
  ObservationSource,
  PlannedCall,
  Provider,
  ReportProgress,
  Resolution,
  Selection,
  StepOutcome,
} from "../../src/manager/index.ts";
import type {
  AddBlocksStep,
  CreateInterfaceStep,
  ReleaseBlocksStep,
  RemoveInterfaceStep,
  SetSecurityGroupsStep,
} from "../../src/planning/index.ts";
import type { Dice, WorldClock } from "./world-clock.ts";
import { type CloudInterface, observed, type WorldCloud } from "./world-cloud.ts";
import { cidrsOn, cloudError, refusal } from "./world-subnets.ts";
import { failureOf, inDoubt, nothingLeft, type Weather, type WorldCalls } from "./world-weather.ts";

/** What the world holds against each act of the provider. */
export interface Watch {
  /** `grows`: it may add something, so that subnet and security groups must be allowed now. */
  executing(intent: Intent, grows: boolean): void;
  /** Before the next call after an answer with ids: they must be durable. */
  reported(intent: Intent, interfaceId: string): void;
  removing(entry: CloudInterface): void;
  /** The blocks are about to go back. */
  releasing(entry: CloudInterface, cidrs: readonly string[]): void;
  /** What another node left behind is about to be deleted. */
  sweeping(interfaceId: string): void;
}

const FOR_GOOD: readonly FailureClass[] = ["limit", "unauthorized", "configuration", "gone", "bug"];
const NEVER_MADE: readonly FailureClass[] = ["subnet-exhausted", "limit", "configuration"];
const LOOKS = 4;
/** How often a detach is looked after before the removal is left to be settled. */
const DETACH_LOOKS = 5;

/**
 * The provider of one process over the world's cloud, with the steps and the promises of the real one (providers/aws):
 * Create → report → Attach → report → Modify; a create that is settled is repeated with its token. After `cut` the
 * process is dead: what it asked for may still be carried out, but nobody hears of it.
 */
export class WorldProvider implements Provider {
  readonly name = "world";
  readonly #clock: WorldClock;
  readonly #dice: Dice;
  readonly #cloud: WorldCloud;
  readonly #weather: Weather;
  readonly #watch: Watch;
  readonly calling: WorldCalls;

  constructor(options: {
    clock: WorldClock;
    dice: Dice;
    cloud: WorldCloud;
    weather: Weather;
    watch: Watch;
    calling: WorldCalls;
  }) {
    this.calling = options.calling;
    this.#clock = options.clock;
    this.#dice = options.dice;
    this.#cloud = options.cloud;
    this.#weather = options.weather;
    this.#watch = options.watch;
  }

  identify(signal?: AbortSignal): Promise<NodeFacts> {
    return this.calling.describe("identify", () => this.#cloud.facts(), signal);
  }

  resolve(selection: Selection, signal?: AbortSignal): Promise<Resolution> {
    return this.calling.describe("DescribeSubnets", () => this.#resolved(selection), signal);
  }

  observe(source: ObservationSource, signal?: AbortSignal): Promise<Observation> {
    const startedAtMs = this.#clock.nowMs();
    const { cloudLagMs, metadataLagMs, incomplete } = this.#weather;
    return this.calling.describe(
      `observe ${source}`,
      () => {
        const lagMs = this.#dice.between(0, source === "cloud" ? cloudLagMs : metadataLagMs);
        const complete = source === "cloud" || !this.#dice.chance(incomplete);
        const interfaces = this.#cloud
          .seen(lagMs)
          .filter(({ attached, madeBy }) => attached || (source === "cloud" && madeBy === "enid"))
          .filter(() => complete || this.#dice.chance(0.5));
        return { source, complete, startedAtMs, interfaces };
      },
      signal,
    );
  }

  async execute(intent: Intent, progress: ReportProgress, signal?: AbortSignal): Promise<StepOutcome> {
    const { step } = intent;
    this.#watch.executing(intent, step.kind === "add-blocks" || step.kind === "create-interface");
    switch (step.kind) {
      case "add-blocks":
        return this.calling.change(
          "AssignPrivateIpAddresses",
          () => this.#done(step.interfaceId, this.#cloud.assign(step.interfaceId, step.count, step.unit)),
          signal,
          { subnetId: step.subnetId, unit: step.unit ?? "address" },
        );
      case "create-interface":
        return this.#attached(intent, await this.#create(intent, signal), progress, signal);
      case "remove-interface":
        return this.#removed(step, signal);
      case "release-blocks":
        return this.#release(step, signal);
      case "set-security-groups":
        return this.#setSecurityGroups(step, signal);
    }
  }

  async settle(
    intent: Intent,
    how: "finish" | "undo",
    progress: ReportProgress,
    signal?: AbortSignal,
  ): Promise<StepOutcome> {
    const { step } = intent;
    this.#watch.executing(intent, how === "finish" && step.kind === "create-interface");
    try {
      if (step.kind === "add-blocks") return await this.#settleAdd(intent, step, signal);
      if (step.kind === "create-interface" && how === "finish")
        return await this.#finishCreate(intent, progress, signal);
      if (step.kind === "create-interface") return await this.#undoCreate(intent, progress, signal);
      if (step.kind === "release-blocks") return await this.#release(step, signal);
      if (step.kind === "set-security-groups") return await this.#setSecurityGroups(step, signal);
      return await this.#removed(step, signal);
    } catch (error) {
      throw inDoubt(error);
    }
  }

  leftovers(clusterName: string, signal?: AbortSignal): Promise<readonly Leftover[]> {
    return this.calling.describe("leftovers", () => this.#cloud.cluster.leftovers(clusterName), signal);
  }

  calls(): readonly PlannedCall[] {
    return [];
  }

  async close(): Promise<void> {}

  async #removed({ interfaceId, orphanOf }: RemoveInterfaceStep, signal?: AbortSignal): Promise<StepOutcome> {
    if (orphanOf === undefined) await this.#remove(interfaceId, signal);
    else await this.#removeOrphan(interfaceId, signal);
    return { kind: "gone", cidrs: [], interfaceId };
  }

  /** Never detaches, and refuses what is attached by now. */
  async #removeOrphan(interfaceId: string, signal?: AbortSignal): Promise<void> {
    const { cluster } = this.#cloud;
    const refuseAttached = (action: string) => {
      if (cluster.isAttached(interfaceId)) throw refusal(action, "gone", "InvalidNetworkInterface.InUse");
    };
    await this.calling.describe("describe", () => refuseAttached("DescribeNetworkInterfaces"), signal);
    const act = () => {
      refuseAttached("DeleteNetworkInterface");
      this.#watch.sweeping(interfaceId);
      cluster.remove(interfaceId);
    };
    await this.calling.change("DeleteNetworkInterface", act, signal);
  }

  async #release(step: ReleaseBlocksStep, signal?: AbortSignal): Promise<StepOutcome> {
    const { interfaceId, cidrs } = step;
    await this.calling.change(
      cidrs.some((cidr) => cidr.includes(":")) ? "UnassignIpv6Addresses" : "UnassignPrivateIpAddresses",
      () => {
        const entry = this.#cloud.interfaces.get(interfaceId);
        if (entry !== undefined) this.#watch.releasing(entry, cidrs);
        this.#cloud.unassign(interfaceId, cidrs);
      },
      signal,
    );
    return { kind: "gone", cidrs, interfaceId };
  }

  #setSecurityGroups(step: SetSecurityGroupsStep, signal?: AbortSignal): Promise<StepOutcome> {
    const { interfaceId, securityGroups } = step;
    return this.calling.change(
      "ModifyNetworkInterfaceAttribute",
      () => {
        this.#cloud.setSecurityGroups(interfaceId, securityGroups);
        return this.#done(interfaceId, []);
      },
      signal,
    );
  }

  #resolved(selection: Selection): Resolution {
    const subnets = this.#cloud.allowed(selection);
    if (subnets.length === 0) {
      const values = { selection: JSON.stringify(selection), vpcId: "vpc-1", availabilityZone: "a", seen: "three" };
      throw new EnidError("ENID_SUBNET_NO_MATCH", values);
    }
    return {
      subnets: subnets.map(({ id, tags, free, ipv6 }, n) => ({
        id,
        cidr: "10.0.0.0/16",
        freeAddresses: free.length,
        ...(ipv6 ? { ipv6Cidr: `2001:db8:0:${n + 1}::/64` } : {}),
        tags,
      })),
      refused: [],
      securityGroups: selection.securityGroups.length > 0 ? selection.securityGroups : this.#groupsOfPrimary(),
    };
  }

  /** As metadata has them. */
  #groupsOfPrimary(): readonly string[] {
    const seen = this.#cloud.seen(this.#dice.between(0, this.#weather.metadataLagMs));
    return (seen.find(({ id }) => id === this.#cloud.primaryId) ?? this.#cloud.primary).securityGroups;
  }

  #create(intent: Intent, signal: AbortSignal | undefined): Promise<CloudInterface> {
    const { step } = intent;
    if (step.kind !== "create-interface") throw new Error("not a create");
    return this.calling.change(
      "CreateNetworkInterface",
      () => {
        const { securityGroups, tags } = intent;
        return this.#cloud.create(intent.id, { ...step, securityGroups, cluster: tags?.["enid.io/cluster"] ?? "" });
      },
      signal,
      { subnetId: step.subnetId, unit: step.unit ?? "address" },
    );
  }

  /** From a made interface to the outcome. */
  async #attached(intent: Intent, made: CloudInterface, progress: ReportProgress, signal?: AbortSignal) {
    const { step } = intent;
    if (step.kind !== "create-interface") throw new Error("not a create");
    try {
      if (intent.interfaceId !== made.id) await progress({ interfaceId: made.id });
      this.#watch.reported(intent, made.id);
      if (made.deviceIndex < 0) await this.#attachOrDiscard(step, made.id, signal);
      await progress({ interfaceId: made.id, attachmentId: made.attachmentId });
      if (intent.deleteOnTermination) await this.calling.change("ModifyNetworkInterfaceAttribute", () => {}, signal);
      return this.#done(made.id, cidrsOn(made));
    } catch (error) {
      throw inDoubt(error);
    }
  }

  async #attachOrDiscard(step: CreateInterfaceStep, interfaceId: string, signal?: AbortSignal): Promise<void> {
    try {
      const attach = () => this.#cloud.attach(interfaceId, step.deviceIndex, step.networkCard);
      await this.calling.change("AttachNetworkInterface", attach, signal);
    } catch (error) {
      const failure = failureOf(error);
      if (failure === undefined || failure.effect === "unknown" || !FOR_GOOD.includes(failure.class)) throw error;
      await this.#remove(interfaceId, signal);
      throw nothingLeft(error);
    }
  }

  async #settleAdd(intent: Intent, step: AddBlocksStep, signal?: AbortSignal): Promise<StepOutcome> {
    const { interfaceId, count, unit } = step;
    const ofIpv6 = unit === "ipv6-prefix";
    const before = new Set(intent.before);
    for (let look = 1; ; look++) {
      const entry = await this.calling.describe(
        "DescribeNetworkInterfaces",
        () => this.#cloud.interfaces.get(interfaceId),
        signal,
      );
      const added = (entry === undefined ? [] : cidrsOn(entry)).filter(
        (cidr) => !before.has(cidr) && cidr.includes(":") === ofIpv6,
      );
      // A call of the process before may still be on its way.
      if (added.length < count && look < LOOKS) await this.#clock.sleep(2_000);
      else return entry === undefined || added.length === 0 ? { kind: "undone" } : this.#done(interfaceId, added);
    }
  }

  async #finishCreate(intent: Intent, progress: ReportProgress, signal?: AbortSignal): Promise<StepOutcome> {
    const { interfaceId } = intent;
    if (interfaceId !== undefined) {
      const entry = await this.calling.describe(
        "DescribeNetworkInterfaces",
        () => this.#cloud.interfaces.get(interfaceId),
        signal,
      );
      return entry === undefined ? { kind: "undone" } : this.#attached(intent, entry, progress, signal);
    }
    try {
      return await this.#attached(intent, await this.#create(intent, signal), progress, signal);
    } catch (error) {
      const failure = failureOf(error);
      if (failure?.effect !== "none") throw error;
      if (this.#madeAndGone(intent)) return { kind: "undone" };
      throw NEVER_MADE.includes(failure.class) && this.#cloud.madeWith(intent.id) === undefined
        ? nothingLeft(error)
        : error;
    }
  }

  async #undoCreate(intent: Intent, progress: ReportProgress, signal?: AbortSignal): Promise<StepOutcome> {
    if (intent.interfaceId !== undefined) {
      await this.#remove(intent.interfaceId, signal);
      return { kind: "undone" };
    }
    try {
      const made = await this.#create(intent, signal);
      await progress({ interfaceId: made.id });
      await this.#remove(made.id, signal);
      return { kind: "undone" };
    } catch (error) {
      if (this.#madeAndGone(intent)) return { kind: "undone" };
      const failure = failureOf(error);
      const never = failure?.effect === "none" && NEVER_MADE.includes(failure.class);
      if (never && this.#cloud.madeWith(intent.id) === undefined) return { kind: "undone" };
      throw error;
    }
  }

  #madeAndGone(intent: Intent): boolean {
    const made = this.#cloud.madeWith(intent.id);
    return made !== undefined && !this.#cloud.interfaces.has(made);
  }

  async #remove(interfaceId: string, signal?: AbortSignal): Promise<void> {
    const entry = await this.calling.describe(
      "DescribeNetworkInterfaces",
      () => this.#cloud.interfaces.get(interfaceId),
      signal,
    );
    if (entry === undefined) return;
    if (entry.deviceIndex >= 0) {
      await this.calling.change(
        "DetachNetworkInterface",
        () => this.#removing(entry, () => this.#cloud.detach(interfaceId)),
        signal,
      );
    }
    try {
      for (let look = 1; this.#cloud.isLeaving(entry) && look < DETACH_LOOKS; look++) await this.#clock.sleep(3_000);
      await this.calling.change(
        "DeleteNetworkInterface",
        () => this.#removing(entry, () => this.#cloud.remove(interfaceId)),
        signal,
      );
    } catch (error) {
      throw inDoubt(error);
    }
  }

  #removing(entry: CloudInterface, act: () => void): void {
    if (this.#cloud.interfaces.get(entry.id) === entry) this.#watch.removing(entry);
    act();
  }

  #done(interfaceId: string, added: readonly string[]): StepOutcome {
    const entry = this.#cloud.interfaces.get(interfaceId);
    if (entry === undefined) throw cloudError("Describe", { class: "gone", ec2Code: "NotFound", effect: "unknown" });
    return { kind: "done", interface: observed(entry), added };
  }
}
