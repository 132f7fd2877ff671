import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readConfiguration } from "../../src/configuration/index.ts";
import type { EnidError } from "../../src/errors.ts";
import { type EnidEvent, Manager, type Store } from "../../src/manager/index.ts";
import { type AwsLimits, createAwsProvider } from "../../src/providers/aws/index.ts";
import {
  createFront,
  createInProcessTransport,
  type FaultEffect,
  type Front,
  type InProcessOptions,
  type InProcessTransport,
  type LoggedCall,
  type NetworkInterface,
  type SettingsPatch,
  type SimulatedCloud,
} from "../../src/simulator/index.ts";
import { createMemoryStore, openSqliteStore } from "../../src/state/index.ts";
import { Dice, ProcessClock, WorldClock } from "../support/world-clock.ts";
import { WorldStore } from "../support/world-store.ts";
import { disagreements } from "./agreement.ts";
import { type CloudOptions, INSTANCE, makeCloud } from "./cloud.ts";
import { Pods } from "./pods.ts";
import { seeded } from "./seeded.ts";

export interface LabOptions extends CloudOptions {
  /** Sections of the configuration file. Without `eni` the only allowed subnet is the primary interface's. */
  readonly eni?: object;
  readonly ipam?: object;
  /** EC2's behaviour over the model's defaults. */
  readonly settings?: SettingsPatch;
  readonly limits?: Partial<AwsLimits>;
  readonly seed?: number;
  /** `sqlite`: a real database in a folder of its own. Default: memory. A commit takes some virtual ms in both. */
  readonly store?: "memory" | "sqlite";
}

/** What becomes of the n-th mutating call (counted from 1 over the life of the lab); undefined: nothing special. */
export type Meddling = (n: number, action: string) => FaultEffect | undefined;

/** One life of the daemon. */
interface Process {
  readonly manager: Manager;
  readonly clock: ProcessClock;
  readonly store: WorldStore;
  readonly transport: InProcessTransport;
}

const STARTED_AT_MS = Date.UTC(2026, 0, 1);
const SLOWEST_COMMIT_MS = 6;
const FILE = "/etc/cni/net.d/05-enid.conf";

/**
 * The real manager, the real AWS provider with the real SDK, and the simulated cloud in one process on one virtual clock.
 * Nothing waits for real, nothing listens, and a run is a function of its options: hours of a node pass in a second.
 */
export class Lab {
  readonly clock: WorldClock;
  readonly cloud: SimulatedCloud;
  readonly pods: Pods;
  /** What enid said, over all its lives. */
  readonly events: (EnidEvent & { readonly atMs: number })[] = [];
  /** Sentences about what must never happen and did: an address given twice, a running pod's address given back. */
  readonly problems: string[] = [];
  meddling: Meddling | undefined;
  /** What becomes of answers of instance metadata on their way. */
  onMetadata: InProcessOptions["onMetadata"];
  readonly #options: LabOptions;
  readonly #front: Front;
  readonly #folder: string | undefined;
  #activity = 0;
  #mutations = 0;
  #disk: Store;
  #process: Process | undefined;
  #transports: InProcessTransport[] = [];
  #file: { eni?: object | undefined; ipam?: object | undefined };
  #lives = 0;
  #boots = 1;

  /** A lab whose daemon has started; `settled` unless told otherwise: it has its first buffer. */
  static async open(options: LabOptions = {}): Promise<Lab> {
    await warmUp();
    const lab = new Lab(options);
    await lab.start();
    await lab.quiet();
    return lab;
  }

  /** A lab whose daemon does not run yet: `start()`. */
  constructor(options: LabOptions = {}) {
    this.#options = options;
    this.#file = { eni: options.eni, ipam: options.ipam };
    const { seed = 1 } = options;
    this.clock = new WorldClock(STARTED_AT_MS, () =>
      this.#transports.reduce((sum, { activity }) => sum + activity, this.#activity),
    );
    this.cloud = makeCloud(this.clock, seeded(seed), options);
    if (options.settings !== undefined) this.cloud.changeSettings(options.settings);
    this.#front = createFront(this.cloud, this.clock, seeded(seed + 1_000));
    this.#folder = options.store === "sqlite" ? mkdtempSync(join(tmpdir(), "enid-lab-")) : undefined;
    this.#disk = this.#openDisk();
    this.pods = new Pods(this);
  }

  /** The running manager. */
  get manager(): Manager {
    if (this.#process === undefined) throw new Error("the daemon does not run");
    return this.#process.manager;
  }

  get isRunning(): boolean {
    return this.#process !== undefined;
  }

  /** What is durable. */
  get disk(): Store {
    return this.#disk;
  }

  /** A new process on what is durable; resolves once the manager's start has. */
  async start(): Promise<void> {
    const process = this.#makeProcess();
    this.#process = process;
    let over = false;
    const started = process.manager.start(this.#offer()).finally(() => {
      over = true;
    });
    started.catch(() => undefined);
    await this.clock.advance(10_000, () => over);
    await started;
  }

  /** The process is gone between two instructions: what it sent is carried out, what it hears is lost. */
  crash(): void {
    const process = this.#process;
    if (process === undefined) return;
    process.clock.cut();
    process.transport.cut();
    process.store.cut();
    this.#process = undefined;
  }

  /** Crash, if it runs, and a new process. With `reboot` the machine starts anew: its pods are gone. */
  async restart({ reboot = false } = {}): Promise<void> {
    this.crash();
    // What the dead process had given the disk is there by then.
    await this.clock.advance(50);
    if (this.#folder !== undefined) {
      await this.#closeDisk();
      this.#disk = this.#openDisk();
    }
    if (reboot) {
      this.#boots += 1;
      this.pods.rebooted();
    }
    await this.start();
  }

  /** The configuration file now says this. */
  async configure(parts: { eni?: object; ipam?: object }): Promise<void> {
    this.#file = { ...this.#file, ...parts };
    const offered = this.manager.offerConfiguration(this.#offer());
    await this.advance(100);
    await offered;
  }

  advance(ms: number, over?: () => boolean): Promise<void> {
    return this.clock.advance(ms, over);
  }

  /** Lets time pass until the condition holds. Rejects when it does not within the limit. */
  async until(what: string, condition: () => boolean, limitMs = 600_000): Promise<void> {
    await this.advance(limitMs, condition);
    if (!condition()) throw new Error(`not within ${limitMs / 1_000} s: ${what}`);
  }

  /** Until no step is under way and none is begun for 30 s. */
  async quiet(limitMs = 1_800_000): Promise<void> {
    const endMs = this.clock.monotonicMs() + limitMs;
    let quietSinceMs = this.clock.monotonicMs();
    let seen = this.#mutations;
    await this.until(
      "no step under way",
      () => {
        const nowMs = this.clock.monotonicMs();
        const isBusy = this.manager.status().intents.length > 0 || this.manager.status().waiting.length > 0;
        if (isBusy || seen !== this.#mutations || this.manager.status().phase === "starting") quietSinceMs = nowMs;
        seen = this.#mutations;
        return nowMs - quietSinceMs >= 30_000;
      },
      endMs - this.clock.monotonicMs(),
    );
  }

  /** Mutating calls of EC2 since the start or the last `forget()`, refused and lost ones as well. */
  mutations(action?: string): readonly LoggedCall[] {
    return this.calls(action).filter(({ isMutating }) => isMutating);
  }

  /** All calls of EC2 (not STS) since the start or the last `forget()`. */
  calls(action?: string): readonly LoggedCall[] {
    return this.cloud.log
      .calls(action === undefined ? {} : { action })
      .filter(({ service, caller }) => service === "ec2" && caller === "client");
  }

  /** How many mutating calls by action. */
  counts(): Readonly<Record<string, number>> {
    const counts: Record<string, number> = {};
    for (const { action } of this.mutations()) counts[action] = (counts[action] ?? 0) + 1;
    return counts;
  }

  /** The log of calls and what enid said begin anew. */
  forget(): void {
    this.cloud.log.reset();
    this.events.length = 0;
  }

  /** Interfaces of the instance as EC2 has them, in order of their place. */
  truth(): readonly NetworkInterface[] {
    const place = ({ attachment }: NetworkInterface) =>
      (attachment?.networkCard ?? 0) * 100 + (attachment?.deviceIndex ?? 0);
    return this.cloud
      .truth()
      .interfaces.filter((one) => one.attachment?.instanceId === INSTANCE)
      .sort((one, other) => place(one) - place(other));
  }

  /** Events of that name; of `degraded` and `recovered` those of that state. */
  said(name: string, state?: string): readonly EnidEvent[] {
    return this.events.filter((one) => one.name === name && (state === undefined || one.fields?.state === state));
  }

  degraded(): readonly string[] {
    return this.manager.status().degraded.map(({ name }) => name);
  }

  /** Throws when pool, state and cloud do not agree, or when something happened that must never happen. */
  agree(): void {
    const found = [...this.problems, ...disagreements(this)];
    if (found.length > 0) throw new Error(`they do not agree:\n  ${found.join("\n  ")}`);
  }

  /** Stops the daemon in order and removes what is on the disk. */
  async close(): Promise<void> {
    if (this.#process !== undefined) {
      const stopped = this.#process.manager.stop(0);
      await this.advance(20_000);
      await stopped;
      this.#process = undefined;
    }
    await this.#closeDisk();
    if (this.#folder !== undefined) rmSync(this.#folder, { recursive: true, force: true });
  }

  #makeProcess(): Process {
    const { seed = 1, limits } = this.#options;
    const life = ++this.#lives;
    const clock = new ProcessClock(this.clock);
    const random = seeded(seed + 2_000 * life);
    const transport = createInProcessTransport({
      cloud: this.cloud,
      front: this.#front,
      clock,
      instanceId: INSTANCE,
      onRequest: (action) => this.#meddle(action),
      onMetadata: (path, answer) => this.onMetadata?.(path, answer) ?? answer,
    });
    this.#transports.push(transport);
    const store = new WorldStore({
      clock: this.clock,
      dice: new Dice(seed + 3_000 * life),
      disk: this.#disk,
      slowestMs: SLOWEST_COMMIT_MS,
      moment: () => undefined,
    });
    const telemetry = {
      event: (event: EnidEvent) => {
        if (this.#lives === life) this.events.push({ ...event, atMs: this.clock.nowMs() });
      },
      cloudCall: () => undefined,
      served: () => undefined,
    };
    const provider = createAwsProvider({
      clock,
      random,
      telemetry,
      environment: ENVIRONMENT,
      transport,
      ...(limits === undefined ? {} : { limits }),
    });
    const manager = new Manager({ provider, store, clock, random, telemetry, bootId: `boot-${this.#boots}` });
    return { manager, clock, store, transport };
  }

  #meddle(action: string): void {
    if (/^(Describe|Get)/.test(action)) return;
    this.#mutations += 1;
    const effect = this.meddling?.(this.#mutations, action);
    if (effect !== undefined) this.cloud.faults.add({ action, effect });
  }

  #offer() {
    const { eni = {}, ipam = {} } = this.#file;
    const text = JSON.stringify({
      cniVersion: "1.0.0",
      name: "cilium",
      type: "cilium-cni",
      eni,
      ipam: { type: "enid-ipam", "cooling-seconds": 30, ...ipam },
    });
    return { kind: "valid", configuration: readConfiguration(new TextEncoder().encode(text), FILE) } as const;
  }

  #openDisk(): Store {
    if (this.#folder !== undefined) return openSqliteStore({ file: join(this.#folder, "state.db"), clock: this.clock });
    return createMemoryStore({ clock: this.clock });
  }

  async #closeDisk(): Promise<void> {
    const closed = this.#disk.close();
    await this.clock.drain();
    await closed;
  }
}

const ENVIRONMENT = {
  AWS_ENDPOINT_URL: "http://aws.in-process.invalid",
  AWS_EC2_METADATA_SERVICE_ENDPOINT: "http://metadata.in-process.invalid",
  AWS_ACCESS_KEY_ID: "AKIDEXAMPLE",
  AWS_SECRET_ACCESS_KEY: "secret",
};

let warm: Promise<void> | undefined;

/** The SDK loads parts of itself and the machine's AWS settings with its first call, in real time: once, ahead of all. */
function warmUp(): Promise<void> {
  warm ??= (async () => {
    const lab = new Lab({ settings: { speed: 1_000_000 } });
    const started = lab.start();
    await started;
    const deadline = Date.now() + 20_000;
    while (lab.calls("AssignPrivateIpAddresses").length === 0 || lab.manager.status().node === undefined) {
      if (Date.now() > deadline) throw new Error("the SDK did not come up within 20 s");
      await new Promise((resolve) => setTimeout(resolve, 5));
      await lab.advance(1_000);
    }
    await lab.close();
  })();
  return warm;
}

export type { EnidError };
