/** Instance metadata of one instance for a client in the same process. */
import type { Cancel, Clock } from "../../adapters/index.ts";
import type { DirectAccess } from "../../providers/aws/index.ts";
import type { Answer, SimulatedCloud } from "../index.ts";
import { connectionReset, timedOut } from "./thrown.ts";

type Exchange = DirectAccess["metadata"];
type Request = Parameters<Exchange["send"]>[0];
type Reply = Awaited<ReturnType<Exchange["send"]>>;

export interface MetadataOptions {
  readonly cloud: SimulatedCloud;
  readonly clock: Clock;
  readonly instanceId: string;
  readonly onMetadata?: ((path: string, answer: Answer) => Answer) | undefined;
}

/** URLs whose path is remembered: a node reads the same ones each minute. */
const MAX_PATHS = 1_000;

export class DirectMetadata implements Exchange {
  readonly #options: MetadataOptions;
  /** Takes down the waits that are under way. */
  readonly #waits = new Set<Cancel>();
  readonly #paths = new Map<string, string>();
  #dead = false;

  constructor(options: MetadataOptions) {
    this.#options = options;
  }

  get inFlight(): number {
    return this.#waits.size;
  }

  send(request: Request): Promise<Reply> {
    if (this.#dead) return new Promise(() => undefined);
    const { signal, method, headers } = request;
    if (signal?.aborted) return Promise.reject(signal.reason);
    const { cloud, instanceId, onMetadata } = this.#options;
    const path = this.#pathOf(request.url);
    const plain = cloud.metadata(instanceId, { method, path, headers });
    const answer = onMetadata === undefined ? plain : onMetadata(path, plain);
    // The watcher of answers may have ended the client.
    if (this.#dead) return new Promise(() => undefined);
    if (answer.kind === "hang" || (answer.delayMs ?? 0) > 0) return this.#wait(answer, request);
    return answer.kind === "reset"
      ? Promise.reject(connectionReset())
      : Promise.resolve({ status: answer.status, body: answer.body });
  }

  close(): void {}

  cut(): void {
    this.#dead = true;
    for (const cancel of this.#waits) cancel();
  }

  #pathOf(url: string): string {
    const known = this.#paths.get(url);
    if (known !== undefined) return known;
    if (this.#paths.size >= MAX_PATHS) this.#paths.clear();
    const path = pathOf(url);
    this.#paths.set(url, path);
    return path;
  }

  /** One timer is enough: an answer comes in time or it does not. */
  #wait(answer: Answer, { timeoutMs, signal }: Request): Promise<Reply> {
    return new Promise((resolve, reject) => {
      const end = () => {
        cancel();
        signal?.removeEventListener("abort", abort);
        this.#waits.delete(end);
      };
      const abort = () => {
        end();
        reject(signal?.reason);
      };
      const answerMs = answer.kind === "hang" ? Number.POSITIVE_INFINITY : (answer.delayMs ?? 0);
      const cancel = this.#options.clock.after(Math.min(answerMs, timeoutMs), () => {
        end();
        if (answerMs >= timeoutMs) reject(timedOut(timeoutMs));
        else if (answer.kind === "reply") resolve({ status: answer.status, body: answer.body });
        else reject(connectionReset());
      });
      signal?.addEventListener("abort", abort, { once: true });
      this.#waits.add(end);
    });
  }
}

/** The path of an absolute URL, without the query. */
function pathOf(url: string): string {
  const start = url.indexOf("/", url.indexOf("://") + 3);
  if (start < 0) return "/";
  const end = url.indexOf("?", start);
  return end < 0 ? url.slice(start) : url.slice(start, end);
}
