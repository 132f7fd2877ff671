import type { DaemonProcess } from "../../scripts/lab/daemon.ts";
import { callPlugin, type LabPod, labPods } from "../../scripts/lab/plugin.ts";

/** What a pod was told. Only what was acknowledged counts: an ADD without an answer promised nothing. */
interface PodRecord {
  readonly pod: LabPod;
  /** One of each family; empty until an ADD was acknowledged. */
  addresses: readonly string[];
  /** A DEL was sent; from then on either outcome of the lease is right until the DEL is acknowledged. */
  deleting: boolean;
  deleted: boolean;
}

/** Pods that come and go through the real plugin, as a runtime drives it, and a book of what each was told. */
export class PodLoad {
  readonly #daemon: DaemonProcess;
  readonly #configuration: string;
  readonly #fraction: () => number;
  readonly #families: number;
  readonly #records = new Map<string, PodRecord>();
  readonly violations: string[] = [];
  #nextPod = 0;
  acknowledgedAdds = 0;
  acknowledgedDeletes = 0;

  /** `families`: how many addresses each pod must get. */
  constructor(daemon: DaemonProcess, configuration: string, families: 1 | 2, fraction: () => number) {
    this.#daemon = daemon;
    this.#configuration = configuration;
    this.#families = families;
    this.#fraction = fraction;
  }

  /** ADDs and DELs from `width` workers until `stop` says so, with about `around` pods at a time. */
  async run(width: number, around: number, stop: () => boolean): Promise<void> {
    const worker = async () => {
      while (!stop()) {
        const live = this.#live();
        if (live.length > 0 && this.#fraction() < live.length / (2 * around)) {
          const victim = live[Math.floor(this.#fraction() * live.length)];
          if (victim !== undefined) await this.#delete(victim);
        } else await this.#add();
      }
    };
    await Promise.all(Array.from({ length: width }, worker));
  }

  get acknowledgedCalls(): number {
    return this.acknowledgedAdds + this.acknowledgedDeletes;
  }

  /** Container id → addresses of every pod whose lease must be there now. */
  mustHold(): ReadonlyMap<string, readonly string[]> {
    return new Map(this.#live().map((record) => [record.pod.containerId, record.addresses]));
  }

  /** Container ids whose DEL was acknowledged: their lease must be gone. */
  mustNotHold(): ReadonlySet<string> {
    return new Set([...this.#records.values()].filter(({ deleted }) => deleted).map(({ pod }) => pod.containerId));
  }

  async deleteAll(): Promise<void> {
    for (const record of this.#records.values()) if (!record.deleted) await this.#delete(record);
  }

  #live(): PodRecord[] {
    return [...this.#records.values()].filter(({ addresses, deleting }) => addresses.length > 0 && !deleting);
  }

  async #add(): Promise<void> {
    const [pod] = labPods(1, this.#nextPod++);
    if (pod === undefined) return;
    const record: PodRecord = { pod, addresses: [], deleting: false, deleted: false };
    this.#records.set(pod.containerId, record);
    const answer = await this.#call("ADD", pod);
    if (answer.address === undefined) {
      // As a runtime does: the sandbox that failed is deleted, and the pod comes again in another one, not at once.
      await this.#delete(record);
      await new Promise((resolve) => setTimeout(resolve, 30));
      return;
    }
    this.acknowledgedAdds += 1;
    record.addresses = answer.addresses;
    if (answer.addresses.length !== this.#families) {
      this.violations.push(`${pod.name} got ${answer.addresses.length} addresses instead of ${this.#families}`);
    }
    for (const address of answer.addresses) {
      const other = this.#live().find((one) => one !== record && one.addresses.includes(address));
      if (other !== undefined)
        this.violations.push(`${address} was given to ${pod.name} while ${other.pod.name} has it`);
    }
  }

  async #delete(record: PodRecord): Promise<void> {
    record.deleting = true;
    const answer = await this.#call("DEL", record.pod);
    if (answer.exitCode !== 0) {
      this.violations.push(`DEL of ${record.pod.name} failed: ${answer.stdout}`);
      return;
    }
    record.deleted = true;
    this.acknowledgedDeletes += 1;
  }

  #call(verb: "ADD" | "DEL", pod: LabPod) {
    return callPlugin({
      verb,
      containerId: pod.containerId,
      pod,
      configuration: this.#configuration,
      environment: { ...this.#daemon.clientEnvironment, ENID_TIMEOUT_MS: "5000" },
    });
  }
}
