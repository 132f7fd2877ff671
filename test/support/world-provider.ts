import { EnidError } from "../../src/errors.ts";
import type {
  FailureClass,
  Intent,
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
import type { Dice, WorldClock } from "./world-clock.ts";
import { type CloudInterface, cloudError, observed, type WorldCloud } from "./world-cloud.ts";
import { failureOf, inDoubt, nothingLeft, type Weather, type WorldCalls } from "./world-weather.ts";

/** What the world holds against each act of the provider. */
export interface Watch {
  /** `grows`: it may add something, so that subnet and security groups must be allowed now. */
  executing(intent: Intent, grows: boolean): void;
  /** Before the next call after an answer with ids: they must be durable. */
  reported(intent: Intent, interfaceId: string): void;
  removing(entry: CloudInterface): void;
}

const FOR_GOOD: readonly FailureClass[] = ["limit", "unauthorized", "configuration", "gone", "bug"];
const NEVER_MADE: readonly FailureClass[] = ["subnet-exhausted", "limit", "configuration"];
const LOOKS = 4;

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
          () => this.#done(step.interfaceId, this.#cloud.assign(step.interfaceId, step.count)),
          signal,
          step.subnetId,
        );
      case "create-interface":
        return this.#attached(intent, await this.#create(intent, signal), progress, signal);
      case "remove-interface":
        return { kind: "gone", cidrs: await this.#remove(step.interfaceId, signal), interfaceId: step.interfaceId };
      case "release-blocks":
        throw new Error("nothing plans to release blocks");
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
      if (step.kind === "add-blocks") return await this.#settleAdd(intent, step.interfaceId, step.count, signal);
      if (step.kind === "create-interface" && how === "finish")
        return await this.#finishCreate(intent, progress, signal);
      if (step.kind === "create-interface") return await this.#undoCreate(intent, progress, signal);
      return { kind: "gone", cidrs: await this.#remove(step.interfaceId, signal), interfaceId: step.interfaceId };
    } catch (error) {
      throw inDoubt(error);
    }
  }

  calls(): readonly PlannedCall[] {
    return [];
  }

  async close(): Promise<void> {}

  #resolved(selection: Selection): Resolution {
    const subnets = this.#cloud.allowed(selection);
    if (subnets.length === 0) {
      const values = { selection: JSON.stringify(selection), vpcId: "vpc-1", availabilityZone: "a", seen: "three" };
      throw new EnidError("ENID_SUBNET_NO_MATCH", values);
    }
    return {
      subnets: subnets.map(({ id, tags, free }) => ({ id, cidr: "10.0.0.0/16", freeAddresses: free.length, tags })),
      refused: [],
      securityGroups: selection.securityGroups.length > 0 ? selection.securityGroups : ["sg-00000001"],
    };
  }

  #create(intent: Intent, signal: AbortSignal | undefined): Promise<CloudInterface> {
    const { step } = intent;
    if (step.kind !== "create-interface") throw new Error("not a create");
    return this.calling.change(
      "CreateNetworkInterface",
      () => this.#cloud.create(intent.id, step.subnetId, step.count, intent.securityGroups),
      signal,
      step.subnetId,
    );
  }

  /** From a made interface to the outcome. */
  async #attached(intent: Intent, made: CloudInterface, progress: ReportProgress, signal?: AbortSignal) {
    const { step } = intent;
    if (step.kind !== "create-interface") throw new Error("not a create");
    try {
      if (intent.interfaceId !== made.id) await progress({ interfaceId: made.id });
      this.#watch.reported(intent, made.id);
      if (made.deviceIndex < 0) await this.#attachOrDiscard(made.id, step.deviceIndex, signal);
      await progress({ interfaceId: made.id, attachmentId: made.attachmentId });
      if (intent.deleteOnTermination) await this.calling.change("ModifyNetworkInterfaceAttribute", () => {}, signal);
      return this.#done(made.id, made.addresses);
    } catch (error) {
      throw inDoubt(error);
    }
  }

  async #attachOrDiscard(interfaceId: string, deviceIndex: number, signal?: AbortSignal): Promise<void> {
    try {
      await this.calling.change("AttachNetworkInterface", () => this.#cloud.attach(interfaceId, deviceIndex), signal);
    } catch (error) {
      const failure = failureOf(error);
      if (failure === undefined || failure.effect === "unknown" || !FOR_GOOD.includes(failure.class)) throw error;
      await this.#remove(interfaceId, signal);
      throw nothingLeft(error);
    }
  }

  async #settleAdd(intent: Intent, interfaceId: string, count: number, signal?: AbortSignal): Promise<StepOutcome> {
    const before = new Set(intent.before);
    for (let look = 1; ; look++) {
      const entry = await this.calling.describe(
        "DescribeNetworkInterfaces",
        () => this.#cloud.interfaces.get(interfaceId),
        signal,
      );
      const added = (entry?.addresses ?? []).filter((address) => !before.has(`${address}/32`));
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

  async #remove(interfaceId: string, signal?: AbortSignal): Promise<readonly string[]> {
    const entry = await this.calling.describe(
      "DescribeNetworkInterfaces",
      () => this.#cloud.interfaces.get(interfaceId),
      signal,
    );
    if (entry === undefined) return [];
    const cidrs = entry.addresses.map((address) => `${address}/32`);
    if (entry.deviceIndex >= 0) {
      await this.calling.change(
        "DetachNetworkInterface",
        () => this.#removing(entry, () => this.#cloud.detach(interfaceId)),
        signal,
      );
    }
    try {
      await this.calling.change(
        "DeleteNetworkInterface",
        () => this.#removing(entry, () => this.#cloud.remove(interfaceId)),
        signal,
      );
    } catch (error) {
      throw inDoubt(error);
    }
    return cidrs;
  }

  #removing(entry: CloudInterface, act: () => void): void {
    if (this.#cloud.interfaces.get(entry.id) === entry) this.#watch.removing(entry);
    act();
  }

  #done(interfaceId: string, added: readonly string[]): StepOutcome {
    const entry = this.#cloud.interfaces.get(interfaceId);
    if (entry === undefined) throw cloudError("Describe", { class: "gone", ec2Code: "NotFound", effect: "unknown" });
    return { kind: "done", interface: observed(entry), added: added.map((address) => `${address}/32`) };
  }
}
