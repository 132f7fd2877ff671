import type { Clock } from "../../src/adapters/index.ts";
import { EnidError } from "../../src/errors.ts";
import type {
  Intent,
  Leftover,
  NodeFacts,
  Observation,
  ObservationSource,
  ObservedInterface,
  PlannedCall,
  Provider,
  ReportProgress,
  Reservation,
  Resolution,
  Selection,
  StepFailure,
  StepOutcome,
} from "../../src/manager/index.ts";
import type { AddBlocksStep, Step } from "../../src/planning/index.ts";

export const SUBNET_A = "subnet-a";
export const SUBNET_B = "subnet-b";
export const PRIMARY = "eni-primary";

const FRAGMENTED: StepFailure = {
  class: "subnet-exhausted",
  ec2Code: "InsufficientCidrBlocks",
  effect: "none",
  unit: "prefix",
};

interface CloudInterface {
  id: string;
  deviceIndex: number;
  subnetId: string;
  addresses: string[];
  prefixes?: string[];
  ipv6Prefixes?: string[];
  securityGroups?: string[];
  attached: boolean;
  intentId: string;
}

/**
 * A cloud in a few lines for the manager's own tests: what it does, when it answers and how it fails is up to the test.
 * The real provider is tested against the simulated EC2; this one exists to hold the manager still.
 */
export class FakeProvider implements Provider {
  readonly name = "fake";
  readonly clock: Clock;
  /** The truth. */
  readonly interfaces = new Map<string, CloudInterface>();
  readonly log: string[] = [];
  allowed = [SUBNET_A, SUBNET_B];
  securityGroups = ["sg-1"];
  ipv6Subnets: string[] = [];
  /** What the cluster has hanging on nothing. */
  cluster: Leftover[] = [];
  /** What is set apart in subnets. */
  reserved: readonly Reservation[] = [];
  /** Intents as they were given to `settle`. */
  readonly settled: Intent[] = [];
  facts: NodeFacts = {
    instanceId: "i-1",
    instanceType: "m5.large",
    region: "eu-central-1",
    availabilityZone: "eu-central-1a",
    vpcId: "vpc-1",
    accountId: "111122223333",
    primaryInterfaceId: PRIMARY,
    primarySubnetId: SUBNET_A,
    limits: { maxInterfaces: 3, ipv4PerInterface: 10, source: "ec2", hypervisor: "nitro", bareMetal: false },
  };
  /** Thrown by the next calls of that kind, oldest first; `afterEffect` fails once the cloud has changed. */
  readonly failures: { readonly kind: string; readonly error: EnidError; readonly afterEffect?: boolean }[] = [];
  /** No subnet has room for a prefix. */
  fragmented = false;
  callMs = 300;
  freeInSubnets = 200;
  /** Of single subnets, where it differs. */
  readonly room = new Map<string, number>();
  #next = 1;
  #prefix = 1;
  #address = 10;

  constructor(clock: Clock) {
    this.clock = clock;
    this.interfaces.set(PRIMARY, {
      id: PRIMARY,
      deviceIndex: 0,
      subnetId: SUBNET_A,
      addresses: [],
      prefixes: [],
      ipv6Prefixes: [],
      securityGroups: ["sg-1"],
      attached: true,
      intentId: "",
    });
  }

  async identify(): Promise<NodeFacts> {
    await this.#describe("identify");
    return this.facts;
  }

  async resolve(selection: Selection): Promise<Resolution> {
    await this.#describe("resolve");
    const ids =
      selection.subnetIds.length === 0 ? this.allowed : selection.subnetIds.filter((id) => this.allowed.includes(id));
    if (ids.length === 0) {
      throw new EnidError("ENID_SUBNET_NO_MATCH", {
        selection: "test",
        vpcId: "vpc-1",
        availabilityZone: "a",
        seen: "none",
      });
    }
    return {
      subnets: ids.map((id) => ({
        id,
        cidr: "10.0.0.0/16",
        freeAddresses: this.room.get(id) ?? this.freeInSubnets,
        ...(this.ipv6Subnets.includes(id) ? { ipv6Cidr: "2001:db8:1::/64" } : {}),
        tags: {},
      })),
      refused: [],
      securityGroups: this.securityGroups,
    };
  }

  async observe(source: ObservationSource): Promise<Observation> {
    const startedAtMs = this.clock.nowMs();
    await this.#describe(`observe ${source}`);
    return {
      source,
      complete: true,
      startedAtMs,
      interfaces: [...this.interfaces.values()]
        .filter((entry) => source === "cloud" || entry.attached)
        .map((entry) => this.observed(entry)),
    };
  }

  async execute(intent: Intent, progress: ReportProgress): Promise<StepOutcome> {
    const { step } = intent;
    if ("unit" in step && step.unit === "prefix" && this.fragmented) this.fail(step.kind, FRAGMENTED);
    const failure = this.#take(step.kind);
    if (failure !== undefined && failure.afterEffect !== true) {
      await this.#call(`${step.kind} failed`);
      throw failure.error;
    }
    await this.#call(describe(step));
    const outcome = await this.#apply(intent, progress);
    if (failure !== undefined) throw failure.error;
    return outcome;
  }

  async settle(intent: Intent, how: "finish" | "undo", progress: ReportProgress): Promise<StepOutcome> {
    this.settled.push(intent);
    await this.#call(`settle ${intent.step.kind} ${how}`);
    const failure = this.#take("settle");
    if (failure !== undefined) throw failure.error;
    if (intent.step.kind === "add-blocks") {
      const entry = this.#get(intent.step.interfaceId);
      const added = carried(entry).filter((cidr) => !intent.before.includes(cidr));
      return { kind: "done", interface: this.observed(entry), added };
    }
    if (intent.step.kind !== "create-interface") return this.#apply(intent, progress);
    const made = [...this.interfaces.values()].find((entry) => entry.intentId === intent.id);
    if (how === "undo") {
      if (made !== undefined) this.interfaces.delete(made.id);
      return { kind: "undone" };
    }
    if (made !== undefined) {
      if (intent.interfaceId === undefined) await progress({ interfaceId: made.id });
      made.attached = true;
      return { kind: "done", interface: this.observed(made), added: carried(made) };
    }
    return this.#apply(intent, progress);
  }

  async leftovers(clusterName: string): Promise<readonly Leftover[]> {
    await this.#describe(`leftovers ${clusterName}`);
    return this.cluster;
  }

  async reservations(subnetIds: readonly string[]): Promise<readonly Reservation[]> {
    await this.#describe("reservations");
    return this.reserved.filter(({ subnetId }) => subnetIds.includes(subnetId));
  }

  calls(step: Step): readonly PlannedCall[] {
    return [{ action: step.kind, parameters: {} }];
  }

  async close(): Promise<void> {}

  /** Mutating calls so far. */
  get mutations(): string[] {
    return this.log.filter((line) =>
      /^(add-blocks|create-interface|remove-interface|release-blocks|set-security-groups|settle)/.test(line),
    );
  }

  observed(entry: CloudInterface): ObservedInterface {
    return {
      id: entry.id,
      mac: `02:00:00:00:00:0${entry.deviceIndex}`,
      deviceIndex: entry.attached ? entry.deviceIndex : -1,
      networkCard: 0,
      subnetId: entry.subnetId,
      subnetCidr: "10.0.0.0/16",
      primaryAddress: "10.0.0.9",
      securityGroups: [...(entry.securityGroups ?? ["sg-1"])],
      attachmentId: `attach-${entry.id}`,
      madeBy: entry.id === PRIMARY ? "other" : "enid",
      foreign: false,
      attached: entry.attached,
      addresses: [...entry.addresses],
      prefixes: [...(entry.prefixes ?? [])],
      ...(entry.ipv6Prefixes?.length ? { ipv6Prefixes: [...entry.ipv6Prefixes] } : {}),
    };
  }

  fail(kind: string, failure: StepFailure, afterEffect = false): void {
    this.failures.push({
      kind,
      error: new EnidError(
        "ENID_EC2_FAILED",
        { action: kind, code: failure.ec2Code, detail: "as told" },
        { details: failure },
      ),
      afterEffect,
    });
  }

  addresses(count: number): string[] {
    return Array.from({ length: count }, () => {
      const n = this.#address++;
      return `10.0.${n >> 8}.${n & 255}`;
    });
  }

  prefixes(count: number): string[] {
    return Array.from({ length: count }, () => `10.1.${this.#prefix >> 4}.${(this.#prefix++ & 15) * 16}/28`);
  }

  /** Adds blocks as a step asks for them; answers their CIDRs. */
  #add(entry: CloudInterface, step: Pick<AddBlocksStep, "count" | "unit">, ipv6Prefixes = 0): string[] {
    const ipv6 = step.unit === "ipv6-prefix" ? step.count : ipv6Prefixes;
    const brought = {
      addresses: step.unit === undefined || step.unit === "address" ? this.addresses(step.count) : [],
      prefixes: step.unit === "prefix" ? this.prefixes(step.count) : [],
      ipv6Prefixes: Array.from({ length: ipv6 }, () => `2001:db8:1:0:${(this.#prefix++).toString(16)}::/80`),
    };
    entry.addresses.push(...brought.addresses);
    entry.prefixes = [...(entry.prefixes ?? []), ...brought.prefixes];
    entry.ipv6Prefixes = [...(entry.ipv6Prefixes ?? []), ...brought.ipv6Prefixes];
    return carried(brought);
  }

  /** Away from whichever node has it. */
  #move(entry: CloudInterface, address: string): string[] {
    this.movedHere(address);
    if (!entry.addresses.includes(address)) entry.addresses.push(address);
    return [`${address}/32`];
  }

  /** For clouds of several nodes. */
  protected movedHere(_address: string): void {}

  async #apply(intent: Intent, progress: ReportProgress): Promise<StepOutcome> {
    const { step } = intent;
    switch (step.kind) {
      case "add-blocks": {
        const entry = this.#get(step.interfaceId);
        const added = step.address === undefined ? this.#add(entry, step) : this.#move(entry, step.address);
        return { kind: "done", interface: this.observed(entry), added };
      }
      case "create-interface": {
        const id = `eni-${this.#next++}`;
        const entry: CloudInterface = {
          id,
          deviceIndex: step.deviceIndex,
          subnetId: step.subnetId,
          addresses: [],
          prefixes: [],
          ipv6Prefixes: [],
          securityGroups: [...intent.securityGroups],
          attached: false,
          intentId: intent.id,
        };
        this.interfaces.set(id, entry);
        const added = this.#add(entry, { count: step.count, ...(step.unit && { unit: step.unit }) }, step.ipv6Prefixes);
        await progress({ interfaceId: id });
        await this.#call("attach");
        entry.attached = true;
        await progress({ interfaceId: id, attachmentId: `attach-${id}` });
        return { kind: "done", interface: this.observed(entry), added };
      }
      case "remove-interface":
        this.interfaces.delete(step.interfaceId);
        this.cluster = this.cluster.filter(({ id }) => id !== step.interfaceId);
        return { kind: "gone", cidrs: [], interfaceId: step.interfaceId };
      case "release-blocks": {
        const entry = this.#get(step.interfaceId);
        const kept = (cidr: string) => !step.cidrs.includes(cidr);
        entry.addresses = entry.addresses.filter((address) => kept(`${address}/32`));
        entry.prefixes = entry.prefixes?.filter(kept) ?? [];
        entry.ipv6Prefixes = entry.ipv6Prefixes?.filter(kept) ?? [];
        return { kind: "gone", cidrs: step.cidrs, interfaceId: step.interfaceId };
      }
      case "set-security-groups": {
        const entry = this.#get(step.interfaceId);
        entry.securityGroups = [...step.securityGroups];
        return { kind: "done", interface: this.observed(entry), added: [] };
      }
    }
  }

  #get(id: string): CloudInterface {
    const entry = this.interfaces.get(id);
    if (entry === undefined) throw new Error(`no interface ${id}`);
    return entry;
  }

  #take(kind: string) {
    const at = this.failures.findIndex((failure) => failure.kind === kind);
    return at < 0 ? undefined : this.failures.splice(at, 1)[0];
  }

  async #describe(line: string): Promise<void> {
    await this.#call(line);
    const failure = this.#take(line);
    if (failure !== undefined) throw failure.error;
  }

  #call(line: string): Promise<void> {
    this.log.push(line);
    return new Promise((resolve) => {
      this.clock.after(this.callMs, resolve);
    });
  }
}

function carried(of: Pick<CloudInterface, "addresses" | "prefixes" | "ipv6Prefixes">): string[] {
  return [...of.addresses.map((address) => `${address}/32`), ...(of.prefixes ?? []), ...(of.ipv6Prefixes ?? [])];
}

function describe(step: Step): string {
  if (step.kind === "release-blocks") return `${step.kind} ${step.cidrs.length}`;
  if (!("count" in step)) return step.kind;
  return step.unit === undefined || step.unit === "address"
    ? `${step.kind} ${step.count}`
    : `${step.kind} ${step.count} ${step.unit}`;
}
