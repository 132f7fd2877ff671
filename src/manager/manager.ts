import { type Clock, steady } from "../adapters/index.ts";
import type { AdoptionText } from "../adoption/index.ts";
import type { Settings } from "../configuration/index.ts";
import { EnidError } from "../errors.ts";
import type { AddAnswer, AddRequest, LeaseService } from "../handoff/cni/port.ts";
import type { Attachment, Counts, Lease, Pod } from "../pool/index.ts";
import { adoptLeases } from "./adopting.ts";
import { dryRun } from "./dry-run.ts";
import { isOfThisBoot, stateFor } from "./environment.ts";
import { explain } from "./explaining.ts";
import { LIMITS } from "./limits.ts";
import { Loop } from "./loop.ts";
import { lostBy } from "./lost.ts";
import { soonest } from "./moments.ts";
import { composeParts, type ManagerOptions, type Parts } from "./parts.ts";
import type { Fleet, Provider, Store } from "./ports/index.ts";
import { readyAt, stillStarting } from "./readiness.ts";
import type {
  AdoptionReport,
  Explanation,
  ManagerControl,
  PlanReport,
  StatusReport,
  WaitingReport,
} from "./reports.ts";
import { restorePool } from "./restoring.ts";
import type { ConfigurationOffer } from "./settings-keeper.ts";
import { statusReport } from "./status.ts";
import { selectionKey } from "./surveying.ts";
import { urgencyOf } from "./urgency.ts";

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
  readonly #bootId: string;
  readonly #fleet: Fleet | undefined;
  readonly #settingsChanged: ManagerOptions["settingsChanged"];
  readonly #parts: Parts;
  readonly #loop: Loop;

  #startedAtMs = 0;
  #begun = false;
  #warm = false;
  #stopping = false;

  constructor(options: ManagerOptions) {
    this.#provider = options.provider;
    this.#store = options.store;
    this.#clock = steady(options.clock);
    this.#bootId = options.bootId;
    this.#fleet = options.fleet;
    this.#settingsChanged = options.settingsChanged;
    this.#loop = new Loop(this.#clock, () => this.#tick());
    this.#parts = composeParts(options, this.#clock, {
      closed: () => this.#closed(),
      notReady: () => this.notReady(),
      demandChanged: (urgent) => this.#demandChanged(urgent),
      wake: () => this.#loop.wake(0),
    });
  }

  /**
   * Loads the state, puts the settings in force and begins the loop. Resolves as soon as ADD can be served from what
   * the state holds, or waits for the node to be known.
   * @throws EnidError ENID_CONFIG_* when neither the file nor the state has a usable configuration, ENID_STATE_*.
   */
  async start(offer: ConfigurationOffer): Promise<void> {
    this.#startedAtMs = this.#clock.nowMs();
    const loaded = this.#store.load();
    this.#parts.ledger.loaded(loaded);
    await this.#parts.keeper.begin(loaded, offer);
    this.#parts.node.settings = this.#parts.keeper.settings;
    const sameBoot = loaded.bootId === this.#bootId;
    const { hasRanges } = this.#parts.node;
    const state = stateFor(hasRanges ? "node-cidr" : "aws", sameBoot ? loaded : { ...loaded, leases: [] });
    const sameSelection = loaded.resolution?.selection === selectionKey(this.#parts.keeper.settings);
    // Another boot may be another instance started from this disk: then nothing is served before the node is known.
    // A node with ranges of its own has nothing to wait for, and looks first which addresses are its devices'.
    this.#warm = sameBoot && sameSelection && state.instanceId !== "" && state.blocks.length > 0 && !hasRanges;
    if (this.#warm) {
      this.#parts.node.trusted = new Set(loaded.resolution?.subnetIds);
      this.#parts.surveyor.spread(this.#parts.keeper.settings.values["start-jitter-seconds"] * 1_000);
    } else if (this.#fleet === undefined && !hasRanges) {
      this.#parts.surveyor.spread(this.#parts.keeper.settings.values["first-start-jitter-seconds"] * 1_000);
    }
    if (state.interfaces.length > 0) this.#parts.observer.followsAnother();
    restorePool(this.#parts.node, state, this.#clock.nowMs(), this.#parts.telemetry);
    this.#parts.fixed.restore(state.fixed ?? []);
    this.#parts.actor.adopt(state.intents);
    // Recorded with the identity, so that a boot in which the node was never identified has no warm start either.
    const boot = sameBoot ? undefined : ({ kind: "boot-started", bootId: this.#bootId } as const);
    this.#parts.surveyor.remember(state, boot, hasRanges && isOfThisBoot(state, this.#bootId));
    this.#begun = true;
    this.#parts.reaching.start();
    this.#parts.fleetLink.start(this.#parts.keeper.settings);
    this.#parts.fleetSettings.start();
    this.#parts.agent.start();
    this.#parts.telemetry.event({
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
    this.#parts.leasing.rejectAll(new EnidError("ENID_STOPPING"));
    this.#loop.stop();
    this.#parts.fleetLink.stop();
    this.#parts.fleetSettings.stop();
    await this.#parts.agent.stop();
    await this.#parts.activities.stop(graceMs);
    await this.#parts.reaching.stop();
    await this.#parts.ledger.flush();
    await this.#provider.close();
    await this.#store.close();
  }

  /** The watcher found the file changed. */
  async offerConfiguration(offer: ConfigurationOffer): Promise<void> {
    if (await this.#parts.keeper.offer(offer)) this.#apply(this.#parts.keeper.settings);
  }

  add(request: AddRequest, signal?: AbortSignal): Promise<AddAnswer> {
    if (this.#stopping) return Promise.reject(new EnidError("ENID_STOPPING"));
    if (this.#parts.node.agent !== undefined) return Promise.reject(new EnidError("ENID_HAND_OFF_OTHER"));
    return this.#parts.leasing.add(request, signal);
  }

  remove(attachment: Attachment, pod?: Pod): Promise<void> {
    // Before the state is loaded every pod looks unknown: the runtime has to ask again.
    if (!this.#begun) return Promise.reject(this.#closed());
    return this.#parts.leasing.remove(attachment, pod);
  }

  collect(network: string, valid: readonly Pick<Attachment, "containerId" | "interfaceName">[]): Promise<void> {
    if (!this.#begun) return Promise.reject(this.#closed());
    return this.#parts.orphans.collect(network, valid);
  }

  limited(): EnidError | undefined {
    return this.#parts.reaching.trouble();
  }

  lost(lease: Lease): EnidError | undefined {
    return lostBy(this.#parts.node, lease);
  }

  lookup(attachment: Attachment): Lease | undefined {
    return this.#parts.leasing.lookup(attachment);
  }

  notReady(): EnidError | undefined {
    const closed = this.#closed();
    if (closed !== undefined) return closed;
    const { available } = this.#parts.node.supply();
    const wanted = readyAt(this.#parts.node);
    if (available >= wanted || (available > 0 && this.#parts.planner.isFull)) return undefined;
    return new EnidError("ENID_NOT_READY", { available, wanted, reason: this.#parts.planner.whyNone().message });
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
      node: this.#parts.node,
      restraint: this.#parts.restraint,
      givingBack: this.#parts.givingBack,
      waiting: this.#waiting(),
      degraded: this.#parts.degradations.list(),
      configuration: this.#parts.keeper.report(this.#parts.node.facts),
      store: this.#store.facts(),
      observedAtMs: this.#parts.surveyor.observedAtMs,
      budget: this.#provider.budget?.(),
      refillAtMs: this.#parts.planner.refillAtMs,
      reach: this.#parts.reaching.reports(),
      orphans: this.#parts.orphans.report(),
      fleet: this.#parts.fleetLink.report(),
      agent: this.#parts.agent.report(),
    });
  }

  dryRun(waiting: number): PlanReport {
    return dryRun({
      node: this.#parts.node,
      provider: this.#provider,
      restraint: this.#parts.restraint,
      giveBack: this.#parts.planner.giveBack(),
      nowMs: this.#clock.nowMs(),
      waiting: this.#parts.leasing.waitingCount + this.#parts.agent.waitingCount + waiting,
      obstacle: this.#closed() ?? this.#parts.surveyor.resolveError,
      remarks: this.#parts.fixed.remarks(),
    });
  }

  explain(subject: string): Explanation {
    return explain({
      subject,
      node: this.#parts.node,
      history: this.#parts.history,
      waiting: this.#waiting(),
      whyNone: () => this.#closed() ?? this.#parts.planner.whyNone(),
      leftBehind: (lease) => this.#parts.orphans.explain(lease),
      nowMs: this.#clock.nowMs(),
    });
  }

  #waiting(): readonly WaitingReport[] {
    return [...this.#parts.leasing.waiting(), ...this.#parts.fixed.waiting()];
  }

  /** Takes over the leases that another IPAM's record states (docs/adoption.md). */
  adoptLeases(request: AdoptionText, dryRun: boolean): Promise<AdoptionReport> {
    if (this.#closed() !== undefined) return Promise.reject(this.#closed());
    const options = {
      node: this.#parts.node,
      ledger: this.#parts.ledger,
      provider: this.#provider,
      clock: this.#clock,
      history: this.#parts.history,
      telemetry: this.#parts.telemetry,
      askCloud: () => this.#parts.surveyor.askCloud(0),
    };
    return adoptLeases(options, request, dryRun);
  }

  leases(): readonly Lease[] {
    return [...this.#parts.node.pool.leases()];
  }

  /** Addresses of the pool by state; cheap. */
  counts = (): Counts => this.#parts.node.pool.counts();

  /** What is wrong inside the pool, a sentence each; empty unless enid has a bug. Looks at every address. */
  problems(): readonly string[] {
    return this.#parts.node.pool.problems();
  }

  async setOverride(assignment: string): Promise<Settings> {
    await this.#parts.keeper.set(assignment);
    this.#apply(this.#parts.keeper.settings);
    return this.#parts.keeper.settings;
  }

  async unsetOverride(name: string): Promise<Settings> {
    await this.#parts.keeper.unset(name);
    this.#apply(this.#parts.keeper.settings);
    return this.#parts.keeper.settings;
  }

  /** One round: what is free is given out, what is due is looked at, and a plan is begun. */
  #tick(): number {
    const nowMs = this.#clock.nowMs();
    const ended = this.#parts.node.pool.cool(nowMs);
    if (ended.length > 0) void this.#parts.ledger.eventually([{ kind: "cooling-end", addresses: ended }]);
    else this.#parts.ledger.retry();
    this.#parts.ranges.look();
    this.#parts.leasing.serve();
    this.#parts.surveyor.look(nowMs);
    this.#parts.fleetLink.look(nowMs);
    this.#parts.fleetSettings.look((settings) => this.#apply(settings));
    this.#parts.orphans.look(nowMs);
    this.#parts.fixed.look(nowMs);
    this.#tellUrgency();
    const { facts } = this.#parts.node;
    if (facts !== undefined) {
      this.#parts.actor.settleDue();
      this.#parts.selfCheck.checkDue(nowMs);
      this.#parts.givingBack.look();
      if (this.#parts.selfCheck.broken === undefined) this.#parts.sweeper.sweepDue();
    }
    this.#parts.agent.look(nowMs);
    if (
      facts !== undefined &&
      this.#parts.node.resolution !== undefined &&
      this.#parts.surveyor.current &&
      this.#parts.selfCheck.broken === undefined
    ) {
      this.#parts.planner.round(facts, nowMs);
    } else this.#parts.leasing.expire(undefined);
    this.#parts.reaching.look(nowMs);
    this.#parts.agent.tell();
    return this.#pauseMs();
  }

  /** Calls that wait for a token of the fleet's are asked for anew when they become more urgent. */
  #tellUrgency(): void {
    const { node, leasing, fixed, surveyor, agent } = this.#parts;
    const waiting = leasing.waitingCount + fixed.waiting().length + agent.waitingCount;
    this.#fleet?.urgency(urgencyOf(node, waiting, surveyor.observed));
  }

  #demandChanged(urgent: boolean): void {
    this.#parts.reaching.look(this.#clock.nowMs());
    if (urgent) this.#tellUrgency();
    if (urgent) {
      this.#parts.surveyor.hurry();
      this.#loop.wakeAfterBurst();
    } else this.#loop.wake(this.#parts.planner.refillMs);
  }

  /** How long nothing becomes due by itself. */
  #pauseMs(): number {
    const nowMs = this.#clock.nowMs();
    let nextMs = soonest(nowMs + LIMITS.heartbeatMs, this.#parts.ledger.refusedUntilMs, nowMs);
    for (const part of this.#parts.timed) nextMs = soonest(nextMs, part.nextMs(nowMs), nowMs);
    return Math.max(1, nextMs - nowMs);
  }

  #apply(settings: Settings): void {
    const selectionChanged = selectionKey(this.#parts.node.settings) !== selectionKey(settings);
    this.#parts.node.settings = settings;
    this.#settingsChanged?.(settings);
    this.#parts.ranges.align();
    if (selectionChanged) this.#parts.surveyor.selectionChanged();
    this.#parts.restraint.lift();
    this.#parts.planner.settingsChanged();
    const retired = this.#parts.node.retirePrimaries();
    if (retired.length > 0) void this.#parts.ledger.eventually([{ kind: "blocks-remove", cidrs: retired }]);
    if (this.#parts.node.refreshUsability()) this.#parts.surveyor.outdated(0);
    this.#loop.wake(0);
  }

  /** Why nothing may be leased now. */
  #closed(): EnidError | undefined {
    if (this.#stopping) return new EnidError("ENID_STOPPING");
    if (!this.#begun) return new EnidError("ENID_STARTING", { waitingFor: "the state is being loaded" });
    if (this.#parts.selfCheck.broken !== undefined) return this.#parts.selfCheck.broken;
    if (this.#warm || this.#parts.surveyor.observed) {
      // No address is leased by what the settings or the devices said before.
      this.#parts.ranges.align();
      return undefined;
    }
    return stillStarting(this.#parts.node, this.#parts.degradations);
  }
}
