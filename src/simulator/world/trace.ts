import type { LogEntry } from "../engine/index.ts";
import type { SeedOptions } from "./options.ts";
import type { Trace } from "./outcome.ts";
import { runSeed } from "./run.ts";

/** Entries kept at most: the story of a machine over a day is longer than anybody reads. */
const ENTRIES_LIMIT = 20_000;

/**
 * The story of one address, pod ("namespace/name"), interface, container or machine: runs the seed and keeps what names
 * it, and every broken promise.
 */
export async function traceOf(options: SeedOptions, subject: string): Promise<Trace> {
  const entries: LogEntry[] = [];
  // "10.65.0.1" is not "10.65.0.12", and "node-1" not "node-12".
  const escaped = subject.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  const names = new RegExp(`(?<![\\w.:-])${escaped}(?![\\w:-]|\\.\\d)`);
  await runSeed(options, (entry) => {
    if (entries.length >= ENTRIES_LIMIT) return;
    if (entry.machine === subject || entry.kind === "broken" || names.test(entry.text)) entries.push(entry);
  });
  return { subject, entries };
}
