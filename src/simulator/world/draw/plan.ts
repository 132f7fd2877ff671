import { EnidError } from "../../../errors.ts";
import { instanceType } from "../../../instance-types/index.ts";
import { Dice } from "../../engine/index.ts";
import type { NodeSections } from "../../scenario/index.ts";
import { drawWorkload, type WorkloadSpec } from "../../workload/index.ts";
import { type Drawn, FAULT_MAKERS, type FaultPlace } from "../faults/index.ts";
import { AGENT_FAULT_KINDS, FAULT_KINDS, type FaultKind, FLEET_FAULT_KINDS, type SeedOptions } from "../options.ts";
import type { PlannedFault } from "../outcome.ts";
import { type AgentsPlan, drawAgents, podsWithAgents, withAgents } from "./agents.ts";
import { besideStateful, drawFleet, type FleetPlan, podsWithFleet, withFleet } from "./fleet.ts";
import { drawPlace, type Place } from "./place.ts";
import { drawSections } from "./sections.ts";

const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;
/** Small instances: their limits are met often. */
const TYPES = ["t3.small", "t3.medium", "m5.large", "m5.large", "m5.xlarge"] as const;
/** Where a StatefulSet is what the world is about, each node takes some of its pods. */
const STATEFUL_TYPES = ["t3.medium", "m5.large", "m5.large", "m5.xlarge"] as const;
/** A seed has each kind of fault with this chance, and then a few of it. */
const CHANCE_OF_KIND = 0.3;
/** Where fleets are what the world is about. */
const CHANCE_OF_FLEET_KIND = 0.6;
/** What happens beside the faults of fleets in such a world. */
const BESIDE_FLEET_KINDS: readonly FaultKind[] = [
  "crash",
  "reboot",
  "power-loss",
  "replace",
  "ec2-lost-reply",
  "stale-describe",
];

export interface MachinePlan {
  readonly instanceType: string;
  readonly sections: NodeSections;
  /** Pods that the scheduler places at most. */
  readonly podLimit: number;
  /** Virtual ms at which the instance is launched. */
  readonly launchMs: number;
  readonly disk: "memory" | "sqlite";
  /** Ms from one GC of its container runtime to the next; 0 = it sends none, as most do. */
  readonly collectEveryMs: number;
}

export interface FaultPlan extends PlannedFault {
  readonly begin: Drawn["begin"];
}

/** Everything that a seed decides before anything runs. */
export interface WorldPlan {
  readonly place: Place;
  readonly machines: readonly MachinePlan[];
  readonly workload: readonly WorkloadSpec[];
  /** Absent = every node works alone. */
  readonly fleet: FleetPlan | undefined;
  /** Absent = pods ask for their addresses by CNI. */
  readonly agents: AgentsPlan | undefined;
  /** All faults of the seed, also those that the options leave out. */
  readonly faults: readonly FaultPlan[];
  readonly endMs: number;
  readonly lines: readonly string[];
}

/** A function of the options alone. Errors: ENID_INTERNAL for options out of their range. */
export function drawPlan(options: SeedOptions): WorldPlan {
  const { seed, nodes, hours, realDisks = false } = options;
  const dice = new Dice(seed).fork("plan");
  const shared = drawFleet(dice.fork("shared"), options);
  const agents = drawAgents(dice.fork("agents"), options);
  const fleet = dice.fork("fleet");
  const type = fleet.pick(options.fleet === "stateful" ? STATEFUL_TYPES : TYPES);
  const limits = instanceType(type);
  if (limits === undefined) throw new EnidError("ENID_INTERNAL", { detail: `no limits of ${type}` });
  const most = limits.maxInterfaces * (limits.ipv4PerInterface - 1);
  const place = drawPlace(dice.fork("place"), nodes, most);
  const alike = drawSections(fleet, place.hasIpv6);
  const mixed = fleet.chance(0.3);
  const machines = Array.from({ length: nodes }, (_, node): MachinePlan => {
    const own = dice.fork(`machine-${node}`);
    const alone = mixed ? drawSections(own, place.hasIpv6) : alike;
    const configured = shared === undefined ? alone : withFleet(alone, shared);
    const sections = agents === undefined ? configured : withAgents(configured, agents);
    // A pod fewer than what the interfaces beside the primary one carry: in peace every pod can be served.
    const podLimit = Math.max(2, (limits.maxInterfaces - 1) * (limits.ipv4PerInterface - 1) - 1);
    return {
      instanceType: type,
      sections,
      podLimit:
        shared !== undefined ? podsWithFleet(podLimit) : agents !== undefined ? podsWithAgents(podLimit) : podLimit,
      launchMs: own.between(0, 60_000),
      disk: own.chance(0.5) && realDisks ? "sqlite" : "memory",
      collectEveryMs: agents === undefined ? drawCollections(own.fork("collections")) : 0,
    };
  });
  const workload =
    options.fleet === "stateful"
      ? besideStateful(dice.fork("beside"))
      : drawWorkload(dice.fork("workload"), nodes, hours);
  const endMs = hours * HOUR_MS;
  const faults = drawFaults(dice.fork("faults"), options, {
    nodes,
    hasIpv6: place.hasIpv6,
    hasFleet: shared !== undefined,
    hasAgents: agents !== undefined,
    sections: machines.map(({ sections }) => sections),
  });
  const lines = [
    `machines: ${nodes} × ${type}, ${machines[0]?.podLimit} pods each`,
    place.line,
    ...(shared === undefined ? [] : [shared.line]),
    ...(agents === undefined ? [] : [agents.line]),
    ...machines.map(
      ({ sections, disk, launchMs, collectEveryMs }, node) =>
        `node-${node + 1}: launched at ${Math.round(launchMs / 1_000)} s, disk ${disk}, ` +
        `${collectEveryMs === 0 ? "no GC" : `GC about every ${collectEveryMs / MINUTE_MS} min`}, ${JSON.stringify(sections)}`,
    ),
    ...workload.map((spec) => `workload: ${JSON.stringify(spec)}`),
  ];
  return { place, machines, workload, fleet: shared, agents, faults, endMs, lines };
}

function drawCollections(dice: Dice): number {
  return dice.chance(0.2) ? dice.pick([4, 20, 60]) * MINUTE_MS : 0;
}

function drawFaults(dice: Dice, options: SeedOptions, place: FaultPlace): FaultPlan[] {
  const { faults: choice, hours, fleet } = options;
  const kinds: readonly FaultKind[] = choice === "all" ? FAULT_KINDS : choice === "none" ? [] : choice;
  const drawn: (Omit<FaultPlan, "number"> & { readonly order: number })[] = [];
  for (const kind of FAULT_KINDS) {
    const isOfFleets = FLEET_FAULT_KINDS.includes(kind);
    const isOfAgents = AGENT_FAULT_KINDS.includes(kind);
    if (!kinds.includes(kind) || (isOfFleets && !place.hasFleet) || (isOfAgents && !place.hasAgents)) continue;
    // Cilium's agent has no GC: an endpoint whose DEL never comes keeps its address for ever, and that is none of enid's doing.
    if (place.hasAgents && kind === "del-missing") continue;
    if (choice === "all" && fleet === "stateful" && !isOfFleets && !BESIDE_FLEET_KINDS.includes(kind)) continue;
    const own = dice.fork(kind);
    const isItsOwn = (fleet === "stateful" && isOfFleets) || isOfAgents;
    const chance = isItsOwn ? CHANCE_OF_FLEET_KIND : CHANCE_OF_KIND;
    // Who names the kinds wants to see each of them.
    if (choice === "all" && !own.chance(chance)) continue;
    // Nodes are lost in proportion to how many there are.
    const times = fleet === "stateful" && kind.startsWith("node-") ? Math.ceil(options.nodes / 5) : 1;
    const count = times * Math.max(1, Math.round(own.between(1, 3) * Math.min(1, hours)));
    for (let n = 0; n < count; n++) {
      const each = own.fork(`${n}`);
      const fromMs = Math.floor(each.fraction() * hours * HOUR_MS);
      const { text, forMs, machine, begin } = FAULT_MAKERS[kind](each, place);
      const untilMs = Math.min(hours * HOUR_MS, fromMs + forMs);
      drawn.push({ kind, fromMs, untilMs, machine, text, begin, order: drawn.length });
    }
  }
  drawn.sort((one, other) => one.fromMs - other.fromMs || one.order - other.order);
  return drawn.map(({ order: _, ...fault }, index) => ({ ...fault, number: index + 1 }));
}
