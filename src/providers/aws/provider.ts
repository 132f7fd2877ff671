import { coerceError, EnidError } from "../../errors.ts";
import type {
  CallBudget,
  Intent,
  Leftover,
  NodeFacts,
  Observation,
  ObservationSource,
  PlannedCall,
  Provider,
  ReportProgress,
  Reservation,
  Resolution,
  Selection,
  StepFailure,
  StepOutcome,
} from "../../manager/ports/index.ts";
import type { Step } from "../../planning/index.ts";
import { ActionBudgets } from "./action-budget.ts";
import { addBlocks, releaseBlocks, settleAddBlocks } from "./blocks.ts";
import { makeEc2Client, readAccount } from "./clients.ts";
import { createInterface } from "./creation.ts";
import { finishCreation, undoCreation } from "./creation-settlement.ts";
import { Ec2 } from "./ec2.ts";
import { Ec2Transport } from "./ec2-transport.ts";
import { setSecurityGroups, settleSecurityGroups } from "./group-change.ts";
import { InterfaceMemory } from "./interfaces.ts";
import { listLeftovers, removeOrphan } from "./leftovers.ts";
import { readLimits } from "./limits.ts";
import { type Identity, readIdentity, readSecurityGroups } from "./metadata.ts";
import { MetadataClient } from "./metadata-client.ts";
import { MutationQueues } from "./mutation-queues.ts";
import { Observer } from "./observation.ts";
import { type AwsProviderOptions, DEFAULT_LIMITS, type Surroundings } from "./options.ts";
import { plannedCalls } from "./planned-calls.ts";
import { removeInterface } from "./removal.ts";
import { readReservations } from "./reservations.ts";
import { resolveSecurityGroups } from "./security-groups.ts";
import { GROUPS_AGE_MS, SharedLooks } from "./shared-looks.ts";
import { type StepContext, stepFailureOf, withFailure, withUnknownEffect } from "./step-context.ts";
import { resolveSubnets, SubnetRanges } from "./subnets.ts";
import { isTaking, settleTaking, takeAddress } from "./taking.ts";

/** Who the node is, and the client of its Region: enough to ask, before the limits are known. */
interface Node {
  readonly identity: Identity;
  readonly ec2: Ec2;
}

/** The provider of EC2 nodes: instance metadata, EC2 and STS. See docs/ec2.md for the calls and what they mean. */
export class AwsProvider implements Provider {
  readonly name = "aws";
  readonly #options: AwsProviderOptions;
  readonly #world: Surroundings;
  readonly #metadata: MetadataClient;
  readonly #queues: MutationQueues;
  readonly #budgets: ActionBudgets;
  readonly #memory: InterfaceMemory;
  readonly #looks: SharedLooks;
  readonly #ranges: SubnetRanges;
  readonly #observer: Observer;
  #node: Promise<Node> | undefined;
  /** What it came to. */
  #here: Node | undefined;
  #facts: Promise<NodeFacts> | undefined;
  #instanceId = "";
  #deleteOnTermination = true;

  constructor(options: AwsProviderOptions) {
    const { clock, random, telemetry, environment } = options;
    this.#options = options;
    this.#world = { clock, random, telemetry, limits: { ...DEFAULT_LIMITS, ...options.limits } };
    const endpoint =
      options.metadataEndpoint ?? (environment.AWS_EC2_METADATA_SERVICE_ENDPOINT || "http://169.254.169.254");
    this.#metadata = new MetadataClient(this.#world, endpoint, (options.direct ?? options.transport)?.metadata);
    this.#queues = new MutationQueues(this.#world.limits.mutationsAtOnce);
    this.#budgets = new ActionBudgets(this.#world, options.fleet?.budget);
    this.#memory = new InterfaceMemory(clock);
    this.#looks = new SharedLooks(options.fleet?.facts);
    this.#ranges = new SubnetRanges(this.#looks);
    this.#observer = new Observer(this.#world, this.#metadata, this.#memory, this.#ranges);
  }

  identify(signal?: AbortSignal): Promise<NodeFacts> {
    return guarded("identify", signal, () => this.#identified(signal));
  }

  resolve(selection: Selection, signal?: AbortSignal, maxAgeMs = Number.POSITIVE_INFINITY): Promise<Resolution> {
    return guarded("resolve", signal, async () => {
      this.#memory.select(selection);
      this.#deleteOnTermination = selection.deleteOnTermination;
      const { identity, ec2 } = await this.#located(signal);
      const ofPrimary = () => readSecurityGroups(this.#metadata, identity.primaryMac, signal);
      const looks = { ec2, looks: this.#looks, signal };
      const [choice, securityGroups] = await Promise.all([
        resolveSubnets({ ...looks, maxAgeMs }, this.#ranges, selection, identity),
        // What a subnet has less than was said is no reason to doubt the groups.
        resolveSecurityGroups({ ...looks, maxAgeMs: GROUPS_AGE_MS }, selection, identity.vpcId, ofPrimary),
      ]);
      return { ...choice, securityGroups };
    });
  }

  observe(source: ObservationSource, signal?: AbortSignal): Promise<Observation> {
    return guarded(`observe ${source}`, signal, async () => {
      const { identity, ec2 } = await this.#located(signal);
      return source === "metadata"
        ? this.#observer.fromMetadata(identity, signal)
        : this.#observer.fromCloud(ec2, identity, signal);
    });
  }

  async execute(intent: Intent, progress: ReportProgress, signal?: AbortSignal): Promise<StepOutcome> {
    const { step } = intent;
    try {
      const context = await this.#context(signal).catch((error) => {
        throw withFailure(error, { effect: "none" });
      });
      switch (step.kind) {
        case "add-blocks":
          return await (isTaking(step) ? takeAddress(context, step, signal) : addBlocks(context, step, signal));
        case "create-interface":
          return await createInterface({ context, intent, step, progress, signal });
        case "release-blocks":
          return await releaseBlocks(context, step, signal);
        case "remove-interface":
          return await removed(context, step, signal);
        case "set-security-groups":
          return await setSecurityGroups(context, step, signal);
      }
    } catch (error) {
      this.#suspectLeftover(step);
      throw stepFailureOf(error) === undefined ? withUnknownEffect(named(step.kind, signal, error)) : error;
    }
  }

  async settle(
    intent: Intent,
    how: "finish" | "undo",
    progress: ReportProgress,
    signal?: AbortSignal,
  ): Promise<StepOutcome> {
    const { step } = intent;
    this.#suspectLeftover(step);
    try {
      const context = await this.#context(signal);
      switch (step.kind) {
        case "add-blocks":
          if (isTaking(step)) return await settleTaking(context, intent, step, signal);
          return await settleAddBlocks(context, intent, step, signal);
        case "create-interface": {
          const creation = { context, intent, step, progress, signal };
          return await (how === "finish" ? finishCreation(creation) : undoCreation(creation));
        }
        // What is given back is not taken again: until EC2 is known to have it, nothing may use it, and when it has
        // it, nothing may either. So both are settled by doing them, whatever is asked.
        case "release-blocks":
          return await releaseBlocks(context, step, signal);
        case "remove-interface":
          return await removed(context, step, signal);
        case "set-security-groups":
          return await settleSecurityGroups(context, step, signal);
      }
    } catch (error) {
      // Whatever went wrong on the way, the intent is as open as before, unless the failure says that it is final.
      throw withUnknownEffect(named(`settle ${step.kind}`, signal, error));
    }
  }

  budget(): readonly CallBudget[] {
    return this.#budgets.state();
  }

  leftovers(clusterName: string, signal?: AbortSignal): Promise<readonly Leftover[]> {
    return guarded("leftovers", signal, async () => {
      const { ec2 } = await this.#located(signal);
      return listLeftovers(ec2, this.#memory, clusterName, signal);
    });
  }

  reservations(subnetIds: readonly string[], signal?: AbortSignal): Promise<readonly Reservation[]> {
    return guarded("reservations", signal, async () => {
      const { ec2 } = await this.#located(signal);
      return readReservations(ec2, this.#looks, subnetIds, signal);
    });
  }

  calls(step: Step): readonly PlannedCall[] {
    return plannedCalls(step, { instanceId: this.#instanceId, deleteOnTermination: this.#deleteOnTermination });
  }

  async close(): Promise<void> {
    this.#metadata.close();
    const node = await this.#node?.catch(() => undefined);
    node?.ec2.close();
  }

  /** Once it succeeded, the same for the life of the process. */
  #located(signal?: AbortSignal): Promise<Node> {
    if (this.#here !== undefined && !signal?.aborted) return Promise.resolve(this.#here);
    this.#node ??= this.#locate().then(
      (node) => {
        this.#here = node;
        return node;
      },
      (error) => {
        this.#node = undefined;
        throw error;
      },
    );
    return unlessAborted(this.#node, signal);
  }

  async #locate(): Promise<Node> {
    const identity = await readIdentity(this.#metadata);
    const { instanceId, accountId, region, availabilityZone: zone } = identity;
    this.#instanceId = instanceId;
    this.#options.fleet?.located?.({ instanceId, accountId, region, zone });
    const client = makeEc2Client(this.#options, this.#world.limits, identity.region);
    return { identity, ec2: new Ec2(client, new Ec2Transport(this.#world, this.#queues, this.#budgets)) };
  }

  #identified(signal?: AbortSignal): Promise<NodeFacts> {
    this.#facts ??= this.#identify().catch((error) => {
      this.#facts = undefined;
      throw error;
    });
    return unlessAborted(this.#facts, signal);
  }

  async #identify(): Promise<NodeFacts> {
    const { identity, ec2 } = await this.#located();
    const { instanceId, instanceType, region, availabilityZone, vpcId, vpcCidrs } = identity;
    const [limits, accountId] = await Promise.all([
      readLimits(this.#world, ec2, this.#looks, instanceType),
      readAccount(this.#options, this.#world, region, identity.accountId),
    ]);
    const { primaryInterfaceId, primarySubnetId } = identity;
    return {
      instanceId,
      instanceType,
      region,
      availabilityZone,
      vpcId,
      ...(vpcCidrs.length === 0 ? {} : { vpcCidrs }),
      accountId,
      primaryInterfaceId,
      primarySubnetId,
      limits,
    };
  }

  /** Steps that did not go straight through may leave an interface that hangs on nothing. */
  #suspectLeftover(step: Step): void {
    const own = step.kind === "create-interface" || (step.kind === "remove-interface" && step.orphanOf === undefined);
    if (own) this.#observer.suspectLeftover();
  }

  async #context(signal?: AbortSignal): Promise<StepContext> {
    const { identity, ec2 } = await this.#located(signal);
    const { limits: instanceLimits } = await this.#identified(signal);
    return {
      world: this.#world,
      ec2,
      identity,
      instanceLimits,
      memory: this.#memory,
      ranges: this.#ranges,
    };
  }
}

async function removed(
  context: StepContext,
  step: Extract<Step, { kind: "remove-interface" }>,
  signal?: AbortSignal,
): Promise<StepOutcome> {
  if (step.orphanOf !== undefined) return removeOrphan(context, step, step.orphanOf, signal);
  await removeInterface(context, step.interfaceId, false, signal);
  // No blocks are named: all that the interface carried went with it.
  return { kind: "gone", cidrs: [], interfaceId: step.interfaceId };
}

/** What several callers wait for is not cancelled by one of them; that one stops waiting. */
function unlessAborted<Output>(shared: Promise<Output>, signal: AbortSignal | undefined): Promise<Output> {
  if (signal === undefined) return shared;
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    shared.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}

/** Every rejection becomes an EnidError. */
async function guarded<Output>(
  action: string,
  signal: AbortSignal | undefined,
  work: () => Promise<Output>,
): Promise<Output> {
  try {
    return await work();
  } catch (error) {
    throw named(action, signal, error);
  }
}

/** An abort between calls surfaces as the signal's own reason, which may be anything. */
function named(action: string, signal: AbortSignal | undefined, error: unknown): EnidError {
  if (error instanceof EnidError || !signal?.aborted) return coerceError(error);
  const details: StepFailure = { class: "transient", ec2Code: "Cancelled", effect: "unknown" };
  const detail = "the caller cancelled it";
  return new EnidError("ENID_EC2_FAILED", { action, code: "Cancelled", detail }, { cause: error, details });
}
