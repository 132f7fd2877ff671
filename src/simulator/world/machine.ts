import type { Cancel } from "../../adapters/index.ts";
import { EnidError } from "../../errors.ts";
import {
  type CniCall,
  createMemoryDeletionQueue,
  createMemorySandboxes,
  type Served,
} from "../../handoff/cni/index.ts";
import { type Dice, MachineClock, type Scheduler } from "../engine/index.ts";
import type { SimulatedCloud } from "../index.ts";
import { type DaemonLink, Kubelet } from "../kubelet/index.ts";
import type { NodeSections } from "../scenario/index.ts";
import { MachineAgent } from "./agents/machine-agent.ts";
import type { WorldKubernetes } from "./agents/world-kubernetes.ts";
import { CallFaults } from "./call-faults.ts";
import { Daemon } from "./daemon.ts";
import type { Cut, WorldDisk } from "./disk/index.ts";
import type { AgentsPlan } from "./draw/agents.ts";
import { NODE_GROUP, NODE_SUBNET } from "./draw/place.ts";
import type { MachinePlan } from "./draw/plan.ts";
import type { FleetAccess } from "./fleet/connection.ts";
import { MachineFile } from "./machine-file.ts";
import type { MachineWatcher } from "./machine-watcher.ts";
import type { Weakness } from "./options.ts";

/** From one life of the daemon to the next, as systemd restarts it. */
const RESTART_MS = { least: 500, most: 5_000 };
/** What systemd's TimeoutStopSec leaves to the daemon's steps. */
const STOP_GRACE_MS = 8_000;
/** A machine that boots. */
const BOOT_MS = { least: 15_000, most: 60_000 };
/** Another instance in the place of one that was terminated. */
const LAUNCH_MS = { least: 20_000, most: 90_000 };

export interface MachineOptions extends Pick<MachinePlan, "instanceType" | "sections" | "podLimit" | "collectEveryMs"> {
  readonly node: number;
  /** Subnets of the zone that have the tag of those for pods. */
  readonly taggedSubnets: readonly string[];
  readonly cloud: SimulatedCloud;
  readonly scheduler: Scheduler;
  readonly dice: Dice;
  readonly makeDisk: (dice: Dice) => WorldDisk;
  readonly weakness: Weakness | undefined;
  readonly watcher: MachineWatcher;
  /** What it shares with others. Absent = it works alone. */
  readonly fleet: Omit<FleetAccess, "moment"> | undefined;
  /** Its pods get their addresses from Cilium's agent. Absent = from enid. */
  readonly agents: { readonly plan: AgentsPlan; readonly kubernetes: WorldKubernetes } | undefined;
}

/**
 * A node of a world: an instance of the simulated cloud with its clock, its disk, its container runtime, and the daemon,
 * which systemd starts again however it ends.
 */
export class Machine {
  readonly node: number;
  readonly name: string;
  readonly instanceType: string;
  readonly podLimit: number;
  readonly taggedSubnets: readonly string[];
  readonly clock: MachineClock;
  readonly kubelet: Kubelet;
  readonly callFaults: CallFaults;
  /** Absent = pods ask enid. */
  readonly agent: MachineAgent | undefined;
  disk: WorldDisk;
  instanceId = "";
  /** When the present daemon began to serve for the first time on this instance; undefined: not yet. */
  readyAfterMs: number | undefined;
  launchedAtMs = 0;
  /** Somebody has set the wall clock: what goes by wall time across processes (cooling, ages) may be off. */
  wallWasSet = false;
  readonly #options: MachineOptions;
  /** In /run: a boot empties it. */
  readonly #deletions = createMemoryDeletionQueue();
  readonly #sandboxes = createMemorySandboxes();
  #daemon: Daemon | undefined;
  #off = true;
  #lives = 0;
  #boots = 0;
  /** Monotonic ms of the last boot or launch: what pods of before it held is nobody's. */
  bootedAtMs = 0;
  #instances = 0;
  readonly #file: MachineFile;
  #dieIn: { moments: number; how: Cut } | undefined;
  #cutListeners = new Set<() => void>();
  /** Faults that keep Kubernetes from reaching it. */
  readonly #unreachable = new Set<object>();
  /** Raised by whatever makes a pending restart out of date. */
  #era = 0;

  constructor(options: MachineOptions) {
    const { node, scheduler, dice, watcher, agents, sections, podLimit } = options;
    this.#options = options;
    this.node = node;
    this.name = `node-${node + 1}`;
    this.instanceType = options.instanceType;
    this.podLimit = podLimit;
    this.taggedSubnets = options.taggedSubnets;
    this.clock = new MachineClock({
      nowMs: () => scheduler.nowMs(),
      monotonicMs: () => scheduler.monotonicMs(),
      after: (delayMs, callback) =>
        scheduler.after(delayMs, () => {
          watcher.touched(this);
          callback();
        }),
      nextTurn: (callback) =>
        scheduler.nextTurn(() => {
          watcher.touched(this);
          callback();
        }),
    });
    this.callFaults = new CallFaults(dice.fork("call-faults"));
    this.disk = options.makeDisk(dice.fork("disk-0"));
    this.#file = new MachineFile({
      clock: this.clock,
      sections,
      daemon: () => this.#daemon,
      log: (text) => this.#say("daemon", text),
    });
    const own = { machineName: this.name, clock: this.clock, dice: dice.fork("agent"), queue: this.#deletions };
    const more = { sections, podLimit, log: (text: string) => this.#say("agent", text) };
    this.agent = agents === undefined ? undefined : new MachineAgent({ ...agents, ...own, ...more });
    this.kubelet = new Kubelet({
      clock: this.clock,
      dice: dice.fork("kubelet"),
      link: this.agent?.link() ?? this.#link(),
      queue: this.#deletions,
      namespaces: this.#sandboxes,
      habits: { collectEveryMs: options.collectEveryMs },
      hooks: watcher.hooksOf(this),
    });
  }

  /** Processes so far. */
  get lives(): number {
    return this.#lives;
  }

  get daemon(): Daemon | undefined {
    return this.#daemon;
  }

  /** Every configuration that a whole file had, with the moments between which it may have been in force. */
  get configurations(): readonly { readonly sections: NodeSections; readonly untilMs: number }[] {
    return this.#file.configurations;
  }

  /** The instance runs (its daemon may be on its way up). */
  get on(): boolean {
    return !this.#off;
  }

  /** Kubernetes reaches its kubelet, which it may even if nothing else works. */
  get reachable(): boolean {
    return this.#unreachable.size === 0;
  }

  /** What the file says when it is whole. */
  get sections(): NodeSections {
    return this.#file.sections;
  }

  /** The instance is launched and boots. */
  launch(): void {
    const { cloud, instanceType, scheduler, dice } = this.#options;
    this.#instances += 1;
    const number = (this.#instances * 1_000 + this.node).toString(16).padStart(17, "0");
    this.instanceId = `i-${number}`;
    cloud.launch({
      id: this.instanceId,
      type: instanceType,
      subnet: NODE_SUBNET,
      securityGroups: [NODE_GROUP],
      primaryInterface: `eni-f${number.slice(1)}`,
    });
    this.launchedAtMs = scheduler.nowMs();
    this.readyAfterMs = undefined;
    this.#off = false;
    this.#boots += 1;
    this.bootedAtMs = scheduler.monotonicMs();
    this.#say("instance", `${this.instanceId} of type ${instanceType} is launched`);
    this.agent?.launch(this.instanceId);
    this.#startDaemon(dice.fork(`start-${this.#instances}`).between(0, 2_000));
  }

  /** The process dies now; systemd starts another one. */
  crash(how: Cut = "crash"): void {
    if (this.#daemon === undefined || this.#daemon.dead) return;
    this.#say("daemon", `dies (${how})`);
    this.#cut(how);
    this.#startDaemon(this.#dice("restart").between(RESTART_MS.least, RESTART_MS.most));
  }

  /** The daemon is stopped in order and another one started, as an upgrade does. */
  upgrade(): void {
    const daemon = this.#daemon;
    if (daemon === undefined || !daemon.up) return;
    this.#say("daemon", "is stopped");
    const stopped = daemon.stop(STOP_GRACE_MS).then(() => {
      if (daemon !== this.#daemon) return;
      this.#daemon = undefined;
      this.#breakConnections();
      this.#startDaemon(this.#dice("restart").between(0, RESTART_MS.most));
    });
    stopped.catch((thrown: unknown) => {
      if (daemon === this.#daemon) this.#options.watcher.failed(this, thrown);
    });
  }

  /** The process dies when it comes to its so-many-th next moment: just before or after one of its effects. */
  crashAtMoment(moments: number, how: Cut = "crash"): void {
    this.#dieIn = { moments, how };
  }

  /** What was planned by `crashAtMoment` and has not come does not come any more. */
  spare(): void {
    this.#dieIn = undefined;
  }

  /** The machine starts anew: every pod is gone and runs again, in a new sandbox, once the kubelet is back. */
  reboot(how: Cut): void {
    if (this.#off) return;
    this.#say("machine", `reboots (${how})`);
    this.#cut(how);
    this.#boots += 1;
    this.bootedAtMs = this.clock.monotonicMs();
    const bootMs = this.#dice("boot").between(BOOT_MS.least, BOOT_MS.most);
    this.kubelet.reboot(bootMs);
    this.agent?.boot(bootMs);
    this.#startDaemon(bootMs);
  }

  /** The machine is dead for so long; then it boots. Its instance, its interfaces and its disk are there all the time. */
  die(forMs: number): void {
    if (this.#off) return;
    this.#say("machine", "is dead");
    this.#cut("power-loss");
    this.#off = true;
    this.#boots += 1;
    const era = this.#era;
    this.kubelet.reboot(forMs);
    this.agent?.boot(forMs);
    this.clock.after(forMs, () => {
      if (era !== this.#era) return;
      this.#off = false;
      this.bootedAtMs = this.clock.monotonicMs();
      this.#say("machine", "boots");
      this.#startDaemon(this.#dice("boot").between(0, 2_000));
    });
  }

  /** Kubernetes does not reach it until the answer is called. */
  beUnreachable(): Cancel {
    const mark = {};
    this.#unreachable.add(mark);
    this.#say("machine", "is cut off from everything");
    return () => {
      this.#unreachable.delete(mark);
      if (this.reachable) this.#say("machine", "is back");
    };
  }

  /** The instance is terminated; after a while another one, with the old disk or a new one, has its name. */
  replace(keepsDisk: boolean): void {
    if (this.#off) return;
    const { cloud, dice, makeDisk } = this.#options;
    this.#say("machine", `${this.instanceId} is terminated; the next one has ${keepsDisk ? "its" : "a new"} disk`);
    this.#cut("power-loss");
    this.#off = true;
    this.#era += 1;
    this.kubelet.replace();
    this.agent?.powerOff();
    cloud.terminate(this.instanceId);
    if (!keepsDisk) this.disk = makeDisk(dice.fork(`disk-${this.#instances}`));
    const era = this.#era;
    this.clock.after(this.#dice("launch").between(LAUNCH_MS.least, LAUNCH_MS.most), () => {
      if (era === this.#era) this.launch();
    });
  }

  /** The file says this from now on; while it is spoiled, once it is whole again. */
  configure(sections: NodeSections): void {
    this.#file.configure(sections);
  }

  /** The file is whole. */
  restoreFile(): void {
    this.#file.restore();
  }

  /** The file is broken, or gone. */
  spoilFile(kind: "invalid" | "missing"): void {
    this.#file.spoil(kind);
  }

  /** One more moment at which the process could die. */
  moment(): void {
    this.#options.watcher.touched(this);
    const planned = this.#dieIn;
    if (planned === undefined) return;
    planned.moments -= 1;
    if (planned.moments > 0) return;
    this.#dieIn = undefined;
    this.crash(planned.how);
  }

  #link(): DaemonLink {
    const machine = this;
    return {
      get up() {
        return machine.#daemon?.up === true;
      },
      call(call: CniCall, signal: AbortSignal): Promise<Served> {
        const daemon = machine.#daemon;
        if (daemon === undefined) return new Promise(() => undefined);
        return daemon.call(call, signal);
      },
      onCut(listener) {
        machine.#cutListeners.add(listener);
        return () => machine.#cutListeners.delete(listener);
      },
    };
  }

  #startDaemon(delayMs: number): void {
    this.#era += 1;
    const era = this.#era;
    this.clock.after(delayMs, () => {
      if (era === this.#era) void this.#live();
    });
  }

  async #live(): Promise<void> {
    const { cloud, dice, weakness, watcher, fleet } = this.#options;
    this.#lives += 1;
    const era = this.#era;
    try {
      const daemon = new Daemon({
        cloud,
        instanceId: this.instanceId,
        accessKeyId: `AKIDNODE${this.node}`,
        machineName: this.name,
        bootId: `boot-${this.#boots}`,
        clock: this.clock,
        dice: dice.fork(`life-${this.#lives}`),
        disk: this.disk,
        // Those of the runtime are the agent's where it has one.
        deletions: this.agent === undefined ? this.#deletions : createMemoryDeletionQueue(),
        sandboxes: this.#sandboxes,
        weakness,
        fleet: fleet === undefined ? undefined : { ...fleet, moment: () => this.moment() },
        agent: this.agent?.handOffs,
        watcher: {
          sending: (action, parameters) => {
            watcher.sending(this, action, parameters);
            return this.callFaults.draw(action);
          },
          calling: (action, parameters) => watcher.calling(this, action, parameters),
          event: (event) => watcher.event(this, event),
          moment: () => this.moment(),
        },
      });
      this.#daemon = daemon;
      this.#say("daemon", `starts, life ${this.#lives}`);
      await this.#file.begin(daemon, () => this.#say("daemon", "serves"));
    } catch (thrown) {
      if (era !== this.#era) return;
      const error = thrown instanceof EnidError ? `${thrown.code}: ${thrown.message}` : String(thrown);
      this.#say("daemon", `does not start: ${error}`);
      // An error that is none of the catalogue is a bug of the world or of enid, not a fault to live with.
      if (!(thrown instanceof EnidError)) watcher.failed(this, thrown);
      this.#cut("crash");
      this.#startDaemon(this.#dice("restart").between(RESTART_MS.least, RESTART_MS.most));
    }
  }

  #cut(how: Cut): void {
    this.#era += 1;
    const daemon = this.#daemon;
    this.#daemon = undefined;
    if (daemon === undefined || daemon.dead) return;
    daemon.cut(how);
    this.#breakConnections();
  }

  #breakConnections(): void {
    for (const listener of [...this.#cutListeners]) listener();
  }

  /** A stream for one purpose at this point of the machine's life. */
  #dice(purpose: string): Dice {
    return this.#options.dice.fork(`${purpose}-${this.#era}-${this.#lives}`);
  }

  #say(kind: string, text: string): void {
    this.#options.watcher.log(this, kind, text);
  }
}
