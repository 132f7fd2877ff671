import { createHash } from "node:crypto";

/** Something that happened in a simulated world. */
export interface LogEntry {
  /** Virtual ms since the world began. */
  readonly atMs: number;
  /** The machine it happened on; "" = no one machine. */
  readonly machine: string;
  /** What kind of thing: "ec2", "pod", "daemon", "fault", "event", "broken". */
  readonly kind: string;
  readonly text: string;
}

/** Text is hashed in pieces of about this many characters: one call of the hash for each entry would cost more than it. */
const PIECE_CHARACTERS = 32_768;

/**
 * Everything that happened, in order, as a hash: equal hashes mean equal runs. Entries themselves are kept only when asked
 * for, and handed to a listener.
 */
export class EventLog {
  readonly #hash = createHash("sha256");
  readonly #listener: ((entry: LogEntry) => void) | undefined;
  #piece = "";
  #count = 0;
  #digest: string | undefined;

  constructor(listener?: (entry: LogEntry) => void) {
    this.#listener = listener;
  }

  get count(): number {
    return this.#count;
  }

  add(atMs: number, machine: string, kind: string, text: string): void {
    this.#count += 1;
    this.#piece += `${atMs}\t${machine}\t${kind}\t${text}\n`;
    if (this.#piece.length > PIECE_CHARACTERS) {
      this.#hash.update(this.#piece);
      this.#piece = "";
    }
    this.#listener?.({ atMs, machine, kind, text });
  }

  /** Ends the log; 64 hexadecimal digits. */
  digest(): string {
    this.#digest ??= this.#hash.update(this.#piece).digest("hex");
    return this.#digest;
  }
}
