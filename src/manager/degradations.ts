import type { EnidError } from "../errors.ts";
import type { Telemetry } from "./ports/index.ts";
import type { Degradation } from "./reports.ts";

/** The states in which enid gives way. Each is an event when it begins and ends, a metric and a line in the status. */
export const DEGRADATION_NAMES = [
  "configuration-rejected",
  "configuration-missing",
  "fleet-profiles-rejected",
  "node-unknown",
  "metadata-away",
  "cloud-away",
  "no-subnet",
  "no-security-group",
  "subnet-exhausted",
  "subnet-fragmented",
  "no-prefixes",
  "no-ipv6",
  "giving-back-failing",
  "ec2-throttled",
  "ec2-unauthorized",
  "ec2-failing",
  "instance-full",
  "state-write-failing",
  "address-denied",
  "ranges-full",
  "address-conflict",
  "intent-unsettled",
  "host-routes-failing",
  "bird-failing",
  "fleet-away",
  "fleet-settings-wait",
  "fixed-unreserved",
  "cilium-node-failing",
  "agent-address-unknown",
  "hand-off-waits",
  "invariant-broken",
] as const;
export type DegradationName = (typeof DEGRADATION_NAMES)[number];

export class Degradations {
  readonly #telemetry: Telemetry;
  readonly #present = new Map<DegradationName, Degradation>();
  #changes = 0;

  constructor(telemetry: Telemetry) {
    this.#telemetry = telemetry;
  }

  /** How often a state began or ended. */
  get version(): number {
    return this.#changes;
  }

  /** Begins the state, or brings its error up to date. */
  set(name: DegradationName, error: EnidError, nowMs: number): void {
    const before = this.#present.get(name);
    if (before === undefined) this.#changes++;
    const reported = { code: error.code, message: error.message, remedy: error.remedy };
    this.#present.set(name, { name, sinceMs: before?.sinceMs ?? nowMs, error: reported });
    if (before?.error.code !== error.code) {
      this.#telemetry.event({
        name: "degraded",
        level: "warn",
        message: `${name}: ${error.message}`,
        fields: { state: name, code: error.code, remedy: error.remedy },
      });
    }
  }

  clear(name: DegradationName): void {
    if (!this.#present.delete(name)) return;
    this.#changes++;
    this.#telemetry.event({ name: "recovered", level: "info", message: `${name} is over`, fields: { state: name } });
  }

  has(name: DegradationName): boolean {
    return this.#present.has(name);
  }

  /** What its error says; undefined while it does not last. */
  messageOf(name: DegradationName): string | undefined {
    return this.#present.get(name)?.error.message;
  }

  /** The error of the state; undefined while it does not last. */
  errorOf(name: DegradationName): Degradation["error"] | undefined {
    return this.#present.get(name)?.error;
  }

  list(): readonly Degradation[] {
    return [...this.#present.values()];
  }
}
