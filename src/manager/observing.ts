import type { Clock } from "../adapters/index.ts";
import { EnidError } from "../errors.ts";
import { type Block, PoolError } from "../pool/index.ts";
import type { Degradations } from "./degradations.ts";
import { isElsewhere } from "./fixed-held.ts";
import type { History } from "./history.ts";
import { Lag } from "./lag.ts";
import type { Ledger } from "./ledger.ts";
import { NEVER } from "./moments.ts";
import type { NodeState } from "./node.ts";
import { blockOf, cidrsSeenOn, isIpv6, mergeRecord, noteOwnAddresses, observedCidrs } from "./observed.ts";
import type {
  Change,
  InterfaceRecord,
  Observation,
  ObservationSource,
  ObservedInterface,
  StepOutcome,
  Telemetry,
} from "./ports/index.ts";
import type { Promises } from "./promises.ts";
import { sameInterfaces, sameMembers, sameRecord } from "./same-interfaces.ts";
import { NOTHING_NEW, type Verdict } from "./verdict.ts";

/** An observation that called for nothing, and what the node was like then. */
interface Quiet {
  readonly shape: number;
  readonly interfaces: readonly ObservedInterface[];
}

export interface ObserverOptions {
  readonly node: NodeState;
  readonly ledger: Ledger;
  readonly clock: Clock;
  readonly degradations: Degradations;
  readonly telemetry: Telemetry;
  readonly history: History;
  readonly promises: Promises;
}

/**
 * Merges what the node really has into the pool. What is there and was not known is adopted. What was known and is
 * denied is never dropped on first sight: metadata may be late in both directions and EC2 lags its own answers, so a
 * denial counts only from EC2 itself, twice, and a lease is never ended by it.
 */
export class Observer {
  readonly #options: ObserverOptions;
  readonly #lag: Lag;
  /** Denied once by EC2: CIDRs, and "interface <id>". */
  #denied = new Set<string>();
  #unattached = new Set<string>();
  /** Something was seen that may be taken over only later. */
  #adoptsLater = false;
  /** When what may be shown or hidden by a lag alone can be told; Infinity: there is nothing of the kind. */
  #lookAtMs = NEVER;
  /** Something that the pool holds was not seen, whether that counts yet or not. */
  #lacked = false;
  /** Of each source, the last observation that called for nothing. */
  readonly #quiet = new Map<ObservationSource, Quiet>();

  constructor(options: ObserverOptions) {
    this.#options = options;
    this.#lag = new Lag(options.clock);
  }

  get node(): NodeState {
    return this.#options.node;
  }

  /** All that the interface carries, from the answers of a step: newer than any observation under way. */
  learned(record: InterfaceRecord, cidrs: readonly string[]): void {
    const primary = this.#options.node.primaryBlock(record)?.cidr;
    this.#lag.came([record.id, ...cidrs, ...(primary === undefined ? [] : [primary])]);
    this.#lag.cameBack(record.id, cidrs);
    this.#countStrays(record.id, cidrs);
  }

  /** EC2 has them back: an observation that lags shows them still on the interface, and must not bring them back. */
  gaveBack(interfaceId: string, cidrs: readonly string[]): void {
    this.#lag.went(interfaceId, cidrs);
    this.#forgetLost();
  }

  /** What settling found by looking at EC2, without what may only be shown still. */
  believable(outcome: StepOutcome): StepOutcome {
    return this.#lag.believable(outcome);
  }

  /** The interface was removed: an observation that lags shows it still. */
  removed(interfaceId: string): void {
    this.#lag.removed(interfaceId);
  }

  /** The state was written by an earlier process. */
  followsAnother(): void {
    this.#lag.followsAnother();
  }

  merge(observation: Observation): Verdict {
    noteOwnAddresses(this.#options.node, observation);
    return this.isKnown(observation) ? NOTHING_NEW : this.#guarded(observation);
  }

  /** No observation ends a lease, whatever it says: nothing of merging changes the state of an address. */
  #guarded(observation: Observation): Verdict {
    const { node, promises } = this.#options;
    const { pool } = node;
    const before = pool.changes.addresses;
    try {
      return this.mergeAnew(observation);
    } catch (thrown) {
      if (!(thrown instanceof PoolError) || thrown.refusal !== "block-in-use") throw thrown;
      throw promises.refuse({
        promise: 9,
        detail: `an observation (${observation.source}) would drop it: ${thrown.message}`,
      });
    } finally {
      if (pool.changes.addresses !== before)
        promises.halt({ promise: 9, detail: `an observation (${observation.source}) changed what addresses are` });
    }
  }

  /**
   * Whether the node was like this when all of it was in line with the last observation of that source, and this one says
   * the same: merging is a function of the two but for what time alone decides, and nothing of that was left open.
   */
  isKnown({ source, complete, interfaces }: Observation): boolean {
    const quiet = this.#quiet.get(source);
    if (quiet === undefined || !complete || quiet.shape !== this.#options.node.shape) return false;
    return sameInterfaces(quiet.interfaces, interfaces);
  }

  mergeAnew(observation: Observation): Verdict {
    const { node } = this.#options;
    this.#quiet.delete(observation.source);
    const changes: Change[] = [];
    // What a step makes or takes away is the step's to report: until then it may still be undone.
    const attached = observation.interfaces.filter(
      ({ id, attached }) =>
        attached && !node.isInTheMaking(id) && !this.#lag.mayShowRemoved(id, observation.startedAtMs),
    );
    for (const observed of attached) this.#mergeInterface(observed, observation, changes);
    this.#lacked = false;
    this.#lookAtMs = NEVER;
    const denied = observation.complete ? this.#deniedBy(observation) : new Set<string>();
    const fromCloud = observation.source === "cloud" && observation.complete;
    if (fromCloud) this.#believe(denied, changes);
    if (fromCloud) this.#forgetLost();
    // Metadata shows it again: EC2 has the last word.
    const isOver = node.lostSinceMs.size === 0 && this.#options.degradations.has("address-denied");
    const retired = node.retirePrimaries();
    if (retired.length > 0) changes.push({ kind: "blocks-remove", cidrs: retired });
    // Last, for an address that left one interface may have come to another.
    this.#adoptsLater = false;
    if (observation.source === "cloud") for (const observed of attached) this.#adopt(observed, observation, changes);
    if (changes.length > 0) void this.#options.ledger.eventually(changes);
    const leaked = fromCloud ? this.#leaked(observation) : [];
    const unknown = attached.some((observed) => this.#holdsUnknown(observed, observation.startedAtMs));
    const unknownYet = attached.some((observed) => this.#holdsUnknown(observed, NEVER));
    const verdict = {
      askCloud: observation.source === "metadata" && (denied.size > 0 || unknown || isOver),
      confirm: fromCloud && (this.#denied.size > 0 || this.#unattached.size > 0 || this.#adoptsLater),
      lookAtMs: fromCloud ? this.#lookAtMs : NEVER,
      leaked,
      groupsChanged: this.#groupsChanged(attached),
    };
    const isQuiet =
      changes.length === 0 && !this.#lacked && !unknownYet && !isOver && !node.primaryLeaves && leaked.length === 0;
    const isAll = observation.complete && attached.length === observation.interfaces.filter((i) => i.attached).length;
    if (isQuiet && isAll && !verdict.confirm && verdict.lookAtMs === NEVER && !verdict.groupsChanged) {
      this.#quiet.set(observation.source, { shape: node.shape, interfaces: observation.interfaces });
    }
    return verdict;
  }

  #mergeInterface(observed: ObservedInterface, observation: Observation, changes: Change[]): void {
    const { node } = this.#options;
    const known = node.interfaces.get(observed.id);
    // An attachment that is still on its way in metadata has no index yet; EC2's word on it stands.
    if (known === undefined && observation.source === "metadata") return;
    const record = mergeRecord(known, observed, observation.source === "cloud");
    if (known === undefined || !sameRecord(known, record)) {
      node.interfaces.set(record.id, record);
      changes.push({ kind: "interface-put", interface: record });
    }
    const usable = node.unusableBecause(record) === "";
    node.pool.upsertInterface({ id: record.id, index: node.poolIndex(record), usable });
    // Only what was lost: a block that a step gives back may be unusable too, and stays so.
    const returned = node.lostSinceMs.size === 0 ? [] : [...observedCidrs(observed), `${observed.primaryAddress}/32`];
    for (const cidr of returned) {
      const block = node.lostSinceMs.has(cidr) ? node.pool.block(cidr)?.block : undefined;
      if (block?.interfaceId === record.id && !isElsewhere(node, cidr)) {
        node.pool.setBlockUsable(cidr, true);
        node.lostSinceMs.delete(cidr);
        changes.push({ kind: "blocks-put", blocks: [{ ...block, lost: false }] });
        this.#tell("block-returned", "info", `${cidr} is on ${observed.id} again`, { cidr, interface: observed.id });
      }
    }
  }

  /** Addresses that somebody (or a crashed call) put on the interface join the pool. */
  #adopt(observed: ObservedInterface, { startedAtMs }: Observation, changes: Change[]): void {
    const { node } = this.#options;
    const record = node.interfaces.get(observed.id);
    if (record === undefined) return;
    if (node.unusableBecause(record) !== "") {
      // Nothing of it is taken over: what nobody knows is in nobody's way, and must not keep the interface for ever.
      const known = observedCidrs(observed).filter((cidr) => node.pool.block(cidr) !== undefined);
      this.#countStrays(record.id, known);
      return;
    }
    const cidrs = observedCidrs(observed).filter((cidr) => !isIpv6(cidr) || node.servesIpv6);
    const unknown = cidrs.filter((cidr) => node.pool.block(cidr) === undefined);
    // What a step is bringing is the step's to report.
    const isBusy = node.isBusy(record.id);
    const takenOver = isBusy ? [] : unknown.filter((cidr) => this.#lag.adoptableFromMs(record.id, cidr) <= startedAtMs);
    // What is still on its way back from another interface of the node can be here already.
    const arriving = cidrs.some((cidr) => {
      const held = node.pool.block(cidr);
      return held !== undefined && held.block.interfaceId !== record.id && held.releasing > 0;
    });
    this.#adoptsLater ||= arriving || (isBusy && unknown.length > 0);
    for (const cidr of unknown) {
      const fromMs = this.#lag.adoptableFromMs(record.id, cidr);
      if (fromMs > startedAtMs) this.#lookAtMs = Math.min(this.#lookAtMs, fromMs);
    }
    // On an interface of its own, what it does not know is left from a call of its own.
    const own = record.madeBy === "enid";
    const found = takenOver.map((cidr) => ({ ...blockOf(cidr, observed.id), ...(own ? {} : { found: true }) }));
    const primary = node.primaryBlock(record);
    const adopted = [...found, ...(primary === undefined ? [] : [primary])].filter((block) => node.enter(block));
    this.#countStrays(record.id, observedCidrs(observed));
    if (adopted.length === 0) return;
    changes.push({ kind: "blocks-put", blocks: adopted });
    this.#lag.came(adopted.map((block) => block.cidr));
    this.#tell("blocks-adopted", "info", `${adopted.length} blocks found on ${observed.id} joined the pool`, {
      interface: observed.id,
      cidrs: adopted.map((block) => block.cidr),
    });
  }

  /**
   * More than the last look at EC2 left aside: somebody put it there, or a call that was given up took effect late. Only what
   * may be taken over at `atMs` counts.
   */
  #holdsUnknown(observed: ObservedInterface, atMs: number): boolean {
    const { node } = this.#options;
    const record = node.interfaces.get(observed.id);
    if (record === undefined || node.isBusy(record.id) || node.unusableBecause(record) !== "") return false;
    const unknown = observedCidrs(observed).filter(
      (cidr) =>
        !isIpv6(cidr) && node.pool.block(cidr) === undefined && this.#lag.adoptableFromMs(record.id, cidr) <= atMs,
    );
    return unknown.length > (node.strays.get(record.id) ?? 0);
  }

  /** Without groups in the settings, those of the primary interface are everyone's. */
  #groupsChanged(attached: readonly ObservedInterface[]): boolean {
    const { facts, resolution, inheritsGroups } = this.#options.node;
    if (!inheritsGroups) return false;
    const primary = attached.find(({ id }) => id === facts?.primaryInterfaceId);
    if (primary === undefined || resolution === undefined || primary.securityGroups.length === 0) return false;
    return !sameMembers(primary.securityGroups, resolution.securityGroups);
  }

  #deniedBy(observation: Observation): Set<string> {
    const { node } = this.#options;
    const seen = new Map(observation.interfaces.filter((i) => i.attached).map((i) => [i.id, cidrsSeenOn(i)]));
    const denied = new Set<string>();
    const deny = (key: string) => {
      this.#lacked = true;
      const name = key.startsWith(INTERFACE_KEY) ? key.slice(INTERFACE_KEY.length) : key;
      const fromMs = this.#lag.deniableFromMs(name);
      if (fromMs <= observation.startedAtMs) denied.add(key);
      else this.#lookAtMs = Math.min(this.#lookAtMs, fromMs);
    };
    for (const { block, releasing, leased, cooling } of node.pool.blocks()) {
      // What is being given back is its step's to report; what the settings give the node is theirs.
      if (releasing > 0 || block.kind === "node-cidr") continue;
      // Known to be lost, and kept for its leases: EC2 need not be asked again before they end.
      if (node.lostSinceMs.has(block.cidr) && leased + cooling > 0) {
        this.#lacked = true;
        this.#showLost(block);
        continue;
      }
      if (node.interfaces.has(block.interfaceId) && !seen.get(block.interfaceId)?.has(block.cidr)) deny(block.cidr);
    }
    for (const { id, deviceIndex } of node.interfaces.values()) {
      if (deviceIndex >= 0 && !seen.has(id) && !node.isBusy(id)) deny(interfaceKey(id));
    }
    return denied;
  }

  /** What is on an interface and not of it in the pool (a lease keeps it elsewhere, say) still takes slots here. */
  #countStrays(interfaceId: string, cidrs: readonly string[]): void {
    const { node } = this.#options;
    const elsewhere = (cidr: string) => node.pool.block(cidr)?.block.interfaceId !== interfaceId;
    const strays = cidrs.filter((cidr) => !isIpv6(cidr) && elsewhere(cidr));
    node.strays.set(interfaceId, new Set(strays).size);
  }

  /** Acts on what EC2 denies for the second time; remembers the rest for the confirmation. */
  #believe(denied: ReadonlySet<string>, changes: Change[]): void {
    const confirmed = [...denied].filter((key) => this.#denied.has(key));
    this.#denied = new Set([...denied].filter((key) => !this.#denied.has(key)));
    for (const key of confirmed) {
      if (!key.startsWith(INTERFACE_KEY)) this.#dropBlock(key, changes);
    }
    for (const key of confirmed) {
      if (key.startsWith(INTERFACE_KEY)) this.#dropInterface(key.slice(INTERFACE_KEY.length), changes);
    }
    // One that was only kept for the leases on it goes with the last of them.
    for (const { id, deviceIndex } of [...this.#options.node.interfaces.values()]) {
      if (deviceIndex < 0) this.#dropInterface(id, changes);
    }
  }

  /** What left the pool, in whatever way, is lost no longer. */
  #forgetLost(): void {
    const { node, degradations } = this.#options;
    for (const cidr of node.lostSinceMs.keys()) if (node.pool.block(cidr) === undefined) node.lostSinceMs.delete(cidr);
    if (node.lostSinceMs.size === 0) degradations.clear("address-denied");
  }

  #dropBlock(cidr: string, changes: Change[]): void {
    const { node, clock, history } = this.#options;
    const known = node.pool.block(cidr);
    if (known === undefined) return;
    const address = cidr.slice(0, cidr.indexOf("/"));
    if (known.leased + known.cooling === 0) {
      node.pool.removeBlock(cidr);
      changes.push({ kind: "blocks-remove", cidrs: [cidr] });
      this.#lag.lost(cidr);
      node.lostSinceMs.delete(cidr);
      history.add(clock.nowMs(), "", address, `${cidr} left the pool: EC2 says twice that the node no longer has it`);
      // One that followed its pod to another node was expected to go; nothing that lags may bring it back.
      if (isElsewhere(node, cidr)) this.#lag.went(known.block.interfaceId, [cidr]);
      else this.#tell("block-lost", "warn", `${cidr} is no longer the node's; it left the pool`, { cidr });
      return;
    }
    node.pool.setBlockUsable(cidr, false);
    if (!node.lostSinceMs.has(cidr)) {
      node.lostSinceMs.set(cidr, clock.nowMs());
      changes.push({ kind: "blocks-put", blocks: [{ ...known.block, lost: true }] });
    }
    const error = this.#showLost(known.block);
    history.add(clock.nowMs(), "", address, error.message);
    this.#tell("leased-block-lost", "error", error.message, { cidr });
  }

  #showLost({ cidr, interfaceId }: Block): EnidError {
    const { degradations, clock } = this.#options;
    const error = new EnidError("ENID_ADDRESS_LOST", { cidr, interfaceId });
    if (!degradations.has("address-denied")) degradations.set("address-denied", error, clock.nowMs());
    return error;
  }

  #dropInterface(interfaceId: string, changes: Change[]): void {
    const { node } = this.#options;
    if ([...node.pool.blocks()].some(({ block }) => block.interfaceId === interfaceId)) {
      const record = node.interfaces.get(interfaceId);
      if (record === undefined) return;
      // Leases are left on it: they stay, and nothing new is given out of it.
      node.interfaces.set(interfaceId, { ...record, deviceIndex: -1, attachmentId: "" });
      node.refreshUsability();
      return;
    }
    node.forgetInterface(interfaceId);
    this.#lag.lost(interfaceId);
    changes.push({ kind: "interface-remove", interfaceId });
    this.#tell("interface-lost", "warn", `${interfaceId} is no longer on the node`, { interface: interfaceId });
  }

  #leaked(observation: Observation): ObservedInterface[] {
    const { node } = this.#options;
    // A create that has not told its interface yet may have made any of them.
    const creating = [...node.intents.values()].some(
      ({ intent }) => intent.step.kind === "create-interface" && intent.interfaceId === undefined,
    );
    const suspects = observation.interfaces.filter(
      (i) => !i.attached && i.madeBy === "enid" && !i.foreign && !node.interfaces.has(i.id) && !node.isBusy(i.id),
    );
    const leaked = creating ? [] : suspects.filter((i) => this.#unattached.has(i.id));
    this.#unattached = new Set(suspects.filter((i) => !leaked.includes(i)).map((i) => i.id));
    return leaked;
  }

  #tell(name: string, level: "info" | "warn" | "error", message: string, fields: Record<string, unknown>): void {
    this.#options.telemetry.event({ name, level, message, fields });
  }
}

const INTERFACE_KEY = "interface ";

function interfaceKey(id: string): string {
  return `${INTERFACE_KEY}${id}`;
}
