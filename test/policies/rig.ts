import type { Lease } from "../../src/pool/index.ts";
import { Dice, ProcessClock, Scheduler } from "../../src/simulator/engine/index.ts";
import { type InstanceDescription, type SettingsPatch, SimulatedCloud } from "../../src/simulator/index.ts";
import { POLICIES } from "../../src/simulator/policies/index.ts";
import type {
  Agent,
  FleetContext,
  NodeContext,
  NodeSections,
  PolicyFleet,
} from "../../src/simulator/scenario/index.ts";

export const ACCESS_KEY = "AKIASIMULATOR0000000";
const START_MS = Date.UTC(2026, 0, 1);

export interface RigOptions {
  readonly policy: string;
  readonly nodes: number;
  readonly seed?: number;
  readonly ipam?: Readonly<Record<string, unknown>>;
  readonly eni?: Readonly<Record<string, unknown>>;
  readonly settings?: SettingsPatch;
  readonly instanceType?: string;
  /** Instances carry the tag that the VPC CNI gives its interfaces. */
  readonly interfaceTags?: (instanceId: string) => Readonly<Record<string, string>>;
  /** The pod subnet; large by default. */
  readonly podCidr?: string;
}

export function idOf(kind: string, number: number): string {
  return `${kind}-0${number.toString(16).padStart(16, "0")}`;
}

/** A fleet of one policy on a virtual clock over the real model: nothing else decides anything. */
export class Rig {
  readonly scheduler: Scheduler;
  readonly cloud: SimulatedCloud;
  readonly agents: Agent[] = [];
  /** Virtual ms since the start at which each node was first seen ready, looked at each 100 ms, or as `runUntilReady` is told. */
  readonly readyMs = new Map<number, number>();
  readonly logged: string[] = [];
  readonly #options: RigOptions;
  readonly #fleet: PolicyFleet;
  readonly #dice: Dice;
  readonly #boots = new Map<number, number>();
  #pods = 0;

  constructor(options: RigOptions) {
    this.#options = options;
    this.#dice = new Dice(options.seed ?? 1);
    this.scheduler = new Scheduler({ startMs: START_MS, dice: this.#dice.fork("order") });
    const instances = Array.from({ length: options.nodes }, (_, node): InstanceDescription => {
      const id = idOf("i", node + 1);
      return {
        id,
        type: options.instanceType ?? "m5.xlarge",
        subnet: idOf("subnet", 1),
        primaryInterface: idOf("eni", node + 1),
        ...(options.interfaceTags && { interfaceTags: options.interfaceTags(id) }),
      };
    });
    this.cloud = new SimulatedCloud({
      clock: this.scheduler,
      random: this.#dice.fork("cloud"),
      description: {
        region: "us-east-1",
        account: "123456789012",
        accessKeyIds: [ACCESS_KEY],
        vpcs: [{ id: idOf("vpc", 1), cidrs: ["10.0.0.0/16", "10.1.0.0/16", "10.2.0.0/16", "10.3.0.0/16"] }],
        subnets: [
          { id: idOf("subnet", 1), vpc: idOf("vpc", 1), cidr: "10.0.0.0/16", zone: "us-east-1a" },
          {
            id: idOf("subnet", 2),
            vpc: idOf("vpc", 1),
            cidr: options.podCidr ?? "10.1.0.0/16",
            zone: "us-east-1a",
            tags: { pods: "yes" },
          },
          {
            id: idOf("subnet", 3),
            vpc: idOf("vpc", 1),
            cidr: "10.2.0.0/16",
            zone: "us-east-1a",
            tags: { pods: "yes" },
          },
        ],
        securityGroups: [{ id: idOf("sg", 1), vpc: idOf("vpc", 1), name: "default" }],
        settings: { interfaceQuota: 1_000_000, ...options.settings },
        instances,
      },
    });
    const policy = POLICIES.find(({ name }) => name === options.policy);
    if (policy === undefined) throw new RangeError(`no policy ${options.policy}`);
    const world: FleetContext = {
      cloud: this.cloud,
      clock: this.scheduler,
      dice: this.#dice.fork("fleet"),
      nodeCount: options.nodes,
      log: (kind, text, node) => this.logged.push(`${this.scheduler.elapsedMs()} ${kind} ${node ?? ""} ${text}`),
    };
    this.#fleet = policy.createFleet(world);
  }

  startAll(): void {
    for (let node = 0; node < this.#options.nodes; node += 1) this.start(node);
  }

  start(node: number): Agent {
    const agent = this.#fleet.start(this.context(node));
    this.agents[node] = agent;
    return agent;
  }

  /** The machine boots: the agent of before is gone, and so are its pods. */
  boot(node: number): Agent {
    this.agents[node]?.cut();
    this.#boots.set(node, (this.#boots.get(node) ?? 0) + 1);
    return this.start(node);
  }

  context(node: number): NodeContext {
    const settings: NodeSections = { eni: this.#options.eni ?? {}, ipam: this.#options.ipam ?? {} };
    return {
      node,
      name: `node-${node}`,
      instanceId: idOf("i", node + 1),
      instanceType: this.#options.instanceType ?? "m5.xlarge",
      bootId: `boot-${this.#boots.get(node) ?? 0}`,
      settings,
      clock: new ProcessClock(this.scheduler),
      dice: this.#dice.fork(`node ${node}`),
    };
  }

  async runFor(ms: number): Promise<void> {
    await this.scheduler.run(this.scheduler.nowMs() + ms);
  }

  /** Rejects when a node is not ready within `limitMs`. */
  async runUntilReady(limitMs: number, lookMs = 100): Promise<void> {
    const untilMs = this.scheduler.elapsedMs() + limitMs;
    while (this.scheduler.elapsedMs() < untilMs) {
      for (const [node, agent] of this.agents.entries()) {
        if (!this.readyMs.has(node) && agent.notReady() === undefined) {
          this.readyMs.set(node, this.scheduler.elapsedMs());
        }
      }
      if (this.readyMs.size === this.agents.length) return;
      await this.runFor(lookMs);
    }
    throw new Error(`${this.readyMs.size} of ${this.agents.length} nodes ready within ${limitMs} ms`);
  }

  /** Requests by action, in order of name. */
  calls(): Readonly<Record<string, number>> {
    return Object.fromEntries(
      Object.entries(this.cloud.log.counts()).map(([action, { requests }]) => [action, requests]),
    );
  }

  throttled(): number {
    return Object.values(this.cloud.log.counts()).reduce((sum, { throttled }) => sum + throttled, 0);
  }

  /** A pod's ADD, tried again each second as a kubelet does, up to `limitMs`. */
  async addPod(node: number, limitMs = 120_000): Promise<PodOnNode> {
    this.#pods += 1;
    const pod: PodOnNode = {
      node,
      attachment: { network: "pods", containerId: `container-${this.#pods}`, interfaceName: "eth0" },
      pod: { namespace: "default", name: `pod-${this.#pods}`, uid: `uid-${this.#pods}` },
      address: "",
    };
    const untilMs = this.scheduler.elapsedMs() + limitMs;
    for (;;) {
      const answer = this.agents[node]?.add(pod);
      let outcome: { readonly address: string } | Error | undefined;
      answer?.then(
        (given) => {
          outcome = given;
        },
        (thrown: Error) => {
          outcome = thrown;
        },
      );
      do await this.runFor(100);
      while (outcome === undefined && this.scheduler.elapsedMs() < untilMs);
      if (outcome !== undefined && !(outcome instanceof Error)) return { ...pod, address: outcome.address };
      if (this.scheduler.elapsedMs() >= untilMs) throw outcome ?? new Error("no answer");
      await this.runFor(1_000);
    }
  }

  async removePod({ node, attachment, pod }: PodOnNode): Promise<void> {
    await this.agents[node]?.remove(attachment, pod);
  }
}

export interface PodOnNode {
  readonly node: number;
  readonly attachment: Lease["attachment"];
  readonly pod: Lease["pod"];
  readonly address: string;
}

/** The pod addresses that EC2 has on the node's interfaces. */
export function heldOf(rig: Rig, node: number): readonly string[] {
  return rig.cloud.interfacesOf(idOf("i", node + 1)).flatMap(({ secondaryAddresses }) => secondaryAddresses);
}
