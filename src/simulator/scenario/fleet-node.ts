import { createMemoryDeletionQueue, replayDeletions } from "../../handoff/cni/index.ts";
import type { Dice, Scheduler } from "../engine/index.ts";
import type { SimulatedCloud } from "../index.ts";
import { DaemonSocket, Kubelet, type KubeletHooks } from "../kubelet/index.ts";
import { nodeInstance } from "./description.ts";
import type { Agent, NodeSections, PolicyFleet } from "./policy.ts";

/** No chance events of the runtime: a scenario asks about capacity, the hunting world about oddities. */
const HABITS = { repeat: 0, check: 0, status: 0 };
const SILENT = { event: () => undefined, cloudCall: () => undefined, served: () => undefined };

export interface FleetNodeOptions {
  readonly node: number;
  readonly type: string;
  readonly podLimit: number;
  /** Of its primary interface. */
  readonly subnetId: string;
  readonly settings: NodeSections;
  readonly cloud: SimulatedCloud;
  readonly scheduler: Scheduler;
  readonly dice: Dice;
  readonly agents: PolicyFleet;
  readonly hooks: KubeletHooks;
}

/** A machine of a scenario: its instance, its kubelet, and the agent that answers it. */
export class FleetNode {
  readonly name: string;
  readonly podLimit: number;
  readonly kubelet: Kubelet;
  instanceId = "";
  isCordoned = false;
  /** The agent serves as configured; so it was found when it was looked at. */
  isReady = false;
  /** Pods may be placed: it was ready once. A daemon that restarts does not make its node not ready. */
  isOpen = false;
  /** Monotonic ms since which it is waited for: its launch, or the start of a later daemon. */
  sinceMs = 0;
  readonly #options: FleetNodeOptions;
  readonly #socket = new DaemonSocket();
  readonly #queue = createMemoryDeletionQueue();
  #agent: Agent | undefined;
  #idle = 0;
  #lives = 0;

  constructor(options: FleetNodeOptions) {
    const { node, podLimit, scheduler, dice, hooks } = options;
    this.#options = options;
    this.name = `node-${node + 1}`;
    this.podLimit = podLimit;
    this.kubelet = new Kubelet({
      clock: scheduler,
      dice: dice.fork("machine"),
      link: this.#socket,
      queue: this.#queue,
      hooks,
      habits: HABITS,
    });
  }

  get isLaunched(): boolean {
    return this.instanceId !== "";
  }

  /** The instance is there and its agent begins. */
  launch(): void {
    const { node, type, subnetId, cloud, scheduler } = this.#options;
    const instance = nodeInstance(node, type, subnetId);
    cloud.launch(instance);
    this.instanceId = instance.id;
    this.sinceMs = scheduler.monotonicMs();
    this.startAgent();
  }

  /** An agent begins; what was deleted while none was there comes first. */
  startAgent(): void {
    const { node, type, settings, scheduler, dice, agents } = this.#options;
    this.#lives += 1;
    const agent = agents.start({
      node,
      name: this.name,
      instanceId: this.instanceId,
      instanceType: type,
      bootId: `boot-${node + 1}`,
      settings,
      clock: scheduler,
      dice: dice.fork(`life-${this.#lives}`),
    });
    this.#agent = agent;
    const open = () => {
      if (this.#agent === agent) this.#socket.open(agent);
    };
    if (this.#queue.size === 0) open();
    else void this.#replay(agent).then(open);
  }

  cutAgent(): void {
    this.#agent?.cut();
    this.#agent = undefined;
    this.isReady = false;
    this.#socket.cut();
  }

  /** The run is over: nobody acts any more, and nobody is told. */
  end(): void {
    this.#agent?.cut();
  }

  get hasAgent(): boolean {
    return this.#agent !== undefined;
  }

  /** Whether the agent serves as configured now. */
  servesNow(): boolean {
    if (this.#agent === undefined) return false;
    // The reason is not read, and it is asked for a million times in a large cold start: its stack trace would be most of
    // what such a run costs.
    const { stackTraceLimit } = Error;
    Error.stackTraceLimit = 0;
    try {
      return this.#agent.notReady() === undefined;
    } finally {
      Error.stackTraceLimit = stackTraceLimit;
    }
  }

  /** Free and cooling addresses; of an agent that is away, what it said last. */
  idleAddresses(): number {
    this.#idle = this.#agent?.idleAddresses() ?? this.#idle;
    return this.#idle;
  }

  /** Deletions that reached no agent are replayed, as the daemon does at changes of its folder. */
  replayDeletions(): void {
    if (this.#queue.size > 0 && this.#agent !== undefined) void this.#replay(this.#agent);
  }

  async #replay(agent: Agent): Promise<void> {
    const { scheduler: clock } = this.#options;
    await replayDeletions({ queue: this.#queue, service: agent, telemetry: SILENT, clock });
  }
}
