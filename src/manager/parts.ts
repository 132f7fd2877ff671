import type { Clock, Random } from "../adapters/index.ts";
import type { Settings } from "../configuration/index.ts";
import type { EnidError } from "../errors.ts";
import type { AgentHandOff } from "../handoff/cilium-node/port.ts";
import type { Pool } from "../pool/index.ts";
import { Actor, removalOf } from "./acting.ts";
import { Activities } from "./activities.ts";
import { AgentPool } from "./agent.ts";
import { Degradations } from "./degradations.ts";
import { Fixed } from "./fixed.ts";
import { FleetLink } from "./fleet-link.ts";
import { FleetSettings } from "./fleet-settings.ts";
import { GivingBack } from "./giving-back.ts";
import { History } from "./history.ts";
import { Leasing } from "./leasing.ts";
import { Ledger } from "./ledger.ts";
import { LIMITS } from "./limits.ts";
import type { Timed } from "./moments.ts";
import { NodeState } from "./node.ts";
import { Observer } from "./observing.ts";
import { Orphans } from "./orphans.ts";
import { Planner } from "./planner.ts";
import type { Fleet, Provider, Reach, Sandboxes, Store, Telemetry } from "./ports/index.ts";
import { Promises } from "./promises.ts";
import { Ranges } from "./ranges.ts";
import { Reaching } from "./reaching.ts";
import { Restraint } from "./restraint.ts";
import { SelfCheck } from "./self-check.ts";
import { SettingsKeeper } from "./settings-keeper.ts";
import { Surveyor } from "./surveying.ts";
import { Sweeper } from "./sweeping.ts";

export interface ManagerOptions {
  readonly provider: Provider;
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly telemetry: Telemetry;
  /** Identity of this boot of the machine: leases of another boot are over. */
  readonly bootId: string;
  /** What makes pod addresses reachable on this node. Absent = nothing does, or somebody else. */
  readonly reaches?: readonly Reach[];
  /** Absent = sandboxes cannot be seen from here: leases end by DEL and GC alone. */
  readonly sandboxes?: Sandboxes;
  /** What the node shares with others. Absent = nothing: it works alone. */
  readonly fleet?: Fleet | undefined;
  /** Cilium's agent takes the addresses, told and asked by this. Absent = pods ask for them by CNI. */
  readonly agent?: AgentHandOff | undefined;
  /** Told the settings that are in force, each time after they changed. */
  readonly settingsChanged?: (settings: Settings) => void;
  /** Labels of the node, which the fleet's profiles match. Absent = none. */
  readonly nodeLabels?: Readonly<Record<string, string>>;
  /** Name of the machine, for the tags of interfaces that are made. Absent = none. */
  readonly nodeName?: string;
  /** For simulated worlds alone, which hand in a pool with a weakness to see that they find it. Absent = the pool. */
  readonly createPool?: (() => Pool) | undefined;
}

/** What the parts need of the manager that they are of. */
export interface Hooks {
  /** Why nothing may be leased now. */
  readonly closed: () => EnidError | undefined;
  /** Why the node is not ready. */
  readonly notReady: () => EnidError | undefined;
  readonly demandChanged: (urgent: boolean) => void;
  readonly wake: () => void;
}

/** The parts of a manager, each with its one thing (docs/architecture.md has the list). */
export type Parts = ReturnType<typeof composeParts>;

export function composeParts(options: ManagerOptions, clock: Clock, hooks: Hooks) {
  const { provider, telemetry, random } = options;
  const degradations = new Degradations(telemetry);
  const promises = new Promises({ telemetry, halt: (error) => selfCheck.halt(error, clock.nowMs()) });
  const ledger = new Ledger(options.store, clock, degradations, telemetry);
  const keeper = new SettingsKeeper({
    ledger,
    clock,
    telemetry,
    degradations,
    promises,
    servesNodeRanges: provider.name === "node-cidr",
  });
  const node = new NodeState(keeper.settings, options.createPool);
  const { fleet, nodeLabels: labels = {} } = options;
  const fleetSettings = new FleetSettings({ fleet, keeper, node, labels, wake: hooks.wake });
  const selfCheck = new SelfCheck(node, degradations, promises);
  const restraint = new Restraint(clock, random, degradations);
  const activities = new Activities(clock, LIMITS.activityMs, hooks.wake);
  const history = new History(LIMITS.historyEntries);
  const shared = { node, ledger, clock, telemetry, history, degradations, promises };
  const ranges = new Ranges({ ...shared, wake: hooks.wake });
  const observer = new Observer(shared);
  const actor = new Actor({
    ...shared,
    provider,
    observer,
    restraint,
    activities,
    random,
    nodeName: options.nodeName ?? "",
    fence: (cidrs) => fixed.fence(cidrs),
    outdated: () => surveyor.outdated(LIMITS.staleMs),
    lookLater: () => surveyor.lookLater(),
    distrustSubnets: () => surveyor.distrustSubnets(),
    maySweep: (clusterName) => sweeper.isOurs(clusterName),
  });
  const surveyor = new Surveyor({
    ...shared,
    provider,
    observer,
    keeper,
    activities,
    random,
    leaked: (interfaces) => {
      for (const leaked of interfaces) actor.begin(removalOf(leaked));
    },
  });
  const reaching = new Reaching({ node, reaches: options.reaches ?? [], degradations, wake: hooks.wake });
  const fleetLink = new FleetLink({
    node,
    degradations,
    clock,
    fleet: options.fleet,
    nodeName: options.nodeName ?? "",
    wake: hooks.wake,
  });
  const fixed: Fixed = new Fixed({
    ...shared,
    provider,
    random,
    activities,
    restraint,
    actor,
    fleet: options.fleet,
    current: () => surveyor.current,
    closed: hooks.closed,
    end: (attachment) => leasing.remove(attachment),
    hurry: () => hooks.demandChanged(true),
    wake: hooks.wake,
  });
  const leasing: Leasing = new Leasing({
    ...shared,
    fixed,
    wallAheadMs: () => options.clock.nowMs() - clock.nowMs(),
    closed: hooks.closed,
    whyNone: () => planner.whyNone(),
    changed: hooks.demandChanged,
    reachable: (lease) => reaching.ready(lease),
    sandboxes: options.sandboxes,
  });
  const orphans = new Orphans({
    ...shared,
    sandboxes: options.sandboxes,
    activities,
    end: (attachment) => leasing.remove(attachment),
  });
  const givingBack = new GivingBack(node, clock, random);
  const others = { restraint, activities, random };
  const sweeper: Sweeper = new Sweeper({
    ...shared,
    ...others,
    provider,
    singletons: fleet?.singletons,
    begin: (step) => actor.begin(step),
  });
  const agent: AgentPool = new AgentPool({
    ...shared,
    handOff: options.agent,
    planner: () => planner,
    closed: hooks.closed,
    notReady: hooks.notReady,
    canPlan: () => node.resolution !== undefined && surveyor.current && selfCheck.broken === undefined,
    wake: hooks.wake,
  });
  const planner: Planner = new Planner({ ...shared, ...others, surveyor, actor, leasing, givingBack, agent });
  const timed: readonly Timed[] = [
    surveyor,
    fleetLink,
    leasing,
    fixed,
    givingBack,
    planner,
    actor,
    restraint,
    sweeper,
    orphans,
  ];
  return {
    random,
    telemetry,
    degradations,
    ledger,
    keeper,
    fleetSettings,
    node,
    selfCheck,
    restraint,
    activities,
    history,
    ranges,
    observer,
    actor,
    surveyor,
    reaching,
    fleetLink,
    leasing,
    fixed,
    orphans,
    givingBack,
    sweeper,
    agent,
    planner,
    timed,
  };
}
