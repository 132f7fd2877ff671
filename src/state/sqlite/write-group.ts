import type { DatabaseSync } from "node:sqlite";
import type { EnidError } from "../../errors.ts";
import { asWriteFailure, type Call, type WriteGroup } from "../group-commit.ts";
import { writeFailed, writeFailureOf } from "../write-failure.ts";
import { applyChange } from "./apply.ts";
import { messageOf, primaryCode, SQLITE_CONSTRAINT, SQLITE_FULL, SQLITE_TOOBIG, sqliteCode } from "./sqlite-error.ts";
import { prepareStatements } from "./statements.ts";

/** Pages beyond the size limit that only calls without a new lease may take, so that a full state still lets pods go. */
const PAGES_FOR_ENDINGS = 64;

/**
 * Writes a group in one transaction. When that fails because of one of the calls, each call gets a transaction of its
 * own, in order: the one at fault fails alone. (Not savepoints: SQLite takes back the whole transaction when it is out
 * of room.) When the disk itself fails, all calls fail with it.
 */
export function createWriteGroup(database: DatabaseSync, maxPages: number): WriteGroup {
  const statements = prepareStatements(database);
  const begin = database.prepare("BEGIN IMMEDIATE");
  const commit = database.prepare("COMMIT");

  /** Applies all calls in one transaction; undefined when it is durable, otherwise why nothing of it was done. */
  function transact(calls: readonly Call[]): EnidError | undefined {
    try {
      // A failed rollback of an earlier transaction must not end the store.
      if (database.isTransaction) database.exec("ROLLBACK");
      begin.run();
      for (const call of calls) {
        for (const change of call) applyChange(statements, change);
      }
      commit.run();
      return undefined;
    } catch (thrown) {
      const failure = toWriteFailure(thrown);
      try {
        if (database.isTransaction) database.exec("ROLLBACK");
      } catch (again) {
        return toWriteFailure(again);
      }
      return failure;
    }
  }

  function transactBeyondLimit(call: Call): EnidError | undefined {
    tryLimit(maxPages + PAGES_FOR_ENDINGS);
    const failure = transact([call]);
    tryLimit(maxPages);
    return failure;
  }

  /** Whether the limit could be set must not decide what is said of the transaction. */
  function tryLimit(pages: number): void {
    try {
      limitPages(database, pages);
    } catch {
      // The limit before stays: too low, the transaction says so; too high, by 64 pages.
    }
  }

  function transactAlone(call: Call): EnidError | undefined {
    const failure = transact([call]);
    const full = failure !== undefined && writeFailureOf(failure)?.reason === "full";
    return full && !call.some((change) => change.kind === "lease-put") ? transactBeyondLimit(call) : failure;
  }

  return (calls) => {
    const together = transact(calls);
    if (together === undefined) return { outcomes: calls.map(() => undefined), transactions: 1 };
    let broken: EnidError | undefined = isOfTheDisk(together) ? together : undefined;
    const outcomes = calls.map((call) => {
      if (broken !== undefined) return broken;
      const failure = transactAlone(call);
      if (failure !== undefined && isOfTheDisk(failure)) broken = failure;
      return failure;
    });
    return { outcomes, transactions: outcomes.filter((outcome) => outcome === undefined).length };
  };
}

export function limitPages(database: DatabaseSync, maxPages: number): void {
  database.prepare(`PRAGMA max_page_count = ${maxPages}`).get();
}

function isOfTheDisk(failure: EnidError): boolean {
  return writeFailureOf(failure)?.reason === "storage";
}

function toWriteFailure(thrown: unknown): EnidError {
  const code = sqliteCode(thrown);
  if (code === undefined) return asWriteFailure(thrown);
  const primary = primaryCode(thrown);
  if (primary === SQLITE_FULL) return writeFailed(messageOf(thrown), { reason: "full", sqliteCode: code }, thrown);
  if (primary === SQLITE_CONSTRAINT) {
    return writeFailed(messageOf(thrown), { reason: "conflict", sqliteCode: code }, thrown);
  }
  const reason = primary === SQLITE_TOOBIG ? "invalid" : "storage";
  return writeFailed(messageOf(thrown), { reason, sqliteCode: code }, thrown);
}
