import type { Clock } from "../../adapters/index.ts";
import type { Fault } from "./rules.ts";
import type { Breach, BreachKind, Rejection } from "./types.ts";

/** What tests ask for afterwards; outlives each of the agent's processes. */
export class AgentRecord {
  writes = 0;
  conflicts = 0;
  refusals = 0;
  readonly #clock: Clock;
  readonly #log: (text: string) => void;
  readonly #rejections = new Map<string, Rejection>();
  readonly #breaches: Breach[] = [];
  /** Breaches that go on are told once. */
  readonly #told = new Set<string>();

  constructor(clock: Clock, log: ((text: string) => void) | undefined) {
    this.#clock = clock;
    this.#log = log ?? (() => undefined);
  }

  get rejections(): readonly Rejection[] {
    return [...this.#rejections.values()];
  }

  get breaches(): readonly Breach[] {
    return [...this.#breaches];
  }

  say(text: string): void {
    this.#log(text);
  }

  reject(fault: Fault): void {
    const key = `${fault.rule} ${fault.interfaceId} ${fault.address ?? ""}`;
    const known = this.#rejections.get(key);
    if (known === undefined) this.say(`refuses the CiliumNode: ${key.trim()}`);
    const first = known ?? { ...fault, atMs: this.#clock.nowMs(), times: 0 };
    this.#rejections.set(key, { ...first, times: first.times + 1 });
  }

  breach(kind: BreachKind, address: string, owner: string): void {
    const key = `${kind} ${address} ${owner}`;
    if (this.#told.has(key)) return;
    this.#told.add(key);
    this.#breaches.push({ kind, address, owner, atMs: this.#clock.nowMs() });
    this.say(`breach: ${key}`);
  }
}
