import type { Clock } from "../adapters/index.ts";
import { EnidError } from "../errors.ts";
import type { Block } from "../pool/index.ts";
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

  constructor(options: ObserverOptions) {
    this.#options = options;
  }

  /** All that the interface carries, from the answers of a step: newer than any observation under way. */
  learned(interfaceId: string, cidrs: readonly string[]): void {
    this.#stamp([interfaceKey(interfaceId), ...cidrs]);
    this.#countStrays(interfaceId, cidrs);
  }

  merge(observation: Observation): Verdict {
    const { node } = this.#options;
    const changes: Change[] = [];
    // What a step makes or takes away is the step's to report: until then it may still be undone.
    const attached = observation.interfaces.filter(({ id, attached }) => attached && !node.isInTheMaking(id));
    for (const observed of attached) this.#mergeInterface(observed, observation, changes);
    const denied = observation.complete ? this.#deniedBy(observation) : new Set<string>();
    const fromCloud = observation.source === "cloud" && observation.complete;
    if (fromCloud) this.#believe(denied, changes);
    // Last, for an address that left one interface may have come to another.
    if (observation.source === "cloud") for (const observed of attached) this.#adopt(observed, changes);
    if (changes.length > 0) void this.#options.ledger.eventually(changes);
    const leaked = fromCloud ? this.#leaked(observation) : [];
    return {
      askCloud: observation.source === "metadata" && denied.size > 0,
      confirm: fromCloud && (this.#denied.size > 0 || this.#unattached.size > 0),
      leaked,
    };
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
    node.pool.upsertInterface({ id: record.id, index: record.deviceIndex, usable });
    for (const cidr of observedCidrs(observed)) {
      const known = node.pool.block(cidr);
      if (known?.usable === false && known.block.interfaceId === record.id) {
        node.pool.setBlockUsable(cidr, true);
        this.#tell("block-returned", "info", `${cidr} is on ${observed.id} again`, { cidr, interface: observed.id });
      }
    }
  }

  /** Addresses that somebody (or a crashed call) put on the interface join the pool. */
  #adopt(observed: ObservedInterface, changes: Change[]): void {
    const { node } = this.#options;
    const record = node.interfaces.get(observed.id);
    if (record === undefined || node.unusableBecause(record) !== "") return;
    const cidrs = observedCidrs(observed);
    this.#countStrays(record.id, cidrs);
    const adopted: Block[] = [];
    for (const cidr of cidrs) {
      if (node.pool.block(cidr) !== undefined) continue;
      const block: Block = { cidr, interfaceId: observed.id, kind: cidr.endsWith("/32") ? "address" : "prefix" };
      node.pool.addBlock(block);
      adopted.push(block);
    }
    if (adopted.length === 0) return;
    changes.push({ kind: "blocks-put", blocks: adopted });
    this.#stamp(adopted.map((block) => block.cidr));
    this.#tell("blocks-adopted", "info", `${adopted.length} addresses found on ${observed.id} joined the pool`, {
      interface: observed.id,
      cidrs: adopted.map((block) => block.cidr),
    });
  }

  #deniedBy(observation: Observation): Set<string> {
    const { node } = this.#options;
    const seen = new Map(
      observation.interfaces.filter((i) => i.attached).map((i) => [i.id, new Set(observedCidrs(i))]),
    );
    const denied = new Set<string>();
    const deny = (key: string) => {
      const learnedAtMs = this.#learnedAtMs.get(key) ?? 0;
      if (learnedAtMs + LIMITS.lagMs <= observation.startedAtMs) denied.add(key);
    };
    for (const { block } of node.pool.blocks()) {
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

  /** The pool holds an address once: one that came here while a lease keeps it elsewhere still takes a slot here. */
  #countStrays(interfaceId: string, cidrs: readonly string[]): void {
    const { node } = this.#options;
    const elsewhere = (cidr: string) => (node.pool.block(cidr)?.block.interfaceId ?? interfaceId) !== interfaceId;
    node.strays.set(interfaceId, new Set(cidrs.filter(elsewhere)).size);
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
    const unusable = [...this.#options.node.pool.blocks()].some(({ usable }) => !usable);
    if (!unusable) this.#options.degradations.clear("address-denied");
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
      history.add(clock.nowMs(), "", address, `${cidr} left the pool: EC2 says twice that the node no longer has it`);
      this.#tell("block-lost", "warn", `${cidr} is no longer the node's; it left the pool`, { cidr });
      return;
    }
    node.pool.setBlockUsable(cidr, false);
    const error = new EnidError("ENID_REFUSED", {
      detail: `EC2 says twice that ${cidr} is not on ${known.block.interfaceId}, yet a pod has or just had it; what is leased stays, the address is given to nobody else`,
    });
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
    node.interfaces.delete(interfaceId);
    node.strays.delete(interfaceId);
    this.#learnedAtMs.delete(interfaceKey(interfaceId));
    node.pool.removeInterface(interfaceId);
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

/** Everything on the interface that pods can have, as canonical CIDRs. */
export function observedCidrs(observed: ObservedInterface): string[] {
  return [...observed.addresses.map((address) => `${address}/32`), ...observed.prefixes];
}

/** The record to keep: EC2 knows all of it; metadata knows neither attachment, maker nor tags. */
function mergeRecord(
  known: InterfaceRecord | undefined,
  observed: ObservedInterface,
  fromCloud: boolean,
): InterfaceRecord {
  const { attached: _attached, addresses: _addresses, prefixes: _prefixes, ...record } = observed;
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
