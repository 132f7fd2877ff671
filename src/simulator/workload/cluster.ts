import type { Dice } from "../engine/index.ts";
import { NodeIndex } from "./node-index.ts";
import type { Placement } from "./spec.ts";
import type { PodIdentity, Stage } from "./stage.ts";
import type { Timeline } from "./timeline.ts";

/** How often pods without a place, and nodes that could take none, are looked at again. */
const RETRY_MS = 2_000;
/** Pods that may wait for a place at a time; what comes beyond is turned away. */
const PENDING_LIMIT = 200_000;

/** A pod that somebody wants to run. */
export interface PodOrder {
  readonly namespace: string;
  readonly name: string;
  readonly placement: Placement;
  readonly dice: Dice;
  /** Not there, if another node can take it. */
  readonly avoid?: number;
  readonly onPlaced?: (pod: ClusterPod) => void;
  /** Its node was drained: the pod is gone, and whoever wanted it wants another one. */
  readonly onEvicted?: (pod: ClusterPod) => void;
}

export interface ClusterPod {
  readonly order: PodOrder;
  readonly identity: PodIdentity;
  /** Undefined while it waits for a place. */
  readonly node: number | undefined;
  readonly isGone: boolean;
}

export interface WorkloadCounts {
  /** Pods that were handed to a node. */
  readonly run: number;
  /** Of them, those that were ended: run - stopped are there now. */
  readonly stopped: number;
  /** Of the stopped ones, those whose node was drained. */
  readonly evicted: number;
  /** Pods that wait for a place now. */
  readonly pending: number;
  /** Turned away because too many waited. */
  readonly turnedAway: number;
}

type Pod = { -readonly [Key in keyof ClusterPod]: ClusterPod[Key] };

/** The scheduler and the book of pods: places them, remembers where they are, ends them once. */
export class Cluster {
  readonly #stage: Stage;
  readonly #time: Timeline;
  readonly #index: NodeIndex;
  readonly #podsByNode: Set<Pod>[];
  readonly #canTake: (node: number) => boolean;
  #queue: Pod[] = [];
  #lookedAgainMs = 0;
  #isRetrying = false;
  #names = 0;
  #run = 0;
  #stopped = 0;
  #evicted = 0;
  #pending = 0;
  #turnedAway = 0;

  constructor(stage: Stage, time: Timeline) {
    this.#stage = stage;
    this.#time = time;
    this.#index = new NodeIndex(stage.nodeCount);
    this.#podsByNode = Array.from({ length: stage.nodeCount }, () => new Set<Pod>());
    this.#canTake = (node) => stage.canTake(node);
  }

  get nodeCount(): number {
    return this.#stage.nodeCount;
  }

  counts(): WorkloadCounts {
    return {
      run: this.#run,
      stopped: this.#stopped,
      evicted: this.#evicted,
      pending: this.#pending,
      turnedAway: this.#turnedAway,
    };
  }

  /** A name that no other pod of this play has. */
  nameFor(owner: string): string {
    this.#names += 1;
    return `${owner}-${this.#names.toString(36).padStart(5, "0")}`;
  }

  canTake(node: number): boolean {
    return this.#stage.canTake(node);
  }

  /** The pod runs where the scheduler puts it, or waits until a node can take it. */
  start(order: PodOrder): ClusterPod {
    const pod = this.#podOf(order);
    const node = this.#find(order);
    if (node !== undefined) this.#place(pod, node);
    else this.#wait(pod);
    return pod;
  }

  /** The pod runs on that node; undefined if the node cannot take it. */
  startOn(node: number, order: PodOrder): ClusterPod | undefined {
    if (!this.#stage.canTake(node)) return undefined;
    const pod = this.#podOf(order);
    this.#place(pod, node);
    return pod;
  }

  /** Ends the pod wherever it is; ending it again is harmless. */
  end(pod: ClusterPod): void {
    if (pod.isGone) return;
    const mine = pod as Pod;
    mine.isGone = true;
    if (mine.node === undefined) this.#pending -= 1;
    else this.#stop(mine, mine.node);
  }

  /** Closes the node and stops its pods; their owners are told once all are stopped. */
  drain(node: number): void {
    this.#stage.cordon(node, true);
    this.#index.putAside(node);
    const pods = [...(this.#podsByNode[node] ?? [])];
    for (const pod of pods) {
      this.end(pod);
      this.#evicted += 1;
    }
    this.#index.putAside(node);
    for (const pod of pods) pod.order.onEvicted?.(pod);
  }

  reopen(node: number): void {
    this.#stage.cordon(node, false);
    this.#index.bringBack(node);
  }

  #podOf(order: PodOrder): Pod {
    const { namespace, name, dice } = order;
    return { order, identity: { namespace, name, uid: dice.id() }, node: undefined, isGone: false };
  }

  #place(pod: Pod, node: number): void {
    pod.node = node;
    this.#podsByNode[node]?.add(pod);
    this.#index.change(node, 1);
    this.#run += 1;
    this.#stage.run(node, pod.identity);
    pod.order.onPlaced?.(pod);
  }

  #stop(pod: Pod, node: number): void {
    this.#podsByNode[node]?.delete(pod);
    this.#index.change(node, -1);
    // A full node has room again.
    this.#index.bringBack(node);
    this.#stopped += 1;
    this.#stage.stop(node, pod.identity);
  }

  #find({ placement, dice, avoid }: PodOrder): number | undefined {
    const nowMs = this.#time.elapsedMs();
    if (nowMs - this.#lookedAgainMs >= RETRY_MS) {
      this.#lookedAgainMs = nowMs;
      this.#index.bringAllBack();
    }
    const order = placement === "pack" ? "most" : "least";
    if (avoid === undefined) return this.#index.find(order, this.#canTake, dice);
    this.#index.putAside(avoid);
    const elsewhere = this.#index.find(order, this.#canTake, dice);
    this.#index.bringBack(avoid);
    return elsewhere ?? (this.#stage.canTake(avoid) ? avoid : undefined);
  }

  #wait(pod: Pod): void {
    if (this.#pending >= PENDING_LIMIT) {
      pod.isGone = true;
      this.#turnedAway += 1;
      return;
    }
    this.#pending += 1;
    this.#queue.push(pod);
    this.#retryLater();
  }

  #retryLater(): void {
    if (this.#isRetrying) return;
    this.#isRetrying = true;
    this.#time.after(RETRY_MS, () => {
      this.#isRetrying = false;
      this.#retry();
    });
  }

  /** In order of arrival; the first one that finds no place ends the round. */
  #retry(): void {
    let next = 0;
    for (; next < this.#queue.length; next++) {
      const pod = this.#queue[next] as Pod;
      if (pod.isGone) continue;
      const node = this.#find(pod.order);
      if (node === undefined) break;
      this.#pending -= 1;
      this.#place(pod, node);
    }
    this.#queue = this.#queue.slice(next).filter((pod) => !pod.isGone);
    if (this.#queue.length > 0) this.#retryLater();
  }
}
