import { createHash } from "node:crypto";
import { type Cancel, type Clock, systemClock, systemRandom } from "../../adapters/index.ts";
import { EnidError } from "../../errors.ts";
import type { StoreCondition } from "../store/index.ts";
import { type Client, createClient } from "./client.ts";
import { detailOf, failureOf, isNoScript, isNotSent, isRedirection, isRefusal, isTimeout } from "./failures.ts";
import { ANSWER_LIMIT_MS, type RedisOptions, serversOf } from "./options.ts";
import { Outages } from "./outages.ts";
import type { Script } from "./script.ts";
import { tellIfOld } from "./version.ts";

/** Asked when nothing else is, so that the condition is never much older than that. */
const PROBE: Script = { name: "probe", lua: "return redis.call('EXISTS', KEYS[1])" };
const PROBE_AWAY_MS = 1_000;
const PROBE_IDLE_MS = 5_000;

/** Steps that wait for a connection at one time. */
const WAITING_LIMIT = 1_000;

/**
 * One connection to the fleet's engine (in a cluster: one to each master). It connects in the background, and goes on
 * trying until it is closed. A step that finds no connection waits for one as long as an answer may take, counted from the
 * moment at which the connection was lost: a fail-over that takes no longer is not noticed, and while the server stays away
 * steps are refused at once.
 */
export class Connection {
  readonly #options: RedisOptions;
  readonly #clock: Clock;
  readonly #limitMs: number;
  readonly #client: Client;
  readonly #outages: Outages;
  readonly #digests = new Map<string, string>();
  readonly #refused = new Set<string>();
  readonly #waiting = new Set<() => void>();
  /** Monotonic ms until which a step waits for a connection. */
  #patienceEndsMs: number;
  #lastError: Error | undefined;
  #answeredAtMs = Number.NEGATIVE_INFINITY;
  #cancelProbe: Cancel;
  #closed = false;
  #looking = false;
  /** It was ready, and nothing said since that it is not. */
  #usable = false;

  constructor(options: RedisOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#limitMs = options.limitMs ?? ANSWER_LIMIT_MS;
    this.#outages = new Outages(this.#clock, "not connected yet");
    this.#patienceEndsMs = this.#clock.monotonicMs() + this.#limitMs;
    this.#client = createClient(options, this.#limitMs, options.random ?? systemRandom);
    const redis: Emitter = this.#client.redis;
    redis.on("ready", () => this.#ready());
    redis.on("close", () => this.#lost());
    redis.on("end", () => this.#lost());
    redis.on("error", (error: Error) => this.#failed(error));
    redis.on("sentinelError", (error: Error) => this.#failed(error));
    redis.on("node error", (error: Error) => {
      this.#lastError = error;
    });
    this.#cancelProbe = this.#clock.after(PROBE_AWAY_MS, () => this.#probeDue());
  }

  condition(): StoreCondition {
    return this.#outages.condition();
  }

  watch(changed: () => void): Cancel {
    return this.#outages.watch(changed);
  }

  /**
   * Runs the script; `acks`: and waits until so many replicas have what it wrote. Text or nil.
   * @throws EnidError ENID_FLEET_AWAY, ENID_FLEET_FAILED.
   */
  async run(script: Script, keys: readonly string[], args: readonly (string | number)[], acks = 0): Promise<unknown> {
    const place = this.#placeOf(keys);
    try {
      const answer = await this.#sendOnce(script, () => this.#send(script, keys, args, acks));
      this.#answered(script, place);
      return answer;
    } catch (thrown) {
      const failure = failureOf(thrown, script.name);
      this.#notAnswered(script, place, thrown, failure);
      throw failure;
    }
  }

  /** Steps under way are rejected. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#cancelProbe();
    for (const done of this.#waiting) done();
    this.#client.redis.disconnect();
  }

  /** What fails together: a slot's server in a cluster, everything elsewhere. */
  #placeOf([key = ""]: readonly string[]): string {
    if (this.#client.kind !== "cluster") return "";
    return /\{([^}]+)\}/.exec(key)?.[1] ?? key;
  }

  get #isReady(): boolean {
    return this.#usable && this.#client.redis.status === "ready";
  }

  /** A connection may end unnoticed before the next step: what was not sent is sent over the one that follows. */
  async #sendOnce(script: Script, send: () => Promise<unknown>): Promise<unknown> {
    await this.#connected(script);
    try {
      return await this.#inTime(send());
    } catch (thrown) {
      if (!(thrown instanceof Error) || !isNotSent(thrown)) throw thrown;
      this.#lose(this.#limitMs);
      await this.#connected(script);
      return await this.#inTime(send());
    }
  }

  /** No connection from now on until one is ready again; steps wait so long for it. */
  #lose(patienceMs: number): void {
    if (!this.#usable) return;
    this.#usable = false;
    this.#patienceEndsMs = this.#clock.monotonicMs() + patienceMs;
  }

  #away(script: Script): EnidError {
    const error = this.#lastError;
    if (this.#closed) return new EnidError("ENID_FLEET_AWAY", { detail: "the connection was closed" });
    if (error !== undefined && isRefusal(error)) return failureOf(error, script.name);
    const servers = serversOf(this.#options).map(({ host, port }) => `${host}:${port}`);
    const because = error === undefined ? "" : `: ${detailOf(error)}`;
    return new EnidError("ENID_FLEET_AWAY", { detail: `no connection to ${servers.join(", ")}${because}` });
  }

  /** Waits for a connection while one may still come in time. */
  async #connected(script: Script): Promise<void> {
    if (this.#isReady) return;
    const leftMs = this.#patienceEndsMs - this.#clock.monotonicMs();
    if (this.#closed || leftMs <= 0 || this.#waiting.size >= WAITING_LIMIT) throw this.#away(script);
    await new Promise<void>((resolve) => {
      const done = () => {
        cancel();
        this.#waiting.delete(done);
        resolve();
      };
      const cancel = this.#clock.after(leftMs, done);
      this.#waiting.add(done);
    });
    if (!this.#isReady || this.#closed) throw this.#away(script);
  }

  async #inTime<Answer>(answer: Promise<Answer>): Promise<Answer> {
    let cancel: Cancel = () => {};
    const late = new Promise<never>((_, reject) => {
      const error = new NoAnswer(`no answer within ${this.#limitMs} ms`);
      cancel = this.#clock.after(this.#limitMs, () => reject(error));
    });
    try {
      return await Promise.race([answer, late]);
    } catch (thrown) {
      throw thrown instanceof Error && isTimeout(thrown)
        ? new NoAnswer(`no answer within ${this.#limitMs} ms`)
        : thrown;
    } finally {
      cancel();
    }
  }

  async #send(
    script: Script,
    keys: readonly string[],
    args: readonly (string | number)[],
    acks: number,
  ): Promise<unknown> {
    const all = [...keys, ...args];
    try {
      return await this.#carryOut("evalsha", this.#digestOf(script.lua), keys.length, all, acks);
    } catch (thrown) {
      if (!(thrown instanceof Error)) throw thrown;
      // The server forgot its scripts, or never had this one.
      if (isNoScript(thrown)) return await this.#carryOut("eval", script.lua, keys.length, all, acks);
      if (acks === 0 || !isRedirection(thrown)) throw thrown;
      // A pipeline follows no redirection; a step does, and the client knows the way from then on.
      await this.#carryOut("eval", PROBE.lua, keys.length, all, 0);
      return await this.#carryOut("eval", script.lua, keys.length, all, acks);
    }
  }

  async #carryOut(
    command: "eval" | "evalsha",
    text: string,
    keyCount: number,
    all: readonly (string | number)[],
    acks: number,
  ): Promise<unknown> {
    const { redis } = this.#client;
    if (acks === 0) return await redis[command](text, keyCount, ...all);
    // Both in one write: WAIT counts what was written over its own connection.
    const answers = await redis
      .pipeline()
      [command](text, keyCount, ...all)
      .wait(acks, this.#limitMs / 2)
      .exec();
    const [[error, answer], [waitError, had]] = (answers ?? [
      [undefined, undefined],
      [undefined, 0],
    ]) as [[Error | null, unknown], [Error | null, number]];
    if (error) throw error;
    if (waitError) throw waitError;
    if (had >= acks) return answer;
    const detail = `${had} of ${acks} replicas had the change within ${this.#limitMs / 2} ms`;
    throw new EnidError("ENID_FLEET_AWAY", { detail });
  }

  #digestOf(lua: string): string {
    const known = this.#digests.get(lua);
    if (known !== undefined) return known;
    const digest = createHash("sha1").update(lua).digest("hex");
    this.#digests.set(lua, digest);
    return digest;
  }

  #answered({ name }: Script, place: string): void {
    this.#answeredAtMs = this.#clock.monotonicMs();
    this.#refused.delete(name);
    this.#outages.ended(place);
  }

  #notAnswered({ name }: Script, place: string, thrown: unknown, failure: EnidError): void {
    if (this.#closed) return;
    const isProbe = name === PROBE.name;
    if (failure.code === "ENID_FLEET_FAILED" && !isProbe && this.#isReady) {
      // The server answers; what it refuses is this step.
      this.#answeredAtMs = this.#clock.monotonicMs();
      if (this.#refused.has(name)) return;
      this.#refused.add(name);
      this.#options.notice?.(failure.message);
      return;
    }
    this.#outages.began(place, String(failure.values.detail));
    if (!(thrown instanceof Error)) return;
    if (thrown instanceof NoAnswer) this.#renew(thrown);
  }

  /** A server that hangs keeps its connections open: they are given up. */
  #renew(error: Error): void {
    const client = this.#client;
    if (!this.#isReady) return;
    if (client.kind !== "cluster") {
      this.#lastError = error;
      this.#lose(0);
      client.redis.disconnect(true);
      return;
    }
    if (this.#looking) return;
    this.#looking = true;
    const servers = client.redis.nodes("master").filter(({ status }) => status !== "wait");
    const looks = servers.map((server) => this.#inTime(server.ping()).catch(() => server.disconnect()));
    void Promise.allSettled(looks).then(() => {
      this.#looking = false;
    });
  }

  #ready(): void {
    this.#usable = true;
    this.#lastError = undefined;
    this.#reachMasters();
    for (const done of this.#waiting) done();
    this.#probeDue();
    void tellIfOld(this.#client.redis, this.#options.notice);
  }

  /** ioredis connects to each with the first step for it, which would wait for that, and be late. */
  #reachMasters(): void {
    const client = this.#client;
    if (client.kind !== "cluster") return;
    for (const server of client.redis.nodes("master")) {
      if (server.status === "wait") server.connect().catch((error: Error) => this.#failed(error));
    }
  }

  #lost(): void {
    if (this.#closed) return;
    this.#lose(this.#limitMs);
    this.#outages.began("", this.#lastError === undefined ? "the connection was lost" : detailOf(this.#lastError));
  }

  #failed(error: Error): void {
    this.#lastError = error;
    if (!this.#closed && !this.#isReady) this.#outages.began("", detailOf(error));
  }

  #probeDue(): void {
    this.#cancelProbe();
    if (this.#closed) return;
    const next = () => {
      const pauseMs = this.#outages.connected ? PROBE_IDLE_MS : PROBE_AWAY_MS;
      this.#cancelProbe();
      if (!this.#closed) this.#cancelProbe = this.#clock.after(pauseMs, () => this.#probeDue());
    };
    const isIdle = this.#clock.monotonicMs() - this.#answeredAtMs >= PROBE_IDLE_MS;
    if (!this.#isReady || (this.#outages.connected && !isIdle)) next();
    else void Promise.allSettled(this.#outages.places().map((place) => this.#probe(place))).then(next);
  }

  async #probe(place: string): Promise<void> {
    await this.run(PROBE, [`${this.#options.prefix}{${place === "" ? "probe" : place}}:probe`], []);
    // "" stands for all of a cluster, too.
    this.#outages.ended(place);
  }
}

class NoAnswer extends Error {}

interface Emitter {
  on(event: string, listener: (error: Error) => void): unknown;
}
