import { EnidError } from "../../errors.ts";
import { metadataOverSockets } from "./metadata-sockets.ts";
import type { MetadataAnswer, MetadataExchange, Surroundings } from "./options.ts";
import { Pauses } from "./waiting.ts";

/** What a node asks for: EC2's maximum. Renewed when a twentieth of it is left. */
const TOKEN_TTL_SECONDS = 21_600;
const TOKEN_RENEW_BEFORE_MS = (TOKEN_TTL_SECONDS * 1_000) / 20;

interface Token {
  readonly value: string;
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

  constructor(world: Surroundings, endpoint: string, exchange: MetadataExchange = metadataOverSockets()) {
    this.#world = world;
    this.#exchange = exchange;
    this.endpoint = endpoint.replace(/\/+$/, "");
    if (!URL.canParse(this.endpoint)) throw this.#unreachable("the endpoint is not a URL");
  }

  /** The text at `path` (below the endpoint, e.g. "/latest/meta-data/mac"), or undefined when there is none. */
  async text(path: string, signal?: AbortSignal): Promise<string | undefined> {
    let token = await this.#currentToken();
    let answer = await this.#persist("GET", path, { "x-aws-ec2-metadata-token": token.value }, signal);
    if (answer.status === 401) {
      token = await this.#currentToken(token);
      answer = await this.#persist("GET", path, { "x-aws-ec2-metadata-token": token.value }, signal);
    }
    if (answer.status === 200) return answer.body;
    if (answer.status === 404) return undefined;
    throw this.#refused("GET", path, answer.status);
  }

  /** The non-empty lines at `path`; undefined when there is nothing at it. */
  async lines(path: string, signal?: AbortSignal): Promise<readonly string[] | undefined> {
    const text = await this.text(path, signal);
    return text
      ?.split("\n")
      .map((line) => line.trim())
      .filter((line) => line !== "");
  }

  close(): void {
    this.#exchange.close();
  }

  /** The shared token; `spent` is one that metadata no longer takes. */
  async #currentToken(spent?: Token): Promise<Token> {
    const pending = this.#token;
    const known = await pending;
    if (known !== undefined && known !== spent && this.#world.clock.monotonicMs() < known.renewAtMs) return known;
    // Of several readers that notice at once, the first fetches for all.
    if (this.#token === pending) {
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
    return {
      value: answer.body.trim(),
      renewAtMs: askedAtMs + TOKEN_TTL_SECONDS * 1_000 - TOKEN_RENEW_BEFORE_MS,
    };
  }

  /** Tries until metadata answers with something that another try would not change. */
  async #persist(
    method: "GET" | "PUT",
    path: string,
    headers: Record<string, string>,
    signal?: AbortSignal,
  ): Promise<MetadataAnswer> {
    const { metadataAttempts, metadataRetryBaseMs, metadataTimeoutMs } = this.#world.limits;
    const pauses = new Pauses(this.#world, {
      baseMs: metadataRetryBaseMs,
      maxMs: metadataRetryBaseMs * 32,
      limitMs: metadataAttempts * (metadataTimeoutMs + metadataRetryBaseMs * 32),
    });
    for (let attempt = 1; ; attempt++) {
      let trouble: EnidError;
      try {
        const answer = await this.#once(method, path, headers, signal);
        if (answer.status < 500 && answer.status !== 429) return answer;
        trouble = this.#unreachable(`${method} ${path} was answered with HTTP ${answer.status}`);
      } catch (error) {
        if (signal?.aborted) throw error;
        trouble = this.#unreachable(explain(method, path, error, metadataTimeoutMs), error);
      }
      if (attempt >= metadataAttempts || !(await pauses.pause(signal))) throw trouble;
    }
  }

  #once(
    method: "GET" | "PUT",
    path: string,
    headers: Record<string, string>,
    signal?: AbortSignal,
  ): Promise<MetadataAnswer> {
    const stop = new AbortController();
    const abort = () => stop.abort(new Error("cancelled by the caller"));
    const cancel = this.#world.clock.after(this.#world.limits.metadataTimeoutMs, () => stop.abort(new Timeout()));
    if (signal?.aborted) abort();
    else signal?.addEventListener("abort", abort, { once: true });
    return this.#exchange.send({ method, url: `${this.endpoint}${path}`, headers, signal: stop.signal }).finally(() => {
      cancel();
      signal?.removeEventListener("abort", abort);
    });
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

class Timeout extends Error {}

function explain(method: string, path: string, error: unknown, timeoutMs: number): string {
  if (!(error instanceof Timeout))
    return `${method} ${path}: ${error instanceof Error ? error.message : String(error)}`;
  const late = `${method} ${path} got no answer within ${timeoutMs} ms`;
  // Answers to the token request carry HttpPutResponseHopLimit as their IP TTL: in a container's network namespace
  // they are dropped silently when it is 1, so that the request hangs instead of failing.
  return method === "PUT" ? `${late}, as happens in a container when HttpPutResponseHopLimit is 1` : late;
}
