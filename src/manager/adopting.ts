import ipaddr from "ipaddr.js";
import type { Clock } from "../adapters/index.ts";
import { type AdoptableLease, type AdoptionText, readAdoptionFile } from "../adoption/index.ts";
import { EnidError } from "../errors.ts";
import { type Block, type Lease, PoolError } from "../pool/index.ts";
import { type History, podName } from "./history.ts";
import type { Ledger } from "./ledger.ts";
import type { NodeState } from "./node.ts";
import { observedCidrs } from "./observed.ts";
import type { Change, InterfaceRecord, ObservedInterface, OtherIpam, Provider, Telemetry } from "./ports/index.ts";
import type { AdoptedInterface, AdoptedLease, AdoptionReport } from "./reports.ts";

export interface AdoptingOptions {
  readonly node: NodeState;
  readonly ledger: Ledger;
  readonly provider: Provider;
  readonly clock: Clock;
  readonly history: History;
  readonly telemetry: Telemetry;
  /** Has EC2 observed now. */
  readonly askCloud: () => void;
}

/** How the provider names the other IPAM in `foreignBecause`. */
const FOREIGN_OF: Readonly<Record<OtherIpam, string>> = { "vpc-cni": "VPC CNI", cilium: "Cilium" };

/** Metadata answers within milliseconds, or it is away. */
const LOOK_LIMIT_MS = 5_000;

/**
 * Takes over the leases that another IPAM's record states. Those whose address is in the pool and free are entered. So
 * are those on an interface that is still left to that IPAM: their blocks join the pool on the interface as it is, not
 * usable, so that the leases are durable before the interface is taken over (`adopt-interfaces-of`) and its other
 * addresses are given to anybody. All are one commit, made before the answer; if it fails nothing was entered. What is
 * entered already stays as it is, so that repeating it changes nothing.
 *
 * @throws EnidError ENID_ADOPTION_FILE_INVALID, ENID_STATE_WRITE_FAILED; ENID_ADOPTION_EARLY when it cannot be told
 *   now which addresses are the node's (not in a dry run).
 */
export async function adoptLeases(
  options: AdoptingOptions,
  request: AdoptionText,
  dryRun: boolean,
): Promise<AdoptionReport> {
  const { node } = options;
  const { leases, notes } = readAdoptionFile(request);
  const { interfaces: seen, unclear } = await look(options);
  // What cannot be judged now must not be left out of an adoption that goes on to take over the interfaces.
  const early = unclear ?? undecided(node, seen);
  if (!dryRun && early !== undefined) {
    options.askCloud();
    throw new EnidError("ENID_ADOPTION_EARLY", { reason: early });
  }
  // From here to the commit nothing waits: the pool is as it is judged.
  const round = new Round(options, request.from, seen);
  const reports = leases.map((lease) => round.take(lease, dryRun));
  const report: AdoptionReport = {
    from: request.from,
    file: request.file,
    dryRun,
    leases: reports,
    interfaces: round.interfaces(reports),
    notes: early === undefined ? notes : [...notes, `not all can be told yet: ${early}`],
    adopting: node.settings.values["adopt-interfaces-of"],
  };
  await round.commit();
  return report;
}

/** What each interface carries now, and why that is not all. Metadata is asked, which costs no EC2 call. */
async function look({
  provider,
  clock,
}: AdoptingOptions): Promise<{ interfaces: readonly ObservedInterface[]; unclear?: string }> {
  const limit = new AbortController();
  const cancel = clock.after(LOOK_LIMIT_MS, () => {
    limit.abort(new Error(`instance metadata did not answer within ${LOOK_LIMIT_MS / 1_000} s`));
  });
  const late = new Promise<never>((_, reject) => {
    limit.signal.addEventListener("abort", () => reject(limit.signal.reason), { once: true });
  });
  try {
    const { interfaces, complete } = await Promise.race([provider.observe("metadata", limit.signal), late]);
    const attached = interfaces.filter((one) => one.attached);
    return complete
      ? { interfaces: attached }
      : { interfaces: attached, unclear: "instance metadata does not show all that the interfaces carry" };
  } catch (thrown) {
    return { interfaces: [], unclear: thrown instanceof Error ? thrown.message : String(thrown) };
  } finally {
    cancel();
  }
}

/** Why it cannot be told of every address whether it is the node's. */
function undecided(node: NodeState, seen: readonly ObservedInterface[]): string | undefined {
  if (node.resolution === undefined) return "the allowed subnets are not known";
  const unknown = seen.filter(({ id }) => !node.interfaces.has(id));
  return unknown.length === 0 ? undefined : `EC2 has not described ${unknown.map(({ id }) => id).join(", ")}`;
}

/** One adoption: judges each lease by the pool as it is, enters it, and commits them all. */
class Round {
  readonly #options: AdoptingOptions;
  readonly #from: OtherIpam;
  readonly #seen: readonly { readonly interface: ObservedInterface; readonly cidrs: readonly string[] }[];
  readonly #entered: Lease[] = [];
  readonly #blocks: Block[] = [];

  constructor(options: AdoptingOptions, from: OtherIpam, seen: readonly ObservedInterface[]) {
    this.#options = options;
    this.#from = from;
    this.#seen = seen.map((one) => ({ interface: one, cidrs: observedCidrs(one) }));
  }

  take(wanted: AdoptableLease, dryRun: boolean): AdoptedLease {
    const { pool } = this.#options.node;
    const report = (outcome: AdoptedLease["outcome"], why: string): AdoptedLease => ({
      address: wanted.address,
      ...(wanted.ipv6Address === undefined ? {} : { ipv6Address: wanted.ipv6Address }),
      pod: podName(wanted.pod),
      interfaceId: pool.blockOf(wanted.address)?.interfaceId ?? this.#whereIs(wanted.address)?.interface.id ?? "",
      outcome,
      why,
      ...(wanted.note === undefined ? {} : { note: wanted.note }),
    });
    const present = pool.leaseAt(wanted.address);
    if (present !== undefined && isSamePod(present, wanted)) return report("known", "");
    const other = pool.leaseOf(wanted.attachment);
    if (other !== undefined) return report("refused", `its container has ${other.address} here`);
    const found = addressesOf(wanted).map((address) => ({ address, ...this.#find(address) }));
    const why = found.flatMap((one) => ("why" in one ? [one.why] : [])).join("; ");
    // Of a dual-stack pod the address that is the node's is taken even if the other one is not: the pod has it.
    const [address, ipv6Address] = found.filter((one) => !("why" in one)).map((one) => one.address);
    if (address === undefined) return report("refused", why);
    if (dryRun) return report("taken", why);
    const blocks = found.flatMap((one) => ("block" in one && one.block !== undefined ? [one.block] : []));
    const { attachment, pod, leasedAtMs = this.#options.clock.nowMs() } = wanted;
    const lease: Lease = { address, ...(ipv6Address && { ipv6Address }), attachment, pod, leasedAtMs };
    const refusal = this.#enter(lease, blocks);
    return refusal === undefined ? report("taken", why) : report("refused", refusal);
  }

  /** What becomes of each interface, by what its record says and what of the leases is on it. */
  interfaces(leases: readonly AdoptedLease[]): AdoptedInterface[] {
    const { node } = this.#options;
    return [...node.interfaces.values()]
      .filter(({ deviceIndex }) => deviceIndex >= 0)
      .sort((one, other) => node.poolIndex(one) - node.poolIndex(other))
      .map((record) => {
        const because = node.unusableBecause(record);
        const remaining = this.#remaining(record);
        // While the allowed subnets are asked for nothing is final.
        const isOpen = remaining === "" || (node.resolution === undefined && !this.#staysForeign(record));
        const outcome = because === "" ? "held" : isOpen ? "taken-over" : "left";
        return {
          id: record.id,
          subnetId: record.subnetId,
          outcome,
          why: outcome === "held" ? "" : outcome === "left" ? remaining : because,
          leases: leases.filter(({ interfaceId, outcome: of }) => interfaceId === record.id && of !== "refused").length,
        };
      });
  }

  async commit(): Promise<void> {
    const { ledger, telemetry, history, clock, node } = this.#options;
    const entered = this.#entered;
    if (entered.length === 0) return;
    const changes: Change[] = entered.map((lease) => ({ kind: "lease-put", lease }));
    if (this.#blocks.length > 0) changes.unshift({ kind: "blocks-put", blocks: this.#blocks });
    try {
      await ledger.must(changes);
    } catch (thrown) {
      // A DEL may have ended one of them meanwhile; then nothing of it is left to take back.
      for (const lease of entered) {
        if (node.pool.leaseOf(lease.attachment) === lease) node.pool.undoLease(lease.attachment);
      }
      this.#takeBack(this.#blocks);
      throw thrown;
    }
    for (const lease of entered) {
      const what = `the lease of ${lease.address} was taken over from ${FOREIGN_OF[this.#from]}`;
      history.add(clock.nowMs(), podName(lease.pod), lease.address, what);
    }
    telemetry.event({
      name: "leases-adopted",
      level: "info",
      message: `${entered.length} leases of ${FOREIGN_OF[this.#from]} were taken over`,
      fields: { from: this.#from, leases: entered.length },
    });
  }

  /** Whether the address can be taken; with the block that has to join the pool first. */
  #find(address: string): { readonly block?: Block } | { readonly why: string } {
    const { node } = this.#options;
    const state = node.pool.stateOf(address);
    if (state === "free") return {};
    if (state === "cooling") return { why: `${address} cools down: the pod that had it is gone` };
    if (state === "releasing") return { why: `${address} is being given back to EC2` };
    if (state === "leased") {
      const holder = node.pool.leaseAt(address);
      return { why: `${address} is leased to ${holder === undefined ? "another pod" : podName(holder.pod)}` };
    }
    const place = this.#whereIs(address);
    if (place === undefined) return { why: `${address} is not a pod address of this node` };
    const { id } = place.interface;
    const record = node.interfaces.get(id);
    if (record === undefined) return { why: `${address} is on ${id}, which EC2 has not described yet` };
    const remaining = this.#remaining(record);
    if (remaining !== "") return { why: `${address} is on ${id}, which carries no pods: ${remaining}` };
    const kind = place.cidr.endsWith("/32") ? "address" : "prefix";
    // As for all that enid finds on an interface of others: the other IPAM took it, and enid never gives it back.
    const found = record.madeBy === "enid" ? {} : { found: true };
    return { block: { cidr: place.cidr, interfaceId: id, kind, ...found } };
  }

  /** The interface that carries the address, and the block that it is in. */
  #whereIs(address: string): { interface: ObservedInterface; cidr: string } | undefined {
    const parsed = ipaddr.parse(address);
    for (const { interface: one, cidrs } of this.#seen) {
      const cidr = cidrs.find((block) => {
        const [base, length] = ipaddr.parseCIDR(block);
        return base.kind() === parsed.kind() && parsed.match(base, length);
      });
      if (cidr !== undefined) return { interface: one, cidr };
    }
    return undefined;
  }

  /** Why the interface would carry no pods even if it were taken over from the other IPAM; empty when it would. */
  #remaining(record: InterfaceRecord): string {
    return this.#options.node.unusableBecause({ ...record, foreign: this.#staysForeign(record) });
  }

  #staysForeign({ foreign, foreignBecause }: InterfaceRecord): boolean {
    return foreign && !foreignBecause?.includes(FOREIGN_OF[this.#from]);
  }

  /** Undefined, or why the pool refuses; then nothing was entered. */
  #enter(lease: Lease, missing: readonly Block[]): string | undefined {
    const { pool } = this.#options.node;
    const added: Block[] = [];
    try {
      for (const block of missing) if (pool.addBlock(block)) added.push(block);
      pool.restoreLease(lease);
    } catch (thrown) {
      if (!(thrown instanceof PoolError)) throw thrown;
      this.#takeBack(added);
      return thrown.message;
    }
    this.#blocks.push(...added);
    // The pool's own object: a DEL is recognised by it.
    this.#entered.push(pool.leaseOf(lease.attachment) ?? lease);
    return undefined;
  }

  #takeBack(blocks: readonly Block[]): void {
    const { pool } = this.#options.node;
    for (const { cidr } of blocks) {
      const counts = pool.block(cidr);
      if (counts !== undefined && counts.leased + counts.cooling === 0) pool.removeBlock(cidr);
    }
  }
}

function addressesOf({ address, ipv6Address }: AdoptableLease): readonly string[] {
  return ipv6Address === undefined ? [address] : [address, ipv6Address];
}

function isSamePod(present: Lease, wanted: AdoptableLease): boolean {
  const { containerId, interfaceName } = wanted.attachment;
  if (present.attachment.containerId === containerId && present.attachment.interfaceName === interfaceName) return true;
  const { namespace, name } = present.pod;
  return namespace !== "" && namespace === wanted.pod.namespace && name === wanted.pod.name;
}
