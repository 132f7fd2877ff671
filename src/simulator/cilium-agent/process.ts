import { EnidError } from "../../errors.ts";
import { CILIUM_NODES, type KubernetesObject } from "../../handoff/cilium-node/api.ts";
import type { Dialect } from "../../handoff/cilium-node/port.ts";
import { type Allocator, noAddress, shuffled } from "./allocator.ts";
import { ClassicAllocator } from "./classic-allocator.ts";
import { Informer } from "./informer.ts";
import { Ended, Lifetime } from "./lifetime.ts";
import { readNode } from "./node-view.ts";
import { writeOwnSpec } from "./own-spec.ts";
import { Paced } from "./paced.ts";
import { PoolsAllocator } from "./pools-allocator.ts";
import type { AgentRecord } from "./record.ts";
import { faultsOf } from "./rules.ts";
import type { AgentOptions, AgentState } from "./types.ts";

export interface ProcessOptions extends AgentOptions {
  readonly dialect: Dialect;
  readonly record: AgentRecord;
  /** Addresses in use on the machine and whose they are; changed by others. */
  readonly pods: ReadonlyMap<string, string>;
  /** It has taken an address for itself. */
  readonly takeForHouse: (address: string, owner: string) => void;
  /** A fault of this program. */
  readonly failed: (thrown: unknown) => void;
}

/** Cilium's `ipam-cilium-node-update-rate`. */
export const WRITE_INTERVAL_MS = 15_000;
/** Of eni-1.20: what is to be said is looked at this often, whether something happened or not. */
const LOOK_INTERVAL_MS = 60_000;
/** While the pool has not what the agent wants before it starts. */
const POOL_LOOK_MS = 5_000;
const RESTORE_MS: readonly [number, number] = [1_000, 8_000];
const HOUSE: readonly string[] = ["router", "health"];
/** What the agent adds to the owner of an address that it found in use when it was started. */
const RESTORED = " [restored]";

/** One process of the agent. Its endpoints outlive it. */
export class AgentProcess {
  readonly #options: ProcessOptions;
  readonly #lifetime: Lifetime;
  readonly #allocator: Allocator;
  readonly #informer: Informer;
  readonly #writer: Paced;
  #state: AgentState = "starting";

  constructor(options: ProcessOptions) {
    const { clock, random, dialect, record, pods, api, nodeName, answersWhileRestoring, reclaims } = options;
    this.#options = options;
    this.#lifetime = new Lifetime(clock);
    const lifetime = this.#lifetime;
    const shared = { random, record, isHeld: (address: string) => pods.has(address) };
    this.#allocator =
      dialect === "eni-1.20"
        ? new PoolsAllocator({ ...shared, clock, reclaims: reclaims ?? true })
        : new ClassicAllocator({ ...shared, dialect, answersWhileRestoring: answersWhileRestoring ?? false });
    this.#writer = new Paced(lifetime, WRITE_INTERVAL_MS, () => this.#guard(() => this.#write()));
    this.#informer = new Informer({
      api,
      nodeName,
      lifetime,
      random,
      tell: (object) => this.#accept(object),
      log: (text) => record.say(text),
    });
  }

  get state(): AgentState {
    return this.#lifetime.over ? "off" : this.#state;
  }

  /** Resolves once it serves. Rejects with Ended when it dies before. */
  async start(): Promise<void> {
    const { record, dialect, restartReport, autoCreate, nodeName, nodeUid, configuration, api } = this.#options;
    record.say(`starts as ${dialect}`);
    if (autoCreate !== false) {
      await writeOwnSpec({
        nodeName,
        ...(nodeUid === undefined ? {} : { nodeUid }),
        configuration,
        api,
        lifetime: this.#lifetime,
        dialect,
        record,
      });
    }
    this.#informer.follow().catch((thrown: unknown) => this.#fail(thrown));
    if (dialect === "eni-1.20") this.#lookAgain();
    while (!this.#allocator.hasMinimum()) await this.#lifetime.sleep(POOL_LOOK_MS);
    this.#state = "restoring";
    if (restartReport === "as-restored") this.#writer.ask();
    await this.#restore();
    this.#state = "serving";
    if (this.#allocator.restored()) this.#writer.ask();
    record.say(`serves ${this.#options.pods.size} addresses`);
  }

  end(): void {
    this.#lifetime.end();
  }

  /** Errors: ENID_NO_ADDRESS. */
  allocate(owner: string): string {
    if (this.state !== "serving") throw noAddress(owner, "the agent is starting");
    try {
      return this.#allocator.next(owner);
    } finally {
      // Also when there is none: what is needed has become more.
      this.#writer.ask();
    }
  }

  free(address: string): void {
    this.#allocator.free(address);
    if (this.#state === "serving") this.#writer.ask();
  }

  inUse(): ReadonlyMap<string, string> {
    return this.#allocator.inUse();
  }

  freeCount(): number {
    return this.#allocator.freeCount();
  }

  /** Something of the machine changed that is no address (a label): the agent writes its whole configuration again. */
  rewriteOwnSpec(): void {
    const { nodeName, nodeUid, configuration, api, dialect, record } = this.#options;
    const uid = nodeUid === undefined ? {} : { nodeUid };
    const written = writeOwnSpec({ nodeName, ...uid, configuration, api, lifetime: this.#lifetime, dialect, record });
    written.catch((thrown: unknown) => this.#fail(thrown));
  }

  /** Every endpoint at a moment of its own; those that are gone by then are not restored. Then what is the agent's own. */
  async #restore(): Promise<void> {
    const { random, pods, restoreMs, record, takeForHouse } = this.#options;
    const [leastMs, mostMs] = restoreMs ?? RESTORE_MS;
    const house = this.#options.house ?? HOUSE;
    const found = shuffled(random, [...pods]);
    const stepMs = (leastMs + random.fraction() * (mostMs - leastMs)) / (found.length + 1);
    for (const [address, owner] of found) {
      await this.#lifetime.sleep(stepMs);
      if (pods.get(address) !== owner) continue;
      this.#allocator.restore(address, house.includes(owner) ? owner : `${owner}${RESTORED}`);
      if (this.#options.restartReport === "as-restored") this.#writer.ask();
    }
    await this.#lifetime.sleep(stepMs);
    const owners = new Set(pods.values());
    for (const owner of house.filter((one) => !owners.has(one))) {
      for (;;) {
        try {
          takeForHouse(this.#allocator.next(owner), owner);
          break;
        } catch (thrown) {
          if (!(thrown instanceof EnidError)) throw thrown;
          record.say(`none for its ${owner}: ${thrown.values.reason}`);
        }
        this.#writer.ask();
        await this.#lifetime.sleep(POOL_LOOK_MS);
      }
    }
  }

  #accept(object: KubernetesObject | undefined): void {
    const { dialect, record } = this.#options;
    const node = object === undefined ? undefined : readNode(object);
    const faults = node === undefined || dialect === "crd" ? [] : faultsOf(node);
    for (const fault of faults) record.reject(fault);
    if (faults.length > 0) return;
    if (this.#allocator.accept(node)) this.#writer.ask();
  }

  #lookAgain(): void {
    this.#lifetime.after(LOOK_INTERVAL_MS, () => {
      this.#writer.ask();
      this.#lookAgain();
    });
  }

  /** All that is to be written, one write after the other. True: not all of it could be. */
  async #write(): Promise<boolean> {
    const { api, nodeName, record } = this.#options;
    const due = this.#allocator.dueWrites();
    if (due === undefined) return false;
    let { resourceVersion } = due;
    for (const { subresource, patch, what } of due.writes) {
      const options = subresource === undefined ? {} : { subresource };
      const whole = { ...patch, metadata: { resourceVersion } };
      try {
        const { signal } = this.#lifetime;
        const written = await this.#lifetime.of(api.patch(CILIUM_NODES, { name: nodeName }, whole, options, signal));
        resourceVersion = written.metadata.resourceVersion ?? "";
      } catch (thrown) {
        if (!(thrown instanceof EnidError)) throw thrown;
        record.say(`writes ${what}: ${thrown.code}`);
        if (thrown.code === "ENID_KUBERNETES_CONFLICT") record.conflicts += 1;
        this.#informer.refresh();
        return true;
      }
      record.writes += 1;
      record.say(`writes ${what}`);
    }
    this.#allocator.written();
    return false;
  }

  /** True: to be run again, unless the process has ended. */
  async #guard(run: () => Promise<boolean>): Promise<boolean> {
    try {
      return await run();
    } catch (thrown) {
      this.#fail(thrown);
      return false;
    }
  }

  #fail(thrown: unknown): void {
    if (thrown instanceof Ended) return;
    this.#options.failed(thrown);
  }
}
