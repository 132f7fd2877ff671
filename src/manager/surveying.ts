import { type Clock, jitterMs, type Random } from "../adapters/index.ts";
import { type Settings, selectionOf } from "../configuration/index.ts";
import type { EnidError } from "../errors.ts";
import type { Activities } from "./activities.ts";
import type { DegradationName, Degradations } from "./degradations.ts";
import type { Ledger } from "./ledger.ts";
import { LIMITS } from "./limits.ts";
import { NEVER, soonest } from "./moments.ts";
import type { NodeState } from "./node.ts";
import type { Observer } from "./observing.ts";
import type {
  Change,
  NodeFacts,
  ObservationSource,
  ObservedInterface,
  Provider,
  Resolution,
  StoredResolution,
  StoredState,
  Telemetry,
} from "./ports/index.ts";
import { withRetryAt } from "./restraint.ts";
import type { SettingsKeeper } from "./settings-keeper.ts";

export interface SurveyorOptions {
  readonly node: NodeState;
  readonly provider: Provider;
  readonly observer: Observer;
  readonly ledger: Ledger;
  readonly keeper: SettingsKeeper;
  readonly activities: Activities;
  readonly degradations: Degradations;
  readonly telemetry: Telemetry;
  readonly clock: Clock;
  readonly random: Random;
  /** Interfaces that leaked: to be removed. */
  readonly leaked: (interfaces: readonly ObservedInterface[]) => void;
}

/**
 * Finds out, each in its time: who the node is (once), what it holds (EC2 at the start, then metadata every minute and
 * EC2 about hourly or on suspicion), and which subnets and groups the settings allow (at the start, when the selection
 * changes, and before growing once the facts are old). An idle node so makes one describe an hour at most.
 */
export class Surveyor {
  readonly #options: SurveyorOptions;
  #instanceId = "";
  #observed = false;
  /** How often the picture became outdated, and how many of these times an observation that began later has answered. */
  #outdated = 0;
  #renewed = 0;
  #observedAtMs = { metadata: 0, cloud: 0 };
  #cloudDueMs = 0;
  #lateLookMs = NEVER;
  #metadataDueMs = 0;
  #observeTries = 0;
  #suspicionAllowedMs = 0;
  #identifyTries = 0;
  #identifyNotBeforeMs = 0;
  #resolveTries = 0;
  #resolveNotBeforeMs = 0;
  #resolveError: EnidError | undefined;
  #growthWaits = false;
  #reselected = false;
  /** Since when the subnet facts are known to be wrong; nothing older may take their place. */
  #distrustedAtMs: number | undefined;
  #stored: StoredResolution | undefined;
  #boot: Change | undefined;
  /** The primary interface has other groups than those that were resolved, and they are everyone's. */
  #groupsOutdated = false;
  /** The state is of this very machine, whatever name it has by now. */
  #isCertain = false;
  /** The first look only waits because many nodes may start together. */
  #spread = false;

  constructor(options: SurveyorOptions) {
    this.#options = options;
  }

  /**
   * The instance that the state was written for, empty when it is new; what EC2 said of the selection then; and the new
   * boot, to be recorded once the node is identified. `isCertain`: the state is of this machine whatever name it has.
   */
  remember(
    { instanceId, resolution }: Pick<StoredState, "instanceId" | "resolution">,
    boot: Change | undefined,
    isCertain: boolean,
  ): void {
    this.#isCertain = isCertain;
    this.#instanceId = instanceId;
    this.#stored = resolution;
    this.#boot = boot;
  }

  /** Nothing hurries, so the first look comes at some moment of the next `withinMs`. */
  spread(withinMs: number): void {
    if (withinMs <= 0) return;
    this.#spread = true;
    this.#identifyNotBeforeMs = this.#options.clock.nowMs() + withinMs * this.#options.random.fraction();
  }

  /** A pod waits for what the state does not hold: the first look must not wait any longer. */
  hurry(): void {
    if (!this.#spread) return;
    this.#spread = false;
    this.#identifyNotBeforeMs = 0;
  }

  /** EC2 was observed since the start: what the node holds is known. */
  get observed(): boolean {
    return this.#observed;
  }

  /** What the node holds is known as it is now, so that more can be added. */
  get current(): boolean {
    return this.#observed && this.#renewed === this.#outdated;
  }

  get observedAtMs(): { readonly metadata: number; readonly cloud: number } {
    return this.#observedAtMs;
  }

  /** Why the allowed subnets and groups are not known, or no longer. */
  get resolveError(): EnidError | undefined {
    return this.#resolveError;
  }

  /** Starts what is due. */
  look(nowMs: number): void {
    const { node } = this.#options;
    if (node.facts === undefined) {
      if (nowMs >= this.#identifyNotBeforeMs) this.#identify();
      return;
    }
    // The first observation adopts what the allowed interfaces carry, so it follows the resolution.
    if (nowMs >= Math.min(this.#cloudDueMs, this.#lateLookMs) && (this.#observed || node.resolution !== undefined))
      this.#observe("cloud");
    else if (nowMs >= this.#metadataDueMs) this.#observe("metadata");
    if (nowMs >= this.#resolveNotBeforeMs && this.#wantsResolution(nowMs)) this.#resolve();
  }

  /** A look-up that failed is repeated until it succeeds, wanted still or not: until then EC2 counts as away. */
  #wantsResolution(nowMs: number): boolean {
    if (this.#options.node.resolution === undefined || this.#groupsOutdated) return true;
    return this.#resolveError !== undefined || (this.#growthWaits && !this.fresh(nowMs));
  }

  /** Whether the subnet facts are new enough to grow on. */
  fresh(nowMs: number): boolean {
    const { resolution, resolvedAtMs } = this.#options.node;
    return (
      resolution !== undefined && this.#distrustedAtMs === undefined && nowMs - resolvedAtMs <= LIMITS.resolutionFreshMs
    );
  }

  /** EC2 denied what the subnet facts say: they are read again before the next growth. */
  distrustSubnets(): void {
    this.#distrustedAtMs = this.#options.clock.nowMs();
  }

  /** A plan wants to grow but the facts are old, or no longer so. */
  growthWaits(waits: boolean): void {
    this.#growthWaits = waits;
  }

  /** Has EC2 observed within `delayMs`. */
  askCloud(delayMs: number): void {
    this.#cloudDueMs = Math.min(this.#cloudDueMs, this.#options.clock.nowMs() + delayMs);
  }

  /** Has EC2 observed once more when a call whose answer never came must have taken effect, if it ever does. */
  lookLater(): void {
    this.#lateLookMs = this.#options.clock.nowMs() + LIMITS.lateEffectMs;
  }

  /**
   * What the node holds is not what was observed, or not all of it is in the pool (an interface became usable): nothing
   * grows before EC2 is observed again.
   */
  outdated(delayMs: number): void {
    this.#outdated++;
    this.askCloud(delayMs);
  }

  /** The selection changed: what was allowed before says nothing now. */
  selectionChanged(): void {
    this.#options.node.resolution = undefined;
    this.#options.node.trusted = new Set();
    this.#reselected = true;
    this.#resolveNotBeforeMs = 0;
    this.#resolveTries = 0;
    this.#resolveError = undefined;
  }

  /** When something becomes due after `nowMs`; Infinity = nothing does by itself. */
  nextMs(nowMs: number): number {
    const { node } = this.#options;
    if (node.facts === undefined) return soonest(NEVER, this.#identifyNotBeforeMs, nowMs);
    const cloudMs = soonest(soonest(NEVER, this.#cloudDueMs, nowMs), this.#lateLookMs, nowMs);
    const observeMs = soonest(cloudMs, this.#metadataDueMs, nowMs);
    return this.#wantsResolution(nowMs) ? soonest(observeMs, this.#resolveNotBeforeMs, nowMs) : observeMs;
  }

  #identify(): void {
    this.#spread = false;
    const { activities, provider, clock, degradations } = this.#options;
    activities.run(
      "identify",
      async (signal) => this.#identified(await activities.patiently(provider.identify(signal), signal)),
      (error) => {
        this.#identifyTries += 1;
        this.#identifyNotBeforeMs = clock.nowMs() + this.#pauseMs(this.#identifyTries, LIMITS.transientLongestMs / 2);
        degradations.set("node-unknown", withRetryAt(error, this.#identifyNotBeforeMs), clock.nowMs());
      },
    );
  }

  async #identified(facts: NodeFacts): Promise<void> {
    const { node, ledger, keeper, telemetry, clock, random } = this.#options;
    const another = this.#instanceId !== facts.instanceId && !this.#isCertain;
    const changes: Change[] = this.#boot === undefined ? [] : [this.#boot];
    if (another) changes.push({ kind: "instance-adopted", instanceId: facts.instanceId });
    if (changes.length > 0) await ledger.must(changes);
    this.#boot = undefined;
    if (another) {
      this.#stored = undefined;
      if (this.#instanceId !== "") {
        node.forget();
        telemetry.event({
          name: "instance-replaced",
          level: "warn",
          message: `the state was of ${this.#instanceId}; this is ${facts.instanceId}: its leases and blocks are over`,
          fields: { before: this.#instanceId, now: facts.instanceId },
        });
      }
      this.#instanceId = facts.instanceId;
    }
    node.facts = facts;
    this.#options.degradations.clear("node-unknown");
    for (const difference of keeper.differences(facts)) {
      telemetry.event({
        name: "fact-differs",
        level: "warn",
        message: `the file says ${difference.name} ${difference.stated}; instance metadata says ${difference.actual}, which wins`,
        fields: { ...difference },
      });
    }
    this.#metadataDueMs = clock.nowMs() + jitterMs(random, LIMITS.metadataEveryMs);
  }

  #observe(source: ObservationSource): void {
    const { activities, provider, degradations, clock, random } = this.#options;
    const degradation: DegradationName = source === "cloud" ? "cloud-away" : "metadata-away";
    const renews = this.#outdated;
    // By the manager's own clock, to which all that is compared with it was stamped too.
    const startedAtMs = clock.nowMs();
    if (activities.isRunning("observe")) return;
    // Who asks while this one is under way wants another one.
    if (source === "cloud") {
      this.#cloudDueMs = NEVER;
      if (startedAtMs >= this.#lateLookMs) this.#lateLookMs = NEVER;
    }
    activities.run(
      "observe",
      async (signal) => {
        const observation = await activities.patiently(provider.observe(source, signal), signal);
        const nowMs = clock.nowMs();
        this.#observedAtMs = { ...this.#observedAtMs, [source]: nowMs };
        if (source === "cloud" && observation.complete) {
          this.#observed = true;
          this.#renewed = renews;
          this.askCloud(jitterMs(random, LIMITS.cloudEveryMs, LIMITS.cloudJitter));
          this.#observeTries = 0;
        } else if (source === "cloud") this.askCloud(LIMITS.observeAgainMs);
        this.#metadataDueMs = nowMs + jitterMs(random, LIMITS.metadataEveryMs);
        degradations.clear(degradation);
        const verdict = this.#options.observer.merge({ ...observation, startedAtMs });
        if (verdict.askCloud && nowMs >= this.#suspicionAllowedMs) {
          this.#suspicionAllowedMs = nowMs + LIMITS.suspicionEveryMs;
          this.askCloud(0);
        }
        if (verdict.confirm) this.askCloud(LIMITS.confirmAfterMs);
        if (verdict.lookAtMs !== NEVER) this.askCloud(Math.max(LIMITS.confirmAfterMs, verdict.lookAtMs - nowMs));
        this.#groupsOutdated = verdict.groupsChanged;
        this.#options.leaked(verdict.leaked);
      },
      (error) => {
        const nowMs = clock.nowMs();
        if (source === "cloud") {
          const pauseMs = Math.min(LIMITS.transientLongestMs, LIMITS.observeAgainMs * 2 ** this.#observeTries++);
          this.#cloudDueMs = nowMs + jitterMs(random, pauseMs);
        } else this.#metadataDueMs = nowMs + jitterMs(random, LIMITS.metadataEveryMs);
        const againMs = source === "cloud" ? this.#cloudDueMs : this.#metadataDueMs;
        degradations.set(degradation, withRetryAt(error, againMs), nowMs);
      },
    );
  }

  #resolve(): void {
    const { activities, provider, node, degradations, clock } = this.#options;
    const { settings } = node;
    const doubtMs = this.#distrustedAtMs;
    // What another node asked EC2 before this one had doubts says nothing against them.
    const maxAgeMs = doubtMs === undefined ? undefined : Math.max(1, clock.nowMs() - doubtMs);
    // When the selection changes while EC2 is asked, the answer is to another question.
    const stillAsked = () => selectionKey(settings) === selectionKey(node.settings);
    activities.run(
      "resolve",
      async (signal) => {
        const asked = provider.resolve(selectionOf(settings), signal, maxAgeMs);
        const resolution = await activities.patiently(asked, signal);
        if (!stillAsked()) return;
        // Doubts that came meanwhile stay: the answer may be of before.
        if (this.#distrustedAtMs === doubtMs) this.#distrustedAtMs = undefined;
        this.#resolved(resolution);
      },
      (error) => {
        if (!stillAsked()) return;
        this.#resolveTries += 1;
        this.#resolveNotBeforeMs = clock.nowMs() + this.#pauseMs(this.#resolveTries, LIMITS.configurationLongestMs);
        this.#resolveError = withRetryAt(error, this.#resolveNotBeforeMs);
        // EC2 has answered, if not with what was hoped for.
        if (resolveDegradation(error) !== "cloud-away") degradations.clear("cloud-away");
        degradations.set(resolveDegradation(error), this.#resolveError, clock.nowMs());
      },
    );
  }

  #resolved(resolution: Resolution): void {
    const { node, clock, degradations } = this.#options;
    this.#remember(resolution);
    this.#groupsOutdated = false;
    node.resolution = resolution;
    node.resolvedAtMs = clock.nowMs();
    node.takenSince.clear();
    // Which interfaces are foreign goes by the selection too, and only an observation tells.
    if (node.refreshUsability() || this.#reselected) this.outdated(0);
    this.#reselected = false;
    this.#resolveTries = 0;
    this.#resolveError = undefined;
    degradations.clear("no-subnet");
    degradations.clear("no-security-group");
    degradations.clear("cloud-away");
  }

  #remember({ subnets }: Resolution): void {
    const resolution = { selection: selectionKey(this.#options.node.settings), subnetIds: subnets.map(({ id }) => id) };
    if (JSON.stringify(resolution) === JSON.stringify(this.#stored)) return;
    this.#stored = resolution;
    void this.#options.ledger.eventually([{ kind: "resolution-put", resolution }]);
  }

  #pauseMs(tries: number, longestMs: number): number {
    return jitterMs(this.#options.random, Math.min(longestMs, LIMITS.transientFirstMs * 2 ** Math.min(tries, 16)));
  }
}

/** Two settings with the same key allow the same subnets and groups. */
export function selectionKey(settings: Settings): string {
  const known = SELECTION_KEYS.get(settings);
  if (known !== undefined) return known;
  const key = JSON.stringify(selectionOf(settings));
  SELECTION_KEYS.set(settings, key);
  return key;
}

/** Settings are never changed in place. */
const SELECTION_KEYS = new WeakMap<Settings, string>();

function resolveDegradation(error: EnidError): DegradationName {
  if (error.code === "ENID_SUBNET_NO_MATCH") return "no-subnet";
  if (error.code === "ENID_SECURITY_GROUP_NO_MATCH") return "no-security-group";
  return "cloud-away";
}
