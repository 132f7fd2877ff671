import type { Cancel } from "../../adapters/index.ts";
import { EnidError } from "../../errors.ts";
import type { AddAnswer, AddRequest } from "../../handoff/cni/port.ts";
import type { Attachment, Lease } from "../../pool/index.ts";
import type { Agent } from "../scenario/index.ts";
import type { OracleNode } from "./oracle-node.ts";
import { addressesToBeReady } from "./peer-settings.ts";
import { Readiness } from "./readiness.ts";

/** How long an ADD waits for an address: less than any container runtime does. */
const WAIT_MS = 60_000;

interface Waiter {
  readonly request: AddRequest;
  readonly resolve: (answer: AddAnswer) => void;
  readonly cancel: Cancel;
}

/** Answers the runtime from what the clairvoyant got for the node; a pod without address waits. */
export class OracleAgent implements Agent {
  readonly #node: OracleNode;
  readonly #waiting = new Set<Waiter>();
  readonly #readiness: Readiness;

  constructor(node: OracleNode) {
    this.#node = node;
    this.#readiness = new Readiness(addressesToBeReady(node.settings));
    node.waiting = 0;
    node.onGrown = () => this.#serve();
    node.plan();
  }

  add(request: AddRequest, signal?: AbortSignal): Promise<AddAnswer> {
    const lease = this.#node.lease(request.attachment, request.pod);
    if (lease !== undefined) {
      this.#node.plan();
      return Promise.resolve({ address: lease.address });
    }
    return new Promise((resolve, reject) => {
      const give = (reason: string, waitedMs: number) => {
        if (!this.#waiting.delete(waiter)) return;
        this.#node.waiting = this.#waiting.size;
        const pod = `${request.pod.namespace}/${request.pod.name}`;
        reject(new EnidError("ENID_NO_ADDRESS", { pod, waitedMs, reason }));
      };
      const { clock } = this.#node.context;
      const sinceMs = clock.monotonicMs();
      const cancel = clock.after(WAIT_MS, () => give("the buckets and the subnets gave none", WAIT_MS));
      const waiter: Waiter = { request, resolve, cancel };
      signal?.addEventListener("abort", () => give("the runtime went away", clock.monotonicMs() - sinceMs), {
        once: true,
      });
      this.#waiting.add(waiter);
      this.#node.waiting = this.#waiting.size;
      this.#node.plan();
    });
  }

  remove(attachment: Attachment): Promise<void> {
    this.#node.pool.release(attachment, this.#node.context.clock.nowMs());
    this.#serve();
    return Promise.resolve();
  }

  lookup(attachment: Attachment): Lease | undefined {
    return this.#node.pool.lookup(attachment);
  }

  notReady(): EnidError | undefined {
    return this.#readiness.notReady(this.#node.pool.total, undefined);
  }

  idleAddresses(): number {
    return this.#node.pool.total - this.#node.pool.used;
  }

  cut(): void {
    for (const { cancel } of this.#waiting) cancel();
    this.#waiting.clear();
    this.#node.waiting = 0;
    this.#node.onGrown = () => undefined;
  }

  #serve(): void {
    for (const waiter of this.#waiting) {
      const lease = this.#node.lease(waiter.request.attachment, waiter.request.pod);
      if (lease === undefined) break;
      this.#waiting.delete(waiter);
      waiter.cancel();
      waiter.resolve({ address: lease.address });
    }
    this.#node.waiting = this.#waiting.size;
  }
}
