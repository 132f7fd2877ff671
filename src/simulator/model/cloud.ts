/** The simulated cloud: EC2, STS and instance metadata of one Region, as one object without any I/O. */
import type { Clock, Random } from "../../adapters/index.ts";
import { type Account, Accounts } from "./accounts.ts";
import type { Action, ActionContext, Result } from "./action.ts";
import { ACTIONS } from "./actions/index.ts";
import { freeCount } from "./addresses.ts";
import type { Answer } from "./answer.ts";
import { authorize } from "./authorize.ts";
import { CallLog, type LogExtent, type LoggedCall } from "./call-log.ts";
import type { InstanceDescription, InterfaceDescription, ModelDescription } from "./description.ts";
import { type CallSettings, type FaultEffect, Faults, METADATA_ACTION } from "./faults.ts";
import {
  changeInterface,
  defragment,
  eraseInterface,
  fragment,
  type InterfacePatch,
  occupy,
  vacate,
} from "./foreign-hand.ts";
import { changeMetadataOptions, launchInstance, placeInterface, terminateInstance } from "./launch.ts";
import { requireSubnet } from "./lookups.ts";
import { type MetadataRequest, MetadataService } from "./metadata/service.ts";
import { spoilMetadata } from "./metadata/spoil.ts";
import { changeMetadataView, type MetadataView, type MetadataViewPatch } from "./metadata/view.ts";
import { type Fields, type Parameters, readParameters, type Shape } from "./parameters.ts";
import type { Instance, MetadataOptions, NetworkInterface } from "./records.ts";
import { applySettings, DEFAULT_SETTINGS, type Settings, type SettingsPatch } from "./settings.ts";
import { invalidValue, SimulatedError } from "./simulated-error.ts";
import { findInterface, interfacesOf, versionOf, type World } from "./state.ts";
import { advance } from "./transitions.ts";
import { interfacesTaggedIn, ownerIn, type Truth, truthOf } from "./truth.ts";

export interface SimulatedCloudOptions {
  readonly description: ModelDescription;
  readonly clock: Clock;
  readonly random: Random;
  /** The name of the model file, for messages. */
  readonly file?: string;
  /** `counts`: of the calls themselves only the last 100 are kept, so that any number of them takes no memory; `all`. */
  readonly log?: LogExtent;
  /** Hears of every call when it is noted: after its effect, before its answer. */
  readonly onCall?: (call: LoggedCall) => void;
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
  /** Settings in force for this call alone. */
  readonly settings?: CallSettings;
  /** `foreign`: not throttled, not denied, not counted. */
  readonly caller?: "client" | "foreign";
  /** Whose call it is, instead of the account of the access key. */
  readonly account?: string;
}

const LATENCY_SPREAD = 0.3;

export class SimulatedCloud {
  readonly faults = new Faults();
  readonly log: CallLog;
  readonly #metadata = new MetadataService();
  readonly #accounts: Accounts;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #onCall: ((call: LoggedCall) => void) | undefined;
  /** Wall time never jumps here: it is the wall time of the start plus what the monotonic clock measured. */
  readonly #wallAtZeroMs: number;
  #settings: Settings;
  /** The last one that was looked at: many questions come at one moment. */
  #world: World | undefined;

  /** Errors: ENID_SIMULATOR_MODEL. */
  constructor({ description, clock, random, file = "(in memory)", log = "all", onCall }: SimulatedCloudOptions) {
    this.log = new CallLog(log);
    this.#onCall = onCall;
    this.#clock = clock;
    this.#random = random;
    this.#wallAtZeroMs = clock.nowMs() - clock.monotonicMs();
    this.#settings = applySettings(DEFAULT_SETTINGS, description.settings ?? {});
    const world = { settings: this.#settings, nowMs: this.nowMs(), random };
    this.#accounts = new Accounts(description, world, file);
  }

  get region(): string {
    return this.#accounts.main.state.region;
  }

  /** Every account with the access key that calls as it and what it may not do; the first one is the main one. */
  accounts(): readonly { account: string; accessKeyId: string; deniedActions: readonly string[] }[] {
    return this.#accounts.all().map(({ state, accessKeyId, deniedActions }) => {
      return { account: state.account, accessKeyId, deniedActions };
    });
  }

  /** The access key that calls as the account of the instance. */
  accessKeyOf(instanceId: string): string {
    return this.#accounts.holding(instanceId).accessKeyId;
  }

  /**
   * From now on the account's callers may not do these actions and all others: they get UnauthorizedOperation. A `*` at
   * the end of a name stands for any ending. The main account unless one is named. Errors: RangeError.
   */
  deny(actions: readonly string[], account?: string): void {
    this.#accounts.named(account).deniedActions = [...actions];
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

  /** What a fault rule does to the next call of that action by the owner of the key. */
  drawFault(actionName: string, accessKeyId = ""): FaultEffect | undefined {
    if (this.faults.isEmpty) return undefined;
    const { account } = this.#accounts.of(accessKeyId).state;
    return this.faults.draw({ action: actionName, account }, this.#random);
  }

  /** How long a call of that action takes from request to reply. */
  drawLatencyMs(actionName: string): number {
    const { latencyMs, speed } = this.#settings;
    const named = Object.hasOwn(latencyMs, actionName) ? latencyMs[actionName] : undefined;
    const meanMs = named ?? latencyMs["*"] ?? 0;
    return (meanMs * (1 + LATENCY_SPREAD * (2 * this.#random.fraction() - 1))) / speed;
  }

  /** What the metadata service of the instance answers; `delayMs` of the answer is for its sender to wait. */
  metadata(instanceId: string, request: MetadataRequest): Answer {
    const account = this.#accounts.holding(instanceId);
    if (this.faults.isEmpty) return this.#metadata.answer(this.#now(account), instanceId, request);
    const target = {
      action: `${METADATA_ACTION}${request.path}`,
      instance: instanceId,
      account: account.state.account,
    };
    const fault = this.faults.draw(target, this.#random);
    return spoilMetadata(() => this.#metadata.answer(this.#now(account), instanceId, request), fault);
  }

  /** Everything of one account as it is, whatever the views show: the main one unless named. Errors: RangeError. */
  truth(account?: string): Truth {
    return truthOf(this.#now(this.#accounts.named(account)));
  }

  /** The instance's interfaces as they are, attaching and detaching ones included, in order of their attachment. */
  interfacesOf(instanceId: string): readonly NetworkInterface[] {
    return interfacesOf(this.#where(instanceId).state, instanceId);
  }

  /** The interface as it is; undefined when there is none. */
  interface(interfaceId: string): NetworkInterface | undefined {
    return findInterface(this.#where(interfaceId).state, interfaceId);
  }

  /** The interfaces with that tag as they are, of all accounts. */
  interfacesTagged(key: string, value: string): readonly NetworkInterface[] {
    return this.#accounts.all().flatMap((account) => interfacesTaggedIn(this.#now(account), key, value));
  }

  /**
   * The id of the interface that holds the IPv4 address: as its primary, a secondary or within a prefix. The first one
   * found unless a subnet is named, since networks that know nothing of each other may have the same addresses.
   */
  ownerOf(address: string, subnetId?: string): string | undefined {
    for (const account of this.#accounts.all()) {
      const owner = ownerIn(this.#now(account), address, subnetId);
      if (owner !== undefined) return owner;
    }
    return undefined;
  }

  /** How many IPv4 addresses of the subnet are free. Errors: SimulatedError. */
  freeAddressesOf(subnetId: string): number {
    const world = this.#where(subnetId);
    return freeCount(world.state, requireSubnet(world, subnetId));
  }

  /**
   * A number that grows whenever an interface changes that is or was attached to the instance: while it stays the same,
   * so do those interfaces. What Describe calls and metadata show of a change comes later, by their lags.
   */
  version(instanceId: string): number {
    return versionOf(this.#where(instanceId).state, instanceId);
  }

  /** Of all accounts. */
  instanceIds(): readonly string[] {
    return this.#accounts.all().flatMap(({ state }) => [...state.instances.keys()]);
  }

  /** The patch must be valid: see `readSettings` of the input. */
  changeSettings(patch: SettingsPatch): Settings {
    for (const account of this.#accounts.all()) this.#now(account);
    this.#settings = applySettings(this.#settings, patch);
    return this.#settings;
  }

  /** These settings from now on, in place of all that were in force. */
  replaceSettings(settings: Settings): void {
    for (const account of this.#accounts.all()) this.#now(account);
    this.#settings = settings;
  }

  /** Errors: SimulatedError. */
  changeMetadataOptions(instanceId: string, patch: Partial<MetadataOptions>): Instance {
    return changeMetadataOptions(this.#where(instanceId), instanceId, patch);
  }

  /** Makes the picture of the instance's metadata wrong: MACs missing or bare, addresses missing, frozen. */
  changeMetadataView(instanceId: string, patch: MetadataViewPatch): MetadataView {
    return changeMetadataView(this.#where(instanceId), instanceId, patch);
  }

  /** Starts an instance in the account of its subnet. Errors: SimulatedError. */
  launch(described: InstanceDescription): Instance {
    return launchInstance(this.#where(described.subnet), described);
  }

  /** Errors: SimulatedError. */
  terminate(instanceId: string): void {
    terminateInstance(this.#where(instanceId), instanceId);
  }

  /**
   * Places an interface at once, managed by a service unless it is of the type `interface` or says otherwise, attached or
   * not. Errors: SimulatedError.
   */
  place(described: InterfaceDescription): NetworkInterface {
    return placeInterface(this.#where(described.subnet), described);
  }

  /** A foreign hand changes an interface, whoever manages it. Errors: SimulatedError. */
  changeInterface(interfaceId: string, patch: InterfacePatch): NetworkInterface {
    return changeInterface(this.#where(interfaceId), interfaceId, patch);
  }

  /** Deletes an interface whatever its state. Errors: SimulatedError. */
  erase(interfaceId: string): void {
    eraseInterface(this.#where(interfaceId), interfaceId);
  }

  /**
   * Carries out an action as a foreign hand in the account: never throttled, denied, counted or hit by a fault rule.
   * Errors: SimulatedError; RangeError for an unknown account.
   */
  foreignCall(action: string, parameters: Parameters, account?: string): Result {
    const named = typeof parameters.NetworkInterfaceId === "string" ? parameters.NetworkInterfaceId : "";
    const owner = account ?? this.#accounts.holding(named).state.account;
    return this.call(action, parameters, { caller: "foreign", account: owner });
  }

  /** Takes addresses of a subnet for others; says how many. Errors: SimulatedError. */
  occupy(subnetId: string, what: number | readonly string[]): number {
    return occupy(this.#where(subnetId), subnetId, what);
  }

  /** Gives back what `occupy`, `fragment` or `used` took; says how many. Errors: SimulatedError. */
  vacate(subnetId: string, what?: number | readonly string[]): number {
    return vacate(this.#where(subnetId), subnetId, what);
  }

  /** Takes one address in every /28, so that no prefix fits; says how many. Errors: SimulatedError. */
  fragment(subnetId: string): number {
    return fragment(this.#where(subnetId), subnetId);
  }

  /** Gives back what `fragment` took; says how many. Errors: SimulatedError. */
  defragment(subnetId: string): number {
    return defragment(this.#where(subnetId), subnetId);
  }

  #perform(action: Action | undefined, name: string, parameters: Parameters, context: CallContext): Result {
    const account = this.#accountOf(context);
    const world = this.#now(account, context.settings);
    if (!action) throw new SimulatedError("InvalidAction", `The action ${name} is not valid for this web service.`);
    const { DryRun: dryRun = false, ...rest } = parameters;
    if (String(dryRun) !== "true" && String(dryRun) !== "false") {
      throw invalidValue(`Value (${String(dryRun)}) for parameter DryRun is invalid.`);
    }
    const hasDryRun = action.service === "ec2" && action.hasDryRun !== false;
    const request = readParameters(action.shape, hasDryRun ? rest : parameters);
    if (context.caller !== "foreign") {
      this.#throttle(account, action, request, world.nowMs);
      authorize(account, action, context.accessKeyId ?? "");
    }
    action.check?.(request);
    if (String(dryRun) === "true") {
      throw new SimulatedError("DryRunOperation", "Request would have succeeded, but DryRun flag is set.");
    }
    const replica = Math.floor(this.#random.fraction() * world.settings.describeReplicas);
    const actionContext: ActionContext = { accessKeyId: context.accessKeyId ?? "", replica };
    return action.run(world, request, actionContext);
  }

  #throttle(account: Account, action: Action, request: Fields<Shape>, nowMs: number): void {
    if (!this.#settings.throttling || action.service !== "ec2") return;
    const bucket = action.isUnfiltered?.(request) ? `${action.name}:unfiltered` : action.name;
    if (!account.buckets.take(bucket, action.kind, this.#settings, nowMs)) {
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
    const logged = this.log.add({
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
      account: this.#accountOf(context).state.account,
      caller: context.caller ?? "client",
    });
    this.#onCall?.(logged);
  }

  #accountOf({ account, accessKeyId = "" }: CallContext): Account {
    return account === undefined ? this.#accounts.of(accessKeyId) : this.#accounts.named(account);
  }

  /** The world of the account that has this id. */
  #where(id: string): World {
    return this.#now(this.#accounts.holding(id));
  }

  /** The world of an account at this moment, after everything that time has brought. */
  #now({ state }: Account, settings?: CallSettings): World {
    const nowMs = this.nowMs();
    let world = this.#world;
    if (world?.nowMs !== nowMs || world.state !== state || world.settings !== this.#settings) {
      world = { state, settings: this.#settings, nowMs, random: this.#random };
      this.#world = world;
    }
    advance(world);
    return settings ? { ...world, settings: applySettings(this.#settings, settings) } : world;
  }
}
