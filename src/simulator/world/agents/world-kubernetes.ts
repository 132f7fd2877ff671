import type { Cancel, Clock, Random } from "../../../adapters/index.ts";
import { CILIUM_NODES, type KubernetesApi, LEASES, NODES, PODS } from "../../../handoff/cilium-node/api.ts";
import type { Dice, Scheduler } from "../../engine/index.ts";
import { DirectKubernetesApi, KubernetesModel, type Way } from "../../kubernetes/index.ts";
import type { PodIdentity } from "../../workload/index.ts";
import type { AgentsPlan } from "../draw/agents.ts";

const OPEN: Way = { request: true, answer: true };
const AWAY: Way = { request: false, answer: false };
const DEAF: Way = { request: true, answer: false };
/** A CiliumNode that was made anew is whole after this time. */
const REMADE_MS = 2 * 60_000;
/** From the moment at which a sandbox has its address until the API server hears of it from the kubelet, least and most. */
const STATUS_MS = { least: 500, most: 3_000 };

/** The Kubernetes API of a world: what its machines reach of it, and the Nodes and Pods that others write there. */
export class WorldKubernetes {
  readonly model: KubernetesModel;
  readonly #scheduler: Scheduler;
  readonly #dice: Dice;
  readonly #plan: AgentsPlan;
  #away = 0;
  readonly #deletedAtMs = new Map<string, number>();
  /** By machine; each fault counts for itself. */
  readonly #cut = new Map<string, Set<Way>>();

  constructor(plan: AgentsPlan, scheduler: Scheduler, dice: Dice) {
    this.#plan = plan;
    this.#scheduler = scheduler;
    this.#dice = dice;
    this.model = new KubernetesModel({ nowMs: () => scheduler.nowMs() });
  }

  /** The port of one process. `clock` is the machine's: what was sent arrives although its sender has died. */
  api(machine: string, clock: Clock, random: Random): KubernetesApi {
    const { latencyMs } = this.#plan;
    return new DirectKubernetesApi({ model: this.model, clock, random, latencyMs, way: () => this.#wayOf(machine) });
  }

  /** The machine joins: its Node is made by its kubelet. Another instance of that name has another uid. */
  join(machine: string): string {
    this.model.delete(NODES, { name: machine });
    // As the garbage collector does with what the Node owned.
    this.model.delete(CILIUM_NODES, { name: machine });
    this.model.delete(LEASES, { name: `enid-${machine}`, namespace: "enid" });
    const node = this.model.create(NODES, {
      apiVersion: "v1",
      kind: "Node",
      metadata: { name: machine },
      spec: { taints: [] },
    });
    return node.metadata.uid ?? "";
  }

  /** The pod is bound to the machine. */
  bind(machine: string, { namespace, name, uid }: PodIdentity): void {
    // Of one name there is one; another incarnation takes the place of the one before.
    this.model.delete(PODS, { namespace, name });
    this.model.create(PODS, {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { namespace, name, labels: { incarnation: uid } },
      spec: { nodeName: machine },
    });
  }

  /** The kubelet tells that it has an address. */
  addressed(pod: PodIdentity, address: string): void {
    this.#scheduler.after(this.#dice.between(STATUS_MS.least, STATUS_MS.most), () => {
      if (!this.#isThere(pod)) return;
      const { namespace, name } = pod;
      const status = { phase: "Running", podIP: address };
      this.model.patch(PODS, { namespace, name }, { status }, { subresource: "status" });
    });
  }

  gone(pod: PodIdentity): void {
    const { namespace, name } = pod;
    if (this.#isThere(pod)) this.model.delete(PODS, { namespace, name });
  }

  #isThere({ namespace, name, uid }: PodIdentity): boolean {
    return this.model.get(PODS, { namespace, name })?.metadata.labels?.incarnation === uid;
  }

  away(): Cancel {
    this.#away += 1;
    return once(() => {
      this.#away -= 1;
    });
  }

  cutOff(machine: string, what: "both" | "answers"): Cancel {
    const way = { ...(what === "both" ? AWAY : DEAF) };
    const cuts = this.#cut.get(machine) ?? new Set();
    this.#cut.set(machine, cuts.add(way));
    return once(() => cuts.delete(way));
  }

  cutWatches(gone: boolean): void {
    this.model.endWatches(gone);
  }

  deleteCiliumNode(machine: string): void {
    this.#deletedAtMs.set(machine, this.#scheduler.nowMs());
    this.model.delete(CILIUM_NODES, { name: machine });
  }

  /** Somebody deleted the CiliumNode: until it is whole again the agent misses what it says. */
  wasDeleted(machine: string): boolean {
    const deletedAtMs = this.#deletedAtMs.get(machine);
    if (deletedAtMs === undefined) return false;
    const nowMs = this.#scheduler.nowMs();
    const made = this.model.get(CILIUM_NODES, { name: machine })?.metadata.creationTimestamp;
    const isWhole = made !== undefined && nowMs - Math.max(Date.parse(made), deletedAtMs) > REMADE_MS;
    if (isWhole) this.#deletedAtMs.delete(machine);
    return !isWhole;
  }

  #wayOf(machine: string): Way {
    if (this.#away > 0) return AWAY;
    const cuts = [...(this.#cut.get(machine) ?? [])];
    return cuts.find(({ request }) => !request) ?? cuts[0] ?? OPEN;
  }
}

function once(end: () => void): Cancel {
  let isOver = false;
  return () => {
    if (!isOver) end();
    isOver = true;
  };
}
