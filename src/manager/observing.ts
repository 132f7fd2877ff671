import type { Clock } from "../adapters/index.ts";
import { EnidError } from "../errors.ts";
import { type Block, familyOf } from "../pool/index.ts";
import type { Degradations } from "./degradations.ts";
import type { History } from "./history.ts";
import type { Ledger } from "./ledger.ts";
import { LIMITS } from "./limits.ts";
import type { NodeState } from "./node.ts";
import type { Change, InterfaceRecord, Observation, ObservedInterface, Telemetry } from "./ports/index.ts";

/** What an observation calls for beyond what was merged at once. */
export interface Verdict {
  /** Metadata differs from the pool: EC2 itself should be asked. */
  readonly askCloud: boolean;
  /** EC2 denied something for the first time: ask again after a pause before believing it. */
  readonly confirm: boolean;
  /** Interfaces that enid made, that nothing is known of and that EC2 showed unattached twice: leaked, to be removed. */
  readonly leaked: readonly ObservedInterface[];
  /** The primary interface has other security groups than those that were resolved. */
  readonly groupsChanged: boolean;
}

export interface ObserverOptions {
  readonly node: NodeState;
  readonly ledger: Ledger;
  readonly clock: Clock;
  readonly degradations: Degradations;
  readonly telemetry: Telemetry;
  readonly history: History;
}

/**
 * Merges what the node really has into the pool. What is there and was not known is adopted. What was known and is
 * denied is never dropped on first sight: metadata may be late in both directions and EC2 lags its own answers, so a
 * denial counts only from EC2 itself, twice, and a lease is never ended by it.
 */
export class Observer {
  readonly #options: ObserverOptions;
  /** When a block or interface was learned last: an older observation cannot deny it. */
  readonly #learnedAtMs = new Map<string, number>();
  /** Denied once by EC2: CIDRs, and "interface <id>". */
  #denied = new Set<string>();
  #unattached = new Set<string>();
  /** When a block was given back, by interface and block, and when an interface was removed. */
  readonly #gaveBackAtMs = new Map<string, number>();
  #adoptsFromMs = 0;
  /** Something was seen that may be taken over only later. */
  #adoptsLater = false;

  constructor(options: ObserverOptions) {
    this.#options = options;
  }

  /** All that the interface carries, from the answers of a step: newer than any observation under way. */
  learned(record: InterfaceRecord, cidrs: readonly string[]): void {
    const primary = this.#options.node.primaryBlock(record)?.cidr;
    this.#stamp([interfaceKey(record.id), ...cidrs, ...(primary === undefined ? [] : [primary])]);
    for (const cidr of cidrs) this.#gaveBackAtMs.delete(strayKey(record.id, cidr));
    this.#countStrays(record.id, cidrs);
  }

  /** EC2 has them back: an observation that lags shows them still on the interface, and must not bring them back. */
  gaveBack(interfaceId: string, cidrs: readonly string[]): void {
    const nowMs = this.#options.clock.nowMs();
    for (const [key, atMs] of this.#gaveBackAtMs) if (nowMs - atMs > LIMITS.lagMs) this.#gaveBackAtMs.delete(key);
    for (const cidr of cidrs) {
      this.#gaveBackAtMs.set(strayKey(interfaceId, cidr), nowMs);
      this.#learnedAtMs.delete(cidr);
    }
    this.#forgetLost();
  }

  /** The interface was removed: an observation that lags shows it still. */
  removed(interfaceId: string): void {
    this.#learnedAtMs.delete(interfaceKey(interfaceId));
    this.#gaveBackAtMs.set(interfaceKey(interfaceId), this.#options.clock.nowMs());
  }

  /**
   * The state was written by an earlier process, which may have given blocks back just before it ended: until
   * observations can no longer lag that, what is not in the state is not taken over.
   */
  followsAnother(): void {
    this.#adoptsFromMs = this.#options.clock.nowMs() + LIMITS.lagMs;
  }

  merge(observation: Observation): Verdict {
    const { node } = this.#options;
    const changes: Change[] = [];
    // What a step makes or takes away is the step's to report: until then it may still be undone.
    const attached = observation.interfaces.filter(
      ({ id, attached }) => attached && !node.isInTheMaking(id) && !this.#justRemoved(id, observation),
    );
    for (const observed of attached) this.#mergeInterface(observed, observation, changes);
    const denied = observation.complete ? this.#deniedBy(observation) : new Set<string>();
    const fromCloud = observation.source === "cloud" && observation.complete;
    if (fromCloud) this.#believe(denied, changes);
    const retired = node.retirePrimaries();
    if (retired.length > 0) changes.push({ kind: "blocks-remove", cidrs: retired });
    // Last, for an address that left one interface may have come to another.
    this.#adoptsLater = false;
    if (observation.source === "cloud") for (const observed of attached) this.#adopt(observed, observation, changes);
    if (changes.length > 0) void this.#options.ledger.eventually(changes);
    const leaked = fromCloud ? this.#leaked(observation) : [];
    return {
      askCloud: observation.source === "metadata" && denied.size > 0,
      confirm: fromCloud && (this.#denied.size > 0 || this.#unattached.size > 0 || this.#adoptsLater),
      leaked,
      groupsChanged: this.#groupsChanged(attached),
    };
  }

  #justRemoved(interfaceId: string, { startedAtMs }: Observation): boolean {
    const removedAtMs = this.#gaveBackAtMs.get(interfaceKey(interfaceId)) ?? Number.NEGATIVE_INFINITY;
    return startedAtMs - removedAtMs < LIMITS.lagMs;
  }

  #mergeInterface(observed: ObservedInterface, observation: Observation, changes: Change[]): void {
    const { node } = this.#options;
    const known = node.interfaces.get(observed.id);
    // An attachment that is still on its way in metadata has no index yet; EC2's word on it stands.
    if (known === undefined && observation.source === "metadata") return;
    const record = mergeRecord(known, observed, observation.source === "cloud");
    if (JSON.stringify(known) !== JSON.stringify(record)) {
      node.interfaces.set(record.id, record);
      changes.push({ kind: "interface-put", interface: record });
    }
    const usable = node.unusableBecause(record) === "";
    node.pool.upsertInterface({ id: record.id, index: node.poolIndex(record), usable });
    for (const cidr of [...observedCidrs(observed), `${observed.primaryAddress}/32`]) {
      // Only what was lost: a block that a step gives back may be unusable too, and stays so.
      const block = node.lostSinceMs.has(cidr) ? node.pool.block(cidr)?.block : undefined;
      if (block?.interfaceId === record.id) {
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
    const takenOver = unknown.filter((cidr) => this.#mayAdopt(record.id, cidr, startedAtMs));
    // What is still on its way back from another interface of the node can be here already.
    const arriving = cidrs.some((cidr) => {
      const held = node.pool.block(cidr);
      return held !== undefined && held.block.interfaceId !== record.id && held.releasing > 0;
    });
    this.#adoptsLater ||= takenOver.length < unknown.length || arriving;
    // On an interface of its own, what it does not know is left from a call of its own.
    const own = record.madeBy === "enid";
    const found = takenOver.map((cidr) => ({ ...blockOf(cidr, observed.id), ...(own ? {} : { found: true }) }));
    const primary = node.primaryBlock(record);
    const adopted = [...found, ...(primary === undefined ? [] : [primary])].filter((block) => node.enter(block));
    this.#countStrays(record.id, observedCidrs(observed));
    if (adopted.length === 0) return;
    changes.push({ kind: "blocks-put", blocks: adopted });
    this.#stamp(adopted.map((block) => block.cidr));
    this.#tell("blocks-adopted", "info", `${adopted.length} blocks found on ${observed.id} joined the pool`, {
      interface: observed.id,
      cidrs: adopted.map((block) => block.cidr),
    });
  }

  /** An observation may lag what was given back, by this process or by the one before. */
  #mayAdopt(interfaceId: string, cidr: string, startedAtMs: number): boolean {
    const gaveBackAtMs = this.#gaveBackAtMs.get(strayKey(interfaceId, cidr)) ?? Number.NEGATIVE_INFINITY;
    return startedAtMs >= this.#adoptsFromMs && startedAtMs - gaveBackAtMs >= LIMITS.lagMs;
  }

  /** Without groups in the settings, those of the primary interface are everyone's. */
  #groupsChanged(attached: readonly ObservedInterface[]): boolean {
    const { facts, resolution } = this.#options.node;
    const primary = attached.find(({ id }) => id === facts?.primaryInterfaceId);
    if (primary === undefined || resolution === undefined || primary.securityGroups.length === 0) return false;
    return [...primary.securityGroups].sort().join() !== [...resolution.securityGroups].sort().join();
  }

  #deniedBy(observation: Observation): Set<string> {
    const { node } = this.#options;
    const seen = new Map(
      observation.interfaces
        .filter((i) => i.attached)
        .map((i) => [i.id, new Set([...observedCidrs(i), `${i.primaryAddress}/32`])]),
    );
    const denied = new Set<string>();
    const deny = (key: string) => {
      const learnedAtMs = this.#learnedAtMs.get(key) ?? 0;
      if (learnedAtMs + LIMITS.lagMs <= observation.startedAtMs) denied.add(key);
    };
    for (const { block, releasing } of node.pool.blocks()) {
      // What is being given back is its step's to report.
      if (releasing > 0) continue;
      if (node.interfaces.has(block.interfaceId) && !seen.get(block.interfaceId)?.has(block.cidr)) deny(block.cidr);
    }
    for (const { id, deviceIndex } of node.interfaces.values()) {
      if (deviceIndex >= 0 && !seen.has(id) && !node.isBusy(id)) deny(interfaceKey(id));
    }
    return denied;
  }

  #stamp(keys: readonly string[]): void {
    const nowMs = this.#options.clock.nowMs();
    for (const key of keys) this.#learnedAtMs.set(key, nowMs);
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
    this.#forgetLost();
  }

  /** What left the pool, in whatever way, is lost no longer. */
  #forgetLost(): void {
    const { node, degradations } = this.#options;
    for (const cidr of node.lostSinceMs.keys()) if (node.pool.block(cidr) === undefined) node.lostSinceMs.delete(cidr);
    if (node.lostSinceMs.size === 0) degradations.clear("address-denied");
  }

  #dropBlock(cidr: string, changes: Change[]): void {
    const { node, clock, degradations, history } = this.#options;
    const known = node.pool.block(cidr);
    if (known === undefined) return;
    const address = cidr.slice(0, cidr.indexOf("/"));
    if (known.leased + known.cooling === 0) {
      node.pool.removeBlock(cidr);
      changes.push({ kind: "blocks-remove", cidrs: [cidr] });
      this.#learnedAtMs.delete(cidr);
      node.lostSinceMs.delete(cidr);
      history.add(clock.nowMs(), "", address, `${cidr} left the pool: EC2 says twice that the node no longer has it`);
      this.#tell("block-lost", "warn", `${cidr} is no longer the node's; it left the pool`, { cidr });
      return;
    }
    node.pool.setBlockUsable(cidr, false);
    if (!node.lostSinceMs.has(cidr)) {
      node.lostSinceMs.set(cidr, clock.nowMs());
      changes.push({ kind: "blocks-put", blocks: [{ ...known.block, lost: true }] });
    }
    const error = new EnidError("ENID_ADDRESS_LOST", { cidr, interfaceId: known.block.interfaceId });
    degradations.set("address-denied", error, clock.nowMs());
    history.add(clock.nowMs(), "", address, error.message);
    this.#tell("leased-block-lost", "error", error.message, { cidr });
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
    this.#learnedAtMs.delete(interfaceKey(interfaceId));
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

/** When a block was given back is remembered for the interface that had it: another one may get it at once. */
function strayKey(interfaceId: string, cidr: string): string {
  return `${interfaceId} ${cidr}`;
}

function isIpv6(cidr: string): boolean {
  return familyOf(cidr) === "ipv6";
}

/** A block of EC2: single addresses are /32, everything else is a delegated prefix. */
export function blockOf(cidr: string, interfaceId: string): Block {
  return { cidr, interfaceId, kind: cidr.endsWith("/32") && !isIpv6(cidr) ? "address" : "prefix" };
}

/** Everything on the interface that pods can have but its primary address, as canonical CIDRs. */
export function observedCidrs(observed: ObservedInterface): string[] {
  return [
    ...observed.addresses.map((address) => `${address}/32`),
    ...observed.prefixes,
    ...(observed.ipv6Prefixes ?? []),
  ];
}

/** The record to keep: EC2 knows all of it; metadata knows neither attachment, maker nor tags. */
function mergeRecord(
  known: InterfaceRecord | undefined,
  observed: ObservedInterface,
  fromCloud: boolean,
): InterfaceRecord {
  const {
    attached: _attached,
    addresses: _addresses,
    prefixes: _prefixes,
    ipv6Prefixes: _ipv6Prefixes,
    ...record
  } = observed;
  if (known === undefined) return record;
  if (!fromCloud)
    return {
      ...known,
      securityGroups: record.securityGroups.length > 0 ? record.securityGroups : known.securityGroups,
    };
  return {
    ...record,
    subnetCidr: record.subnetCidr || known.subnetCidr,
    attachmentId: record.attachmentId || known.attachmentId,
  };
}
