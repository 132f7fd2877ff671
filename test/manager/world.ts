import type { EnidError } from "../../src/errors.ts";
import { type EnidEvent, type Intent, Manager } from "../../src/manager/index.ts";
import { Dice, ProcessClock, WorldClock } from "../support/world-clock.ts";
import { type CloudInterface, WorldCloud } from "../support/world-cloud.ts";
import { WorldProvider } from "../support/world-provider.ts";
import { WorldStore } from "../support/world-store.ts";
import { CALM, type Weather, WorldCalls } from "../support/world-weather.ts";
import { LabStore } from "./harness.ts";
import { WorldPods } from "./world-pods.ts";
import { ExpectedSettings } from "./world-settings.ts";
import { type Climate, drawClimate, Troubles } from "./world-troubles.ts";
import { unquiet } from "./world-verdict.ts";

/** One life of the daemon. */
export interface Process {
  readonly manager: Manager;
  readonly clock: ProcessClock;
  readonly store: WorldStore;
  readonly provider: WorldProvider;
  readonly bornMs: number;
  /** The wall of this process: its steady clock began with it. */
  readonly wallOffsetMs: number;
  begun: boolean;
}

const QUIET_LIMIT_MS = 5 * 3_600_000;

/**
 * A seeded random world around the real manager: pods come and go, EC2 fails in every way, the disk fills up, settings
 * change, somebody meddles with the interfaces, and the process dies at any moment. After each step the promises of
 * docs/architecture.md are held against the truth; `problems` collects what does not hold.
 */
export class World {
  readonly dice: Dice;
  readonly clock = new WorldClock();
  readonly cloud: WorldCloud;
  readonly disk: LabStore;
  readonly settings = new ExpectedSettings(this.clock);
  readonly pods: WorldPods;
  readonly problems: string[] = [];
  readonly trace: string[] = [];
  readonly weather: Weather = { ...CALM };
  readonly counts = { crashes: 0, starts: 0, changes: 0, swept: 0 };
  readonly climate: Climate;
  readonly troubles: Troubles;
  process: Process | undefined;
  #bootId = "boot-1";
  #fuse = Number.POSITIVE_INFINITY;
  #settling = false;

  constructor(seed: number) {
    this.dice = new Dice(seed);
    this.climate = drawClimate(this.dice);
    const sizes = this.climate.smallSubnets ? [14, 30, 20] : [100, 100, 100];
    const { ipv6, cards } = this.climate;
    this.cloud = new WorldCloud({
      clock: this.clock,
      dice: this.dice,
      sizes,
      ipv6: ipv6 ? this.dice.pick([[0, 1], [0, 1, 2], [0], [1], [2]]) : [],
      cards: cards
        ? this.dice.pick([
            [2, 2],
            [1, 2],
            [3, 1],
          ])
        : [3],
    });
    this.disk = new LabStore(this.clock);
    this.pods = new WorldPods(this);
    this.troubles = new Troubles(this);
    this.say(`seed ${seed}: ${JSON.stringify(this.climate)}`);
  }

  /** Answers what did not hold; empty is as it must be. */
  async run(steps: number): Promise<readonly string[]> {
    await this.start();
    for (let step = 0; step < steps && this.problems.length === 0; step++) {
      await this.#act();
      await this.clock.advance(this.#pauseMs());
      this.#check();
    }
    if (this.problems.length === 0) await this.#settle();
    return this.problems;
  }

  say(text: string): void {
    this.trace.push(`${((this.clock.monotonicMs() % 1e9) / 1000).toFixed(3)} ${text}`);
  }

  complain(problem: string): void {
    this.say(`PROBLEM ${problem}`);
    this.problems.push(problem);
  }

  async start(): Promise<void> {
    // What the process before had asked the disk for is there by now, or never will be.
    await this.clock.drain();
    const process = this.#makeProcess();
    this.process = process;
    this.pods.processBorn(this.disk.load());
    this.counts.starts += 1;
    if (this.climate.crashes && !this.#settling && this.dice.chance(0.6)) this.#fuse = this.dice.between(1, 30);
    const { file } = this.troubles;
    const done = this.troubles.starting();
    this.say(`start with a ${file.kind} file in ${this.#bootId}`);
    const started = process.manager.start(file).then(
      () => {
        if (this.process !== process) return;
        process.begun = true;
        done(true);
        const { settings } = process.manager.status();
        for (const problem of this.settings.started(settings)) this.complain(problem);
        this.pods.processBegan(settings.values["cooling-seconds"] * 1_000);
      },
      (error: EnidError) => {
        if (this.process !== process) return;
        this.say(`start failed: ${error.code}`);
        // The file is in force for the next start if its commit came before the failure.
        if (this.process === process) this.#die(process);
      },
    );
    await this.clock.advance(2_000, () => process.begun || this.process !== process);
    await Promise.race([started, this.clock.drain()]);
  }

  /** The process is gone between two instructions. */
  crash(): void {
    const { process } = this;
    if (process === undefined) return;
    this.say("crash");
    this.counts.crashes += 1;
    this.#die(process);
  }

  #die(process: Process): void {
    this.#fuse = Number.POSITIVE_INFINITY;
    this.process = undefined;
    this.counts.changes += process.provider.calling.changes;
    process.clock.cut();
    process.provider.calling.cut();
    process.store.cut();
    this.pods.processDied();
  }

  #makeProcess(): Process {
    const { clock, dice, cloud, weather, disk } = this;
    const processClock = new ProcessClock(clock);
    const moment = () => this.#moment();
    const slowestMs = this.climate.slowDisk ? 40 : 0;
    const store = new WorldStore({ clock, dice, disk, slowestMs, moment });
    const watch = {
      executing: (intent: Intent, grows: boolean) => this.#executing(intent, grows),
      reported: (intent: Intent, interfaceId: string) => this.#reported(intent, interfaceId),
      removing: (entry: CloudInterface) => this.#removing(entry),
      releasing: (entry: CloudInterface, cidrs: readonly string[]) => this.pods.blocksGo(entry, cidrs),
      sweeping: (id: string) => this.#sweeping(id),
    };
    const calling = new WorldCalls({ clock, dice, weather, moment });
    const provider = new WorldProvider({ clock, dice, cloud, weather, watch, calling });
    const life = ++this.#lives;
    let ids = 0;
    const manager = new Manager({
      provider,
      store,
      clock: processClock,
      random: { fraction: () => dice.fraction(), id: () => `intent-${life}-${++ids}` },
      bootId: this.#bootId,
      telemetry: { event: (event) => this.#told(event), cloudCall: () => {}, served: () => {} },
    });
    return {
      manager,
      clock: processClock,
      store,
      provider,
      bornMs: clock.monotonicMs(),
      wallOffsetMs: clock.wallOffsetMs,
      begun: false,
    };
  }

  #lives = 0;

  #told({ name, message }: EnidEvent): void {
    this.say(`  ${name}: ${message}`);
    if (name === "promise-broken") this.complain(message);
  }

  /** A moment at which it is worth dying. */
  #moment(): void {
    this.#fuse -= 1;
    if (this.#fuse <= 0) this.crash();
  }

  #pauseMs(): number {
    switch (this.dice.weighted({ none: 3, short: 8, some: 6, long: 2, hours: 0.15 })) {
      case "none":
        return 0;
      case "short":
        return this.dice.between(1, 60);
      case "some":
        return this.dice.between(100, 4_000);
      case "long":
        return this.dice.between(5_000, 90_000);
      case "hours":
        return this.dice.between(600_000, 2 * 3_600_000);
    }
  }

  async #act(): Promise<void> {
    const { process, climate } = this;
    if (process === undefined) {
      if (climate.settings && this.dice.chance(0.2)) await this.troubles.overrideInState();
      else if (this.dice.chance(0.5)) await this.start();
      return;
    }
    const what = this.dice.weighted({
      add: 6,
      addMany: 1.5,
      remove: 4,
      removeMany: 0.7,
      repeat: 1,
      abort: 1,
      weather: climate.faults || climate.slow || climate.lag ? 2 : 0,
      disk: climate.disk ? 1 : 0,
      settings: climate.settings ? 1.2 : 0,
      strangers: climate.strangers ? 1 : 0,
      groups: climate.groups ? 0.5 : 0,
      fragment: climate.fragments ? 0.5 : 0,
      cluster: climate.cluster ? 1 : 0,
      wall: climate.wallSteps ? 0.5 : 0,
      crash: climate.crashes ? 1 : 0,
      stop: climate.crashes ? 0.3 : 0,
      reboot: climate.crashes ? 0.15 : 0,
      replace: climate.replacements ? 0.3 : 0,
    });
    switch (what) {
      case "weather":
        this.troubles.drawWeather();
        break;
      case "disk":
        this.troubles.drawDisk();
        break;
      case "settings":
        await this.troubles.changeSettings(process);
        break;
      case "strangers":
        this.troubles.meddle();
        break;
      case "groups":
        this.troubles.regroup();
        break;
      case "fragment":
        this.troubles.fragment();
        break;
      case "cluster":
        this.say(this.cloud.cluster.act());
        break;
      case "wall":
        this.troubles.stepWall();
        break;
      case "crash":
        this.crash();
        break;
      case "stop":
        await this.#stop(process);
        break;
      case "reboot":
        this.#reboot();
        break;
      case "replace":
        this.#replace();
        break;
      default:
        this.pods.act(what, process);
    }
  }

  async #stop(process: Process): Promise<void> {
    this.say("stop");
    let stopped = false;
    void process.manager.stop(this.dice.pick([0, 1_000, 8_000])).then(() => {
      stopped = true;
    });
    await this.clock.advance(20_000, () => stopped || this.process !== process);
    if (this.process !== process) return;
    if (!stopped) this.complain("stop did not end within 20 s");
    this.#die(process);
  }

  #reboot(): void {
    this.crash();
    this.#bootId = `boot-${Number(this.#bootId.slice(5)) + 1}`;
    this.say(`reboot: ${this.#bootId}`);
    this.pods.rebooted(this.disk.load());
  }

  #replace(): void {
    this.#reboot();
    const id = `i-${Number(this.cloud.instanceId.slice(2)) + 1}`;
    this.say(`the disk moves to ${id}`);
    this.cloud.replaceInstance(id);
    this.pods.instanceReplaced();
  }

  #executing(intent: Intent, grows: boolean): void {
    const { intents } = this.disk.load();
    const durable = intents.find(({ id }) => id === intent.id);
    const { step } = intent;
    this.say(`  cloud: ${step.kind} ${intent.id} ${"count" in step ? step.count : ""} ${JSON.stringify(step)}`);
    if (durable === undefined) this.complain(`${step.kind} ${intent.id} is carried out without a durable intent`);
    if (!grows || !("subnetId" in step)) return;
    const settings = this.settings.at(this.clock.monotonicMs());
    if (!settings.some(({ values }) => this.#allows(values, step.subnetId, intent))) {
      this.complain(`${step.kind} in ${step.subnetId} with ${intent.securityGroups} is not allowed now`);
    }
  }

  #allows(values: ReturnType<ExpectedSettings["at"]>[number]["values"], subnetId: string, intent: Intent): boolean {
    const subnets = this.cloud.allowed({ subnetIds: values["subnet-ids"], subnetTags: values["subnet-tags"] });
    const groups = values["security-groups"].length > 0 ? values["security-groups"] : [...this.cloud.primaryGroups];
    const grouped = intent.step.kind === "add-blocks" || intent.securityGroups.every((group) => groups.includes(group));
    return grouped && subnets.some(({ id }) => id === subnetId);
  }

  #reported(intent: Intent, interfaceId: string): void {
    const durable = this.disk.load().intents.find(({ id }) => id === intent.id);
    if (durable?.interfaceId !== interfaceId) this.complain(`${interfaceId} goes on before its id is durable`);
  }

  #removing(entry: CloudInterface): void {
    this.say(`  cloud: ${entry.id} is taken off`);
    this.pods.interfaceGoes(entry);
  }

  #sweeping(id: string): void {
    if (!this.cloud.cluster.has(id)) return;
    this.counts.swept += 1;
    const why = this.cloud.cluster.whyKept(id, this.climate.wallSteps);
    if (why !== "") this.complain(`${id} is deleted as a leftover though ${why}`);
  }

  #check(): void {
    const { process } = this;
    this.pods.check();
    if (process === undefined || !process.begun) return;
    const [problem] = process.manager.problems();
    if (problem !== undefined) this.complain(`the pool contradicts itself: ${problem}`);
    for (const wrong of this.settings.problems(process.manager.status().settings)) this.complain(wrong);
    if (process.clock.fired > 2_000 + (this.clock.monotonicMs() - process.bornMs) / 5)
      this.complain(`${process.clock.fired} timers fired in ${this.clock.monotonicMs() - process.bornMs} ms`);
  }

  /** All troubles end; then all must be well within a bound. */
  async #settle(): Promise<void> {
    this.say("the troubles end");
    this.#settling = true;
    this.#fuse = Number.POSITIVE_INFINITY;
    Object.assign(this.weather, CALM);
    this.disk.full = false;
    this.disk.leasesRefused = false;
    for (let tries = 0; this.process === undefined; tries++) {
      if (tries > 3) return this.complain("the daemon does not start");
      this.troubles.repairFile();
      await this.start();
    }
    const { process } = this;
    await this.troubles.end(process);
    // A pod whose lease the disk refused is tried again; that is how the disk is found to be well.
    this.pods.act("add", process);
    this.pods.deleteDenied(process);
    // What a process asked for before it died may still come to pass.
    await this.clock.advance(this.climate.slow ? 400_000 : 1_000);
    const untilMs = this.clock.monotonicMs() + QUIET_LIMIT_MS;
    for (let open = unquiet(this, process); open.length > 0; open = unquiet(this, process)) {
      this.pods.deleteDenied(process);
      if (this.clock.monotonicMs() > untilMs) {
        for (const text of open) this.complain(`five hours after the troubles: ${text}`);
        return;
      }
      await this.clock.advance(this.clock.monotonicMs() < untilMs - QUIET_LIMIT_MS + 120_000 ? 20_000 : 600_000);
      this.#check();
      if (this.problems.length > 0) return;
    }
    // What is beyond the watermarks goes after its quiet time.
    await this.clock.advance(3_600_000);
    await this.pods.epilogue(process);
    this.#check();
  }
}
