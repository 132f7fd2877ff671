import { createHash } from "node:crypto";
import type { Cancel, Clock } from "../adapters/index.ts";
import { coerceError, EnidError } from "../errors.ts";
import { isMissing, readConfigurationBytes } from "./file.ts";
import { readConfiguration } from "./read.ts";
import type { Configuration } from "./types.ts";

export type ConfigurationChange =
  | { readonly kind: "valid"; readonly configuration: Configuration }
  | { readonly kind: "invalid"; readonly error: EnidError }
  | { readonly kind: "missing" };

export interface WatchOptions {
  readonly file: string;
  readonly clock: Clock;
  /** Resolves with the whole file or rejects with an EnidError, as readConfigurationBytes (the default) does. */
  readonly readFile?: (file: string) => Promise<Uint8Array>;
  /** From the end of one look to the next. */
  readonly pollMs?: number;
  /** The text that is applied already: it is not reported as a change. */
  readonly knownText?: string;
  /** Called once for each new content, on no other occasion. */
  readonly onChange: (change: ConfigurationChange) => void;
}

const POLL_MS = 2_000;
/** A file on a dead network disk may never answer. */
const READ_LIMIT_MS = 10_000;

/**
 * Watches the file by looking at it: notifications lose events when the file, its folder or a symbolic link to it is
 * replaced (Kubernetes swaps a link to update a ConfigMap), and a few kilobytes are read faster than that is solved.
 *
 * A content is reported when two looks in a row found it, so that half of a file being written is not reported. That two
 * looks saw the same is told by a digest of the bytes: times and sizes may stay the same while the content changes.
 * The answer stops the watch; nothing is reported afterwards.
 */
export function watchConfiguration(options: WatchOptions): Cancel {
  const { file, clock, onChange, readFile = readConfigurationBytes, pollMs = POLL_MS } = options;
  let reported = options.knownText === undefined ? undefined : digest(Buffer.from(options.knownText));
  let seen: string | undefined;
  let stopped = false;
  let cancel: Cancel = () => {};
  let reading: Promise<Sight> | undefined;

  const look = async (): Promise<void> => {
    try {
      // A read that hangs is waited for again, not joined by another one at every look.
      reading ??= lookAt(file, readFile).finally(() => {
        reading = undefined;
      });
      const sight = await withLimit(clock, file, reading);
      if (stopped) return;
      const stable = sight.key === seen;
      seen = sight.key;
      if (!stable || sight.key === reported) return;
      reported = sight.key;
      onChange(sight.change());
    } finally {
      // Also after an onChange that threw: the watch does not end by it.
      if (!stopped) cancel = clock.after(pollMs, () => void look());
    }
  };

  void look();
  return () => {
    stopped = true;
    cancel();
  };
}

/** What one look found. Equal keys mean equal content. */
interface Sight {
  readonly key: string;
  change(): ConfigurationChange;
}

async function lookAt(file: string, readFile: (file: string) => Promise<Uint8Array>): Promise<Sight> {
  try {
    const bytes = await readFile(file);
    return { key: digest(bytes), change: () => read(bytes, file) };
  } catch (thrown) {
    const error = coerceError(thrown);
    if (isMissing(error)) return { key: "missing", change: () => ({ kind: "missing" }) };
    return { key: `${error.code} ${error.message}`, change: () => ({ kind: "invalid", error }) };
  }
}

function read(bytes: Uint8Array, file: string): ConfigurationChange {
  try {
    return { kind: "valid", configuration: readConfiguration(bytes, file) };
  } catch (thrown) {
    return { kind: "invalid", error: coerceError(thrown) };
  }
}

function withLimit(clock: Clock, file: string, looking: Promise<Sight>): Promise<Sight> {
  return new Promise((resolve, reject) => {
    const cancel = clock.after(READ_LIMIT_MS, () => {
      const detail = `reading it took longer than ${READ_LIMIT_MS} ms`;
      const error = new EnidError("ENID_CONFIG_UNREADABLE", { file, detail });
      resolve({ key: `${error.code} ${error.message}`, change: () => ({ kind: "invalid", error }) });
    });
    looking.then(resolve, reject).finally(cancel);
  });
}

function digest(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
