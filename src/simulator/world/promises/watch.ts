import type { Parameters, SimulatedCloud } from "../../index.ts";
import type { CallAnswer, Sandbox, Verb } from "../../kubelet/index.ts";
import type { WorldDisk } from "../disk/index.ts";
import type { Machine } from "../machine.ts";
import { Addresses, type FixedPods } from "./addresses.ts";
import { type Breach, breach } from "./breach.ts";
import { type BucketOf, CallBudgets } from "./budget.ts";
import { breachesOfAnswer, short } from "./of-answers.ts";
import { breachesOfCall, breachesOfEffect } from "./of-calls.ts";
import { breachesOfLoss, breachesOfMachine } from "./of-machine.ts";

interface Seen {
  readonly disk: WorldDisk;
  readonly instanceId: string;
  readonly version: number;
  readonly cloud: number;
  /** Interfaces by the CIDR of their blocks, as the disk had them. */
  readonly blocks: ReadonlyMap<string, string>;
}

/** Holds everything that happens in a world against the promises; `report` gets each breach at once. */
export class PromiseWatch {
  readonly #cloud: SimulatedCloud;
  readonly #addresses: Addresses;
  /** Absent where a fleet shares the account's buckets: a node may have more than its own share of them then. */
  readonly #budgets: CallBudgets | undefined;
  readonly #report: (machine: Machine, breach: Breach) => void;
  /** Versions of disk and cloud at which a machine was looked at last. */
  readonly #seen = new Map<Machine, Seen>();

  /** `fixed`: of a world with a fleet. */
  constructor(
    cloud: SimulatedCloud,
    bucketOf: BucketOf,
    report: (machine: Machine, breach: Breach) => void,
    fixed?: FixedPods,
  ) {
    this.#cloud = cloud;
    this.#addresses = new Addresses(fixed);
    this.#budgets = fixed === undefined ? new CallBudgets(bucketOf) : undefined;
    this.#report = report;
  }

  /** Addresses, CIDRs and interfaces that somebody else took away. */
  taint(addresses: readonly string[]): void {
    for (const address of addresses) this.#addresses.taint(address);
  }

  isTainted(what: string): boolean {
    return this.#addresses.isTainted(what);
  }

  answered(machine: Machine, sandbox: Sandbox | undefined, verb: Verb, answer: CallAnswer): void {
    if (sandbox === undefined) return;
    this.#tell(machine, breachesOfAnswer(this.#cloud, this.#addresses, machine, sandbox, verb, answer));
  }

  used(machine: Machine, sandbox: Sandbox): void {
    for (const { address, other } of this.#addresses.use(machine, sandbox)) {
      const where = other.machine === machine ? "" : ` on ${other.machine.name}`;
      this.#report(
        machine,
        breach(1, `${address} is used by ${short(sandbox)} and by ${short(other.sandbox)}${where}`),
      );
    }
  }

  freed(machine: Machine, sandbox: Sandbox, atMs: number): void {
    this.#addresses.free(machine, sandbox, atMs);
  }

  /** A call leaves the machine. */
  sending(machine: Machine, action: string, parameters: Parameters, atMs: number): void {
    if (this.#budgets !== undefined) this.#tell(machine, this.#budgets.called(machine, machine.lives, action, atMs));
    this.#tell(machine, breachesOfCall(this.#cloud, this.#addresses, machine, action, parameters));
  }

  /** EC2 is about to carry it out, perhaps long after its sender gave it up. */
  calling(machine: Machine, action: string, parameters: Parameters): void {
    this.#tell(machine, breachesOfEffect(this.#cloud, this.#addresses, machine, action, parameters));
  }

  /** After an event that touched the machine. */
  looked(machine: Machine): void {
    if (!machine.on) return;
    const { disk, instanceId } = machine;
    const cloud = this.#cloud.version(instanceId);
    const seen = this.#seen.get(machine);
    if (seen !== undefined && seen.disk === disk && seen.version === disk.version && seen.cloud === cloud) return;
    const isSameNode = seen?.disk === disk && seen.instanceId === instanceId;
    const blocks = disk.blocks();
    if (isSameNode && seen.blocks !== blocks)
      this.#tell(machine, breachesOfLoss(this.#cloud, machine, this.#addresses, seen.blocks, blocks));
    this.#seen.set(machine, { disk, instanceId, version: disk.version, cloud, blocks });
    this.#tell(machine, breachesOfMachine(this.#cloud, this.#addresses, machine));
  }

  #tell(machine: Machine, breaches: readonly Breach[]): void {
    for (const one of breaches) this.#report(machine, one);
  }
}
