import { EnidError } from "../../../errors.ts";
import { sameJson } from "../merge-patch.ts";
import type { Dialect } from "../port.ts";
import type { CiliumNode } from "../resource.ts";

/** What is known of the agent's way to speak. */
export interface Spoken {
  /** Undefined: not known yet. */
  readonly dialect: Dialect | undefined;
  /** Two agents, one after the other, have left what they wrote: until that is cleared nothing is taken for unused. */
  readonly isMoving: boolean;
  /** What the settings say is not what is seen: nothing is written. */
  readonly mismatch?: EnidError;
}

/** What an older agent, or a newer one, has left is cleared, or of no account, after this time. */
const MOVING_MS = 5 * 60_000;

/**
 * Which dialect the agent speaks, by what it writes: `used` is of the older ones, `pools.requested` of eni-1.20, and `spec.eni`
 * of both that speak eni (hand-off contract; Cilium's pkg/nodediscovery, pkg/ipam). After an upgrade or its way back both are
 * there for a while: then what changed last tells.
 */
export class Detecting {
  readonly #configured: Dialect | "auto";
  #used: ReadonlyMap<string, string> | undefined;
  #pools: unknown;
  #last: "used" | "pools" | undefined;
  #dialect: Dialect | undefined;
  #wereBoth = false;
  #isMoving = false;
  #movedMs = 0;

  constructor(configured: Dialect | "auto") {
    this.#configured = configured;
  }

  /** When `isMoving` ends by the time alone; monotonic ms, Infinity = never. */
  get dueMs(): number {
    return this.#isMoving ? this.#movedMs + MOVING_MS : Number.POSITIVE_INFINITY;
  }

  look(node: CiliumNode, nowMs: number): Spoken {
    const { used, requested, allocated } = node;
    const pools = [requested, allocated];
    const last = this.#last;
    if (this.#used !== undefined && !sameJson([...this.#used], [...used]))
      this.#last = used.size > 0 ? "used" : "pools";
    else if (this.#pools !== undefined && !sameJson(this.#pools, pools) && requested !== undefined)
      this.#last = "pools";
    this.#used = used;
    this.#pools = pools;
    const isModern = requested !== undefined;
    const isOlder = used.size > 0;
    const areBoth = isModern && isOlder;
    if (last !== this.#last || (areBoth && !this.#wereBoth)) this.#movedMs = nowMs;
    this.#wereBoth = areBoth;
    const isMoving = areBoth && nowMs - this.#movedMs < MOVING_MS;
    this.#isMoving = isMoving;
    const seen = areBoth ? this.#whileMoving() : this.#plain(node, isModern);
    if (this.#configured === "auto") {
      this.#dialect = seen ?? this.#dialect;
      return { dialect: this.#dialect, isMoving };
    }
    const mismatch = areBoth ? undefined : mismatchOf(this.#configured, node, isModern, isOlder);
    return { dialect: this.#configured, isMoving, ...(mismatch === undefined ? {} : { mismatch }) };
  }

  #whileMoving(): Dialect | undefined {
    if (this.#last === "pools") return "eni-1.20";
    return this.#last === "used" ? "eni-classic" : (this.#dialect ?? "eni-classic");
  }

  #plain(node: CiliumNode, isModern: boolean): Dialect | undefined {
    if (isModern) return "eni-1.20";
    // Without spec.eni it may be ipam crd, or a resource that was made anew for an agent that runs: what was known stays.
    return node.hasEniSpec ? "eni-classic" : undefined;
  }
}

function mismatchOf(configured: Dialect, node: CiliumNode, isModern: boolean, isOlder: boolean): EnidError | undefined {
  const seen =
    configured !== "eni-1.20" && isModern
      ? "eni-1.20"
      : configured === "eni-1.20" && isOlder
        ? "the dialect of an older agent"
        : configured === "crd" && node.hasEniSpec
          ? "ipam eni"
          : undefined;
  if (seen === undefined) return undefined;
  return new EnidError("ENID_CILIUM_NODE_DIALECT", { node: node.object.metadata.name, seen, configured });
}
