import type { Clock, Random } from "../adapters/index.ts";
import type { EnidError } from "../errors.ts";
import type { AddRequest } from "../handoff/cni/port.ts";
import type { Attachment, Lease } from "../pool/index.ts";
import type { FixedBook } from "./fixed-book.ts";
import type { FixedLosses } from "./fixed-losses.ts";
import type { FixedPod } from "./fixed-rules.ts";
import type { FixedTaking } from "./fixed-taking.ts";
import type { Ledger } from "./ledger.ts";
import type { NodeState } from "./node.ts";
import type { Change, FixedRecords, Provider } from "./ports/index.ts";

/** Leases exactly this address, with these changes in its commit. */
export type MakeLease = (address: string, changes: readonly Change[]) => Promise<Lease>;

/** One ADD of a pod that keeps its address. */
export interface Work {
  readonly request: AddRequest;
  readonly fixed: FixedPod;
  readonly make: MakeLease;
  readonly sinceMs: number;
  readonly deadlineMs: number;
  readonly over: AbortController;
  readonly result: PromiseWithResolvers<Lease>;
  waitingFor: string;
}

export interface FixedAddingOptions {
  readonly node: NodeState;
  readonly ledger: Ledger;
  readonly clock: Clock;
  readonly random: Random;
  readonly provider: Pick<Provider, "observe">;
  readonly book: FixedBook;
  readonly taking: FixedTaking;
  readonly losses: FixedLosses;
  /** Undefined = the node is in no fleet. */
  readonly records: FixedRecords | undefined;
  /** Why nothing may be leased now; undefined = serve. */
  readonly closed: () => EnidError | undefined;
  /** The first look at the node must not wait any longer. */
  readonly hurry: () => void;
  /** Ends a lease that must not be answered with. */
  readonly end: (attachment: Attachment) => Promise<void>;
  /** Asks the fleet now what this node holds; rejects when it is away. */
  readonly sync: () => Promise<void>;
  /** The fleet is to hear soon of what became of the pod's address. */
  readonly soon: (pod: string) => void;
}
