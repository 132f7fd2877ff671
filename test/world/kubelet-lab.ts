import { readConfiguration } from "../../src/configuration/index.ts";
import {
  type AddAnswer,
  createMemoryDeletionQueue,
  createMemorySandboxes,
  type LeaseService,
  type MemoryDeletionQueue,
  replayDeletions,
  watchDeletions,
} from "../../src/handoff/cni/index.ts";
import { type Change, Manager, type Store } from "../../src/manager/index.ts";
import { Dice, ProcessClock, Scheduler } from "../../src/simulator/engine/index.ts";
import {
  type AddressTime,
  type CallAnswer,
  DaemonSocket,
  Kubelet,
  type KubeletOptions,
  type Sandbox,
  type Verb,
} from "../../src/simulator/kubelet/index.ts";
import type { PodIdentity } from "../../src/simulator/workload/index.ts";
import { createMemoryStore } from "../../src/state/index.ts";
import { FakeProvider } from "../support/fake-provider.ts";

export interface Told {
  readonly atMs: number;
  readonly verb: Verb;
  readonly sandbox: Sandbox | undefined;
  readonly answer: CallAnswer;
}

const START_MS = Date.UTC(2026, 0, 1);

/** A machine with the production manager, a small cloud, and the kubelet under test, on the engine's scheduler. */
export class KubeletLab {
  readonly dice: Dice;
  readonly scheduler: Scheduler;
  readonly provider: FakeProvider;
  readonly socket = new DaemonSocket();
  readonly queue: MemoryDeletionQueue = createMemoryDeletionQueue();
  readonly sandboxes = createMemorySandboxes();
  readonly kubelet: Kubelet;
  readonly answers: Told[] = [];
  readonly gone: string[] = [];
  readonly forgotten: Sandbox[] = [];
  readonly addressed = new Map<string, AddressTime>();
  /** Sandboxes that use an address now, as `onUse` and `onFree` tell it. */
  readonly using = new Set<Sandbox>();
  /** Addresses that were used by two sandboxes at once. */
  readonly clashes: string[] = [];
  /** ADDs that gave a sandbox another address than before. */
  readonly changed: string[] = [];
  manager: Manager | undefined;
  readonly #store: Store;
  readonly #parts: { readonly eni?: object; readonly ipam?: object };
  #process: { readonly clock: ProcessClock; dead: boolean } | undefined;
  #bootId = "boot-1";

  constructor(
    seed = 1,
    parts: { eni?: object; ipam?: object } = {},
    options: Partial<Omit<KubeletOptions, "clock" | "dice" | "link" | "queue" | "hooks">> = {},
  ) {
    this.dice = new Dice(seed);
    this.scheduler = new Scheduler({ startMs: START_MS, dice: this.dice.fork("order") });
    this.provider = new FakeProvider(this.scheduler);
    this.#store = createMemoryStore({ clock: this.scheduler });
    this.#parts = parts;
    this.kubelet = new Kubelet({
      clock: this.scheduler,
      dice: this.dice.fork("machine"),
      link: this.socket,
      queue: this.queue,
      namespaces: this.sandboxes,
      habits: { repeat: 0, check: 0, status: 0 },
      ...options,
      hooks: {
        onAnswer: (sandbox, verb, answer) => this.#onAnswer(sandbox, verb, answer),
        onUse: (sandbox) => this.using.add(sandbox),
        onFree: (sandbox) => this.using.delete(sandbox),
        onAddress: (pod, time) => this.addressed.set(pod.uid, time),
        onForgotten: (sandbox) => this.forgotten.push(sandbox),
        onGone: (pod) => this.gone.push(pod.uid),
      },
    });
  }

  /** The daemon starts, as src/cli/daemon.ts composes it. */
  async startDaemon(): Promise<void> {
    const clock = new ProcessClock(this.scheduler);
    const process = { clock, dead: false };
    this.#process = process;
    const telemetry = { event: () => {}, cloudCall: () => {}, served: () => {} };
    const { provider, dice, sandboxes } = this;
    const store = gatedStore(this.#store, process);
    const random = dice.fork(`random at ${this.scheduler.elapsedMs()}`);
    const manager = new Manager({ provider, store, clock, random, telemetry, bootId: this.#bootId, sandboxes });
    this.manager = manager;
    await this.until(manager.start({ kind: "valid", configuration: configuration(this.#parts) }));
    const deletions = { queue: this.queue, service: manager, telemetry, clock };
    await this.until(replayDeletions(deletions));
    this.socket.open(manager);
    watchDeletions(deletions);
    await this.advance(3_000);
  }

  /** The daemon dies between two instructions. */
  crash(): void {
    if (this.#process !== undefined) this.#process.dead = true;
    this.#process?.clock.cut();
    this.manager = undefined;
    this.socket.cut();
  }

  reboot(downMs: number): void {
    this.crash();
    this.#bootId += "'";
    this.kubelet.reboot(downMs);
  }

  advance(ms: number): Promise<void> {
    return this.scheduler.run(this.scheduler.nowMs() + ms);
  }

  /** Lets time pass until the promise has settled. */
  async until<Value>(promise: Promise<Value>): Promise<Value> {
    let settled = false;
    const end = () => {
      settled = true;
    };
    promise.then(end, end);
    await this.scheduler.run(this.scheduler.nowMs() + 3_600_000, () => settled);
    return promise;
  }

  /** `<verb> <exit or code>` of all answers for the pod, in order. */
  storyOf(uid: string): string[] {
    return this.answers
      .filter(({ sandbox }) => sandbox?.pod.uid === uid)
      .map(({ verb, answer }) => `${verb} ${answer.exit === 0 ? answer.by : answer.error}`);
  }

  sandboxOf(uid: string): Sandbox | undefined {
    return [...this.kubelet.running().values()].find(({ pod }) => pod.uid === uid);
  }

  addressOf(uid: string): string | undefined {
    return this.sandboxOf(uid)?.addresses[0];
  }

  /** Pods that have a lease, by the durable state. */
  leasedPods(): string[] {
    const { leases } = this.#store.load();
    return leases.map(({ pod }) => pod.uid).toSorted();
  }

  #onAnswer(sandbox: Sandbox | undefined, verb: Verb, answer: CallAnswer): void {
    this.answers.push({ atMs: this.scheduler.elapsedMs(), verb, sandbox, answer });
    for (const address of answer.addresses) {
      const user = this.kubelet.running().get(address);
      if (user !== undefined && user !== sandbox) this.clashes.push(address);
    }
    if (verb === "add" && answer.exit === 0 && sandbox !== undefined && sandbox.addresses.length > 0) {
      if (sandbox.addresses.join() !== answer.addresses.join()) this.changed.push(sandbox.containerId);
    }
  }
}

export function pod(name: string, uid = `uid-${name}`): PodIdentity {
  return { namespace: "shop", name, uid };
}

/** A daemon that answers nothing until it is told to answer the ADDs. */
export function stuckService() {
  const signals: AbortSignal[] = [];
  const order: string[] = [];
  const waiting: ((answer: AddAnswer) => void)[] = [];
  const service: LeaseService = {
    add(_request, signal) {
      order.push("add");
      if (signal !== undefined) signals.push(signal);
      signal?.addEventListener("abort", () => order.push("hang-up"));
      return new Promise((resolve) => {
        waiting.push(resolve);
      });
    },
    remove() {
      order.push("remove");
      return new Promise(() => {});
    },
    lookup: () => undefined,
    notReady: () => undefined,
  };
  const answer = () => {
    for (const resolve of waiting) resolve({ address: "10.0.0.1" });
  };
  return { service, signals, order, answer };
}

function configuration(parts: { eni?: object; ipam?: object }) {
  const text = JSON.stringify({
    cniVersion: "1.0.0",
    name: "cilium",
    type: "cilium-cni",
    eni: { ...parts.eni },
    ipam: { type: "enid-ipam", ...parts.ipam },
  });
  return readConfiguration(new TextEncoder().encode(text), "/etc/cni/net.d/05-cilium.conf");
}

/** The file outlives the process; what a dead process would still write does not reach it. */
function gatedStore(store: Store, process: { readonly dead: boolean }): Store {
  return {
    load: () => store.load(),
    commit: (changes: readonly Change[]) => (process.dead ? new Promise<void>(() => {}) : store.commit(changes)),
    facts: () => store.facts(),
    close: async () => {},
  };
}
