import { EnidError } from "../../errors.ts";
import type { Dialect } from "../../handoff/cilium-node/port.ts";
import { noAddress } from "./allocator.ts";
import { Ended } from "./lifetime.ts";
import { AgentProcess } from "./process.ts";
import { AgentRecord } from "./record.ts";
import type { AgentOptions, AgentSnapshot } from "./types.ts";

/**
 * Cilium's agent of one machine, as far as addresses go: its processes, which come and go, and its endpoints, which stay.
 * Written from the contract of the CiliumNode and from what the agent's sources (1.17 to 1.20) do; docs/cilium-node.md has it.
 */
export class CiliumAgent {
  readonly #options: AgentOptions;
  readonly #record: AgentRecord;
  /** Addresses in use and whose they are: pods run on while the agent is dead. */
  readonly #pods = new Map<string, string>();
  #dialect: Dialect;
  #process: AgentProcess | undefined;
  #failed: { readonly thrown: unknown } | undefined;

  constructor(options: AgentOptions) {
    this.#options = options;
    this.#record = new AgentRecord(options.clock, options.log);
    this.#dialect = options.dialect;
  }

  /** Resolves once it serves, true; or once it is dead, false. Errors: those of this program. */
  async start(): Promise<boolean> {
    if (this.#process !== undefined) throw new EnidError("ENID_INTERNAL", { detail: "the agent runs already" });
    const process = new AgentProcess({
      ...this.#options,
      dialect: this.#dialect,
      record: this.#record,
      pods: this.#pods,
      takeForHouse: (address, owner) => this.#hold(address, owner),
      failed: (thrown) => {
        this.#failed ??= { thrown };
      },
    });
    this.#process = process;
    try {
      await process.start();
      return true;
    } catch (thrown) {
      if (thrown instanceof Ended) return false;
      throw thrown;
    }
  }

  /** It dies; its pods run on. */
  crash(): void {
    this.#process?.end();
    this.#process = undefined;
  }

  /** It ends in order: to the CiliumNode that is the same as a crash, since the agent says nothing at its end. */
  stop(): void {
    this.crash();
  }

  /** The machine starts anew: no endpoint is left. */
  reboot(): void {
    this.crash();
    this.#pods.clear();
  }

  /** Another version takes its place, with the pods running. */
  upgrade(dialect: Dialect): Promise<boolean> {
    this.crash();
    this.#dialect = dialect;
    return this.start();
  }

  /** Something of the machine changed that is no address: the agent writes its whole configuration over the CiliumNode. */
  nodeChanged(): void {
    this.#process?.rewriteOwnSpec();
  }

  /** Errors: ENID_NO_ADDRESS, with the reason; the caller tries again. */
  async allocate(owner: string): Promise<string> {
    return this.allocateNow(owner);
  }

  /** The same, in this turn. */
  allocateNow(owner: string): string {
    this.#throwFailure();
    try {
      if (this.#process === undefined) throw noAddress(owner, "the agent is not running");
      const address = this.#process.allocate(owner);
      this.#hold(address, owner);
      return address;
    } catch (thrown) {
      this.#record.refusals += 1;
      throw thrown;
    }
  }

  /** The pod is gone; of an address that nobody has nothing comes. */
  release(address: string): void {
    if (!this.#pods.delete(address)) return;
    this.#process?.free(address);
  }

  /** Errors: those of this program. */
  snapshot(): AgentSnapshot {
    this.#throwFailure();
    const { rejections, breaches, writes, conflicts, refusals } = this.#record;
    return {
      dialect: this.#dialect,
      state: this.#process?.state ?? "off",
      pods: new Map(this.#pods),
      known: this.#process?.inUse() ?? new Map(),
      free: this.#process?.freeCount() ?? 0,
      rejections,
      breaches,
      writes,
      conflicts,
      refusals,
    };
  }

  #hold(address: string, owner: string): void {
    const holder = this.#pods.get(address);
    if (holder !== undefined) {
      throw new EnidError("ENID_INTERNAL", { detail: `${address} is ${holder}'s, and was given to ${owner}` });
    }
    this.#pods.set(address, owner);
  }

  #throwFailure(): void {
    if (this.#failed !== undefined) throw this.#failed.thrown;
  }
}
