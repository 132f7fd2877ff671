import type { EnidError } from "../errors.ts";
import type {
  Change,
  FixedRecord,
  FleetProfile,
  Intent,
  InterfaceRecord,
  StoredConfiguration,
  StoredOverride,
  StoredResolution,
  StoredState,
} from "../manager/ports/index.ts";
import type { Attachment, Block, Cooling, Lease } from "../pool/index.ts";
import { asWriteFailure, type Call, type WriteGroup } from "./group-commit.ts";
import { copyBlock, copyFixed, copyIntent, copyInterface, copyJson, copyLease, copyProfile } from "./record-copies.ts";
import {
  addressesOf,
  addressTaken,
  attachmentTaken,
  coolingUntilMs,
  interfaceUnknown,
  jsonText,
  unknownChange,
  wallMs,
} from "./rules.ts";
import { UndoLog } from "./undo-log.ts";

/** The tables of the SQLite store as maps, with the same rules. */
export class MemoryTables {
  readonly #log = new UndoLog();
  readonly #leases = new Map<string, Lease>();
  /** Attachment → address. */
  readonly #held = new Map<string, string>();
  /** IPv6 address of a dual-stack lease → its other address. */
  readonly #ipv6 = new Map<string, string>();
  readonly #cooling = new Map<string, Cooling>();
  readonly #interfaces = new Map<string, InterfaceRecord>();
  readonly #blocks = new Map<string, Block>();
  readonly #intents = new Map<string, Intent>();
  readonly #overrides = new Map<string, StoredOverride>();
  readonly #configuration = new Map<"last", StoredConfiguration>();
  readonly #resolution = new Map<"last", StoredResolution>();
  readonly #fixed = new Map<string, FixedRecord>();
  readonly #profiles = new Map<"all", readonly FleetProfile[]>();
  readonly #identity = new Map<"boot" | "instance", string>();

  /** Each call whole or not at all, in order. */
  readonly writeGroup: WriteGroup = (calls) => {
    const outcomes = calls.map((call) => this.#commit(call));
    return { outcomes, transactions: outcomes.includes(undefined) ? 1 : 0 };
  };

  /** All changes or none; the error when none. */
  #commit(changes: Call): EnidError | undefined {
    try {
      for (const change of changes) this.#apply(change);
      this.#log.commit();
      return undefined;
    } catch (thrown) {
      this.#log.rollback();
      return asWriteFailure(thrown);
    }
  }

  restore(state: StoredState): void {
    for (const lease of state.leases) this.#putLease(lease);
    for (const cooling of state.cooling) this.#cooling.set(cooling.address, { ...cooling });
    for (const record of state.interfaces) this.#interfaces.set(record.id, copyInterface(record));
    for (const block of state.blocks) this.#blocks.set(block.cidr, copyBlock(block));
    for (const intent of state.intents) this.#intents.set(intent.id, copyIntent(intent));
    for (const [name, override] of Object.entries(state.overrides)) this.#overrides.set(name, copyJson(override));
    if (state.configuration !== undefined) this.#configuration.set("last", { ...state.configuration });
    if (state.resolution !== undefined) this.#resolution.set("last", copyJson(state.resolution));
    for (const record of state.fixed ?? []) this.#fixed.set(record.pod, copyFixed(record));
    if (state.profiles !== undefined) this.#profiles.set("all", state.profiles.map(copyProfile));
    this.#identity.set("boot", state.bootId).set("instance", state.instanceId);
    this.#log.commit();
  }

  state(): StoredState {
    const resolution = this.#resolution.get("last");
    const profiles = this.#profiles.get("all") ?? [];
    return {
      bootId: this.#identity.get("boot") ?? "",
      instanceId: this.#identity.get("instance") ?? "",
      leases: sorted(this.#leases, (lease) => [lease.address]).map(copyLease),
      cooling: sorted(this.#cooling, (cooling) => [cooling.untilMs, cooling.address]).map((cooling) => ({
        ...cooling,
      })),
      interfaces: sorted(this.#interfaces, (record) => [record.id]).map(copyInterface),
      blocks: sorted(this.#blocks, (block) => [block.cidr]).map(copyBlock),
      intents: sorted(this.#intents, (intent) => [intent.openedAtMs, intent.id]).map(copyIntent),
      overrides: Object.fromEntries([...this.#overrides].map(([name, override]) => [name, copyJson(override)])),
      configuration: copyJson(this.#configuration.get("last")),
      ...(resolution === undefined ? {} : { resolution: copyJson(resolution) }),
      ...(this.#fixed.size === 0 ? {} : { fixed: sorted(this.#fixed, (record) => [record.pod]).map(copyFixed) }),
      ...(profiles.length === 0 ? {} : { profiles: profiles.map(copyProfile) }),
    };
  }

  // What single records are asked for gives the record that is kept, not a copy: it is replaced, never changed.

  leaseOf(attachment: Attachment): Lease | undefined {
    return this.#leases.get(this.#held.get(attachmentKey(attachment)) ?? "");
  }

  /** `address`: either one of a dual-stack lease. */
  leaseOfAddress(address: string): Lease | undefined {
    return this.#holderOf(address);
  }

  intent(id: string): Intent | undefined {
    return this.#intents.get(id);
  }

  intents(): Iterable<Intent> {
    return this.#intents.values();
  }

  blocks(): Iterable<Block> {
    return this.#blocks.values();
  }

  block(cidr: string): Block | undefined {
    return this.#blocks.get(cidr);
  }

  #apply(change: Change): void {
    const log = this.#log;
    switch (change.kind) {
      case "lease-put":
        this.#putLease(change.lease);
        break;
      case "lease-end":
        this.#endLease(change);
        break;
      case "cooling-end":
        for (const address of change.addresses) log.delete(this.#cooling, address);
        break;
      case "interface-put":
        log.set(this.#interfaces, change.interface.id, copyInterface(change.interface));
        break;
      case "interface-remove":
        for (const block of [...this.#blocks.values()]) {
          if (block.interfaceId === change.interfaceId) log.delete(this.#blocks, block.cidr);
        }
        log.delete(this.#interfaces, change.interfaceId);
        break;
      case "blocks-put":
        for (const block of change.blocks) this.#putBlock(block);
        break;
      case "blocks-remove":
        for (const cidr of change.cidrs) log.delete(this.#blocks, cidr);
        break;
      case "intent-put":
        log.set(this.#intents, change.intent.id, copyIntent(change.intent));
        break;
      case "intent-close":
        log.delete(this.#intents, change.id);
        break;
      case "override-put":
        log.set(this.#overrides, change.name, {
          value: JSON.parse(jsonText(change.value, `override ${change.name}`)),
          setAtMs: wallMs(change.setAtMs, `the time of override ${change.name}`),
        });
        break;
      case "override-remove":
        log.delete(this.#overrides, change.name);
        break;
      case "configuration-put": {
        const { file, text, readAtMs } = change.configuration;
        log.set(this.#configuration, "last", { file, text, readAtMs: wallMs(readAtMs, `the time of ${file}`) });
        break;
      }
      case "resolution-put":
        log.set(this.#resolution, "last", copyJson(change.resolution));
        break;
      case "fixed-put":
        log.set(this.#fixed, change.record.pod, copyFixed(change.record));
        break;
      case "fixed-remove":
        log.delete(this.#fixed, change.pod);
        break;
      case "profiles-put":
        log.set(this.#profiles, "all", change.profiles.map(copyProfile));
        break;
      case "boot-started":
        this.#startBoot(change.bootId);
        break;
      case "instance-adopted":
        this.#adoptInstance(change.instanceId);
        break;
      default:
        throw unknownChange(change);
    }
  }

  #putLease(lease: Lease): void {
    const copy = copyLease(lease);
    const addresses = addressesOf(lease);
    const key = attachmentKey(lease.attachment);
    for (const address of addresses) {
      const holder = this.#holderOf(address);
      if (holder !== undefined && attachmentKey(holder.attachment) !== key) throw addressTaken(address);
    }
    const held = this.#leases.get(this.#held.get(key) ?? "");
    if (held !== undefined && (held.address !== lease.address || held.ipv6Address !== lease.ipv6Address)) {
      throw attachmentTaken(lease);
    }
    this.#log.set(this.#leases, lease.address, copy);
    this.#log.set(this.#held, key, lease.address);
    if (lease.ipv6Address !== undefined) this.#log.set(this.#ipv6, lease.ipv6Address, lease.address);
    for (const address of addresses) this.#log.delete(this.#cooling, address);
  }

  #endLease(change: Extract<Change, { kind: "lease-end" }>): void {
    const untilMs = coolingUntilMs(change);
    const addresses = addressesOf(change.lease);
    const { address, attachment } = change.lease;
    const key = attachmentKey(attachment);
    const lease = this.#leases.get(address);
    if (lease !== undefined && attachmentKey(lease.attachment) === key) {
      this.#log.delete(this.#leases, address);
      this.#log.delete(this.#held, key);
      if (lease.ipv6Address !== undefined) this.#log.delete(this.#ipv6, lease.ipv6Address);
    }
    for (const each of addresses) {
      if (this.#holderOf(each) === undefined) this.#log.set(this.#cooling, each, { address: each, untilMs });
    }
  }

  #holderOf(address: string): Lease | undefined {
    return this.#leases.get(address) ?? this.#leases.get(this.#ipv6.get(address) ?? "");
  }

  #putBlock(block: Block): void {
    if (!this.#interfaces.has(block.interfaceId)) throw interfaceUnknown(block);
    this.#log.set(this.#blocks, block.cidr, copyBlock(block));
  }

  #startBoot(bootId: string): void {
    if (bootId !== this.#identity.get("boot")) this.#endAllLeases();
    this.#log.set(this.#identity, "boot", bootId);
  }

  #adoptInstance(instanceId: string): void {
    const before = this.#identity.get("instance") ?? "";
    if (before !== "" && before !== instanceId) {
      this.#endAllLeases();
      for (const table of [
        this.#cooling,
        this.#blocks,
        this.#interfaces,
        this.#intents,
        this.#resolution,
        this.#fixed,
      ]) {
        this.#log.clear(table as Map<string, unknown>);
      }
    }
    this.#log.set(this.#identity, "instance", instanceId);
  }

  #endAllLeases(): void {
    this.#log.clear(this.#leases);
    this.#log.clear(this.#held);
    this.#log.clear(this.#ipv6);
  }
}

/** Values in the order of the SQLite store, so that both give equal states. */
function sorted<Value>(map: Map<string, Value>, key: (value: Value) => readonly (string | number)[]): Value[] {
  const keyed = [...map.values()].map((value) => ({ value, key: key(value) }));
  keyed.sort((left, right) => {
    for (const [index, part] of left.key.entries()) {
      const other = right.key[index];
      if (other !== undefined && part !== other) return part < other ? -1 : 1;
    }
    return 0;
  });
  return keyed.map((entry) => entry.value);
}

function attachmentKey({ network, containerId, interfaceName }: Attachment): string {
  return JSON.stringify([network, containerId, interfaceName]);
}
