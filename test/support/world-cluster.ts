import type { Leftover } from "../../src/manager/index.ts";
import type { Dice, WorldClock } from "./world-clock.ts";
import type { CloudInterface } from "./world-cloud.ts";
import { cidrsOn, type WorldSubnets } from "./world-subnets.ts";

/** An interface that another node made, or left behind. */
interface Theirs {
  readonly id: string;
  readonly instanceId: string;
  readonly createdAtMs: number;
  /** Of the clock that nobody sets. */
  readonly madeAtMs: number;
  readonly cluster: string;
  readonly subnetId: string;
  readonly cidrs: readonly string[];
  attached: boolean;
  /** Its node is no more, so nobody will attach it. */
  left: boolean;
}

const AGE_MS = 3_600_000;
const APART_MS = 1_800_000;
const MOST = 6;

/** The other nodes of the cluster: they make interfaces and attach them, late sometimes, and some die in between. */
export class WorldCluster {
  readonly #clock: WorldClock;
  readonly #dice: Dice;
  readonly #stock: WorldSubnets;
  readonly #interfaces = new Map<string, Theirs>();
  /** When each was named as a leftover. */
  readonly #named = new Map<string, number[]>();
  #ids = 0;

  constructor(clock: WorldClock, dice: Dice, stock: WorldSubnets) {
    this.#clock = clock;
    this.#dice = dice;
    this.#stock = stock;
  }

  /** The node's predecessor left this behind. */
  inherit(entry: CloudInterface, instanceId: string): void {
    const { id, createdAtMs, cluster, subnetId, primaryAddress } = entry;
    const cidrs = [`${primaryAddress}/32`, ...cidrsOn(entry)];
    const madeAtMs = this.#clock.monotonicMs();
    const theirs = { id, instanceId, createdAtMs, madeAtMs, cluster, subnetId, cidrs, attached: false, left: true };
    this.#interfaces.set(id, theirs);
  }

  /** Another node does something; answers what. */
  act(): string {
    const all = [...this.#interfaces.values()];
    const waiting = all.filter(({ attached, left }) => !attached && !left);
    const attached = all.filter((one) => one.attached);
    if (waiting.length > 0 && this.#dice.chance(0.5)) {
      const one = this.#dice.pick(waiting);
      if (this.#dice.chance(0.3)) one.left = true;
      else one.attached = true;
      return `${one.instanceId} ${one.left ? "dies and leaves" : "attaches"} ${one.id}`;
    }
    // One that is old is taken off for a moment and put to use again: it is no leftover.
    if (attached.length > 0 && this.#dice.chance(0.4)) {
      const one = this.#dice.pick(attached);
      one.attached = false;
      return `${one.instanceId} detaches ${one.id}`;
    }
    // Somebody puts to use what its node left behind, however late.
    const [left] = all.filter((one) => one.left && !one.attached);
    if (left !== undefined && this.#dice.chance(0.2)) {
      left.attached = true;
      return `somebody attaches ${left.id}`;
    }
    const subnetId = "subnet-0000000b";
    if (all.length >= MOST || this.#stock.get(subnetId).free.length === 0) return "the other nodes rest";
    const id = `eni-theirs-${++this.#ids}`;
    const cidrs = this.#stock.take(subnetId, 1).map((address) => `${address}/32`);
    const made = { createdAtMs: this.#clock.nowMs(), madeAtMs: this.#clock.monotonicMs() };
    const instanceId = `i-other-${this.#ids}`;
    this.#interfaces.set(id, {
      id,
      instanceId,
      ...made,
      cluster: "prod",
      subnetId,
      cidrs,
      attached: false,
      left: false,
    });
    return `${instanceId} makes ${id}`;
  }

  /** Every node that lives puts its interfaces to use. */
  calm(): void {
    for (const one of this.#interfaces.values()) one.attached ||= !one.left;
  }

  /** What hangs on nothing, as one node asks for it. */
  leftovers(clusterName: string): readonly Leftover[] {
    const found = [...this.#interfaces.values()].filter(
      ({ attached, cluster }) => !attached && cluster === clusterName,
    );
    const nowMs = this.#clock.monotonicMs();
    for (const { id } of found) this.#named.set(id, [...(this.#named.get(id) ?? []), nowMs]);
    return found.map(({ id, instanceId, createdAtMs }) => ({ id, instanceId, createdAtMs }));
  }

  has(id: string): boolean {
    return this.#interfaces.has(id);
  }

  isAttached(id: string): boolean {
    return this.#interfaces.get(id)?.attached ?? false;
  }

  /** Why it must not be deleted now; empty when it may. `wallSteps`: its age cannot be told by anybody. */
  whyKept(id: string, wallSteps: boolean): string {
    const one = this.#interfaces.get(id);
    if (one === undefined) return "";
    if (one.attached) return "it is attached";
    const nowMs = this.#clock.monotonicMs();
    if (!wallSteps && nowMs - one.madeAtMs < AGE_MS && !one.left) return `it is ${nowMs - one.madeAtMs} ms young`;
    const [first = nowMs] = this.#named.get(id) ?? [];
    return nowMs - first < APART_MS ? `it was seen first ${nowMs - first} ms ago` : "";
  }

  remove(id: string): void {
    const one = this.#interfaces.get(id);
    if (one === undefined) return;
    this.#stock.giveBack(one.subnetId, one.cidrs);
    this.#interfaces.delete(id);
  }

  /** Those that nobody will ever use. */
  leftBehind(clusterName: string): string[] {
    const all = [...this.#interfaces.values()];
    return all
      .filter(({ left, attached, cluster }) => left && !attached && cluster === clusterName)
      .map(({ id }) => id);
  }
}
