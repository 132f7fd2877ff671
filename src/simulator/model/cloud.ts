/** The simulated cloud: EC2, STS and instance metadata of one account and Region, as one object without any I/O. */
import type { Clock, Random } from "../../adapters/index.ts";
import type { Action, ActionContext, Result } from "./action.ts";
import { ACTIONS } from "./actions/index.ts";
import type { Answer } from "./answer.ts";
import { Buckets } from "./buckets.ts";
import { buildState } from "./build.ts";
import { CallLog } from "./call-log.ts";
import type { InstanceDescription, ModelDescription } from "./description.ts";
import { type FaultEffect, Faults } from "./faults.ts";
import { changeMetadataOptions, eraseInterface, launchInstance, occupy, terminateInstance, vacate } from "./launch.ts";
import { type MetadataRequest, MetadataService } from "./metadata/service.ts";
import { type Fields, type Parameters, readParameters, type Shape } from "./parameters.ts";
import type { Instance, MetadataOptions } from "./records.ts";
import { applySettings, DEFAULT_SETTINGS, type Settings, type SettingsPatch } from "./settings.ts";
import { invalidValue, SimulatedError } from "./simulated-error.ts";
import { type CloudState, emptyState, type World } from "./state.ts";
import { advance } from "./transitions.ts";
import { type Truth, truthOf } from "./truth.ts";

export interface SimulatedCloudOptions {
  readonly description: ModelDescription;
  readonly clock: Clock;
  readonly random: Random;
  /** The name of the model file, for messages. */
  readonly file?: string;
}

/** What is known of a call besides its parameters; everything is for the log except the access key. */
export interface CallContext {
  readonly requestId?: string;
  readonly invocationId?: string;
  readonly attempt?: number;
  /** Whose credentials signed it: decides what GetCallerIdentity says. */
  readonly accessKeyId?: string;
  /** Which service was asked, for an action that neither knows. */
  readonly service?: "ec2" | "sts";
  /** The kind of fault that hits it. */
  readonly fault?: string;
  /** `foreign`: not throttled, not counted. */
  readonly caller?: "client" | "foreign";
}

const LATENCY_SPREAD = 0.3;

export class SimulatedCloud {
  readonly faults = new Faults();
  readonly log = new CallLog();
  readonly #buckets = new Buckets();
  readonly #metadata = new MetadataService();
  readonly #state: CloudState;
  readonly #clock: Clock;
  readonly #random: Random;
  /** Wall time never jumps here: it is the wall time of the start plus what the monotonic clock measured. */
  readonly #wallAtZeroMs: number;
  #settings: Settings;

  /** Errors: ENID_SIMULATOR_MODEL. */
  constructor({ description, clock, random, file = "(in memory)" }: SimulatedCloudOptions) {
    this.#clock = clock;
    this.#random = random;
    this.#wallAtZeroMs = clock.nowMs() - clock.monotonicMs();
    this.#settings = applySettings(DEFAULT_SETTINGS, description.settings ?? {});
    this.#state = emptyState(description.region, description.account);
    buildState(description, this.#world(), file);
  }

  get region(): string {
    return this.#state.region;
  }

  get settings(): Settings {
    return this.#settings;
  }

  /** Wall ms since the epoch. */
  nowMs(): number {
    return this.#wallAtZeroMs + this.#clock.monotonicMs();
  }

  /**
   * Carries out one EC2 or STS action at once; latency and faults of the connection are the front's. Parameters have
   * the wire's names (`PrivateIpAddress`, not `PrivateIpAddresses`, for AssignPrivateIpAddresses); lists are arrays.
   * Errors: SimulatedError.
   */
  call(actionName: string, parameters: Parameters, context: CallContext = {}): Result {
    const action = ACTIONS.get(actionName);
    try {
      const result = this.#perform(action, actionName, parameters, context);
      this.#note(actionName, parameters, context, {
        code: "",
        httpStatus: 200,
        hadEffect: action?.kind === "mutating",
      });
      return result;
    } catch (thrown) {
      if (thrown instanceof SimulatedError) {
        this.#note(actionName, parameters, context, {
          code: thrown.code,
          httpStatus: thrown.httpStatus,
          hadEffect: false,
        });
      }
      throw thrown;
    }
  }

  /** Logs a call that a fault or the front itself answers, without any effect. */
  noteWithoutEffect(
    actionName: string,
    parameters: Parameters,
    context: CallContext,
    code: string,
    httpStatus: number,
  ): void {
    this.#note(actionName, parameters, context, { code, httpStatus, hadEffect: false });
  }

  /** What a fault rule does to the next call of that action. */
  drawFault(actionName: string): FaultEffect | undefined {
    return this.faults.draw(actionName, this.#random);
  }

  /** How long a call of that action takes from request to reply. */
  drawLatencyMs(actionName: string): number {
    const { latencyMs, speed } = this.#settings;
    const named = Object.hasOwn(latencyMs, actionName) ? latencyMs[actionName] : undefined;
    const meanMs = named ?? latencyMs["*"] ?? 0;
    return (meanMs * (1 + LATENCY_SPREAD * (2 * this.#random.fraction() - 1))) / speed;
  }

  /** What the metadata service of the instance answers. */
  metadata(instanceId: string, request: MetadataRequest): Answer {
    return this.#metadata.answer(this.#now(), instanceId, request);
  }

  /** Everything as it is, whatever the views show. */
  truth(): Truth {
    return truthOf(this.#now());
  }

  instanceIds(): readonly string[] {
    return [...this.#state.instances.keys()];
  }

  /** The patch must be valid: see `readSettings` of the input. */
  changeSettings(patch: SettingsPatch): Settings {
    this.#now();
    this.#settings = applySettings(this.#settings, patch);
    return this.#settings;
  }

  /** Errors: SimulatedError. */
  changeMetadataOptions(instanceId: string, patch: Partial<MetadataOptions>): Instance {
    return changeMetadataOptions(this.#now(), instanceId, patch);
  }

  /** Starts an instance. Errors: SimulatedError. */
  launch(described: InstanceDescription): Instance {
    return launchInstance(this.#now(), described);
  }

  /** Errors: SimulatedError. */
  terminate(instanceId: string): void {
    terminateInstance(this.#now(), instanceId);
  }

  /** Deletes an interface whatever its state. Errors: SimulatedError. */
  erase(interfaceId: string): void {
    eraseInterface(this.#now(), interfaceId);
  }

  /** Takes addresses of a subnet for others; says how many. Errors: SimulatedError. */
  occupy(subnetId: string, what: number | readonly string[]): number {
    return occupy(this.#now(), subnetId, what);
  }

  /** Gives back what `occupy` or `used` took; says how many. Errors: SimulatedError. */
  vacate(subnetId: string, what?: number | readonly string[]): number {
    return vacate(this.#now(), subnetId, what);
  }

  #perform(action: Action | undefined, name: string, parameters: Parameters, context: CallContext): Result {
    const world = this.#now();
    if (!action) throw new SimulatedError("InvalidAction", `The action ${name} is not valid for this web service.`);
    const { DryRun: dryRun = false, ...rest } = parameters;
    if (String(dryRun) !== "true" && String(dryRun) !== "false") {
      throw invalidValue(`Value (${String(dryRun)}) for parameter DryRun is invalid.`);
    }
    const request = readParameters(action.shape, rest);
    if (context.caller !== "foreign") this.#throttle(action, request, world.nowMs);
    action.check?.(request);
    if (String(dryRun) === "true") {
      throw new SimulatedError("DryRunOperation", "Request would have succeeded, but DryRun flag is set.");
    }
    const replica = Math.floor(this.#random.fraction() * world.settings.describeReplicas);
    const actionContext: ActionContext = { accessKeyId: context.accessKeyId ?? "", replica };
    return action.run(world, request, actionContext);
  }

  #throttle(action: Action, request: Fields<Shape>, nowMs: number): void {
    if (!this.#settings.throttling || action.service !== "ec2") return;
    const bucket = action.isUnfiltered?.(request) ? `${action.name}:unfiltered` : action.name;
    if (!this.#buckets.take(bucket, action.kind, this.#settings, nowMs)) {
      throw new SimulatedError("RequestLimitExceeded", "Request limit exceeded.");
    }
  }

  #note(
    action: string,
    parameters: Parameters,
    context: CallContext,
    outcome: { readonly code: string; readonly httpStatus: number; readonly hadEffect: boolean },
  ): void {
    const known = ACTIONS.get(action);
    this.log.add({
      atMs: this.nowMs(),
      service: known?.service ?? context.service ?? "ec2",
      action,
      parameters,
      isMutating: known?.kind === "mutating",
      ...outcome,
      fault: context.fault ?? "",
      requestId: context.requestId ?? "",
      invocationId: context.invocationId ?? "",
      attempt: context.attempt ?? 0,
      accessKeyId: context.accessKeyId ?? "",
      caller: context.caller ?? "client",
    });
  }

  /** The world at this moment, after everything that time has brought. */
  #now(): World {
    const world = this.#world();
    advance(world);
    return world;
  }

  #world(): World {
    return { state: this.#state, settings: this.#settings, nowMs: this.nowMs(), random: this.#random };
  }
}
