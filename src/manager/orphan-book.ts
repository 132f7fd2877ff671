import type { Lease, Sandbox } from "../pool/index.ts";
import { LIMITS } from "./limits.ts";
import { NEVER } from "./moments.ts";

export type SandboxVerdict = "there" | "gone" | "unknown";

/** A lease that seems to be nobody's any more. */
export interface LeftBehind {
  readonly lease: Lease;
  /** Wall ms since which every look said that its sandbox is gone, or at which the first list left it out. */
  readonly sinceMs: number;
  readonly because: "sandbox-gone" | "not-listed";
}

interface Gone {
  readonly sinceMs: number;
  /** Not before then, whatever the grace. */
  readonly notBeforeMs: number;
}

export interface Seen {
  readonly lease: Lease;
  readonly sandbox: Sandbox;
  readonly verdict: SandboxVerdict;
}

/** What a look brought. */
export interface Findings {
  /** Their sandboxes are gone since this look. */
  readonly orphaned: readonly Lease[];
  /** Their sandboxes were said to be gone, and are not said to be so any more. */
  readonly back: readonly Lease[];
  /** Folders of which every sandbox went at once. */
  readonly vanished: readonly { readonly folder: string; readonly count: number }[];
}

/**
 * Which leases were left behind, by what looks at their sandboxes and lists of the runtime say. It knows no time of its own
 * and does nothing. Gone for the grace is what was gone in each look of it: one that cannot tell begins the grace anew.
 * Leases are told apart as objects: one that was made anew is another one. Gone with the process: then the grace begins
 * anew as well.
 */
export class OrphanBook {
  readonly #gone = new Map<Lease, Gone>();
  readonly #unlisted = new Map<Lease, number>();

  /** One look, at the sandboxes of all leases that have one. */
  seen(all: readonly Seen[], nowMs: number): Findings {
    const vanished = this.#vanished(all);
    const orphaned: Lease[] = [];
    const back: Lease[] = [];
    for (const { lease, sandbox, verdict } of all) {
      const known = this.#gone.has(lease);
      if (verdict !== "gone") {
        if (this.#gone.delete(lease)) back.push(lease);
      } else if (!known) {
        const notBeforeMs = vanished.has(sandbox.folder) ? nowMs + LIMITS.vanishedGraceMs : 0;
        this.#gone.set(lease, { sinceMs: nowMs, notBeforeMs });
        orphaned.push(lease);
      }
    }
    return { orphaned, back, vanished: [...vanished.values()] };
  }

  /** A look came to nothing. */
  sawNothing(): void {
    this.#gone.clear();
  }

  /** What was gone for the grace, in the last look as well. */
  due(graceMs: number, nowMs: number): readonly LeftBehind[] {
    return [...this.#gone]
      .filter(([, gone]) => endMs(gone, graceMs) <= nowMs)
      .map(([lease, { sinceMs }]) => ({ lease, sinceMs, because: "sandbox-gone" }));
  }

  /** When the lease ends if its sandbox stays gone; Infinity = never. */
  endMs(lease: Lease, graceMs: number): number {
    const gone = this.#gone.get(lease);
    return gone === undefined ? NEVER : endMs(gone, graceMs);
  }

  /** When the grace of the first one is over, after `nowMs`; Infinity = of none. */
  nextDueMs(graceMs: number, nowMs: number): number {
    let nextMs = NEVER;
    for (const gone of this.#gone.values()) {
      const dueMs = endMs(gone, graceMs);
      if (dueMs > nowMs) nextMs = Math.min(nextMs, dueMs);
    }
    return nextMs;
  }

  /** A list names it. */
  listed(lease: Lease): void {
    this.#unlisted.delete(lease);
  }

  /** A list leaves it out; true when it is the first one. */
  unlisted(lease: Lease, nowMs: number): boolean {
    if (this.#unlisted.has(lease)) return false;
    this.#unlisted.set(lease, nowMs);
    return true;
  }

  isUnlistedFor(lease: Lease, graceMs: number, nowMs: number): boolean {
    const sinceMs = this.#unlisted.get(lease);
    return sinceMs !== undefined && nowMs - sinceMs >= graceMs;
  }

  /** One entry a lease, those that are gone first. */
  *leftBehind(): Iterable<LeftBehind> {
    for (const [lease, { sinceMs }] of this.#gone) yield { lease, sinceMs, because: "sandbox-gone" };
    for (const [lease, sinceMs] of this.#unlisted) {
      if (!this.#gone.has(lease)) yield { lease, sinceMs, because: "not-listed" };
    }
  }

  forget(lease: Lease): void {
    this.#gone.delete(lease);
    this.#unlisted.delete(lease);
  }

  /** Leaves out the leases that have ended. */
  keepOnly(isHeld: (lease: Lease) => boolean): void {
    for (const lease of [...this.#gone.keys(), ...this.#unlisted.keys()]) if (!isHeld(lease)) this.forget(lease);
  }

  /**
   * Folders of which every sandbox that was not gone before is gone now. More often than a drained node whose every DEL was
   * lost, that is somebody who cleaned up in the folder: the namespaces of the pods live on without their names.
   */
  #vanished(all: readonly Seen[]): Map<string, { folder: string; count: number }> {
    const byFolder = new Map<string, Seen[]>();
    for (const one of all) {
      if (this.#gone.has(one.lease)) continue;
      const others = byFolder.get(one.sandbox.folder);
      if (others === undefined) byFolder.set(one.sandbox.folder, [one]);
      else others.push(one);
    }
    const vanished = new Map<string, { folder: string; count: number }>();
    for (const [key, members] of byFolder) {
      if (members.length < LIMITS.vanishedAtOnce || members.some(({ verdict }) => verdict !== "gone")) continue;
      vanished.set(key, { folder: folderName(members[0]?.sandbox.path ?? ""), count: members.length });
    }
    return vanished;
  }
}

function endMs({ sinceMs, notBeforeMs }: Gone, graceMs: number): number {
  return Math.max(sinceMs + graceMs, notBeforeMs);
}

function folderName(path: string): string {
  return path.startsWith("/proc/") ? "/proc" : path.slice(0, path.lastIndexOf("/"));
}
