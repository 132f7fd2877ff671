/** What the manager and the providers tell about themselves. telemetry/ turns it into logs, metrics and the event ring. */
export interface Telemetry {
  event(event: EnidEvent): void;
  /**
   * One attempt of one cloud call. `code` is "ok" or EC2's error code. `waitedMs`: how long it waited for a token of its
   * action before it was sent, not part of `durationMs`; absent = it did not wait.
   */
  cloudCall(call: { action: string; code: string; durationMs: number; requestId: string; waitedMs?: number }): void;
  /** One CNI verb served. `outcome` is "ok" or the ENID_ code. */
  served(verb: string, outcome: string, durationMs: number): void;
}

export interface EnidEvent {
  /** Stable kebab-case name, e.g. "interface-created"; docs/events.md lists them. */
  readonly name: string;
  readonly level: "debug" | "info" | "warn" | "error";
  /** A sentence with the values. */
  readonly message: string;
  /** Structured values; never secrets. */
  readonly fields?: Readonly<Record<string, unknown>>;
}
