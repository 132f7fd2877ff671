import type { Clock } from "../adapters/index.ts";
import { reservedIn } from "../configuration/index.ts";
import { EnidError } from "../errors.ts";
import { type Block, type BlockCounts, cidrDifference, cidrHolds, cidrsOverlap } from "../pool/index.ts";
import type { Degradations } from "./degradations.ts";
import { podName } from "./history.ts";
import type { Ledger } from "./ledger.ts";
import type { NodeState } from "./node.ts";
import { type Change, NODE_INTERFACE, NODE_RECORD, type Telemetry } from "./ports/index.ts";
import { layoutOf, type RangeLayout } from "./range-layout.ts";

export interface RangesOptions {
  readonly node: NodeState;
  readonly ledger: Ledger;
  readonly clock: Clock;
  readonly degradations: Degradations;
  readonly telemetry: Telemetry;
  /** Brings the next round forward. */
  readonly wake: () => void;
}

/**
 * Keeps the blocks of a node with ranges of its own in line with podCIDRs, excluded-addresses and the addresses that the
 * node itself has. A range that is no longer named drains: no pod gets an address of it anew, and it leaves with its last
 * lease. A new one joins once that is durable: a lease whose block a crash forgets would be homeless. On AWS there is
 * nothing to do.
 */
export class Ranges {
  readonly #options: RangesOptions;
  /** What the node was like when all was in line, and of that what the ranges go by. */
  #aligned = -1;
  #inLine: Basis | undefined;
  /** What the addresses for no pod were worked out from. */
  #reserved: Basis | undefined;
  /** What the node was like when conflicts were looked for, and those that were told. */
  #looked = -1;
  #conflicts = "";

  constructor(options: RangesOptions) {
    this.#options = options;
  }

  /** In every round: `align`, and whether a pod has what a device of the node has. */
  look(): void {
    this.align();
    const { node } = this.#options;
    if (!node.hasRanges || node.facts === undefined || this.#looked === node.version) return;
    this.#looked = node.version;
    this.#showConflicts();
  }

  /**
   * Brings the pool in line, at once but for ranges that are to become durable first. To be called before anything is
   * leased: it costs next to nothing while no range is concerned.
   */
  align(): void {
    const { node, ledger, clock } = this.#options;
    // Before the node is known, what the state holds may be another machine's.
    if (!node.hasRanges || node.facts === undefined || this.#aligned === node.version) return;
    if (
      isSame(
        this.#inLine,
        this.#basis((block) => `${block.usable} ${isInUse(block)}`),
      )
    ) {
      this.#aligned = node.version;
      return;
    }
    const { values } = node.settings;
    node.pool.mostLeases = values["max-allocate"] || Number.POSITIVE_INFINITY;
    // Fixed addresses that came from other nodes are of no range.
    const ofRanges = [...node.pool.blocks()].filter(({ block }) => block.kind === "node-cidr");
    const layout = layoutOf(values.podCIDRs, ofRanges);
    for (const cidr of layout.serving) this.#serve(cidr);
    for (const cidr of layout.draining) this.#drain(cidr);
    const { removed, replaced } = this.#inTheWay(layout);
    this.#remove(removed);
    // Nobody gets an address of them meanwhile; they go together with what comes in their place.
    for (const cidr of replaced) node.pool.setBlockUsable(cidr, false);
    this.#reserve();
    if (layout.added.length === 0) {
      this.#aligned = node.version;
      this.#inLine = this.#basis((block) => `${block.usable} ${isInUse(block)}`);
    } else if (!node.rangesJoin && clock.nowMs() >= ledger.refusedUntilMs) void this.#join(layout.added, replaced);
  }

  #inTheWay({ removed, added }: RangeLayout): { removed: readonly string[]; replaced: readonly string[] } {
    const isReplaced = (cidr: string) => added.some((other) => cidrsOverlap(cidr, other));
    return { removed: removed.filter((cidr) => !isReplaced(cidr)), replaced: removed.filter(isReplaced) };
  }

  #serve(cidr: string): void {
    const { node } = this.#options;
    if (node.pool.block(cidr)?.usable !== false) return;
    node.pool.setBlockUsable(cidr, true);
    this.#tell("range-back", `pods get addresses of ${cidr} again`, { cidr });
  }

  #drain(cidr: string): void {
    const { node } = this.#options;
    if (node.pool.block(cidr)?.usable !== true) return;
    node.pool.setBlockUsable(cidr, false);
    const inUse = node.pool.block(cidr);
    this.#tell("range-draining", `podCIDRs no longer names ${cidr}: it leaves with the last of its pods`, {
      cidr,
      leased: inUse?.leased ?? 0,
      cooling: inUse?.cooling ?? 0,
    });
  }

  #remove(cidrs: readonly string[]): void {
    if (cidrs.length === 0) return;
    const { node, ledger } = this.#options;
    for (const cidr of cidrs) node.pool.removeBlock(cidr);
    void ledger.eventually([{ kind: "blocks-remove", cidrs }]);
    this.#tell(
      "range-left",
      `${cidrs.join(", ")} left the pool: podCIDRs does not name it, and no pod has an address of it`,
      {
        cidrs,
      },
    );
  }

  async #join(added: readonly string[], replaced: readonly string[]): Promise<void> {
    const { node, ledger, wake } = this.#options;
    const blocks = added.map((cidr): Block => ({ cidr, interfaceId: NODE_INTERFACE, kind: "node-cidr" }));
    const known = node.interfaces.get(NODE_INTERFACE);
    const changes: Change[] = [
      { kind: "interface-put", interface: known ?? NODE_RECORD },
      ...(replaced.length === 0 ? [] : [{ kind: "blocks-remove" as const, cidrs: replaced }]),
      { kind: "blocks-put", blocks },
    ];
    node.rangesJoin = true;
    // When it was refused the ledger shows what the disk says, and a later round tries again.
    const isDurable = await ledger.must(changes).then(
      () => true,
      () => false,
    );
    node.rangesJoin = false;
    if (isDurable) {
      if (known === undefined) node.interfaces.set(NODE_INTERFACE, NODE_RECORD);
      node.refreshUsability();
      for (const cidr of replaced) node.pool.removeBlock(cidr);
      for (const block of blocks) this.#enter(block);
      this.#tell("range-joined", `pods get addresses of ${added.join(", ")}`, { cidrs: added });
    }
    this.align();
    wake();
  }

  /** Nobody gets an address of it before it is told which ones are for no pod. */
  #enter(block: Block): void {
    const { pool } = this.#options.node;
    if (!pool.addBlock(block)) return;
    pool.reserve(block.cidr, reservedOf(this.#options.node, block.cidr));
  }

  /** Tells the pool which addresses are for no pod, if that may have changed. */
  #reserve(): void {
    const { node } = this.#options;
    const basis = this.#basis(() => "");
    if (isSame(this.#reserved, basis)) return;
    for (const { block } of [...node.pool.blocks()]) {
      if (block.kind === "node-cidr") node.pool.reserve(block.cidr, reservedOf(node, block.cidr));
    }
    this.#reserved = basis;
  }

  #basis(say: (block: BlockCounts) => string): Basis {
    const { settings, ownAddresses, pool } = this.#options.node;
    const blocks = [...pool.blocks()].map((block) => `${block.block.cidr} ${say(block)}`).join();
    return { settings, ownAddresses, blocks };
  }

  /** A pod has an address that a device of the node has as well: neither can be reached well. The lease stays. */
  #showConflicts(): void {
    const { node, degradations, clock } = this.#options;
    const conflicts = [...node.ownAddresses].flatMap(([address, device]) => {
      const lease = node.pool.leaseAt(address);
      return lease === undefined ? [] : [{ address, device, pod: podName(lease.pod) }];
    });
    if (conflicts.length === 0) degradations.clear("address-conflict");
    else {
      const detail = conflicts.map(({ address, device, pod }) => `${address} is of ${pod} and on ${device}`).join("; ");
      degradations.set("address-conflict", new EnidError("ENID_ADDRESS_CONFLICT", { detail }), clock.nowMs());
      if (detail !== this.#conflicts) this.#tell("address-conflict", detail, { conflicts }, "error");
      this.#conflicts = detail;
    }
  }

  #tell(name: string, message: string, fields: Record<string, unknown>, level: "info" | "error" = "info"): void {
    this.#options.telemetry.event({ name, level, message, fields });
  }
}

/** What the ranges go by: settings, the node's own addresses, and the blocks with what is said of each. */
type Basis = Pick<NodeState, "settings" | "ownAddresses"> & { readonly blocks: string };

function isSame(one: Basis | undefined, other: Basis): boolean {
  if (one?.settings !== other.settings || one.ownAddresses !== other.ownAddresses) return false;
  return one.blocks === other.blocks;
}

function isInUse({ leased, cooling }: BlockCounts): boolean {
  return leased + cooling > 0;
}

/** All ranges at once, into the pool of a node that has no state: for dry runs. */
export function enterRanges(node: NodeState): void {
  if (!node.hasRanges) return;
  const { podCIDRs, "max-allocate": most } = node.settings.values;
  node.pool.mostLeases = most || Number.POSITIVE_INFINITY;
  for (const cidr of podCIDRs) {
    node.pool.addBlock({ cidr, interfaceId: NODE_INTERFACE, kind: "node-cidr" });
    node.pool.reserve(cidr, reservedOf(node, cidr));
  }
}

/** What of a block no pod gets: what no range holds, what is reserved of the ranges, and what the node itself has. */
function reservedOf({ settings: { values }, ownAddresses }: NodeState, cidr: string): string[] {
  const excluded = values["excluded-addresses"];
  const ranges = values.podCIDRs.filter((range) => cidrsOverlap(range, cidr));
  return [
    ...cidrDifference(cidr, ranges),
    ...ranges.flatMap((range) => reservedIn(range, excluded)),
    // Of a part of an IPv6 range, what is excluded may lie beyond the addresses that the range itself would give.
    ...excluded,
    ...[...ownAddresses.keys()].filter((address) => cidrHolds(cidr, address)),
  ];
}
