import { type Clock, type Random, steady } from "../adapters/index.ts";
import type { AdoptionText } from "../adoption/index.ts";
import type { Settings } from "../configuration/index.ts";
import { EnidError } from "../errors.ts";
import type { AddAnswer, AddRequest, LeaseService } from "../handoff/cni/port.ts";
import type { Attachment, Counts, Lease, Pod, Pool } from "../pool/index.ts";
import { Actor, removalOf } from "./acting.ts";
import { Activities } from "./activities.ts";
import { adoptLeases } from "./adopting.ts";
import { Degradations } from "./degradations.ts";
import { dryRun } from "./dry-run.ts";
import { explain } from "./explaining.ts";
import { GivingBack } from "./giving-back.ts";
import { History } from "./history.ts";
import { Leasing } from "./leasing.ts";
import { Ledger } from "./ledger.ts";
import { LIMITS } from "./limits.ts";
import { Loop } from "./loop.ts";
import { soonest, type Timed } from "./moments.ts";
import { NodeState } from "./node.ts";
import { Observer } from "./observing.ts";
import { Planner } from "./planner.ts";
import type { Provider, Store, Telemetry } from "./ports/index.ts";
import { Promises } from "./promises.ts";
import { readyAt, stillStarting } from "./readiness.ts";
import type { AdoptionReport, Explanation, ManagerControl, PlanReport, StatusReport } from "./reports.ts";
import { restorePool } from "./restoring.ts";
import { Restraint } from "./restraint.ts";
import { SelfCheck } from "./self-check.ts";
import { type ConfigurationOffer, SettingsKeeper } from "./settings-keeper.ts";
import { statusReport } from "./status.ts";
import { Surveyor, selectionKey } from "./surveying.ts";
import { Sweeper } from "./sweeping.ts";

export interface ManagerOptions {
  readonly provider: Provider;
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly telemetry: Telemetry;
  /** Identity of this boot of the machine: leases of another boot are over. */
  readonly bootId: string;
  /** Name of the machine, for the tags of interfaces that are made. Absent = none. */
  readonly nodeName?: string;
  /** For simulated worlds alone, which hand in a pool with a weakness to see that they find it. Absent = the pool. */
  readonly createPool?: (() => Pool) | undefined;
}

/**
 * The one owner of the node's addresses. It observes, plans and acts at its own pace; ADD and DEL are served from the
 * pool in between. All changes of the pool happen in synchronous code of this process: there is one writer, so there
 * are no locks.
 *
 * Phases: `starting` (state loaded; warm leases are served if state, boot and selection are those of before; the node is
 * identified, intents of a crash are settled, EC2 is observed once) → `growing` (min-allocate not reached) ⇄ `ready` →
 * `stopping` (no new pods; what runs is given some seconds, the rest is left to recovery).
 */
export class Manager implements ManagerControl, LeaseService {
  readonly #provider: Provider;
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #telemetry: Telemetry;
  readonly #bootId: string;

  readonly #degradations: Degradations;
  readonly #ledger: Ledger;
  readonly #keeper: SettingsKeeper;
  readonly #node: NodeState;
  readonly #restraint: Restraint;
  readonly #observer: Observer;
  readonly #activities: Activities;
  readonly #actor: Actor;
  readonly #surveyor: Surveyor;
  readonly #leasing: Leasing;
  readonly #givingBack: GivingBack;
  readonly #sweeper: Sweeper;
  readonly #planner: Planner;
  readonly #timed: readonly Timed[];
  readonly #loop: Loop;
  readonly #selfCheck: SelfCheck;
  readonly #history = new History(LIMITS.historyEntries);

  #startedAtMs = 0;
  #begun = false;
  #warm = false;
  #stopping = false;

  constructor(options: ManagerOptions) {
    this.#provider = options.provider;
    this.#store = options.store;
    this.#clock = steady(options.clock);
    this.#random = options.random;
    this.#telemetry = options.telemetry;
    this.#bootId = options.bootId;
    const clock = this.#clock;
    const telemetry = this.#telemetry;
    this.#degradations = new Degradations(telemetry);
    const halt = (error: EnidError) => this.#selfCheck.halt(error, clock.nowMs());
    const promises = new Promises({ telemetry, halt });
    this.#ledger = new Ledger(this.#store, clock, this.#degradations, telemetry);
    this.#keeper = new SettingsKeeper({
      ledger: this.#ledger,
      clock,
      telemetry,
      degradations: this.#degradations,
      promises,
      servesNodeRanges: this.#provider.name === "node-cidr",
    });
    this.#node = new NodeState(this.#keeper.settings, options.createPool);
    this.#selfCheck = new SelfCheck(this.#node, this.#degradations, promises);
    this.#restraint = new Restraint(clock, this.#random, this.#degradations);
    this.#loop = new Loop(clock, () => this.#tick());
    this.#activities = new Activities(clock, LIMITS.activityMs, () => this.#loop.wake(0));
    const shared = {
      node: this.#node,
      ledger: this.#ledger,
      clock,
      telemetry,
      history: this.#history,
      degradations: this.#degradations,
      promises,
    };
    this.#observer = new Observer(shared);
    this.#actor = new Actor({
      ...shared,
      provider: this.#provider,
      observer: this.#observer,
      restraint: this.#restraint,
      activities: this.#activities,
      random: this.#random,
      nodeName: options.nodeName ?? "",
      outdated: () => this.#surveyor.outdated(LIMITS.staleMs),
      lookLater: () => this.#surveyor.lookLater(),
      distrustSubnets: () => this.#surveyor.distrustSubnets(),
    });
    this.#surveyor = new Surveyor({
      ...shared,
      provider: this.#provider,
      observer: this.#observer,
      keeper: this.#keeper,
      activities: this.#activities,
      random: this.#random,
      leaked: (interfaces) => {
        for (const leaked of interfaces) this.#actor.begin(removalOf(leaked));
      },
    });
    this.#leasing = new Leasing({
      ...shared,
      wallAheadMs: () => options.clock.nowMs() - clock.nowMs(),
      closed: () => this.#closed(),
      whyNone: () => this.#planner.whyNone(),
      changed: (urgent) => this.#demandChanged(urgent),
    });
    this.#givingBack = new GivingBack(this.#node, clock, this.#random);
    const others = { restraint: this.#restraint, activities: this.#activities, random: this.#random };
    this.#sweeper = new Sweeper({
      ...shared,
      ...others,
      provider: this.#provider,
      begin: (step) => this.#actor.begin(step),
    });
    this.#planner = new Planner({
      ...shared,
      ...others,
      surveyor: this.#surveyor,
      actor: this.#actor,
      leasing: this.#leasing,
      givingBack: this.#givingBack,
    });
    const own = [this.#surveyor, this.#leasing, this.#givingBack, this.#planner];
    this.#timed = [...own, this.#actor, this.#restraint, this.#sweeper];
  }

  /**
   * Loads the state, puts the settings in force and begins the loop. Resolves as soon as ADD can be served from what
   * the state holds, or waits for the node to be known.
   * @throws EnidError ENID_CONFIG_* when neither the file nor the state has a usable configuration, ENID_STATE_*.
   */
  async start(offer: ConfigurationOffer): Promise<void> {
    this.#startedAtMs = this.#clock.nowMs();
    const loaded = this.#store.load();
    this.#ledger.loaded(loaded);
    await this.#keeper.begin(loaded, offer);
    this.#node.settings = this.#keeper.settings;
    const sameBoot = loaded.bootId === this.#bootId;
    const state = sameBoot ? loaded : { ...loaded, leases: [] };
    const sameSelection = loaded.resolution?.selection === selectionKey(this.#keeper.settings);
    // Another boot may be another instance started from this disk: then nothing is served before the node is known.
    this.#warm = sameBoot && sameSelection && state.instanceId !== "" && state.blocks.length > 0;
    if (this.#warm) {
      this.#node.trusted = new Set(loaded.resolution?.subnetIds);
      this.#surveyor.spread(this.#keeper.settings.values["start-jitter-seconds"] * 1_000);
    }
    if (state.interfaces.length > 0) this.#observer.followsAnother();
    restorePool(this.#node, state, this.#clock.nowMs(), this.#telemetry);
    this.#actor.adopt(state.intents);
    // Recorded with the identity, so that a boot in which the node was never identified has no warm start either.
    this.#surveyor.remember(state, sameBoot ? undefined : { kind: "boot-started", bootId: this.#bootId });
    this.#begun = true;
    this.#telemetry.event({
      name: "started",
      level: "info",
      message: `state loaded: ${state.leases.length} leases, ${state.blocks.length} blocks, ${state.intents.length} intents`,
      fields: { warm: this.#warm, leases: state.leases.length, blocks: state.blocks.length, sameBoot },
    });
    if (!this.#stopping) this.#loop.start();
  }

  /** Takes no new pods, gives what runs `graceMs`, leaves the rest to the next start's recovery, flushes the state. */
  async stop(graceMs = 8_000): Promise<void> {
    this.#stopping = true;
    this.#leasing.rejectAll(new EnidError("ENID_STOPPING"));
    this.#loop.stop();
    await this.#activities.stop(graceMs);
    await this.#ledger.flush();
    await this.#provider.close();
    await this.#store.close();
  }

  /** The watcher found the file changed. */
  async offerConfiguration(offer: ConfigurationOffer): Promise<void> {
    if (await this.#keeper.offer(offer)) this.#apply(this.#keeper.settings);
  }

  add(request: AddRequest, signal?: AbortSignal): Promise<AddAnswer> {
    if (this.#stopping) return Promise.reject(new EnidError("ENID_STOPPING"));
    return this.#leasing.add(request, signal);
  }

  remove(attachment: Attachment, pod?: Pod): Promise<void> {
    // Before the state is loaded every pod looks unknown: the runtime has to ask again.
    if (!this.#begun) return Promise.reject(this.#closed());
    return this.#leasing.remove(attachment, pod);
  }

  lookup(attachment: Attachment): Lease | undefined {
    return this.#leasing.lookup(attachment);
  }

  notReady(): EnidError | undefined {
    const closed = this.#closed();
    if (closed !== undefined) return closed;
    const { available } = this.#node.supply();
    const wanted = readyAt(this.#node);
    if (available >= wanted || (available > 0 && this.#planner.isFull)) return undefined;
    return new EnidError("ENID_NOT_READY", { available, wanted, reason: this.#planner.whyNone().message });
  }

  /** Monotonic ms since the loop ticked last, for the liveness check. */
  tickAgeMs(): number {
    return this.#clock.monotonicMs() - this.#loop.lastTickMs;
  }

  status(): StatusReport {
    const notReady = this.#stopping ? new EnidError("ENID_STOPPING") : this.notReady();
    const before = this.#stopping ? "stopping" : this.#closed() && "starting";
    return statusReport({
      phase: before ?? (notReady === undefined ? "ready" : "growing"),
      notReady,
      startedAtMs: this.#startedAtMs,
      provider: this.#provider.name,
      node: this.#node,
      restraint: this.#restraint,
      givingBack: this.#givingBack,
      waiting: this.#leasing.waiting(),
      degraded: this.#degradations.list(),
      configuration: this.#keeper.report(this.#node.facts),
      store: this.#store.facts(),
      observedAtMs: this.#surveyor.observedAtMs,
      budget: this.#provider.budget?.(),
      refillAtMs: this.#planner.refillAtMs,
    });
  }

  dryRun(waiting: number): PlanReport {
    return dryRun({
      node: this.#node,
      provider: this.#provider,
      restraint: this.#restraint,
      giveBack: this.#planner.giveBack(),
      nowMs: this.#clock.nowMs(),
      waiting: this.#leasing.waitingCount + waiting,
      obstacle: this.#closed() ?? this.#surveyor.resolveError,
    });
  }

  explain(subject: string): Explanation {
    return explain({
      subject,
      node: this.#node,
      history: this.#history,
      waiting: this.#leasing.waiting(),
      whyNone: () => this.#closed() ?? this.#planner.whyNone(),
      nowMs: this.#clock.nowMs(),
    });
  }

  /** Takes over the leases that another IPAM's record states (docs/adoption.md). */
  adoptLeases(request: AdoptionText, dryRun: boolean): Promise<AdoptionReport> {
    if (this.#closed() !== undefined) return Promise.reject(this.#closed());
    const options = {
      node: this.#node,
      ledger: this.#ledger,
      provider: this.#provider,
      clock: this.#clock,
      history: this.#history,
      telemetry: this.#telemetry,
      askCloud: () => this.#surveyor.askCloud(0),
    };
    return adoptLeases(options, request, dryRun);
  }

  leases(): readonly Lease[] {
    return [...this.#node.pool.leases()];
  }

  /** Addresses of the pool by state; cheap. */
  counts = (): Counts => this.#node.pool.counts();

  /** What is wrong inside the pool, a sentence each; empty unless enid has a bug. Looks at every address. */
  problems(): readonly string[] {
    return this.#node.pool.problems();
  }

  async setOverride(assignment: string): Promise<Settings> {
    await this.#keeper.set(assignment);
    this.#apply(this.#keeper.settings);
    return this.#keeper.settings;
  }

  async unsetOverride(name: string): Promise<Settings> {
    await this.#keeper.unset(name);
    this.#apply(this.#keeper.settings);
    return this.#keeper.settings;
  }

  /** One round: what is free is given out, what is due is looked at, and a plan is begun. */
  #tick(): number {
    const nowMs = this.#clock.nowMs();
    const ended = this.#node.pool.cool(nowMs);
    if (ended.length > 0) void this.#ledger.eventually([{ kind: "cooling-end", addresses: ended }]);
    else this.#ledger.retry();
    this.#leasing.serve();
    this.#surveyor.look(nowMs);
    const { facts } = this.#node;
    if (facts !== undefined) {
      this.#actor.settleDue();
      this.#selfCheck.checkDue(nowMs);
      this.#givingBack.look();
      if (this.#selfCheck.broken === undefined) this.#sweeper.sweepDue();
    }
    if (
      facts !== undefined &&
      this.#node.resolution !== undefined &&
      this.#surveyor.current &&
      this.#selfCheck.broken === undefined
    ) {
      this.#planner.round(facts, nowMs);
    } else this.#leasing.expire(undefined);
    return this.#pauseMs();
  }

  #demandChanged(urgent: boolean): void {
    if (urgent) {
      this.#surveyor.hurry();
      this.#loop.wakeAfterBurst();
    } else this.#loop.wake(this.#planner.refillMs);
  }

  /** How long nothing becomes due by itself. */
  #pauseMs(): number {
    const nowMs = this.#clock.nowMs();
    let nextMs = soonest(nowMs + LIMITS.heartbeatMs, this.#ledger.refusedUntilMs, nowMs);
    for (const part of this.#timed) nextMs = soonest(nextMs, part.nextMs(nowMs), nowMs);
    return Math.max(1, nextMs - nowMs);
  }

  #apply(settings: Settings): void {
    const selectionChanged = selectionKey(this.#node.settings) !== selectionKey(settings);
    this.#node.settings = settings;
    if (selectionChanged) this.#surveyor.selectionChanged();
    this.#restraint.lift();
    this.#planner.settingsChanged();
    const retired = this.#node.retirePrimaries();
    if (retired.length > 0) void this.#ledger.eventually([{ kind: "blocks-remove", cidrs: retired }]);
    if (this.#node.refreshUsability()) this.#surveyor.outdated(0);
    this.#loop.wake(0);
  }

  /** Why nothing may be leased now. */
  #closed(): EnidError | undefined {
    if (this.#stopping) return new EnidError("ENID_STOPPING");
    if (!this.#begun) return new EnidError("ENID_STARTING", { waitingFor: "the state is being loaded" });
    if (this.#selfCheck.broken !== undefined) return this.#selfCheck.broken;
    if (this.#warm || this.#surveyor.observed) return undefined;
    return stillStarting(this.#node, this.#degradations);
  }
}
