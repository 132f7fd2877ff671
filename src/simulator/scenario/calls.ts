import type { EventLog } from "../engine/index.ts";
import type { LoggedCall } from "../index.ts";

/** Calls that EC2 received from the fleet, counted as they come, throttled ones included. */
export class CallCounter {
  readonly #byAction = new Map<string, number>();
  readonly #log: EventLog;
  readonly #elapsedMs: () => number;
  total = 0;
  throttled = 0;

  constructor(log: EventLog, elapsedMs: () => number) {
    this.#log = log;
    this.#elapsedMs = elapsedMs;
  }

  note({ service, caller, action, code, parameters }: LoggedCall): void {
    if (service !== "ec2" || caller !== "client") return;
    this.total += 1;
    if (code === "RequestLimitExceeded") this.throttled += 1;
    this.#byAction.set(action, (this.#byAction.get(action) ?? 0) + 1);
    const { NetworkInterfaceId: subject } = parameters;
    const about = typeof subject === "string" ? ` ${subject}` : "";
    this.#log.add(this.#elapsedMs(), "", "ec2", `${action}${about} ${code}`);
  }

  byAction(): Readonly<Record<string, number>> {
    return Object.fromEntries([...this.#byAction].sort(([one], [other]) => (one < other ? -1 : 1)));
  }
}
