import { type Clock, sleep } from "../adapters/index.ts";
import { isOfRuntime } from "../adoption/index.ts";
import type { Attachment, Lease } from "../pool/index.ts";
import type { Activities } from "./activities.ts";
import { type History, podName } from "./history.ts";
import type { Ledger } from "./ledger.ts";
import { LIMITS } from "./limits.ts";
import { NEVER, soonest } from "./moments.ts";
import type { NodeState } from "./node.ts";
import { type LeftBehind, OrphanBook, type SandboxVerdict } from "./orphan-book.ts";
import type { EnidEvent, Sandboxes, Telemetry } from "./ports/index.ts";
import type { OrphanReport, OrphansReport } from "./reports.ts";

export interface OrphansOptions {
  readonly node: NodeState;
  readonly ledger: Ledger;
  readonly sandboxes: Sandboxes | undefined;
  readonly activities: Activities;
  readonly clock: Clock;
  readonly history: History;
  readonly telemetry: Telemetry;
  /** Ends the lease of exactly this attachment, durably. */
  readonly end: (attachment: Attachment) => Promise<void>;
}

type Listed = Pick<Attachment, "containerId" | "interfaceName">;

const LOOKING = "looking at sandboxes";

/**
 * Leases whose DEL never came: what their sandboxes and GC say of them, and when they end. About once a minute it looks at
 * the sandboxes of all leases; orphan-book.ts says what follows of what is seen.
 */
export class Orphans {
  readonly #options: OrphansOptions;
  readonly #book = new OrphanBook();
  #dueMs = 0;
  #released = 0;

  constructor(options: OrphansOptions) {
    this.#options = options;
  }

  /** Begins a look at the sandboxes when one is due. */
  look(nowMs: number): void {
    const { sandboxes, activities, node } = this.#options;
    if (sandboxes === undefined || nowMs < this.#dueMs || activities.isRunning(LOOKING)) return;
    this.#book.keepOnly((lease) => this.#isHeld(lease));
    const leases = [...node.pool.leases()].filter((lease) => this.#isDurable(lease));
    const judged = leases.flatMap(({ sandbox }) => (sandbox === undefined ? [] : [sandbox]));
    this.#dueMs = nowMs + LIMITS.sandboxesEveryMs;
    if (judged.length === 0) return;
    activities.run(
      LOOKING,
      async (signal) => {
        const verdicts = await activities.patiently(sandboxes.look(judged), signal);
        const withSandbox = leases.filter(({ sandbox }) => sandbox !== undefined);
        await this.#judge(withSandbox, verdicts);
      },
      // A look that fails or hangs says nothing of anybody.
      () => this.#book.sawNothing(),
    );
  }

  /**
   * GC, see LeaseService.collect. A lease that the list leaves out ends at once if its sandbox is gone, or if nobody can
   * tell. One whose sandbox may be there is only marked: a later list that leaves it out too, once the grace is over, ends
   * it, and one that names it takes the mark away. Rejects with ENID_STATE_WRITE_FAILED when ends cannot be written.
   */
  async collect(network: string, valid: readonly Listed[]): Promise<void> {
    const { node, clock } = this.#options;
    const cameMs = clock.nowMs();
    const listed = new Set(valid.map(keyOf));
    const own = [...node.pool.leases()].filter(
      ({ attachment }) => attachment.network === network && isOfRuntime(attachment),
    );
    for (const lease of own) if (listed.has(keyOf(lease.attachment))) this.#book.listed(lease);
    const missing = own.filter((lease) => !listed.has(keyOf(lease.attachment)) && this.#isDurable(lease));
    if (missing.length === 0) return;
    const verdicts = await this.#verdictsInTime(missing);
    const graceMs = this.#graceMs();
    const ended: Lease[] = [];
    const ending: Promise<void>[] = [];
    const end = (lease: Lease, why: string) => {
      ended.push(lease);
      ending.push(this.#release(lease, why));
    };
    for (const [index, lease] of missing.entries()) {
      if (!this.#isHeld(lease)) continue;
      const isKept = lease.sandbox !== undefined && verdicts[index] !== "gone";
      if (!isKept) end(lease, "the runtime does not list it any more (GC)");
      else if (this.#book.unlisted(lease, cameMs)) this.#tellUnlisted(lease);
      else if (this.#book.isUnlistedFor(lease, graceMs, cameMs))
        end(lease, "the runtime has not listed it for long, though its sandbox may be there (GC)");
    }
    await Promise.all(ending);
    // What a full disk refused is written later, as that of DEL; but GC has an answer for it, and can be asked again.
    const { ledger } = this.#options;
    if (ended.some((lease) => ledger.holdsLease(lease)) && ledger.refusal !== undefined) throw ledger.refusal;
  }

  /** When a look is due, after `nowMs`. */
  nextMs(nowMs: number): number {
    const { sandboxes, node } = this.#options;
    if (sandboxes === undefined || isEmpty(node.pool.leases())) return NEVER;
    return soonest(NEVER, this.#dueMs, nowMs);
  }

  /** Undefined when there is nothing to tell. */
  report(): OrphansReport | undefined {
    const leases = [...this.#book.leftBehind()].filter(({ lease }) => this.#isHeld(lease)).map(reportOf);
    return leases.length + this.#released === 0 ? undefined : { leases, released: this.#released };
  }

  /** Why the lease seems to be nobody's any more; undefined when it does not. */
  explain(lease: Lease): string | undefined {
    const found = [...this.#book.leftBehind()].find((one) => one.lease === lease);
    if (found === undefined) return undefined;
    const since = new Date(found.sinceMs).toISOString();
    return found.because === "not-listed"
      ? `the runtime does not list it since ${since} (GC), but its sandbox may be there`
      : `its sandbox ${lease.sandbox?.path} is gone since ${since} and no DEL came; ${this.#whenItEnds(lease)}`;
  }

  async #judge(leases: readonly Lease[], verdicts: readonly SandboxVerdict[]): Promise<void> {
    const { clock } = this.#options;
    const nowMs = clock.nowMs();
    // Some may have ended, or begun anew, since the look began.
    const seen = leases.flatMap((lease, index) => {
      const { sandbox } = lease;
      if (sandbox === undefined || !this.#isHeld(lease)) return [];
      return [{ lease, sandbox, verdict: verdicts[index] ?? "unknown" }];
    });
    const { orphaned, back, vanished } = this.#book.seen(seen, nowMs);
    for (const { folder, count } of vanished) this.#tellVanished(folder, count);
    for (const lease of orphaned) this.#tellOrphaned(lease);
    for (const lease of back) this.#tellBack(lease);
    const graceMs = this.#graceMs();
    const due = this.#book.due(graceMs, nowMs).filter(({ lease }) => this.#isHeld(lease));
    const ending = due.map((one) => this.#release(one.lease, reasonOf(one)));
    this.#dueMs = Math.min(nowMs + LIMITS.sandboxesEveryMs, this.#book.nextDueMs(graceMs, nowMs));
    await Promise.all(ending);
  }

  /** Of leases without a sandbox: "unknown". */
  async #verdictsInTime(leases: readonly Lease[]): Promise<readonly SandboxVerdict[]> {
    const { sandboxes, clock } = this.#options;
    const known = leases.flatMap(({ sandbox }) => (sandbox === undefined ? [] : [sandbox]));
    if (sandboxes === undefined || known.length === 0) return leases.map(() => "unknown");
    const over = new AbortController();
    const late = sleep(clock, LIMITS.sandboxLookMs, over.signal).then(() => []);
    const verdicts: readonly SandboxVerdict[] = await Promise.race([sandboxes.look(known), late]).finally(() => {
      over.abort();
      late.catch(() => undefined);
    });
    let next = 0;
    return leases.map(({ sandbox }) => (sandbox === undefined ? "unknown" : (verdicts[next++] ?? "unknown")));
  }

  /** Ends the lease in this turn; resolves once that is durable. */
  #release(lease: Lease, why: string): Promise<void> {
    const { history, clock, end } = this.#options;
    const { address, ipv6Address, pod } = lease;
    const addresses = [address, ipv6Address].filter((one) => one !== undefined);
    for (const one of addresses) history.add(clock.nowMs(), podName(pod), one, `no DEL came and ${why}`);
    this.#tell("lease-orphan-released", "warn", lease, `its lease of ${addresses.join(" and ")} ends: ${why}`);
    this.#released += 1;
    this.#book.forget(lease);
    return end(lease.attachment);
  }

  #tellOrphaned(lease: Lease): void {
    const what = `its sandbox ${lease.sandbox?.path} is gone and no DEL came; ${this.#whenItEnds(lease)}`;
    this.#note(lease, what);
    this.#tell("lease-orphaned", "warn", lease, what);
  }

  #whenItEnds(lease: Lease): string {
    const endMs = this.#book.endMs(lease, this.#graceMs());
    return endMs === NEVER
      ? "orphan-grace-seconds is 0, so that the lease stays"
      : `the lease ends at ${new Date(endMs).toISOString()}`;
  }

  #tellBack(lease: Lease): void {
    const what = "that its sandbox is gone cannot be said any more; the lease stays";
    this.#note(lease, what);
    this.#tell("lease-orphan-back", "info", lease, what);
  }

  #tellUnlisted(lease: Lease): void {
    const what = "the runtime does not list it (GC), but its sandbox may be there; the lease stays for now";
    this.#note(lease, what);
    this.#tell("lease-unlisted", "warn", lease, what);
  }

  #tellVanished(folder: string, count: number): void {
    const minutes = LIMITS.vanishedGraceMs / 60_000;
    this.#options.telemetry.event({
      name: "sandboxes-vanished",
      level: "warn",
      message: `all ${count} sandboxes in ${folder} are gone at once; their leases stay for at least ${minutes} min`,
      fields: { folder, count },
    });
  }

  #note({ address, pod }: Lease, what: string): void {
    this.#options.history.add(this.#options.clock.nowMs(), podName(pod), address, what);
  }

  #tell(name: string, level: EnidEvent["level"], { address, pod, attachment, sandbox }: Lease, what: string): void {
    this.#options.telemetry.event({
      name,
      level,
      message: `${podName(pod)}: ${what}`,
      fields: { pod: podName(pod), address, ...attachment, ...(sandbox === undefined ? {} : { path: sandbox.path }) },
    });
  }

  #isHeld(lease: Lease): boolean {
    return this.#options.node.pool.leaseOf(lease.attachment) === lease;
  }

  /** One that is not is just being made: its pod is about to have it. */
  #isDurable(lease: Lease): boolean {
    return this.#options.ledger.holdsLease(lease);
  }

  #graceMs(): number {
    const seconds = this.#options.node.settings.values["orphan-grace-seconds"];
    return seconds === 0 ? NEVER : seconds * 1_000;
  }
}

function reasonOf({ sinceMs }: LeftBehind): string {
  return `its sandbox is gone since ${new Date(sinceMs).toISOString()}`;
}

function reportOf({ lease: { address, ipv6Address, pod }, sinceMs, because }: LeftBehind): OrphanReport {
  return { address, ...(ipv6Address === undefined ? {} : { ipv6Address }), pod, sinceMs, because };
}

function keyOf({ containerId, interfaceName }: Listed): string {
  return `${containerId}\0${interfaceName}`;
}

function isEmpty(values: Iterable<unknown>): boolean {
  for (const _ of values) return false;
  return true;
}
