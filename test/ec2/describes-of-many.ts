import { FleetNode, MemoryServer, memoryFleetStore } from "../../src/fleet/index.ts";
import type { Provider, Selection, Telemetry } from "../../src/manager/ports/index.ts";
import { createAwsProvider } from "../../src/providers/aws/index.ts";
import { createDirectAccess } from "../../src/simulator/direct/index.ts";
import { Dice, Scheduler } from "../../src/simulator/engine/index.ts";
import { SimulatedCloud } from "../../src/simulator/index.ts";
import { NODE_GROUP, POD_GROUP, VPC, ZONE } from "./cloud.ts";

/** The describes whose answers are the same for every node. */
export const COMMON = ["DescribeSubnets", "DescribeSecurityGroups", "DescribeInstanceTypes"] as const;

const SELECTION: Selection = {
  subnetIds: [],
  subnetTags: { pods: "true" },
  securityGroups: [],
  securityGroupTags: { role: "pods" },
  excludeInterfaceTags: {},
  deleteOnTermination: true,
};

const MINUTE_MS = 60_000;
/** Nodes come within this time. */
const START_MS = 2 * MINUTE_MS;
/** A node that grows asks again as often as the manager does, a little earlier or later. */
const EVERY_MS = 5 * MINUTE_MS;

export interface Many {
  readonly nodes: number;
  readonly minutes: number;
  /** Whether the nodes are of one fleet. */
  readonly isFleet: boolean;
  /** Minutes from the start in which the store is away. */
  readonly away?: readonly [number, number];
}

export interface DescribesOfMany {
  /** Requests that EC2 got, refused ones too, by action. */
  readonly describes: Readonly<Record<string, number>>;
  readonly total: number;
  readonly throttled: number;
  /** Times that a node learnt which subnets and groups it may use. */
  readonly resolved: number;
  /** The longest that a node waited for that. */
  readonly slowestMs: number;
}

/** Nodes that start, and go on growing: the production provider of each on one simulated cloud. */
export async function describesOfMany({ nodes, minutes, isFleet, away }: Many): Promise<DescribesOfMany> {
  const dice = new Dice(7);
  const clock = new Scheduler({ startMs: Date.UTC(2026, 0, 1), dice: dice.fork("order") });
  const ids = Array.from({ length: nodes }, (_, n) => `i-0a${n.toString(16).padStart(15, "0")}`);
  const cloud = new SimulatedCloud({
    clock,
    random: dice.fork("cloud"),
    description: {
      region: "eu-central-1",
      account: "123456789012",
      vpcs: [{ id: VPC, cidrs: ["10.64.0.0/16"] }],
      subnets: [
        { id: "subnet-0a000000000000001", vpc: VPC, cidr: "10.64.0.0/18", zone: ZONE },
        ...Array.from({ length: 12 }, (_, n) => ({
          id: `subnet-0b${n.toString(16).padStart(15, "0")}`,
          vpc: VPC,
          cidr: `10.64.${64 + 4 * n}.0/22`,
          zone: ZONE,
          tags: { pods: "true" },
        })),
      ],
      securityGroups: [
        { id: NODE_GROUP, vpc: VPC, name: "nodes" },
        { id: POD_GROUP, vpc: VPC, name: "pods", tags: { role: "pods" } },
      ],
      instances: ids.map((id) => ({ id, type: "m5.large", subnet: "subnet-0a000000000000001" })),
    },
  });
  const server = new MemoryServer({ clock, latencyMs: () => 1 + 2 * dice.fraction() });
  const endMs = clock.nowMs() + minutes * MINUTE_MS;
  if (away !== undefined) {
    clock.after(away[0] * MINUTE_MS, () => server.down(true));
    clock.after(away[1] * MINUTE_MS, () => server.down(false));
  }
  const tally = { resolved: 0, slowestMs: 0, throttled: 0 };
  const describes: Record<string, number> = Object.fromEntries(COMMON.map((action) => [action, 0]));
  const telemetry: Telemetry = {
    event: () => {},
    cloudCall: ({ action, code }) => {
      if (describes[action] === undefined) return;
      describes[action]++;
      if (/Throttl|RequestLimit/.test(code)) tally.throttled++;
    },
    served: () => {},
  };

  async function resolve(provider: Provider): Promise<void> {
    const startedAtMs = clock.nowMs();
    try {
      await provider.identify();
      await provider.resolve(SELECTION);
    } catch {
      // As the manager does, if more patiently: it asks until it knows.
      await new Promise<void>((again) => void clock.after(5_000 + 5_000 * dice.fraction(), again));
      return resolve(provider);
    }
    tally.resolved++;
    tally.slowestMs = Math.max(tally.slowestMs, clock.nowMs() - startedAtMs);
  }

  async function live(provider: Provider): Promise<void> {
    while (clock.nowMs() < endMs) {
      await resolve(provider);
      const pauseMs = EVERY_MS * (0.9 + 0.2 * dice.fraction());
      await new Promise<void>((next) => void clock.after(pauseMs, next));
    }
  }

  for (const id of ids) {
    const random = dice.fork(id);
    const fleet = new FleetNode({
      store: memoryFleetStore(server, id, clock),
      clock,
      random,
      telemetry,
      settings: { name: "many", reservedShare: 0, buckets: {} },
      servers: [],
      nodeName: id,
    });
    const direct = createDirectAccess({ cloud, clock, random: random.fork("ec2"), instanceId: id });
    const common = { clock, random, telemetry, environment: {}, direct };
    const provider = createAwsProvider(
      isFleet
        ? {
            ...common,
            fleet: { budget: fleet.budget, facts: fleet.facts, located: (place) => fleet.located(place) },
          }
        : common,
    );
    clock.after(START_MS * dice.fraction(), () => void live(provider));
  }
  await clock.run(endMs);
  return { describes, total: Object.values(describes).reduce((sum, count) => sum + count, 0), ...tally };
}
