import type { Clock } from "../adapters/index.ts";
import type { EnidError } from "../errors.ts";
import type { Lease, Sandbox } from "../pool/index.ts";
import type { Ledger } from "./ledger.ts";
import { LIMITS } from "./limits.ts";
import type { NodeState } from "./node.ts";
import type { Sandboxes } from "./ports/index.ts";

interface Look {
  /** Rejects what waits for it, with the error given or as a DEL does. */
  readonly fail: (error: EnidError | undefined) => void;
}

/**
 * Finds out which sandbox an ADD is for, before its lease is made. No ADD fails by it: what takes too long is left out, and
 * told later, if it comes; until then nobody judges the lease by its sandbox.
 */
export class Identifying {
  readonly #sandboxes: Sandboxes | undefined;
  readonly #clock: Clock;
  /** Those under way, by attachment; a repeated ADD has one of its own. */
  readonly #looks = new Map<string, Set<Look>>();
  /** Looks that ADDs do not wait for any more. */
  #hanging = 0;

  constructor(sandboxes: Sandboxes | undefined, clock: Clock) {
    this.#sandboxes = sandboxes;
    this.#clock = clock;
  }

  /**
   * Undefined when there is nothing to wait for. Rejects with `deleted` when a DEL comes meanwhile. `late` is told what is
   * found after the waiting has ended, unless a DEL came.
   */
  begin(
    key: string,
    path: string | undefined,
    deleted: () => EnidError,
    late: (sandbox: Sandbox) => void,
  ): Promise<Sandbox | undefined> | undefined {
    const sandboxes = this.#sandboxes;
    if (sandboxes === undefined || path === undefined || this.#hanging >= LIMITS.identifyHanging) return undefined;
    const { promise, resolve, reject } = Promise.withResolvers<Sandbox | undefined>();
    const look: Look = { fail: (error) => reject(error ?? deleted()) };
    this.#looks.set(key, (this.#looks.get(key) ?? new Set()).add(look));
    let isLate = false;
    let isFound = false;
    const found = (sandbox: Sandbox | undefined) => {
      isFound = true;
      cancel();
      const stands = this.#forget(key, look);
      if (!isLate) return resolve(sandbox);
      this.#hanging -= 1;
      if (stands && sandbox !== undefined) late(sandbox);
    };
    const giveUp = () => {
      if (isFound) return;
      isLate = true;
      this.#hanging += 1;
      resolve(undefined);
    };
    // A turn later: when the process itself was held up, what was found meanwhile is heard first.
    const cancel = this.#clock.after(LIMITS.identifyMs, () => this.#clock.nextTurn(giveUp));
    sandboxes.identify(path).then(found, () => found(undefined));
    return promise;
  }

  /** A DEL came, or the end of all: what was asked for this attachment before comes to nothing. */
  end(key: string, error?: EnidError): void {
    const looks = this.#looks.get(key);
    this.#looks.delete(key);
    for (const { fail } of looks ?? []) fail(error);
  }

  endAll(error: EnidError): void {
    for (const key of [...this.#looks.keys()]) this.end(key, error);
  }

  /** False when it was ended before. */
  #forget(key: string, look: Look): boolean {
    const looks = this.#looks.get(key);
    if (looks?.delete(look) !== true) return false;
    if (looks.size === 0) this.#looks.delete(key);
    return true;
  }
}

/**
 * A lease is judged by this sandbox from now on: a repeated ADD named another one than before (containers are started anew
 * under their id), or what the first ADD named was seen late. Resolves once that is durable, with the lease as it is then.
 */
export async function renewSandbox(
  node: Pick<NodeState, "pool">,
  ledger: Ledger,
  lease: Lease,
  sandbox: Sandbox,
): Promise<Lease> {
  const renewed = { ...lease, sandbox };
  try {
    await ledger.must([{ kind: "lease-put", lease: renewed }]);
  } catch (error) {
    // One that nobody judges is as good as it was.
    if (lease.sandbox === undefined) return lease;
    throw error;
  }
  // A DEL may have come, whose end was written after it.
  const isHeld = node.pool.leaseOf(lease.attachment) === lease;
  if (isHeld) node.pool.renewLease(renewed);
  ledger.replaced(isHeld ? lease : renewed);
  return isHeld ? renewed : lease;
}

export function isSameSandbox(one: Sandbox | undefined, other: Sandbox): boolean {
  return one?.path === other.path && one.identity === other.identity && one.folder === other.folder;
}

/** Whether it is the same lease, also when its sandbox was said anew. */
export function isSameLease(one: Lease | undefined, other: Lease): one is Lease {
  return one === other || (one?.address === other.address && one.leasedAtMs === other.leasedAtMs);
}
