import type { Dice, Scheduler } from "../../engine/index.ts";
import type { PodIdentity } from "../../workload/index.ts";
import type { FixedSetPlan } from "../draw/fleet.ts";
import type { Machine } from "../machine.ts";

/** What the controller may do to the machines of its world. */
export interface SetStage {
  readonly scheduler: Scheduler;
  readonly machines: readonly Machine[];
  canTake(node: number): boolean;
  run(node: number, pod: PodIdentity): void;
  /** False: the pod is not there any more. */
  stop(node: number, pod: PodIdentity): boolean;
  log(text: string): void;
}

/** One incarnation of a pod, as Kubernetes knows it. */
export interface FixedPod {
  readonly identity: PodIdentity;
  readonly ordinal: number;
  readonly node: number;
  readonly instanceId: string;
  /** Monotonic ms. */
  readonly placedAtMs: number;
  isEnding: boolean;
  /** Its kubelet knows that it is to end. */
  isTold: boolean;
  /** Monotonic ms since which its node is lost; undefined: it is there. */
  lostSinceMs: number | undefined;
}

/** How often the controller looks at its nodes, and at the pods that have no place. */
const LOOK_MS = 2_000;
/** A restarted pod is waited for no longer than this before the next one is restarted. */
const READY_LIMIT_MS = 60_000;

/**
 * A StatefulSet and the node lifecycle controller: at most one pod of a name at a time, which is over when its sandbox is
 * gone, or when its node was lost for long enough and the pod is deleted by force. Such a pod may go on running on a node
 * that is cut off.
 */
export class FixedSet {
  readonly plan: FixedSetPlan;
  readonly #stage: SetStage;
  readonly #dice: Dice;
  readonly #placing: Dice;
  readonly #pods: (FixedPod | undefined)[];
  readonly #lastNodes: (number | undefined)[];
  /** UIDs of pods that Kubernetes has deleted by force, of which their nodes have not said that they are over. */
  readonly #abandoned = new Map<string, FixedPod>();
  readonly #hasAddress = new Set<string>();
  #isStopped = false;

  constructor(plan: FixedSetPlan, stage: SetStage, dice: Dice) {
    this.plan = plan;
    this.#stage = stage;
    this.#dice = dice.fork("when");
    this.#placing = dice.fork("where");
    this.#pods = Array.from({ length: plan.replicas }, () => undefined);
    this.#lastNodes = [...this.#pods.keys()].map(() => undefined);
    for (let ordinal = 0; ordinal < plan.replicas; ordinal++) this.#comeBack(ordinal, 0);
    this.#lookLater();
    this.#after(plan.restEveryMs, () => this.#restart(plan.replicas - 1));
  }

  /** No restart begins any more; what is missing still comes back. */
  stop(): void {
    this.#isStopped = true;
  }

  isFixed({ namespace, name }: PodIdentity): boolean {
    return namespace === this.plan.namespace && name.startsWith(`${this.plan.name}-`);
  }

  /** It runs, if at all, against the will of Kubernetes. */
  isAbandoned(uid: string): boolean {
    return this.#abandoned.has(uid);
  }

  /** The incarnations that should run, by ordinal. */
  pods(): readonly (FixedPod | undefined)[] {
    return this.#pods;
  }

  /** The kubelet says that nothing is left of it. */
  gone(uid: string): void {
    this.#abandoned.delete(uid);
    this.#hasAddress.delete(uid);
    const pod = this.#pods.find((one) => one?.identity.uid === uid);
    if (pod !== undefined) this.#over(pod);
  }

  addressed(uid: string): void {
    this.#hasAddress.add(uid);
  }

  /** The node is drained: its pods end, and come back elsewhere. */
  drained(node: number): void {
    for (const pod of this.#pods) if (pod?.node === node) this.#end(pod);
  }

  /** What is not as it must be in the end, a sentence each. */
  unrest(): readonly string[] {
    return this.#pods.flatMap((pod, ordinal) => {
      const name = this.#nameOf(ordinal);
      if (pod === undefined) return this.#hasPlace() ? [`${name} is nowhere`] : [];
      if (pod.isEnding) return [`${name} is ending`];
      return this.#hasAddress.has(pod.identity.uid) ? [] : [`${name} has no address`];
    });
  }

  #nameOf(ordinal: number): string {
    return `${this.plan.name}-${ordinal}`;
  }

  /** A rolling restart: from the last ordinal to the first, one at a time. */
  #restart(ordinal: number): void {
    const { restEveryMs, stepMs } = this.plan;
    if (ordinal < 0) {
      this.#after(restEveryMs, () => this.#restart(this.plan.replicas - 1));
      return;
    }
    const pod = this.#pods[ordinal];
    if (pod !== undefined) this.#end(pod);
    this.#untilReady(ordinal, pod, READY_LIMIT_MS, () => this.#after(stepMs, () => this.#restart(ordinal - 1)));
  }

  #untilReady(ordinal: number, before: FixedPod | undefined, leftMs: number, then: () => void): void {
    const pod = this.#pods[ordinal];
    const isReady = pod !== undefined && pod !== before && this.#hasAddress.has(pod.identity.uid);
    if (isReady || leftMs <= 0) then();
    else this.#after(LOOK_MS, () => this.#untilReady(ordinal, before, leftMs - LOOK_MS, then));
  }

  #end(pod: FixedPod): void {
    if (pod.isEnding) return;
    pod.isEnding = true;
    this.#stopOnNode(pod);
  }

  /** Told when the kubelet can be reached; a pod that went with its machine is nowhere. */
  #stopOnNode(pod: FixedPod): void {
    const machine = this.#stage.machines[pod.node];
    if (machine?.reachable === false) return;
    const isThere = machine?.instanceId === pod.instanceId;
    if (isThere && pod.isTold) return;
    pod.isTold = true;
    if (this.#stage.stop(pod.node, pod.identity) && isThere) return;
    this.#abandoned.delete(pod.identity.uid);
    this.#over(pod);
  }

  #over(pod: FixedPod): void {
    if (this.#pods[pod.ordinal] !== pod) return;
    this.#pods[pod.ordinal] = undefined;
    this.#comeBack(pod.ordinal, this.plan.gapMs);
  }

  #comeBack(ordinal: number, delayMs: number): void {
    this.#stage.scheduler.after(delayMs, () => this.#place(ordinal));
  }

  #place(ordinal: number): void {
    if (this.#pods[ordinal] !== undefined) return;
    const node = this.#choose(this.#lastNodes[ordinal]);
    const machine = node === undefined ? undefined : this.#stage.machines[node];
    if (node === undefined || machine === undefined) {
      this.#comeBack(ordinal, LOOK_MS);
      return;
    }
    const identity = { namespace: this.plan.namespace, name: this.#nameOf(ordinal), uid: this.#placing.id() };
    const placedAtMs = this.#stage.scheduler.monotonicMs();
    const { instanceId } = machine;
    this.#pods[ordinal] = {
      ...{ identity, ordinal, node, instanceId, placedAtMs },
      isEnding: false,
      isTold: false,
      lostSinceMs: undefined,
    };
    this.#lastNodes[ordinal] = node;
    this.#stage.run(node, identity);
  }

  #choose(last: number | undefined): number | undefined {
    const moves = this.#dice.chance(this.plan.moveShare);
    if (last !== undefined && !moves && this.#takes(last)) return last;
    const open = [...this.#stage.machines.keys()].filter((node) => this.#takes(node));
    const others = open.filter((node) => node !== last);
    const candidates = others.length > 0 ? others : open;
    return candidates.length === 0 ? undefined : this.#placing.pick(candidates);
  }

  #hasPlace(): boolean {
    return [...this.#stage.machines.keys()].some((node) => this.#takes(node));
  }

  #takes(node: number): boolean {
    return this.#stage.machines[node]?.reachable === true && this.#stage.canTake(node);
  }

  /** Nodes that are lost, and kubelets that can be told again what is over. */
  #lookLater(): void {
    this.#stage.scheduler.after(LOOK_MS, () => {
      for (const pod of this.#pods) if (pod !== undefined) this.#look(pod);
      for (const pod of [...this.#abandoned.values()]) this.#stopOnNode(pod);
      this.#lookLater();
    });
  }

  #look(pod: FixedPod): void {
    const machine = this.#stage.machines[pod.node];
    const isLost = machine === undefined || !machine.on || !machine.reachable || machine.instanceId !== pod.instanceId;
    if (!isLost) {
      pod.lostSinceMs = undefined;
      if (pod.isEnding) this.#stopOnNode(pod);
      return;
    }
    const nowMs = this.#stage.scheduler.monotonicMs();
    if (pod.lostSinceMs === undefined) {
      pod.lostSinceMs = nowMs;
      const [leastMs, mostMs] = this.plan.evictMs;
      this.#stage.scheduler.after(this.#dice.between(leastMs, mostMs), () => this.#evict(pod, nowMs));
    }
  }

  /** Deleted by force, if the node is lost since then: the API knows it no more, whatever its node does. */
  #evict(pod: FixedPod, sinceMs: number): void {
    if (this.#pods[pod.ordinal] !== pod || pod.lostSinceMs !== sinceMs) return;
    this.#stage.log(`${pod.identity.namespace}/${pod.identity.name} on node-${pod.node + 1} is deleted by force`);
    this.#abandoned.set(pod.identity.uid, pod);
    pod.isEnding = true;
    this.#over(pod);
    this.#stopOnNode(pod);
  }

  #after(delayMs: number, action: () => void): void {
    this.#stage.scheduler.after(delayMs, () => {
      if (!this.#isStopped) action();
    });
  }
}
