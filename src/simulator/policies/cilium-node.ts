/** A node as the operator has it: its CiliumNode resource, what it knows of the instance, and where its upkeep stands. */
import type { NodeContext } from "../scenario/index.ts";
import type { ShownInterface } from "./answers.ts";
import { neededAddresses, type PeerSettings } from "./peer-settings.ts";

export interface KnownInterface {
  readonly id: string;
  readonly deviceIndex: number;
  readonly subnetId: string;
  readonly securityGroups: readonly string[];
  readonly addresses: Set<string>;
}

/** What the CiliumNode shows the agent: pod addresses by interface. */
export type PublishedPool = readonly { readonly interfaceId: string; readonly addresses: readonly string[] }[];

/** Who reads the CiliumNode and counts the pods. */
export interface NodeReader {
  receive(pool: PublishedPool): void;
  /** Pods of the node in phase Pending, as the operator sees them in Kubernetes. */
  pendingPods(): number;
}

export class CiliumNode {
  readonly context: NodeContext;
  readonly settings: PeerSettings;
  readonly interfaces = new Map<string, KnownInterface>();
  reader: NodeReader;
  /** status.ipam.used, as the agent last wrote it. */
  used = 0;
  /** Where the primary interface is: the node's own subnet. */
  home: { readonly subnetId: string; readonly vpcId: string; readonly zone: string } | undefined;
  /** waitingForPoolMaintenance. */
  isMaintaining = false;
  /** When the upkeep ended after which no other may begin before a sync that started later; undefined = none. */
  resyncNeededMs: number | undefined;
  failures = 0;
  failedAtMs = Number.NEGATIVE_INFINITY;
  published: PublishedPool = [];
  #available = 0;

  constructor(context: NodeContext, settings: PeerSettings, reader: NodeReader) {
    this.context = context;
    this.settings = settings;
    this.reader = reader;
  }

  /** Addresses for pods that it holds. */
  get available(): number {
    return this.#available;
  }

  get needed(): number {
    return this.interfaces.size === 0 ? 0 : neededAddresses(this.settings, this.#available, this.used);
  }

  /**
   * What a describe shows is added to what is known: the operator gives nothing back here (excess release is off), so an
   * answer that lags behind its own calls can only show less.
   */
  learn(shown: ShownInterface): void {
    if (shown.deviceIndex === 0) this.home = shown;
    const known = this.interfaces.get(shown.id);
    if (known === undefined) this.interfaces.set(shown.id, { ...shown, addresses: new Set() });
    this.addAddresses(shown.id, shown.secondaryAddresses);
  }

  addAddresses(interfaceId: string, addresses: readonly string[]): void {
    const known = this.interfaces.get(interfaceId);
    if (known === undefined) return;
    for (const address of addresses) {
      if (known.addresses.has(address)) continue;
      known.addresses.add(address);
      if (this.#carriesPods(known)) this.#available += 1;
    }
  }

  /** An interface for pods with room, and the room. */
  roomiest(): { readonly known: KnownInterface; readonly room: number } | undefined {
    for (const known of this.interfaces.values()) {
      const room = this.settings.slotsPerInterface - known.addresses.size;
      if (this.#carriesPods(known) && room > 0) return { known, room };
    }
    return undefined;
  }

  nextDeviceIndex(from: number): number {
    const taken = new Set([...this.interfaces.values()].map(({ deviceIndex }) => deviceIndex));
    let index = from;
    while (taken.has(index)) index += 1;
    return index;
  }

  pool(): PublishedPool {
    return [...this.interfaces.values()]
      .filter((known) => this.#carriesPods(known))
      .map(({ id, addresses }) => ({ interfaceId: id, addresses: [...addresses] }));
  }

  #carriesPods({ deviceIndex }: KnownInterface): boolean {
    return deviceIndex >= this.settings.firstInterfaceIndex;
  }
}
