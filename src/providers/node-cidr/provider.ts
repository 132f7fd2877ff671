import { createHmac } from "node:crypto";
import type { Clock } from "../../adapters/index.ts";
import { EnidError } from "../../errors.ts";
import {
  type Intent,
  type Leftover,
  NODE_INTERFACE,
  NODE_RECORD,
  type NodeFacts,
  type Observation,
  type ObservationSource,
  type ObservedInterface,
  type PlannedCall,
  type Provider,
  type Resolution,
  type StepFailure,
  type StepOutcome,
  type Telemetry,
} from "../../manager/ports/index.ts";
import type { Machine } from "./machine.ts";

export interface NodeCidrProviderOptions {
  readonly clock: Clock;
  readonly telemetry: Telemetry;
  readonly machine: Machine;
}

/**
 * The node of a network that is nobody's cloud: its addresses are ranges that the settings give it, so nothing can be
 * asked for and nothing changed. It says who the machine is, shows the one interface that carries the ranges, and looks
 * at the addresses of the machine's devices.
 */
export class NodeCidrProvider implements Provider {
  readonly name = "node-cidr";
  readonly #options: NodeCidrProviderOptions;
  #facts: NodeFacts | undefined;
  /** Why devices may be missing, as it was told last. */
  #partly = "";

  constructor(options: NodeCidrProviderOptions) {
    this.#options = options;
  }

  async identify(): Promise<NodeFacts> {
    const { machine, telemetry } = this.#options;
    if (this.#facts !== undefined) return this.#facts;
    const identity = await machine.identity();
    const hostname = machine.hostname();
    if (identity === undefined) {
      const message = `the machine has no id in /etc/machine-id: it is known by its name, ${hostname}`;
      telemetry.event({ name: "machine-id-missing", level: "warn", message, fields: { hostname } });
    }
    this.#facts = { ...NOWHERE, instanceId: idOf(identity ?? `hostname ${hostname}`), hostname };
    return this.#facts;
  }

  /** There is nothing to choose from: one subnet stands for the ranges, which are the settings' to name. */
  async resolve(): Promise<Resolution> {
    return {
      subnets: [{ id: NODE_INTERFACE, cidr: "0.0.0.0/0", freeAddresses: 0, tags: {} }],
      refused: [],
      securityGroups: [],
    };
  }

  async observe(source: ObservationSource, signal?: AbortSignal): Promise<Observation> {
    const { clock, machine, telemetry } = this.#options;
    const startedAtMs = clock.nowMs();
    const { addresses, partly = "" } = await machine.addresses(signal);
    if (partly !== this.#partly && partly !== "") {
      const message = `addresses of devices that are down are not known: ${partly}`;
      telemetry.event({ name: "node-addresses-partly", level: "warn", message, fields: { detail: partly } });
    }
    this.#partly = partly;
    return { source, complete: true, startedAtMs, interfaces: INTERFACES, nodeAddresses: addresses };
  }

  execute(intent: Intent): Promise<StepOutcome> {
    return Promise.reject(refusal(intent));
  }

  settle(intent: Intent): Promise<StepOutcome> {
    return Promise.reject(refusal(intent));
  }

  async leftovers(): Promise<readonly Leftover[]> {
    return [];
  }

  calls(): readonly PlannedCall[] {
    return [];
  }

  async close(): Promise<void> {}
}

/** machine-id(5): the id itself is not to be shown, what identifies the machine to a program is derived from it. */
function idOf(identity: string): string {
  return `node-${createHmac("sha256", "enid").update(identity).digest("hex").slice(0, 32)}`;
}

const NOWHERE = {
  instanceType: "",
  region: "",
  availabilityZone: "",
  vpcId: "",
  accountId: undefined,
  primaryInterfaceId: NODE_INTERFACE,
  primarySubnetId: NODE_INTERFACE,
  limits: { maxInterfaces: 1, ipv4PerInterface: 1, source: "none", hypervisor: "", bareMetal: false },
} as const satisfies Omit<NodeFacts, "instanceId">;

/** Always the same array, so that an observation which shows nothing new costs nothing. */
const INTERFACES: readonly ObservedInterface[] = [{ ...NODE_RECORD, attached: true, addresses: [], prefixes: [] }];

function refusal({ id, step }: Intent): EnidError {
  const details: StepFailure = { class: "bug", ec2Code: "", effect: "none" };
  const detail = `${step.kind} (${id}) on a node with ranges of its own: nobody could give it more`;
  return new EnidError("ENID_REFUSED", { detail }, { details });
}
