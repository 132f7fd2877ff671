import { connect, type Socket } from "node:net";
import type { Clock } from "../../adapters/index.ts";

/**
 * BIRD's control socket, as birdc talks to it (BIRD's doc/reply_codes and nest/cli.c): after a greeting of code 0001 a
 * command is one line. Of an answer each line begins with four digits and "-", the last one with four digits and a blank;
 * a line that begins with a blank goes on under the code before it.
 */

/** From the connection to the last answer. BIRD answers within milliseconds unless it hangs. */
const CONVERSATION_LIMIT_MS = 5_000;
/** `show protocols all` has about 2 KB for each session. */
const ANSWER_LIMIT_BYTES = 4 * 1024 * 1024;

const GREETING = 1;

export interface BirdLine {
  readonly code: number;
  readonly text: string;
}

export interface BirdAnswer {
  /** Of the last line: 0xxx done, 8xxx could not be done, 9xxx was not understood. */
  readonly code: number;
  readonly lines: readonly BirdLine[];
}

/** BIRD did not answer as it should: it is away, hangs, or is something else. */
export class BirdSilent extends Error {
  /** Nobody listens on the socket: BIRD does not run, and reads its files when it starts. */
  readonly away: boolean;

  constructor(message: string, options: { cause?: unknown; away?: boolean } = {}) {
    super(message, options);
    this.away = options.away ?? false;
  }
}

export interface BirdAccess {
  /** Path of the control socket. */
  readonly socket: string;
  readonly clock: Clock;
  /** Ends a conversation that is under way. */
  readonly signal?: AbortSignal;
}

/** Asks BIRD the commands one after the other on one connection. Rejects with BirdSilent. */
export function askBird({ socket, clock, signal }: BirdAccess, commands: readonly string[]): Promise<BirdAnswer[]> {
  const { promise, resolve, reject } = Promise.withResolvers<BirdAnswer[]>();
  const connection = connect(socket);
  const conversation = new Conversation(connection, commands, resolve);
  const cancel = clock.after(CONVERSATION_LIMIT_MS, () =>
    connection.destroy(new BirdSilent(`BIRD did not answer on ${socket} within ${CONVERSATION_LIMIT_MS / 1000} s`)),
  );
  connection.on("data", (bytes) => conversation.take(bytes));
  connection.once("error", (error) => reject(asSilent(error, socket)));
  const abort = () => connection.destroy(new BirdSilent("enid stops"));
  signal?.addEventListener("abort", abort, { once: true });
  if (signal?.aborted) abort();
  connection.once("close", () => {
    cancel();
    signal?.removeEventListener("abort", abort);
    reject(new BirdSilent(`BIRD hung up on ${socket}`));
  });
  return promise;
}

class Conversation {
  readonly #connection: Socket;
  readonly #outstanding: string[];
  readonly #done: (answers: BirdAnswer[]) => void;
  /** The first is the greeting. */
  readonly #answers: BirdAnswer[] = [];
  #lines: BirdLine[] = [];
  #rest = Buffer.alloc(0);
  #bytes = 0;

  constructor(connection: Socket, commands: readonly string[], done: (answers: BirdAnswer[]) => void) {
    this.#connection = connection;
    this.#outstanding = [...commands];
    this.#done = done;
  }

  take(bytes: Buffer): void {
    this.#bytes += bytes.length;
    if (this.#bytes > ANSWER_LIMIT_BYTES) {
      this.#connection.destroy(new BirdSilent(`BIRD answered more than ${ANSWER_LIMIT_BYTES} bytes`));
      return;
    }
    this.#rest = Buffer.concat([this.#rest, bytes]);
    for (let end = this.#rest.indexOf(10); end >= 0 && !this.#connection.destroyed; end = this.#rest.indexOf(10)) {
      const line = this.#rest.toString("utf8", 0, end);
      this.#rest = this.#rest.subarray(end + 1);
      this.#takeLine(line);
    }
  }

  #takeLine(line: string): void {
    const [, digits, separator, text = ""] = /^(\d{4})([- ])(.*)$/.exec(line) ?? [];
    if (digits === undefined) {
      // "+" begins what BIRD tells unasked.
      if (line.startsWith(" ")) this.#lines.push({ code: this.#lines.at(-1)?.code ?? 0, text: line.slice(1) });
      else if (!line.startsWith("+")) this.#refuse(line);
      return;
    }
    const code = Number(digits);
    this.#lines.push({ code, text });
    if (separator === "-") return;
    const isGreeting = this.#answers.length === 0;
    this.#answers.push({ code, lines: this.#lines });
    this.#lines = [];
    if (isGreeting && code !== GREETING) this.#refuse(line);
    else this.#next();
  }

  #next(): void {
    const command = this.#outstanding.shift();
    if (command !== undefined) {
      this.#connection.write(`${command}\n`);
      return;
    }
    this.#done(this.#answers.slice(1));
    this.#connection.destroy();
  }

  #refuse(line: string): void {
    this.#connection.destroy(new BirdSilent(`what answers is not BIRD: ${JSON.stringify(line.slice(0, 80))}`));
  }
}

function asSilent(error: NodeJS.ErrnoException, socket: string): BirdSilent {
  if (error instanceof BirdSilent) return error;
  const away = error.code === "ENOENT" || error.code === "ECONNREFUSED";
  return new BirdSilent(`BIRD does not answer on ${socket}: ${error.code ?? error.message}`, { cause: error, away });
}
