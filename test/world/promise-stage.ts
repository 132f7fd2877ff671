import type { StatusReport } from "../../src/manager/index.ts";
import type { Change, Intent } from "../../src/manager/ports/index.ts";
import type { Plan } from "../../src/planning/index.ts";
import { Dice, Scheduler } from "../../src/simulator/engine/index.ts";
import { type ModelDescription, SimulatedCloud } from "../../src/simulator/index.ts";
import type { CallAnswer, Sandbox, WaitingPod } from "../../src/simulator/kubelet/index.ts";
import { createMemoryDisk, type ProcessStore, type WorldDisk } from "../../src/simulator/world/disk/index.ts";
import { FORBIDDEN_SUBNETS, NODE_GROUP, POD_SUBNETS, VPC, ZONE } from "../../src/simulator/world/draw/place.ts";
import type { Machine } from "../../src/simulator/world/machine.ts";
import { Addresses } from "../../src/simulator/world/promises/addresses.ts";
import type { Breach } from "../../src/simulator/world/promises/index.ts";

export const INSTANCE = "i-0a000000000000001";
export const OTHER_INSTANCE = "i-0a000000000000002";
/** In a subnet for pods, with ADDRESS, SECOND and PREFIX. */
export const PRIMARY = "eni-0a000000000000001";
/** On the same instance, in a subnet that nothing allows, with FORBIDDEN_ADDRESS. */
export const FORBIDDEN = "eni-0a000000000000002";
export const ADDRESS = "10.65.0.10";
export const SECOND = "10.65.0.11";
export const PREFIX = "10.65.0.32/28";
export const FORBIDDEN_ADDRESS = "10.67.0.10";
/** On the other instance. */
export const OTHER_ADDRESS = "10.65.0.20";

/** A subnet for pods, with IPv6 too, and one that nothing allows. */
const DESCRIPTION: ModelDescription = {
  region: "eu-central-1",
  account: "123456789012",
  vpcs: [{ id: VPC, cidrs: ["10.65.0.0/16", "10.67.0.0/16"], ipv6Cidrs: ["2600:1f14:aaaa:100::/56"] }],
  subnets: [
    { id: POD_SUBNETS[0], vpc: VPC, cidr: "10.65.0.0/24", zone: ZONE, ipv6Cidr: "2600:1f14:aaaa:101::/64" },
    { id: FORBIDDEN_SUBNETS[0], vpc: VPC, cidr: "10.67.0.0/24", zone: ZONE },
  ],
  securityGroups: [{ id: NODE_GROUP, vpc: VPC, name: "nodes" }],
};

/** What of a machine the checks read, to be set by hand. */
interface Staged {
  readonly name: string;
  instanceId: string;
  on: boolean;
  bootedAtMs: number;
  wallWasSet: boolean;
  podLimit: number;
  taggedSubnets: readonly string[];
  sections: { eni: Record<string, unknown>; ipam: Record<string, unknown> };
  configurations: { sections: Staged["sections"]; untilMs: number }[];
  readonly clock: Scheduler;
  readonly disk: WorldDisk;
  readonly kubelet: { running(): Map<string, Sandbox>; waiting(): Map<string, WaitingPod> };
  daemon: { up: boolean; manager: StagedManager } | undefined;
}

interface StagedManager {
  status(): StatusReport;
  problems(): readonly string[];
  notReady(): undefined;
  dryRun(waiting: number): { readonly plan: Pick<Plan, "steps"> };
}

/** A real cloud with two instances, a real disk, and a machine made by hand on the first of them. */
export class PromiseStage {
  readonly scheduler = new Scheduler({ startMs: Date.UTC(2026, 0, 1), dice: new Dice(1) });
  readonly cloud: SimulatedCloud;
  readonly disk = createMemoryDisk();
  readonly addresses = new Addresses();
  readonly running = new Map<string, Sandbox>();
  readonly waiting = new Map<string, WaitingPod>();
  readonly staged: Staged;
  readonly #store: ProcessStore;

  constructor() {
    const { scheduler, running, waiting, disk } = this;
    const launched = { type: "m5.large", subnet: POD_SUBNETS[0], securityGroups: [NODE_GROUP] };
    this.cloud = new SimulatedCloud({ description: DESCRIPTION, clock: scheduler, random: new Dice(2) });
    this.cloud.launch({
      ...launched,
      id: INSTANCE,
      primaryInterface: PRIMARY,
      secondaryAddresses: [ADDRESS, SECOND],
      prefixes: [PREFIX],
      interfaces: [
        { id: FORBIDDEN, subnet: FORBIDDEN_SUBNETS[0], deviceIndex: 1, secondaryAddresses: [FORBIDDEN_ADDRESS] },
      ],
    });
    this.cloud.launch({ ...launched, id: OTHER_INSTANCE, secondaryAddresses: [OTHER_ADDRESS] });
    this.#store = disk.open({ clock: scheduler, dice: new Dice(3) });
    const sections = { eni: { "subnet-tags": { pods: "true" }, "cluster-name": "shop" }, ipam: {} };
    this.staged = {
      name: "node-1",
      instanceId: INSTANCE,
      on: true,
      bootedAtMs: -1,
      wallWasSet: false,
      podLimit: 20,
      taggedSubnets: POD_SUBNETS,
      sections,
      configurations: [{ sections, untilMs: Number.POSITIVE_INFINITY }],
      clock: scheduler,
      disk,
      kubelet: { running: () => running, waiting: () => waiting },
      daemon: undefined,
    };
  }

  /** As the checks take it: they read no more of it than what is staged. */
  get machine(): Machine {
    return this.staged as unknown as Machine;
  }

  async commit(...changes: readonly Change[]): Promise<void> {
    await Promise.all([this.#store.commit(changes), this.advance(50)]);
  }

  advance(ms: number): Promise<void> {
    return this.scheduler.run(this.scheduler.nowMs() + ms);
  }

  /** A pod that runs with the addresses, of which it has a durable lease. */
  async pod(name: string, ...addresses: readonly string[]): Promise<Sandbox> {
    const sandbox = sandboxOf(name, addresses);
    for (const address of addresses) this.running.set(address, sandbox);
    await this.commit(...addresses.map((address) => leased(sandbox, address)));
    return sandbox;
  }

  /** The daemon serves, and `enid status` says this. */
  serves(status: Partial<StatusReport>, steps: Plan["steps"] = []): void {
    const whole = { phase: "ready", waitingFor: "", capacity: 27, pool: { total: 8, free: 4 }, ...QUIET, ...status };
    this.staged.daemon = {
      up: true,
      manager: {
        status: () => whole as unknown as StatusReport,
        problems: () => [],
        notReady: () => undefined,
        dryRun: () => ({ plan: { steps } }),
      },
    };
  }
}

const QUIET = { intents: [], degraded: [], interfaces: [] };

export function sandboxOf(name: string, addresses: readonly string[] = []): Sandbox {
  const pod = { namespace: "shop", name, uid: `uid-${name}` };
  const containerId = Buffer.from(name).toString("hex").padEnd(64, "0");
  return { pod, containerId, netns: `/run/netns/${name}`, attempt: 0, addresses, sinceMs: undefined };
}

export function leased({ pod, containerId }: Sandbox, address: string): Change {
  const attachment = { network: "cilium", containerId, interfaceName: "eth0" };
  return { kind: "lease-put", lease: { address, attachment, pod, leasedAtMs: 0 } };
}

export function intentOf(step: Intent["step"], more: Partial<Intent> = {}): Change {
  const intent = { id: "intent-1", step, openedAtMs: 0, before: [], securityGroups: [], deleteOnTermination: true };
  return { kind: "intent-put", intent: { ...intent, ...more } };
}

export function answered(...addresses: readonly string[]): CallAnswer {
  return { exit: 0, body: "", by: "daemon", addresses, error: undefined };
}

export function failed(error: CallAnswer["error"], by: CallAnswer["by"] = "daemon"): CallAnswer {
  return { exit: 1, body: `${error}`, by, addresses: [], error };
}

/** The numbers of the promises that were broken. */
export function numbers(breaches: readonly Breach[]): readonly number[] {
  return breaches.map(({ promise }) => promise);
}
