import type { Clock } from "../../adapters/index.ts";
import { Dice, EventLog, type LogEntry, Scheduler } from "../engine/index.ts";
import { type LoggedCall, SimulatedCloud } from "../index.ts";
import { playWorkload, type WorkloadPlay } from "../workload/index.ts";
import { callsOf, readyBoundSeconds } from "./bound.ts";
import { CallCounter } from "./calls.ts";
import { settingsOf } from "./capacity.ts";
import { type PlacedSubnet, placeOf } from "./description.ts";
import type { SimulationReport } from "./figures.ts";
import { Fleet } from "./fleet.ts";
import { AddressLedger } from "./ledger.ts";
import type { ScenarioOutcome } from "./outcome.ts";
import { spreadOf } from "./percentiles.ts";
import type { Policy } from "./policy.ts";
import { Sampler } from "./sampler.ts";
import type { Exhaustion, Scenario } from "./scenario.ts";

/** Midnight UTC, so that an hour of the day is an hour of the run. */
const START_MS = Date.UTC(2026, 0, 1);
const HOUR_MS = 3_600_000;
/** Wall ms between two reports of progress. */
const PROGRESS_EVERY_MS = 250;
/** Before the end no pod comes or goes, at most for this share of the run: whoever waits at the end has waited that long. */
const QUIET_MS = 60_000;
const QUIET_SHARE = 0.1;
/** Steps in which others take the addresses of a subnet. */
const EXHAUSTION_STEPS = 1_000;

export interface Progress {
  /** Virtual seconds. */
  readonly atSeconds: number;
  /** The most that the scenario may take. */
  readonly ofSeconds: number;
  readonly readyNodes: number;
  readonly nodes: number;
  readonly wallSeconds: number;
}

export interface ScenarioRun {
  readonly scenario: Scenario;
  readonly policy: Policy;
  /** Measures what the run takes; the scenario itself has a clock of its own. */
  readonly clock: Clock;
  readonly onProgress?: (progress: Progress) => void;
  readonly signal?: AbortSignal;
  /** Hears everything that the hash of the run is made of. */
  readonly log?: (entry: LogEntry) => void;
}

/** Plays the scenario under the policy. Rejects with the signal's reason when aborted. */
export async function runScenario(options: ScenarioRun): Promise<ScenarioOutcome> {
  return await new Run(options).play();
}

class Run {
  readonly #options: ScenarioRun;
  readonly #wallStartMs: number;
  readonly #limitMs: number;
  readonly #scheduler: Scheduler;
  readonly #log: EventLog;
  readonly #cloud: SimulatedCloud;
  readonly #subnets: readonly PlacedSubnet[];
  readonly #calls: CallCounter;
  readonly #ledger: AddressLedger;
  readonly #fleet: Fleet;
  readonly #sampler: Sampler;
  #toldMs = Number.NEGATIVE_INFINITY;

  constructor(options: ScenarioRun) {
    const { scenario, policy, clock, log } = options;
    this.#options = options;
    this.#wallStartMs = clock.monotonicMs();
    this.#limitMs = scenario.hours * HOUR_MS;
    const dice = new Dice(scenario.seed);
    const scheduler = new Scheduler({ startMs: START_MS, dice: dice.fork("order") });
    const elapsedMs = () => scheduler.elapsedMs();
    const { description, subnets } = placeOf(scenario);
    this.#scheduler = scheduler;
    this.#subnets = subnets;
    this.#log = new EventLog(log);
    this.#calls = new CallCounter(this.#log, elapsedMs);
    this.#cloud = new SimulatedCloud({
      description,
      clock: scheduler,
      random: dice.fork("cloud"),
      file: scenario.name,
      log: "counts",
      onCall: (call) => this.#onCall(call),
    });
    const cloud = this.#cloud;
    this.#ledger = new AddressLedger({ cloud, seed: scenario.seed, elapsedMs });
    const shared = { cloud, scheduler, subnets, ledger: this.#ledger };
    this.#fleet = new Fleet({ ...shared, scenario, policy, dice, log: this.#log });
    this.#sampler = new Sampler({
      ...shared,
      fleet: this.#fleet,
      calls: this.#calls,
      onSample: () => this.#tell(),
    });
  }

  #onCall(call: LoggedCall): void {
    this.#calls.note(call);
    const { NetworkInterfaceId: id } = call.parameters;
    if (!call.hadEffect || typeof id !== "string") return;
    const instanceId = this.#cloud.interface(id)?.attachment?.instanceId;
    if (instanceId !== undefined) this.#fleet.changed(instanceId);
  }

  async play(): Promise<ScenarioOutcome> {
    const { scenario, signal } = this.#options;
    const endMs = START_MS + this.#limitMs;
    this.#fleet.begin();
    for (const one of scenario.exhaustion) this.#exhaust(one);
    this.#sampler.begin();
    const quietMs = Math.min(QUIET_MS, this.#limitMs * QUIET_SHARE);
    const workload = playWorkload(this.#fleet, scenario.workload, endMs - quietMs);
    const isOver = () => signal?.aborted === true || (scenario.until === "all-ready" && this.#isAllReady(workload));
    try {
      await this.#scheduler.run(endMs, isOver);
    } finally {
      workload.stop();
    }
    signal?.throwIfAborted();
    this.#sampler.sample();
    const outcome = this.#outcome(workload);
    this.#fleet.end();
    return outcome;
  }

  #isAllReady({ counts }: WorkloadPlay): boolean {
    return this.#fleet.isAllReady && this.#fleet.waitingPods === 0 && counts.pending === 0;
  }

  /** Others take so many addresses evenly over the time, a few at a time. */
  #exhaust({ subnet, fromSeconds, untilSeconds, addresses }: Exhaustion): void {
    const ids = this.#subnets.filter((_, at) => subnet === undefined || at === subnet).map(({ id }) => id);
    const steps = Math.min(addresses, EXHAUSTION_STEPS);
    const distanceMs = ((untilSeconds - fromSeconds) * 1_000) / steps;
    const take = (step: number) => {
      const count = Math.floor((addresses * step) / steps) - Math.floor((addresses * (step - 1)) / steps);
      for (const id of ids) this.#cloud.occupy(id, count);
      if (step < steps) this.#scheduler.after(distanceMs, () => take(step + 1));
    };
    this.#scheduler.after(fromSeconds * 1_000 + distanceMs, () => take(1));
  }

  #tell(): void {
    const { onProgress, clock } = this.#options;
    const nowMs = clock.monotonicMs();
    if (onProgress === undefined || nowMs - this.#toldMs < PROGRESS_EVERY_MS) return;
    this.#toldMs = nowMs;
    onProgress({
      atSeconds: this.#scheduler.elapsedMs() / 1_000,
      ofSeconds: this.#limitMs / 1_000,
      readyNodes: this.#fleet.readyNodes,
      nodes: this.#fleet.nodeCount,
      wallSeconds: this.#wallSeconds(),
    });
  }

  #wallSeconds(): number {
    return (this.#options.clock.monotonicMs() - this.#wallStartMs) / 1_000;
  }

  #outcome(workload: WorkloadPlay): ScenarioOutcome {
    const { scenario, policy } = this.#options;
    const fleet = this.#fleet;
    const { pending, turnedAway } = workload.counts;
    const unserved = fleet.waitingPods + pending + turnedAway;
    return {
      scenario: scenario.name,
      policy: policy.name,
      report: this.#report(),
      complete: fleet.isAllReady && unserved === 0,
      nodes: { total: fleet.nodeCount, ready: fleet.readyNodes },
      pods: {
        served: fleet.timeToAddressMs.length,
        unserved,
        failedAttempts: fleet.nodes.reduce((sum, { kubelet }) => sum + kubelet.counts.failedAdds, 0),
      },
      subnets: this.#subnets.map(({ id, cidr, size }, at) => {
        return { id, cidr, size, leastFree: this.#sampler.leastFree[at] ?? size };
      }),
      series: this.#sampler.series,
      wallSeconds: this.#wallSeconds(),
    };
  }

  #report(): SimulationReport {
    const fleet = this.#fleet;
    const served = fleet.timeToAddressMs.length;
    return {
      seeds: 1,
      steps: this.#scheduler.steps,
      simulatedHours: this.#nodeHours(),
      hash: this.#log.digest(),
      violations: this.#ledger.violations,
      faults: {},
      ec2Calls: this.#calls.byAction(),
      throttledShare: this.#calls.total === 0 ? 0 : this.#calls.throttled / this.#calls.total,
      readySeconds: { ...spreadOf(fleet.readySeconds), bound: this.#boundSeconds() },
      timeToAddressMs: spreadOf(fleet.timeToAddressMs),
      waitedShare: served === 0 ? 0 : fleet.waited / served,
      idleAddresses: { mean: this.#sampler.idleMean, peak: this.#sampler.idlePeak },
    };
  }

  /** From each node's start to the end of the run. */
  #nodeHours(): number {
    const endMs = this.#scheduler.elapsedMs();
    return this.#options.scenario.nodes.reduce((sum, { count, startSeconds, spreadSeconds }) => {
      for (let at = 0; at < count; at++) {
        sum += Math.max(0, endMs - (startSeconds + (spreadSeconds * at) / count) * 1_000) / HOUR_MS;
      }
      return sum;
    }, 0);
  }

  #boundSeconds(): number {
    const { scenario } = this.#options;
    const settings = settingsOf(scenario.settings, scenario.name);
    const groups = scenario.nodes.map((group) => ({ ...group, calls: callsOf(group.type, settings) }));
    return readyBoundSeconds(groups, this.#cloud.settings);
  }
}
