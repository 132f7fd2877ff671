import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { Dice, EventLog, type LogEntry, Scheduler } from "../engine/index.ts";
import { publishedBucket, type Settings, type SettingsPatch, SimulatedCloud } from "../index.ts";
import type { KubeletHooks } from "../kubelet/index.ts";
import type { Violation } from "../scenario/index.ts";
import { type PodIdentity, playWorkload, type Stage } from "../workload/index.ts";
import { WorldKubernetes } from "./agents/world-kubernetes.ts";
import { createMemoryDisk, createSqliteDisk, type WorldDisk } from "./disk/index.ts";
import { NODE_SUBNET, POD_SUBNETS } from "./draw/place.ts";
import { drawPlan, type FaultPlan, type WorldPlan } from "./draw/plan.ts";
import type { FaultHands } from "./faults/index.ts";
import type { SetStage } from "./fleet/stateful.ts";
import { Troubles } from "./fleet/troubles.ts";
import { WorldFleet } from "./fleet/world-fleet.ts";
import { Machine } from "./machine.ts";
import type { MachineWatcher } from "./machine-watcher.ts";
import { Measures } from "./measures.ts";
import type { SeedOptions } from "./options.ts";
import type { SeedOutcome } from "./outcome.ts";
import { type Breach, blocksOf, breach, PromiseWatch } from "./promises/index.ts";
import { comeToRest } from "./rest.ts";

const BEGINS_AT_MS = Date.UTC(2026, 0, 5, 8);
/** One broken promise breaks others: what follows says little. */
const VIOLATIONS_KEPT = 10;

/** In a world without faults no call asks for more than there is. */
const LIMIT_CODES = ["AttachmentLimitExceeded", "PrivateIpAddressLimitExceeded"];

/** `stop` says whether the pod was there. */
type WorldStage = Stage & Pick<SetStage, "stop">;

/** One seed's world: machines, their pods, the faults that come over them, and who watches the promises. */
export class World {
  readonly scheduler: Scheduler;
  readonly cloud: SimulatedCloud;
  readonly machines: readonly Machine[];
  readonly watch: PromiseWatch;
  readonly plan: WorldPlan;
  /** Absent = every node works alone. */
  readonly fleet: WorldFleet | undefined;
  /** Absent = pods ask for their addresses by CNI. */
  readonly kubernetes: WorldKubernetes | undefined;
  readonly options: SeedOptions;
  readonly #log: EventLog;
  readonly #folder: string | undefined;
  readonly #dice: Dice;
  readonly #measures: Measures;
  readonly #violations: Violation[] = [];
  /** EC2's settings without any fault. */
  readonly #calm: Settings;
  readonly #overlays = new Set<SettingsPatch>();
  readonly #touched = new Set<Machine>();
  readonly #endOfFault = new Map<FaultPlan, () => void>();
  readonly #troubles: Troubles;
  readonly #cordoned = new Set<number>();
  /** UIDs of the pods that the scheduler has placed, by node. */
  readonly #podsOn: readonly Set<string>[];

  /** `folder`: for real disks. Absent = every disk is in memory. */
  constructor(options: SeedOptions, listener?: (entry: LogEntry) => void, folder?: string) {
    this.options = options;
    this.#folder = folder;
    this.plan = drawPlan(options);
    this.#log = new EventLog(listener);
    this.#dice = new Dice(options.seed).fork("world");
    this.scheduler = new Scheduler({ startMs: BEGINS_AT_MS, dice: this.#dice.fork("scheduler") });
    const { place } = this.plan;
    this.cloud = new SimulatedCloud({
      description: place.description,
      clock: this.scheduler,
      random: this.#dice.fork("cloud"),
      log: "counts",
      onCall: ({ action, code, accessKeyId, parameters }) => {
        if (options.faults === "none" && LIMIT_CODES.includes(code)) {
          this.broken(accessKeyId, breach(7, `${action} is refused with ${code}`));
        }
        this.#log.add(this.#at(), accessKeyId, "ec2", `${action} ${code} ${JSON.stringify(parameters)}`);
      },
    });
    this.#calm = this.cloud.changeSettings(place.settings);
    this.#troubles = new Troubles(this.scheduler);
    this.fleet = this.#createFleet();
    const { agents } = this.plan;
    this.kubernetes =
      agents === undefined ? undefined : new WorldKubernetes(agents, this.scheduler, this.#dice.fork("kubernetes"));
    const report = (machine: Machine, found: Breach) => this.broken(machine.name, found);
    this.watch = new PromiseWatch(this.cloud, publishedBucket, report, this.fleet?.pods);
    const watcher = this.#watcher();
    this.machines = this.plan.machines.map(
      ({ instanceType, sections, podLimit, disk, collectEveryMs }, node) =>
        new Machine({
          node,
          instanceType,
          sections,
          podLimit,
          collectEveryMs,
          taggedSubnets: place.nodesAmongPods ? [NODE_SUBNET, ...POD_SUBNETS] : POD_SUBNETS,
          cloud: this.cloud,
          scheduler: this.scheduler,
          dice: this.#dice.fork(`machine-${node}`),
          makeDisk: (dice) => this.#makeDisk(node, disk, dice),
          weakness: options.weakness,
          fleet: this.fleet?.access,
          agents:
            agents === undefined || this.kubernetes === undefined
              ? undefined
              : { plan: agents, kubernetes: this.kubernetes },
          watcher,
        }),
    );
    this.#podsOn = this.machines.map(() => new Set());
    this.#measures = new Measures(this.machines, this.scheduler);
    this.scheduler.afterStep = () => this.#look();
  }

  /** Hours with faults, then peace, then the last look. A violation ends the run early; whatever is thrown is one. */
  async run(): Promise<SeedOutcome> {
    try {
      await this.#play();
    } catch (thrown) {
      // Not by `broken`: it may be the log's listener that throws.
      const violation = { seed: this.options.seed, promise: 0, atMs: this.#at(), machine: "", text: textOf(thrown) };
      this.#violations.push(violation);
    }
    return this.#outcome();
  }

  async #play(): Promise<void> {
    const { endMs, machines, workload } = this.plan;
    const lastMs = BEGINS_AT_MS + Math.min(endMs, this.options.untilMs ?? endMs);
    for (const [node, { launchMs }] of machines.entries()) {
      this.scheduler.after(launchMs, () => this.machines[node]?.launch());
    }
    // The faults left out are timed too: each timer draws its place in the order of what is due at the same moment, and
    // one timer fewer would change the order of all that comes after, which may hide the breach that is being shrunk.
    const chosen = new Set(this.#chosenFaults());
    for (const fault of this.plan.faults) {
      this.scheduler.after(fault.fromMs, () => {
        if (chosen.has(fault)) this.#begin(fault);
      });
    }
    const stage = this.#stage();
    const play = playWorkload(stage, workload, lastMs);
    this.fleet?.begin(stage);
    await this.scheduler.run(lastMs, () => this.#isOver());
    play.stop();
    this.fleet?.stop();
    if (!this.#isOver()) await comeToRest(this, () => this.#endFaults());
  }

  log(kind: string, text: string, machine = ""): void {
    this.#log.add(this.#at(), machine, kind, text);
  }

  broken(machine: string, { promise, text }: Breach): void {
    if (this.#violations.length >= VIOLATIONS_KEPT) return;
    this.#violations.push({ seed: this.options.seed, promise, atMs: this.#at(), machine, text });
    this.log("broken", `promise ${promise}: ${text}`, machine);
  }

  get violations(): readonly Violation[] {
    return this.#violations;
  }

  #isOver(): boolean {
    return this.#violations.length > 0;
  }

  /** Virtual ms since the world began, whole: fractions come from drawn latencies and say nothing. */
  #at(): number {
    return Math.round(this.scheduler.elapsedMs());
  }

  #chosenFaults(): readonly FaultPlan[] {
    const { onlyFaults } = this.options;
    const { faults } = this.plan;
    return onlyFaults === undefined ? faults : faults.filter(({ number }) => onlyFaults.includes(number));
  }

  #begin(fault: FaultPlan): void {
    const { untilMs } = this.options;
    if (untilMs !== undefined && fault.fromMs > untilMs) return;
    const name = fault.machine === undefined ? "" : (this.machines[fault.machine]?.name ?? "");
    this.log("fault", `${fault.number} begins: ${fault.kind}: ${fault.text}`, name);
    this.#troubles.begin(fault);
    const end = fault.begin(this.#hands());
    if (end === undefined) {
      this.#troubles.end(fault);
      return;
    }
    this.#endOfFault.set(fault, () => {
      this.#endOfFault.delete(fault);
      this.#troubles.end(fault);
      this.log("fault", `${fault.number} ends`, name);
      end();
    });
    this.scheduler.after(fault.untilMs - fault.fromMs, () => this.#endOfFault.get(fault)?.());
  }

  #endFaults(): void {
    for (const end of [...this.#endOfFault.values()]) end();
  }

  #hands(): FaultHands {
    return {
      cloud: this.cloud,
      scheduler: this.scheduler,
      machines: this.machines,
      overlay: (patch) => {
        this.#overlays.add(patch);
        this.#applySettings();
        return () => {
          this.#overlays.delete(patch);
          this.#applySettings();
        };
      },
      taint: (what) => this.watch.taint([...what, ...what.flatMap((one) => this.#carriedBy(one))]),
      store: this.fleet?.store,
      kubernetes: this.kubernetes,
    };
  }

  /** Agents are told of addresses, and not of the interface that somebody took away with them. */
  #carriedBy(interfaceId: string): readonly string[] {
    const carrier = this.kubernetes === undefined ? undefined : this.cloud.interface(interfaceId);
    return carrier === undefined ? [] : blocksOf(carrier).map((cidr) => cidr.replace("/32", ""));
  }

  /** The place's own settings with those of the faults in force over them, the latest last. */
  #applySettings(): void {
    this.cloud.replaceSettings(this.#calm);
    for (const patch of this.#overlays) this.cloud.changeSettings(patch);
  }

  #makeDisk(node: number, kind: "memory" | "sqlite", dice: Dice): WorldDisk {
    if (kind === "memory" || this.#folder === undefined) return createMemoryDisk();
    const own = join(this.#folder, `seed-${this.options.seed}-node-${node}-${dice.digits(8)}`);
    mkdirSync(own, { recursive: true });
    return createSqliteDisk({ folder: own });
  }

  #createFleet(): WorldFleet | undefined {
    const { fleet: plan } = this.plan;
    if (plan === undefined) return undefined;
    return new WorldFleet({
      plan,
      cloud: this.cloud,
      scheduler: this.scheduler,
      dice: this.#dice.fork("shared"),
      machines: () => this.machines,
      mayThrottle: this.#chosenFaults().some(({ kind }) => kind === "ec2-throttling"),
      troubledUntilMs: (machine, before) => this.#troubles.untilMs(machine, before),
      report: (machine, found) => this.broken(machine, found),
      log: (text) => this.log("fleet", text),
    });
  }

  #stage(): WorldStage {
    return {
      clock: this.scheduler,
      dice: this.#dice.fork("pods"),
      nodeCount: this.machines.length,
      canTake: (node) => {
        const machine = this.machines[node];
        if (machine === undefined || !machine.on || this.#cordoned.has(node)) return false;
        return (this.#podsOn[node]?.size ?? 0) < machine.podLimit;
      },
      run: (node, pod) => {
        this.#podsOn[node]?.add(pod.uid);
        const machine = this.machines[node];
        if (machine !== undefined) this.kubernetes?.bind(machine.name, pod);
        machine?.kubelet.run(pod);
      },
      stop: (node, pod) => {
        // A pod that went with its machine is nowhere any more.
        const isThere = this.machines[node]?.kubelet.stop(pod.uid) === true;
        if (!isThere) {
          this.#podsOn[node]?.delete(pod.uid);
          this.kubernetes?.gone(pod);
        }
        return isThere;
      },
      cordon: (node, closed) => {
        if (closed) this.#cordoned.add(node);
        else this.#cordoned.delete(node);
        if (closed) this.fleet?.drained(node);
      },
    };
  }

  #watcher(): MachineWatcher {
    return {
      hooksOf: (machine) => this.#hooksOf(machine),
      sending: (machine, action, parameters) => {
        this.watch.sending(machine, action, parameters, this.scheduler.monotonicMs());
      },
      calling: (machine, action, parameters) => {
        this.watch.calling(machine, action, parameters);
        this.fleet?.watch.calling(machine, action, parameters);
      },
      event: (machine, { name, message, fields }) => {
        this.log("event", `${name}: ${message}`, machine.name);
        if (name === "promise-broken") {
          const promise = Number(fields?.promise ?? 0);
          this.broken(machine.name, { promise, text: `enid's own check refused: ${message}` });
        }
      },
      touched: (machine) => this.#touched.add(machine),
      log: (machine, kind, text) => this.log(kind, text, machine.name),
      failed: (machine, thrown) => this.broken(machine.name, breach(0, textOf(thrown))),
    };
  }

  #hooksOf(machine: Machine): KubeletHooks {
    return {
      onAnswer: (sandbox, verb, answer) => {
        const who = sandbox === undefined ? "" : `${nameOf(sandbox.pod)} ${sandbox.containerId.slice(0, 12)} `;
        const what = answer.exit === 0 ? answer.addresses.join(" ") : (answer.error ?? answer.body);
        this.log("pod", `${verb} ${who}${answer.by} ${answer.exit} ${what}`, machine.name);
        this.watch.answered(machine, sandbox, verb, answer);
        this.fleet?.watch.answered(machine, sandbox, verb, answer);
      },
      onUse: (sandbox) => {
        this.watch.used(machine, sandbox);
        this.kubernetes?.addressed(sandbox.pod, sandbox.addresses[0] ?? "");
      },
      onFree: (sandbox) => this.watch.freed(machine, sandbox, this.scheduler.monotonicMs()),
      onAddress: (pod, time) => {
        this.#measures.addressed(time);
        this.fleet?.addressed(pod.uid);
      },
      onForgotten: (sandbox) => this.log("pod", `${nameOf(sandbox.pod)} is forgotten: no DEL comes`, machine.name),
      onGone: (pod) => {
        this.#podsOn[machine.node]?.delete(pod.uid);
        this.kubernetes?.gone(pod);
        this.fleet?.gone(pod.uid);
      },
    };
  }

  /** After each event: what it touched is held against the promises. */
  #look(): void {
    if (this.#touched.size === 0) return;
    for (const machine of this.#touched) {
      this.watch.looked(machine);
      this.#measures.looked(machine);
      this.fleet?.watch.looked(machine);
    }
    this.#touched.clear();
  }

  #outcome(): SeedOutcome {
    const { options, plan } = this;
    const hours = this.scheduler.elapsedMs() / 3_600_000;
    return {
      options,
      plan: plan.lines,
      faults: plan.faults.map(({ begin: _, ...fault }) => fault),
      violations: this.#violations,
      hash: this.#log.digest(),
      steps: this.scheduler.steps,
      events: this.#log.count,
      simulatedHours: hours * this.machines.length,
      ...this.#measures.outcome(this.cloud),
    };
  }
}

function textOf(thrown: unknown): string {
  return thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
}

function nameOf({ namespace, name }: PodIdentity): string {
  return `${namespace}/${name}`;
}
