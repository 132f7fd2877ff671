import type { FixedRecord } from "../../../manager/ports/index.ts";
import type { Scheduler } from "../../engine/index.ts";
import type { Parameters, SimulatedCloud } from "../../index.ts";
import type { CallAnswer, Sandbox, Verb } from "../../kubelet/index.ts";
import type { FixedPod, FixedSet } from "../fleet/stateful.ts";
import type { StoreServer } from "../fleet/store-server.ts";
import type { Machine } from "../machine.ts";
import type { FixedPods } from "./addresses.ts";
import { type Breach, breach } from "./breach.ts";
import { fixedRecord, fixedRecords } from "./fixed-truth.ts";
import { short } from "./of-answers.ts";
import { Singles } from "./singles.ts";
import { carrierOf } from "./truth.ts";

export interface FixedWatchOptions {
  readonly cloud: SimulatedCloud;
  readonly scheduler: Scheduler;
  readonly machines: () => readonly Machine[];
  readonly pods: FixedPods;
  readonly store: StoreServer;
  readonly set: () => FixedSet | undefined;
  /** Monotonic ms until which something was wrong, but for the store, that a pod on the one machine, whose address the other had, may wait for. */
  readonly troubledUntilMs: (machine: number, before: number | undefined) => number;
  /** Whether somebody made the account's buckets small. */
  readonly mayThrottle: boolean;
  readonly report: (machine: string, breach: Breach) => void;
}

/** What is known of a pod's address without the store: what its ADDs were answered. */
interface Known {
  readonly address: string;
  readonly machine: Machine;
  readonly instanceId: string;
  /**
   * The store lost data after this, and has not got the record again. `excused`: since then its node was not always there to
   * bring it back, so that nobody may know the address any more.
   */
  risk: "none" | "lost" | "excused";
  /** The store lost data after this, and has not heard of its node since that it has the address. */
  unheard: boolean;
  /** It came in the place of one that nobody could know any more, and that its node may bring back all the same. */
  readonly replaces: boolean;
}

const LOOK_MS = 5_000;
/**
 * Within this time after all that may delay it, a pod has its address on another node: the kubelet's next try (15 s), the
 * lease of the node that had it and the grace after it, the assignment and its confirmation.
 */
export const BACK_WITHIN_MS = 4 * 60_000;
/** Codes of ADDs that fail for want of the store. */
const AWAY: readonly string[] = ["ENID_FLEET_AWAY"];
/** With a store that is well, nodes do not compete for the account's buckets. */
const THROTTLED_SHARE = 0.01;
const THROTTLED_FREE = 5;

/** Promise 12: a fixed address never changes, is bound on one node, and comes back within a bound. */
export class FixedWatch {
  readonly #options: FixedWatchOptions;
  readonly #known = new Map<string, Known>();
  readonly #singles: Singles;
  readonly #servesSince = new Map<Machine, { readonly daemon: object; readonly atMs: number }>();
  #lossesSeen = 0;

  constructor(options: FixedWatchOptions) {
    this.#options = options;
    this.#singles = new Singles(options.report);
  }

  begin(): void {
    this.#options.scheduler.after(LOOK_MS, () => {
      this.#look();
      this.begin();
    });
  }

  answered(machine: Machine, sandbox: Sandbox | undefined, verb: Verb, answer: CallAnswer): void {
    if (sandbox === undefined || verb !== "add" || answer.by !== "daemon") return;
    const isFixed = this.#options.pods.isFixed(sandbox.pod);
    if (answer.exit !== 0) this.#failed(machine, sandbox, isFixed, answer);
    else if (isFixed) this.#gotFixed(machine, sandbox, answer.addresses);
    else this.#gotOrdinary(machine, sandbox, answer.addresses);
  }

  /** EC2 is about to carry out a call. */
  calling(machine: Machine, action: string, { PrivateIpAddress: wanted }: Parameters): void {
    if (action !== "AssignPrivateIpAddresses" || !Array.isArray(wanted)) return;
    for (const address of wanted.map(String)) this.#taken(machine, address);
  }

  /** After an event that touched the machine. */
  looked(machine: Machine): void {
    const { daemon } = machine;
    if (daemon?.up !== true) {
      this.#servesSince.delete(machine);
    } else if (this.#servesSince.get(machine)?.daemon !== daemon) {
      this.#servesSince.set(machine, { daemon, atMs: this.#nowMs });
    }
    this.#singles.looked(machine);
  }

  /** What is not as it must be in the end, a sentence each. */
  unrest(): readonly string[] {
    return [...this.#unboundPods(), ...this.#disagreements()];
  }

  breachesAtRest(): readonly Breach[] {
    const { store, mayThrottle, cloud } = this.#options;
    if (mayThrottle || store.troubledUntilMs > 0) return [];
    const counts = Object.values(cloud.log.counts());
    const calls = counts.reduce((sum, { requests }) => sum + requests, 0);
    const throttled = counts.reduce((sum, one) => sum + one.throttled, 0);
    if (throttled <= THROTTLED_FREE + calls * THROTTLED_SHARE) return [];
    return [breach(12, `${throttled} of ${calls} calls were throttled, though the store was well all the time`)];
  }

  get #nowMs(): number {
    return this.#options.scheduler.monotonicMs();
  }

  #failed(machine: Machine, sandbox: Sandbox, isFixed: boolean, { error, body }: CallAnswer): void {
    if (error === undefined || !AWAY.includes(error)) return;
    if (isFixed && !this.#isWhereItWas(machine, sandbox)) return;
    this.#tell(machine, `ADD of ${short(sandbox)} needs no move, and fails for want of the store: ${body}`);
  }

  /** Its address is on the machine, as it was when the pod ran last, and no other node claimed it in between. */
  #isWhereItWas({ instanceId }: Machine, { pod }: Sandbox): boolean {
    const name = nameOf(pod);
    const known = this.#known.get(name);
    if (known === undefined || known.instanceId !== instanceId) return false;
    const record = fixedRecord(this.#options.store.server, name);
    if (record !== undefined && record.holder !== instanceId) return false;
    return carrierOf(this.#options.cloud, instanceId, known.address)?.attachment?.instanceId === instanceId;
  }

  #gotFixed(machine: Machine, sandbox: Sandbox, addresses: readonly string[]): void {
    const { instanceId } = machine;
    const pod = nameOf(sandbox.pod);
    const [address = ""] = addresses;
    const before = this.#known.get(pod);
    if (before !== undefined && before.address !== address && before.risk !== "excused") {
      this.#tell(machine, `ADD of ${short(sandbox)} is answered with ${address}; it had ${before.address}`);
    }
    this.#ofAnother(machine, sandbox, address, pod);
    this.#ofRecord(machine, sandbox, address, pod);
    const risk = before?.address === address ? before.risk : "none";
    // Of a pod that was deleted by force nothing counts.
    if (this.#options.pods.isAbandoned(sandbox.pod.uid)) return;
    const unheard = before?.instanceId === instanceId && before.unheard;
    const replaces = before !== undefined && (before.replaces || before.address !== address);
    this.#known.set(pod, { address, machine, instanceId, risk, unheard, replaces });
  }

  #gotOrdinary(machine: Machine, sandbox: Sandbox, addresses: readonly string[]): void {
    for (const address of addresses) this.#ofAnother(machine, sandbox, address, "");
  }

  /** The address is of another pod for life. */
  #ofAnother(machine: Machine, sandbox: Sandbox, address: string, pod: string): void {
    for (const [other, known] of this.#known) {
      if (other === pod || known.address !== address || known.risk === "excused") continue;
      this.#tell(machine, `ADD of ${short(sandbox)} is answered with ${address}, which is ${other}'s`);
    }
  }

  #ofRecord(machine: Machine, sandbox: Sandbox, address: string, pod: string): void {
    const { server } = this.#options.store;
    const text = `ADD of ${short(sandbox)} is answered with ${address}`;
    const own = machine.disk.load().fixed?.find((record) => record.pod === pod);
    if (own === undefined) {
      this.#tell(machine, `${text}, and the node has no durable record of it`);
      return;
    }
    const record = fixedRecord(server, pod);
    // What the store lost comes back by the node that knows more.
    if (record === undefined || record.epoch < own.epoch || isRecords(record, machine, address)) return;
    if (this.#options.pods.isAbandoned(sandbox.pod.uid)) return;
    // The store lost what this node had said, and could not hear it again; one that had it before may have said so.
    const known = this.#known.get(pod);
    if (known?.unheard === true && known.instanceId === machine.instanceId) return;
    this.#tell(machine, `${text}, and by its record ${record.holderName} has ${record.address}, ${record.state}`);
  }

  /** An address that is asked for by its name is taken from whoever has it. */
  #taken(machine: Machine, address: string): void {
    const { cloud, machines, pods } = this.#options;
    const owner = cloud.interface(cloud.ownerOf(address) ?? "")?.attachment?.instanceId;
    if (owner === undefined || owner === machine.instanceId) return;
    const other = machines().find(({ instanceId }) => instanceId === owner);
    const user = other?.kubelet.running().get(address);
    if (other === undefined || user === undefined || pods.isAbandoned(user.pod.uid)) return;
    this.#tell(machine, `it takes ${address} from ${other.name}, where ${short(user)} runs with it`);
  }

  #look(): void {
    this.#judgeRisks();
    for (const pod of this.#options.set()?.pods() ?? []) if (pod !== undefined) this.#judgeWait(pod);
  }

  #judgeRisks(): void {
    const { store, machines } = this.#options;
    const isNew = store.losses.length > this.#lossesSeen;
    this.#lossesSeen = store.losses.length;
    for (const [pod, known] of this.#known) {
      if (isNew && known.risk === "none") known.risk = "lost";
      known.unheard ||= isNew;
      if (known.risk === "none" && !known.unheard) continue;
      const record = fixedRecord(store.server, pod);
      if (record !== undefined && isRecords(record, known.machine, known.address)) known.unheard = false;
      if (known.risk === "none") continue;
      if (record?.address === known.address) {
        known.risk = "none";
        continue;
      }
      const { machine, instanceId } = known;
      const isThere = machines().includes(machine) && machine.instanceId === instanceId && machine.on;
      if (!isThere || machine.daemon?.up !== true || !store.reaches(machine.name)) known.risk = "excused";
    }
  }

  #judgeWait({ identity, node, placedAtMs, instanceId, isEnding }: FixedPod): void {
    const { machines, store, troubledUntilMs } = this.#options;
    const machine = machines()[node];
    if (machine === undefined || isEnding || machine.instanceId !== instanceId) return;
    const waiting = machine.kubelet.waiting().get(identity.uid);
    const serves = this.#servesSince.get(machine);
    if (waiting === undefined || serves === undefined) return;
    const before = this.#known.get(nameOf(identity))?.machine.node;
    const sinceMs = Math.max(
      ...[placedAtMs, waiting.sinceMs, serves.atMs, store.troubledUntilMs, troubledUntilMs(node, before)],
    );
    if (this.#nowMs - sinceMs <= BACK_WITHIN_MS) return;
    this.#tell(machine, `${nameOf(identity)} has no address ${BACK_WITHIN_MS / 1_000} s after all that could delay it`);
  }

  #unboundPods(): readonly string[] {
    const { set, machines, cloud, store } = this.#options;
    return (set()?.pods() ?? []).flatMap((pod) => {
      const machine = pod === undefined ? undefined : machines()[pod.node];
      if (pod === undefined || machine === undefined) return [];
      const name = nameOf(pod.identity);
      const known = this.#known.get(name);
      if (known === undefined) return [`${name} has no address`];
      const record = fixedRecord(store.server, name);
      if (record === undefined) return [`the store has no record of ${name}`];
      if (known.replaces && record.address !== known.address) return [];
      if (!isRecords(record, machine, known.address) || record.state !== "bound")
        return [`the record of ${name} says ${record.address} ${record.state} on ${record.holderName}`];
      const carrier = carrierOf(cloud, machine.instanceId, known.address);
      if (carrier?.attachment?.instanceId === machine.instanceId) return [];
      return [`EC2 has ${known.address} of ${name} on ${carrier?.id ?? "nothing"}`];
    });
  }

  /** The store and the nodes: what one knows and another does not. */
  #disagreements(): readonly string[] {
    const { machines, store } = this.#options;
    const found: string[] = [];
    const records = new Map(fixedRecords(store.server).map((record) => [record.pod, record]));
    for (const machine of machines()) {
      const held = new Map((machine.disk.load().fixed ?? []).map((record) => [record.pod, record]));
      for (const { pod, epoch, address, holder } of held.values()) {
        const record = records.get(pod);
        // It was another node's already: a fence, for as long as a describe that lags may show it here.
        if (
          holder === "" &&
          carrierOf(this.#options.cloud, machine.instanceId, address)?.attachment?.instanceId !== machine.instanceId
        )
          continue;
        if (record?.holder !== machine.instanceId || record.epoch !== epoch)
          found.push(`${machine.name} has ${pod} in epoch ${epoch}; the store ${inWords(record)}`);
      }
      for (const record of records.values()) {
        if (record.holder === machine.instanceId && !held.has(record.pod))
          found.push(`${machine.name} does not know that it has ${record.pod}`);
      }
    }
    return found;
  }

  #tell(machine: Machine, text: string): void {
    this.#options.report(machine.name, breach(12, text));
  }
}

function isRecords(record: FixedRecord, { instanceId }: Machine, address: string): boolean {
  return record.holder === instanceId && record.address === address;
}

function inWords(record: FixedRecord | undefined): string {
  return record === undefined ? "does not" : `on ${record.holderName || "nobody"} in epoch ${record.epoch}`;
}

function nameOf({ namespace, name }: { readonly namespace: string; readonly name: string }): string {
  return `${namespace}/${name}`;
}
