import { type IncomingMessage, request as requestHttp } from "node:http";
import { type RequestOptions, request as requestHttps } from "node:https";
import { createInterface } from "node:readline";
import type { Clock } from "../adapters/index.ts";
import { coerceError, EnidError } from "../errors.ts";
import type {
  KubernetesApi,
  KubernetesObject,
  ObjectList,
  ObjectName,
  PatchOptions,
  ResourceKind,
  Selection,
  WatchEvent,
} from "../handoff/cilium-node/api.ts";
import type { Cluster } from "./kubeconfig.ts";

export interface HttpApiOptions {
  readonly cluster: Cluster;
  readonly clock: Clock;
  readonly callLimitMs: number;
}

/** An answer is a CiliumNode, or the pods of one node; what is longer is none of them. */
const ANSWER_LIMIT_BYTES = 32 * 1024 * 1024;
/** The server ends the watch then, and sends bookmarks before. */
const WATCH_SECONDS = 300;
/** A watch of which nothing is heard, not even its end, has a broken connection. */
const SILENCE_MS = (WATCH_SECONDS + 60) * 1_000;
const USER_AGENT = "enid";

interface Call {
  readonly what: string;
  readonly method: "GET" | "POST" | "PATCH" | "DELETE";
  readonly path: string;
  readonly body?: unknown;
  readonly contentType?: string;
}

/** The port to the Kubernetes API by HTTPS (kubernetes.io/docs/reference/using-api/api-concepts/). */
export class HttpKubernetesApi implements KubernetesApi {
  readonly #options: HttpApiOptions;

  constructor(options: HttpApiOptions) {
    this.#options = options;
  }

  async get(kind: ResourceKind, name: ObjectName, signal?: AbortSignal): Promise<KubernetesObject | undefined> {
    const call: Call = { what: `get ${said(kind, name)}`, method: "GET", path: pathOf(kind, name) };
    try {
      return objectOf(await this.#call(call, signal));
    } catch (thrown) {
      if (coerceError(thrown).code === "ENID_KUBERNETES_NOT_FOUND") return undefined;
      throw thrown;
    }
  }

  async create(kind: ResourceKind, object: KubernetesObject, signal?: AbortSignal): Promise<KubernetesObject> {
    const { namespace } = object.metadata;
    const path = pathOf(kind, namespace === undefined ? {} : { namespace });
    const call: Call = { what: `create ${said(kind, object.metadata)}`, method: "POST", path, body: object };
    return objectOf(await this.#call({ ...call, contentType: "application/json" }, signal));
  }

  async patch(
    kind: ResourceKind,
    name: ObjectName,
    patch: Readonly<Record<string, unknown>>,
    { subresource }: PatchOptions = {},
    signal?: AbortSignal,
  ): Promise<KubernetesObject> {
    const path = `${pathOf(kind, name)}${subresource === undefined ? "" : `/${subresource}`}`;
    const call: Call = { what: `patch ${said(kind, name)}`, method: "PATCH", path, body: patch };
    return objectOf(await this.#call({ ...call, contentType: "application/merge-patch+json" }, signal));
  }

  async delete(kind: ResourceKind, name: ObjectName, signal?: AbortSignal): Promise<void> {
    const call: Call = { what: `delete ${said(kind, name)}`, method: "DELETE", path: pathOf(kind, name) };
    try {
      await this.#call(call, signal);
    } catch (thrown) {
      if (coerceError(thrown).code !== "ENID_KUBERNETES_NOT_FOUND") throw thrown;
    }
  }

  async list(kind: ResourceKind, selection: Selection, signal?: AbortSignal): Promise<ObjectList> {
    const path = `${pathOf(kind, selection)}${queryOf(selection, {})}`;
    const answer = fieldsOf(await this.#call({ what: `list ${kind.plural}`, method: "GET", path }, signal));
    const items = Array.isArray(answer.items) ? answer.items : [];
    return {
      // Items of a list do not say what they are.
      items: items.map((item) => ({ apiVersion: apiVersionOf(kind), kind: kind.kind, ...item })),
      resourceVersion: String(fieldsOf(answer.metadata).resourceVersion ?? ""),
    };
  }

  async watch(
    kind: ResourceKind,
    selection: Selection,
    resourceVersion: string,
    tell: (event: WatchEvent) => void,
    signal: AbortSignal,
  ): Promise<void> {
    const { clock } = this.#options;
    const what = `watch ${kind.plural}`;
    const more = {
      watch: "true",
      allowWatchBookmarks: "true",
      resourceVersion,
      timeoutSeconds: String(WATCH_SECONDS),
    };
    const path = `${pathOf(kind, selection)}${queryOf(selection, more)}`;
    const response = await this.#send({ what, method: "GET", path }, signal);
    if (response.statusCode !== 200) throw failureOf(what, response.statusCode ?? 0, await read(what, response));
    const lines = createInterface({ input: response, crlfDelay: Number.POSITIVE_INFINITY });
    const ended = Promise.withResolvers<void>();
    let stopSilence = clock.after(SILENCE_MS, () => ended.reject(away(what, "nothing was heard of it")));
    const abort = () => ended.reject(away(what, "given up"));
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    lines.on("line", (line) => {
      stopSilence();
      stopSilence = clock.after(SILENCE_MS, () => ended.reject(away(what, "nothing was heard of it")));
      try {
        const event = eventOf(what, line);
        if (event !== undefined) tell(event);
      } catch (thrown) {
        ended.reject(coerceError(thrown));
      }
    });
    lines.on("close", () => ended.resolve());
    response.on("error", (error) => ended.reject(away(what, error.message)));
    response.on("aborted", () => ended.reject(away(what, "the connection broke")));
    try {
      await ended.promise;
    } finally {
      stopSilence();
      signal.removeEventListener("abort", abort);
      lines.close();
      response.destroy();
    }
  }

  async #call(call: Call, signal: AbortSignal | undefined): Promise<unknown> {
    const { clock, callLimitMs } = this.#options;
    const limit = new AbortController();
    const cancel = clock.after(callLimitMs, () => limit.abort(new Error(`no answer within ${callLimitMs / 1_000} s`)));
    const both = signal === undefined ? limit.signal : AbortSignal.any([signal, limit.signal]);
    try {
      const response = await this.#send(call, both);
      const text = await read(call.what, response);
      const status = response.statusCode ?? 0;
      if (status < 200 || status >= 300) throw failureOf(call.what, status, text);
      return JSON.parse(text) as unknown;
    } catch (thrown) {
      if (thrown instanceof EnidError) throw thrown;
      const { message } = coerceError(both.aborted ? both.reason : thrown);
      throw away(call.what, message, thrown);
    } finally {
      cancel();
    }
  }

  async #send({ what, method, path, body, contentType }: Call, signal: AbortSignal): Promise<IncomingMessage> {
    const { cluster } = this.#options;
    const options: RequestOptions = {
      method,
      signal,
      headers: {
        accept: "application/json",
        "user-agent": USER_AGENT,
        ...(contentType === undefined ? {} : { "content-type": contentType }),
      },
    };
    const text = body === undefined ? undefined : JSON.stringify(body);
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const broken = (thrown: unknown) => {
      const { message } = coerceError(signal.aborted ? signal.reason : thrown);
      reject(thrown instanceof EnidError ? thrown : away(what, message, thrown));
    };
    try {
      await cluster.authorize(options);
      const url = new URL(`${cluster.server}${path}`);
      const request = url.protocol === "http:" ? requestHttp : requestHttps;
      const sent = request(url, url.protocol === "http:" ? { ...options, agent: undefined } : options, resolve);
      sent.on("error", broken);
      sent.end(text);
    } catch (thrown) {
      broken(thrown);
    }
    return promise;
  }
}

async function read(what: string, response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response) {
    const part = Buffer.from(chunk as Uint8Array);
    bytes += part.length;
    if (bytes > ANSWER_LIMIT_BYTES) {
      response.destroy();
      throw new EnidError("ENID_KUBERNETES_REFUSED", { what, detail: "the answer is longer than any should be" });
    }
    chunks.push(part);
  }
  return Buffer.concat(chunks).toString("utf8");
}

/** One line of a watch. Undefined: of a type that is not known. */
function eventOf(what: string, line: string): WatchEvent | undefined {
  const { type, object } = fieldsOf(JSON.parse(line));
  switch (type) {
    case "ADDED":
      return { kind: "added", object: objectOf(object) };
    case "MODIFIED":
      return { kind: "modified", object: objectOf(object) };
    case "DELETED":
      return { kind: "deleted", object: objectOf(object) };
    case "BOOKMARK":
      return { kind: "bookmark", resourceVersion: objectOf(object).metadata.resourceVersion ?? "" };
    case "ERROR":
      throw failureOf(what, Number(fieldsOf(object).code ?? 0), JSON.stringify(object));
    default:
      return undefined;
  }
}

/** By the code and the reason of a Status (API concepts, "Status"). */
function failureOf(what: string, status: number, text: string): EnidError {
  const { message, reason } = statusOf(text);
  const detail = message === "" ? `HTTP status ${status}` : message;
  if (status === 404) return new EnidError("ENID_KUBERNETES_NOT_FOUND", { what });
  if (status === 409) {
    return new EnidError(reason === "AlreadyExists" ? "ENID_KUBERNETES_EXISTS" : "ENID_KUBERNETES_CONFLICT", { what });
  }
  if (status === 410) return new EnidError("ENID_KUBERNETES_GONE", { what });
  if (status === 401 || status === 403) return new EnidError("ENID_KUBERNETES_DENIED", { what, detail });
  if (status >= 500 || status === 429 || status === 408 || status === 0) return away(what, detail);
  return new EnidError("ENID_KUBERNETES_REFUSED", { what, detail });
}

function statusOf(text: string): { readonly message: string; readonly reason: string } {
  try {
    const { message, reason } = fieldsOf(JSON.parse(text));
    return { message: String(message ?? "").slice(0, 500), reason: String(reason ?? "") };
  } catch {
    return { message: "", reason: "" };
  }
}

function away(what: string, detail: string, cause?: unknown): EnidError {
  return new EnidError("ENID_KUBERNETES_AWAY", { what, detail }, cause === undefined ? {} : { cause });
}

function objectOf(value: unknown): KubernetesObject {
  const { metadata } = fieldsOf(value);
  if (typeof metadata === "object" && metadata !== null) return value as KubernetesObject;
  throw new EnidError("ENID_KUBERNETES_REFUSED", { what: "a call", detail: "the answer is no object of Kubernetes" });
}

function fieldsOf(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}

function pathOf(
  { group, version, plural, namespaced }: ResourceKind,
  { name, namespace }: { readonly name?: string; readonly namespace?: string },
): string {
  const base = group === "" ? `/api/${version}` : `/apis/${group}/${version}`;
  const within = namespaced && namespace !== undefined ? `/namespaces/${encodeURIComponent(namespace)}` : "";
  return `${base}${within}/${plural}${name === undefined ? "" : `/${encodeURIComponent(name)}`}`;
}

function queryOf({ fieldSelector }: Selection, more: Readonly<Record<string, string>>): string {
  const query = new URLSearchParams({ ...(fieldSelector === undefined ? {} : { fieldSelector }), ...more }).toString();
  return query === "" ? "" : `?${query}`;
}

function apiVersionOf({ group, version }: ResourceKind): string {
  return group === "" ? version : `${group}/${version}`;
}

function said({ kind }: ResourceKind, { name, namespace }: ObjectName): string {
  return `${kind} ${namespace === undefined ? "" : `${namespace}/`}${name}`;
}
