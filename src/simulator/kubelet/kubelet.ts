import type { Cancel, Clock } from "../../adapters/index.ts";
import { EnidError } from "../../errors.ts";
import type { MemoryDeletionQueue } from "../../handoff/cni/index.ts";
import { type Dice, ProcessClock } from "../engine/index.ts";
import type { PodIdentity } from "../workload/index.ts";
import { NETWORK_CONFIGURATION } from "./calls.ts";
import type { DaemonLink } from "./daemon-link.ts";
import { RuntimeFaults } from "./faults.ts";
import { Plugin } from "./plugin.ts";
import { ContainerRuntime, type Habits, type LiveSandbox, type Namespaces } from "./runtime.ts";
import { type KubeletCounts, type KubeletHooks, noCounts, type Sandbox, type WaitingPod } from "./types.ts";

export interface KubeletOptions {
  /** Of the machine: it goes on while the daemon dies and while the machine boots. */
  readonly clock: Clock;
  readonly dice: Dice;
  readonly link: DaemonLink;
  /** Where DELs go that no daemon answers; emptied by a boot, since the folder lies in /run. */
  readonly queue: MemoryDeletionQueue;
  /** Where the network namespaces of its sandboxes are made; nobody sees them if absent. */
  readonly namespaces?: Namespaces;
  readonly hooks?: KubeletHooks;
  readonly habits?: Partial<Habits>;
  /** Ms from the wish for a sandbox to its ADD, least and most; [5, 50] if absent. */
  readonly sandboxMs?: readonly [number, number];
  /** Ms that the processes of a stopped pod take to end, least and most; [100, 2000] if absent. */
  readonly graceMs?: readonly [number, number];
  /** What the plugin has on its standard input; a configuration of cilium-cni if absent. */
  readonly networkConfiguration?: string;
}

/** An answer that takes longer had to wait for the cloud. */
const AT_ONCE_MS = 50;

/**
 * kubelet's pod_workers.go: after a sync that failed, backOffPeriod (10 s, and it does not grow) with a jitter of up to
 * half of it. The network is tried again with a new sandbox each time.
 */
const BACK_OFF_MS: readonly [number, number] = [10_000, 15_000];

const HABITS: Habits = { repeat: 0.01, check: 0.02, status: 0.02, collectEveryMs: 0 };

interface PodEntry {
  readonly pod: PodIdentity;
  readonly ranAtMs: number;
  attempt: number;
  hadAddress: boolean;
  /** An ADD has failed. */
  failed: boolean;
  stopped: boolean;
  /**
   * `off`: the machine is, or its kubelet has not got to it; `creating`; `backing-off` to create; `up`; `ending`: its
   * sandbox is destroyed, and then there is a new one, or none when it was stopped.
   */
  phase: "off" | "creating" | "backing-off" | "up" | "ending";
  sandbox: LiveSandbox | undefined;
  /** Of the timer of the phase. */
  cancel: Cancel;
}

/** From one boot to the next; what was begun in it ends with its clock. */
interface Boot {
  readonly clock: ProcessClock;
  readonly plugin: Plugin;
  readonly runtime: ContainerRuntime;
}

/** The kubelet and the container runtime of one machine: what they want of an IPAM plugin, in virtual time. */
export class Kubelet {
  /** All off at first. */
  readonly faults: RuntimeFaults;
  readonly counts: Readonly<KubeletCounts>;
  readonly #counts = noCounts();
  readonly #options: KubeletOptions;
  readonly #hooks: KubeletHooks;
  readonly #dice: Dice;
  readonly #sandboxDice: Dice;
  readonly #pods = new Map<string, PodEntry>();
  readonly #waiting = new Map<string, WaitingPod>();
  readonly #running = new Map<string, Sandbox>();
  #boot: Boot | undefined;
  /** Monotonic ms at which the last boot has ended, or will end. */
  #upAtMs = 0;
  #cancelPowerOn: Cancel = () => {};

  constructor(options: KubeletOptions) {
    this.#options = options;
    this.#hooks = options.hooks ?? {};
    this.#dice = options.dice.fork("kubelet");
    this.#sandboxDice = options.dice.fork("sandboxes");
    this.faults = new RuntimeFaults(options.dice.fork("runtime-faults"));
    this.counts = this.#counts;
    this.#boot = this.#powerOn();
  }

  /** Pods that it knows: starting, running and stopping ones. */
  get podCount(): number {
    return this.#pods.size;
  }

  /** The addresses that live network namespaces of this machine use now, of both families. A view: do not keep it. */
  running(): ReadonlyMap<string, Sandbox> {
    return this.#running;
  }

  /** Pods without an address that should have one, by UID, in the order of `sinceMs`. A view. */
  waiting(): ReadonlyMap<string, WaitingPod> {
    return this.#waiting;
  }

  /** The pod is placed on this machine. Each incarnation has a UID of its own. */
  run(pod: PodIdentity): void {
    if (this.#pods.has(pod.uid)) {
      throw new EnidError("ENID_INTERNAL", { detail: `pod ${pod.namespace}/${pod.name} (${pod.uid}) runs already` });
    }
    const ranAtMs = this.#options.clock.monotonicMs();
    const entry: PodEntry = {
      pod,
      ranAtMs,
      attempt: 0,
      hadAddress: false,
      failed: false,
      stopped: false,
      phase: "off",
      sandbox: undefined,
      cancel: () => {},
    };
    this.#pods.set(pod.uid, entry);
    this.#wait(entry, Math.max(ranAtMs, this.#upAtMs));
    if (this.#boot !== undefined) this.#create(entry, this.#boot);
  }

  /** The pod is deleted. False when it is not here: it was replaced with the machine, or has gone already. */
  stop(uid: string): boolean {
    const entry = this.#pods.get(uid);
    if (entry === undefined || entry.stopped) return false;
    entry.stopped = true;
    this.#waiting.delete(uid);
    const boot = this.#boot;
    if (boot === undefined) return true;
    if (entry.phase === "backing-off") {
      entry.cancel();
      this.#gone(entry);
    } else if (entry.phase === "creating" && entry.sandbox !== undefined && entry.sandbox.state !== "ending") {
      // The worker of a pod cancels its sync, and with that the call of the runtime, when the pod is to end.
      entry.phase = "ending";
      boot.runtime.cancel(entry.sandbox, () => this.#gone(entry));
    } else if (entry.phase === "up") {
      const [leastMs, mostMs] = this.#options.graceMs ?? [100, 2_000];
      entry.cancel = boot.clock.after(this.#dice.between(leastMs, mostMs), () => this.#end(entry, boot));
    }
    return true;
  }

  /**
   * The machine loses its power: all sandboxes die at once, without DEL. After `downMs` it is up again. Pods keep their
   * names and UIDs and get new sandboxes; before that the runtime sends DEL for the old ones that it still knows.
   */
  reboot(downMs = 0): void {
    this.#powerOff();
    this.#upAtMs = this.#options.clock.monotonicMs() + downMs;
    this.#waiting.clear();
    for (const entry of this.#pods.values()) {
      entry.phase = "off";
      if (entry.sandbox !== undefined) entry.sandbox.netns = "";
      if (!entry.stopped) this.#wait(entry, this.#upAtMs);
    }
    this.#cancelPowerOn = this.#options.clock.after(downMs, () => {
      const boot = this.#powerOn();
      this.#boot = boot;
      for (const entry of [...this.#pods.values()]) {
        if (entry.sandbox !== undefined) this.#end(entry, boot);
        else if (entry.stopped) this.#gone(entry);
        else this.#create(entry, boot);
      }
    });
  }

  /** Another machine takes this one's place: everything is forgotten but the counts. Its pods get no `onGone`. */
  replace(): void {
    this.#powerOff();
    this.#upAtMs = this.#options.clock.monotonicMs();
    this.#pods.clear();
    this.#waiting.clear();
    this.#boot = this.#powerOn();
  }

  #powerOn(): Boot {
    const { clock: machineClock, link, queue, habits, sandboxMs, networkConfiguration } = this.#options;
    const clock = new ProcessClock(machineClock);
    const plugin = new Plugin({ link, queue, clock });
    const runtime = new ContainerRuntime({
      plugin,
      clock,
      dice: this.#sandboxDice,
      faults: this.faults,
      hooks: this.#hooks,
      counts: this.#counts,
      habits: { ...HABITS, ...habits },
      sandboxMs: sandboxMs ?? [5, 50],
      stdin: networkConfiguration ?? NETWORK_CONFIGURATION,
      running: this.#running,
      namespaces: this.#options.namespaces,
    });
    return { clock, plugin, runtime };
  }

  #powerOff(): void {
    this.#cancelPowerOn();
    this.#boot?.clock.cut();
    this.#boot?.plugin.powerOff();
    this.#boot = undefined;
    this.#options.queue.clear();
    this.#options.namespaces?.clear();
    const ended = new Set(this.#running.values());
    this.#running.clear();
    for (const sandbox of ended) this.#hooks.onFree?.(sandbox);
  }

  #create(entry: PodEntry, boot: Boot): void {
    entry.phase = "creating";
    entry.sandbox = boot.runtime.create(entry.pod, entry.attempt++, {
      up: (answerMs) => this.#isUp(entry, answerMs),
      failed: () => {
        entry.failed = true;
        entry.sandbox = undefined;
        if (entry.stopped) return this.#gone(entry);
        entry.phase = "backing-off";
        entry.cancel = boot.clock.after(this.#dice.between(...BACK_OFF_MS), () => this.#create(entry, boot));
      },
      broken: () => {
        if (entry.stopped) return;
        this.#wait(entry, boot.clock.monotonicMs());
        this.#end(entry, boot);
      },
    });
  }

  #isUp(entry: PodEntry, answerMs: number): void {
    entry.phase = "up";
    this.#waiting.delete(entry.pod.uid);
    if (entry.hadAddress) return;
    entry.hadAddress = true;
    const waited = entry.failed || answerMs > AT_ONCE_MS;
    this.#counts.addressed += 1;
    if (waited) this.#counts.waited += 1;
    this.#hooks.onAddress?.(entry.pod, { tookMs: this.#options.clock.monotonicMs() - entry.ranAtMs, waited });
  }

  /** Destroys the sandbox, however often that takes; then the pod is gone, or gets a new one. */
  #end(entry: PodEntry, boot: Boot): void {
    const { sandbox } = entry;
    if (sandbox === undefined) return;
    entry.phase = "ending";
    boot.runtime.destroy(sandbox, (gone) => {
      if (!gone) {
        entry.cancel = boot.clock.after(this.#dice.between(...BACK_OFF_MS), () => this.#end(entry, boot));
        return;
      }
      entry.sandbox = undefined;
      if (entry.stopped) this.#gone(entry);
      else this.#create(entry, boot);
    });
  }

  #wait({ pod }: PodEntry, sinceMs: number): void {
    // Anew, so that the order stays that of `sinceMs`.
    this.#waiting.delete(pod.uid);
    this.#waiting.set(pod.uid, { pod, sinceMs });
  }

  #gone({ pod }: PodEntry): void {
    this.#pods.delete(pod.uid);
    this.#hooks.onGone?.(pod);
  }
}
