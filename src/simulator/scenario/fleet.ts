import type { Dice, EventLog, Scheduler } from "../engine/index.ts";
import type { SimulatedCloud } from "../index.ts";
import type { AddressTime, KubeletHooks } from "../kubelet/index.ts";
import type { PodIdentity, Stage } from "../workload/index.ts";
import type { PlacedSubnet } from "./description.ts";
import { FleetNode } from "./fleet-node.ts";
import type { AddressLedger } from "./ledger.ts";
import type { Policy } from "./policy.ts";
import { ReadinessWatch } from "./readiness.ts";
import type { Restart, Scenario } from "./scenario.ts";

const REPLAY_EVERY_MS = 15_000;

export interface FleetOptions {
  readonly scenario: Scenario;
  readonly policy: Policy;
  readonly subnets: readonly PlacedSubnet[];
  readonly cloud: SimulatedCloud;
  readonly scheduler: Scheduler;
  readonly dice: Dice;
  readonly log: EventLog;
  readonly ledger: AddressLedger;
}

/** All machines of a scenario as the cluster that its workload plays on. */
export class Fleet implements Stage {
  readonly clock: Scheduler;
  readonly dice: Dice;
  readonly nodes: readonly FleetNode[];
  /** One entry for each start of a daemon that ended in readiness. */
  readonly readySeconds: number[] = [];
  readonly timeToAddressMs: number[] = [];
  waited = 0;
  readyNodes = 0;
  readonly #options: FleetOptions;
  /** UIDs of pods that have had no address yet. */
  readonly #unserved = new Set<string>();
  readonly #watch: ReadinessWatch;
  readonly #byInstance = new Map<string, number>();

  constructor(options: FleetOptions) {
    const { scheduler, dice } = options;
    this.#options = options;
    this.clock = scheduler;
    this.dice = dice.fork("workload");
    this.#watch = new ReadinessWatch(scheduler, (node) => this.#look(node));
    this.nodes = this.#makeNodes();
  }

  get nodeCount(): number {
    return this.nodes.length;
  }

  /** Placed pods without an address. */
  get waitingPods(): number {
    return this.#unserved.size;
  }

  get isAllReady(): boolean {
    return this.readyNodes === this.nodes.length;
  }

  canTake(node: number): boolean {
    const found = this.nodes[node];
    return found?.isOpen === true && !found.isCordoned && found.kubelet.podCount < found.podLimit;
  }

  run(node: number, pod: PodIdentity): void {
    this.#unserved.add(pod.uid);
    this.nodes[node]?.kubelet.run(pod);
  }

  stop(node: number, pod: PodIdentity): void {
    if (this.#unserved.delete(pod.uid)) this.#say(node, "pod", `${pod.namespace}/${pod.name} ends without an address`);
    this.nodes[node]?.kubelet.stop(pod.uid);
  }

  cordon(node: number, closed: boolean): void {
    const found = this.nodes[node];
    if (found !== undefined) found.isCordoned = closed;
  }

  /** Enters the starts and restarts of the scenario into the clock. */
  begin(): void {
    const { scenario } = this.#options;
    let node = 0;
    for (const { count, startSeconds, spreadSeconds } of scenario.nodes) {
      for (let at = 0; at < count; at++) {
        const number = node++;
        this.clock.after((startSeconds + (spreadSeconds * at) / count) * 1_000, () => this.#launch(number));
      }
    }
    for (const restart of scenario.restarts) this.#restartAll(restart);
    this.#replayAll();
  }

  /** EC2 has changed something about that instance. */
  changed(instanceId: string): void {
    const node = this.#byInstance.get(instanceId);
    if (node !== undefined) this.#watch.hint(node);
  }

  /** Nobody acts any more. */
  end(): void {
    for (const node of this.nodes) node.end();
  }

  #makeNodes(): FleetNode[] {
    const { scenario, policy, subnets, cloud, scheduler, dice, log } = this.#options;
    const nodeCount = scenario.nodes.reduce((sum, { count }) => sum + count, 0);
    const agents = policy.createFleet({
      cloud,
      clock: scheduler,
      dice: dice.fork("policy"),
      nodeCount,
      log: (kind, text, node) => log.add(scheduler.elapsedMs(), nameOf(node), kind, text),
    });
    const homes = subnets.filter(({ forNodes }) => forNodes);
    const groups = scenario.nodes.flatMap((group) => Array.from({ length: group.count }, () => group));
    return groups.map(
      ({ type, podLimit }, node) =>
        new FleetNode({
          node,
          type,
          podLimit,
          subnetId: homes[node % homes.length]?.id ?? "",
          settings: scenario.settings,
          cloud,
          scheduler,
          dice: dice.fork(`node-${node + 1}`),
          agents,
          hooks: this.#hooks(node),
        }),
    );
  }

  #hooks(node: number): KubeletHooks {
    const { ledger } = this.#options;
    return {
      onUse: (sandbox) => ledger.use(nameOf(node), this.nodes[node]?.instanceId ?? "", sandbox),
      onFree: (sandbox) => ledger.free(sandbox),
      onAddress: (pod, time) => this.#addressed(node, pod, time),
      onAnswer: (sandbox, verb, { exit, error }) => {
        if (verb === "add" && exit !== 0) this.#say(node, "pod", `${sandbox?.pod.name} gets no address: ${error}`);
      },
    };
  }

  #addressed(node: number, pod: PodIdentity, { tookMs, waited }: AddressTime): void {
    if (!this.#unserved.delete(pod.uid)) return;
    this.timeToAddressMs.push(tookMs);
    if (waited) this.waited += 1;
    this.#say(node, "pod", `${pod.namespace}/${pod.name} has an address after ${Math.round(tookMs)} ms`);
  }

  #launch(number: number): void {
    const node = this.nodes[number];
    if (node === undefined) return;
    node.launch();
    this.#byInstance.set(node.instanceId, number);
    this.#watch.watch(number);
  }

  #look(number: number): boolean {
    const node = this.nodes[number];
    // A restart under way sets the watch anew.
    if (node === undefined || !node.hasAgent || node.isReady) return true;
    if (!node.servesNow()) return false;
    node.isReady = true;
    node.isOpen = true;
    this.readyNodes += 1;
    const seconds = (this.clock.monotonicMs() - node.sinceMs) / 1_000;
    this.readySeconds.push(seconds);
    this.#say(number, "ready", `after ${seconds} s`);
    return true;
  }

  #restartAll({ atSeconds, spreadSeconds, downSeconds }: Restart): void {
    const count = this.nodes.length;
    for (let number = 0; number < count; number++) {
      const delayMs = (atSeconds + (spreadSeconds * number) / count) * 1_000;
      this.clock.after(delayMs, () => this.#restart(number, downSeconds * 1_000));
    }
  }

  #restart(number: number, downMs: number): void {
    const node = this.nodes[number];
    if (node === undefined || !node.hasAgent) return;
    const wasReady = node.isReady;
    if (wasReady) this.readyNodes -= 1;
    node.cutAgent();
    this.#say(number, "daemon", "restarts");
    this.clock.after(downMs, () => {
      // One that had not become ready is waited for since it first began.
      if (wasReady) node.sinceMs = this.clock.monotonicMs();
      node.startAgent();
      this.#watch.watch(number);
    });
  }

  #replayAll(): void {
    this.clock.after(REPLAY_EVERY_MS, () => {
      for (const node of this.nodes) node.replayDeletions();
      this.#replayAll();
    });
  }

  #say(node: number, kind: string, text: string): void {
    this.#options.log.add(this.clock.elapsedMs(), nameOf(node), kind, text);
  }
}

function nameOf(node: number | undefined): string {
  return node === undefined ? "" : `node-${node + 1}`;
}
