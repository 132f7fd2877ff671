import { EnidError } from "../../errors.ts";
import { metadataOverSockets } from "./metadata-sockets.ts";
import type { MetadataAnswer, MetadataExchange, Surroundings } from "./options.ts";
import { Pauses } from "./waiting.ts";

/** What a node asks for: EC2's maximum. Renewed when a twentieth of it is left. */
const TOKEN_TTL_SECONDS = 21_600;
const TOKEN_RENEW_BEFORE_MS = (TOKEN_TTL_SECONDS * 1_000) / 20;

/** Paths whose URL is remembered: more than a node reads, which are the same ones each minute. */
const MAX_URLS = 1_000;

interface Token {
  /** What a read shows of it. */
  readonly headers: { readonly "x-aws-ec2-metadata-token": string };
  readonly renewAtMs: number;
}

/**
 * Instance metadata, version 2 only (a token for every read; never the tokenless version 1).
 *
 * The token is fetched once, shared, renewed before it ends, and fetched anew once when metadata answers 401. Lost
 * connections, timeouts, 429 and 5xx are tried again with growing pauses; then, and on any other refusal, reads reject
 * with ENID_METADATA_UNREACHABLE. 404 means absent: `undefined`.
 */
export class MetadataClient {
  readonly endpoint: string;
  readonly #world: Surroundings;
  readonly #exchange: MetadataExchange;
  #token: Promise<Token> | undefined;
  /** What the last fetch brought. */
  #known: Token | undefined;
  readonly #urls = new Map<string, string>();

  constructor(world: Surroundings, endpoint: string, exchange: MetadataExchange = metadataOverSockets(world.clock)) {
    this.#world = world;
    this.#exchange = exchange;
    this.endpoint = endpoint.replace(/\/+$/, "");
    if (!URL.canParse(this.endpoint)) throw this.#unreachable("the endpoint is not a URL");
  }

  /** The text at `path` (below the endpoint, e.g. "/latest/meta-data/mac"), or undefined when there is none. */
  text(path: string, signal?: AbortSignal): Promise<string | undefined> {
    const token = this.#knownToken();
    if (token !== undefined) return this.#read(path, token, signal);
    return this.#currentToken().then((fetched) => this.#read(path, fetched, signal));
  }

  /** The non-empty lines at `path`; undefined when there is nothing at it. */
  lines(path: string, signal?: AbortSignal): Promise<readonly string[] | undefined> {
    return this.text(path, signal).then(linesOf);
  }

  /** Nearly all reads are answered at once, so they take the shortest way: a look at a node is dozens of them. */
  #read(path: string, token: Token, signal: AbortSignal | undefined): Promise<string | undefined> {
    const first = this.#once("GET", path, token.headers, signal);
    return first.then(
      ({ status, body }) => {
        if (status === 200) return body;
        return status === 404 ? undefined : this.#readOn(path, token, signal, first);
      },
      () => this.#readOn(path, token, signal, first),
    );
  }

  /** The same after a first answer that says nothing yet. */
  async #readOn(
    path: string,
    token: Token,
    signal: AbortSignal | undefined,
    first: Promise<MetadataAnswer>,
  ): Promise<string | undefined> {
    let answer = await this.#persist("GET", path, token.headers, signal, first);
    if (answer.status === 401) {
      const { headers } = await this.#currentToken(token);
      answer = await this.#persist("GET", path, headers, signal);
    }
    if (answer.status === 200) return answer.body;
    if (answer.status === 404) return undefined;
    throw this.#refused("GET", path, answer.status);
  }

  close(): void {
    this.#exchange.close();
  }

  /** At once, when there is one that holds: most reads need not wait for it. */
  #knownToken(): Token | undefined {
    return this.#known !== undefined && this.#world.clock.monotonicMs() < this.#known.renewAtMs
      ? this.#known
      : undefined;
  }

  /** The shared token; `spent` is one that metadata no longer takes. */
  async #currentToken(spent?: Token): Promise<Token> {
    const pending = this.#token;
    const known = await pending;
    if (known !== undefined && known !== spent && this.#world.clock.monotonicMs() < known.renewAtMs) return known;
    // Of several readers that notice at once, the first fetches for all.
    if (this.#token === pending) {
      this.#known = undefined;
      this.#token = this.#fetchToken().catch((error) => {
        this.#token = undefined;
        throw error;
      });
    }
    return this.#token ?? this.#currentToken(spent);
  }

  async #fetchToken(): Promise<Token> {
    const askedAtMs = this.#world.clock.monotonicMs();
    const path = "/latest/api/token";
    const headers = { "x-aws-ec2-metadata-token-ttl-seconds": String(TOKEN_TTL_SECONDS) };
    const answer = await this.#persist("PUT", path, headers);
    if (answer.status !== 200 || answer.body.trim() === "") throw this.#refused("PUT", path, answer.status);
    const renewAtMs = askedAtMs + TOKEN_TTL_SECONDS * 1_000 - TOKEN_RENEW_BEFORE_MS;
    this.#known = { headers: { "x-aws-ec2-metadata-token": answer.body.trim() }, renewAtMs };
    return this.#known;
  }

  /** Tries until metadata answers with something that another try would not change. `first`: the try that was begun. */
  async #persist(
    method: "GET" | "PUT",
    path: string,
    headers: Readonly<Record<string, string>>,
    signal?: AbortSignal,
    first?: Promise<MetadataAnswer>,
  ): Promise<MetadataAnswer> {
    const { metadataAttempts, metadataRetryBaseMs, metadataTimeoutMs } = this.#world.limits;
    let pauses: Pauses | undefined;
    for (let attempt = 1; ; attempt++) {
      let trouble: EnidError;
      try {
        const begun = attempt === 1 ? first : undefined;
        const answer = await (begun ?? this.#once(method, path, headers, signal));
        if (answer.status < 500 && answer.status !== 429) return answer;
        trouble = this.#unreachable(`${method} ${path} was answered with HTTP ${answer.status}`);
      } catch (error) {
        if (signal?.aborted) throw new Error("cancelled by the caller", { cause: error });
        trouble = this.#unreachable(explain(method, path, error, metadataTimeoutMs), error);
      }
      if (attempt >= metadataAttempts) throw trouble;
      pauses ??= new Pauses(this.#world, {
        baseMs: metadataRetryBaseMs,
        maxMs: metadataRetryBaseMs * 32,
        limitMs: metadataAttempts * (metadataTimeoutMs + metadataRetryBaseMs * 32),
      });
      if (!(await pauses.pause(signal))) throw trouble;
    }
  }

  #once(
    method: "GET" | "PUT",
    path: string,
    headers: Readonly<Record<string, string>>,
    signal?: AbortSignal,
  ): Promise<MetadataAnswer> {
    const timeoutMs = this.#world.limits.metadataTimeoutMs;
    return this.#exchange.send({ method, url: this.#urlOf(path), headers, timeoutMs, signal });
  }

  #urlOf(path: string): string {
    const known = this.#urls.get(path);
    if (known !== undefined) return known;
    if (this.#urls.size >= MAX_URLS) this.#urls.clear();
    const url = `${this.endpoint}${path}`;
    this.#urls.set(path, url);
    return url;
  }

  #refused(method: string, path: string, status: number): EnidError {
    const hint =
      status === 403 ? "; the instance's metadata endpoint is disabled, or a proxy added X-Forwarded-For" : "";
    return this.#unreachable(`${method} ${path} was answered with HTTP ${status}${hint}`);
  }

  #unreachable(detail: string, cause?: unknown): EnidError {
    return new EnidError("ENID_METADATA_UNREACHABLE", { endpoint: this.endpoint, detail }, { cause });
  }
}

/** The non-empty lines of a text, if there is one. */
export function linesOf(text: string | undefined): readonly string[] | undefined {
  return text
    ?.split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
}

function explain(method: string, path: string, error: unknown, timeoutMs: number): string {
  if (!(error instanceof Error)) return `${method} ${path}: ${String(error)}`;
  if (error.name !== "TimeoutError") return `${method} ${path}: ${error.message}`;
  const late = `${method} ${path} got no answer within ${timeoutMs} ms`;
  // Answers to the token request carry HttpPutResponseHopLimit as their IP TTL: in a container's network namespace
  // they are dropped silently when it is 1, so that the request hangs instead of failing.
  return method === "PUT" ? `${late}, as happens in a container when HttpPutResponseHopLimit is 1` : late;
}
