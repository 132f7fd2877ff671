import type { Clock } from "../adapters/index.ts";
import type { Settings } from "../configuration/index.ts";
import { EnidError } from "../errors.ts";
import type { Degradations } from "./degradations.ts";
import { NEVER } from "./moments.ts";
import type { NodeState } from "./node.ts";
import type { Fleet, FleetReport } from "./ports/index.ts";

export interface FleetLinkOptions {
  readonly fleet: Fleet | undefined;
  readonly node: NodeState;
  readonly degradations: Degradations;
  readonly clock: Clock;
  readonly nodeName: string;
  readonly wake: () => void;
}

/** Tells the fleet who the node is, and the node's people what the fleet is like: away, or waiting for a restart. */
export class FleetLink {
  readonly #options: FleetLinkOptions;
  #stopWatch = () => {};
  #toldFacts: NodeState["facts"];
  /** What a running node cannot change, as it was at the start. */
  #begun: { readonly name: string; readonly isFleet: boolean } | undefined;

  constructor(options: FleetLinkOptions) {
    this.#options = options;
  }

  start({ values }: Settings): void {
    const { fleet, wake } = this.#options;
    this.#begun = { name: values["fleet-name"], isFleet: values.redis.length > 0 };
    if (fleet !== undefined) this.#stopWatch = fleet.watch(wake);
  }

  stop(): void {
    this.#stopWatch();
  }

  report(): FleetReport | undefined {
    return this.#options.fleet?.report();
  }

  /** In every round; the fleet asks for one when its condition changes. */
  look(nowMs: number): void {
    this.#tellWho();
    this.#tellRestart(nowMs);
    const { fleet, degradations } = this.#options;
    if (fleet === undefined) return;
    const { connected, because, sinceMs } = fleet.report();
    if (connected) degradations.clear("fleet-away");
    else if (nowMs >= sinceMs + BRIEF_MS) {
      degradations.set("fleet-away", new EnidError("ENID_FLEET_AWAY", { detail: because }), nowMs);
    }
  }

  nextMs(nowMs: number): number {
    const { connected = true, sinceMs = 0 } = this.report() ?? {};
    if (connected || this.#options.degradations.has("fleet-away")) return NEVER;
    // The moment may have come since the look of this round.
    return Math.max(sinceMs + BRIEF_MS, nowMs + 1);
  }

  #tellWho(): void {
    const { fleet, node, nodeName } = this.#options;
    const { facts } = node;
    if (fleet === undefined || facts === undefined || facts === this.#toldFacts) return;
    this.#toldFacts = facts;
    fleet.identified({
      // Machines of one image may share a host name, or an identity: both together are one machine's alone.
      nodeId: facts.hostname === undefined ? facts.instanceId : `${facts.hostname}.${facts.instanceId}`,
      nodeName: facts.hostname ?? nodeName,
      accountId: facts.accountId ?? "",
      region: facts.region,
      zone: facts.availabilityZone,
    });
  }

  #tellRestart(nowMs: number): void {
    const { node, degradations } = this.#options;
    const begun = this.#begun;
    if (begun === undefined) return;
    const { redis, "fleet-name": name } = node.settings.values;
    const isFleet = redis.length > 0;
    if (isFleet === begun.isFleet && (!isFleet || name === begun.name)) degradations.clear("fleet-settings-wait");
    else degradations.set("fleet-settings-wait", waits(begun, isFleet, name), nowMs);
  }
}

/** A connection that is being made, or made anew, is no trouble. */
const BRIEF_MS = 2_000;

function waits(begun: { readonly name: string; readonly isFleet: boolean }, isFleet: boolean, name: string): EnidError {
  const from = begun.isFleet ? `is of the fleet ${begun.name}` : "is of no fleet";
  const to = isFleet ? `the fleet ${name}` : "none";
  return new EnidError("ENID_FLEET_RESTART", { detail: `this node ${from}, and the settings say ${to}` });
}
