import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { coerceError, EnidError, type ErrorCode } from "../../errors.ts";
import {
  CILIUM_NODES,
  type KubernetesObject,
  LEASES,
  NODES,
  type ObjectName,
  PODS,
  type ResourceKind,
  type WatchEvent,
} from "../../handoff/cilium-node/api.ts";
import { apiVersionOf, type KubernetesModel } from "./model.ts";

export interface KubernetesFront {
  /** "https://127.0.0.1:PORT", or http. */
  readonly url: string;
  close(): Promise<void>;
}

export interface FrontOptions {
  readonly model: KubernetesModel;
  /** Who does not say it gets 401. Absent = anybody. */
  readonly token?: string;
  /** PEM. Absent = without TLS. */
  readonly tls?: { readonly key: string; readonly cert: string };
}

const KINDS = [CILIUM_NODES, NODES, PODS, LEASES];
const BODY_LIMIT_BYTES = 4 * 1024 * 1024;

/** HTTP status and reason, as a real API server answers (k8s.io/apimachinery, pkg/api/errors). */
const FAILURES: Partial<Record<ErrorCode, readonly [number, string]>> = {
  ENID_KUBERNETES_NOT_FOUND: [404, "NotFound"],
  ENID_KUBERNETES_CONFLICT: [409, "Conflict"],
  ENID_KUBERNETES_EXISTS: [409, "AlreadyExists"],
  ENID_KUBERNETES_GONE: [410, "Expired"],
  ENID_KUBERNETES_DENIED: [401, "Unauthorized"],
  ENID_KUBERNETES_REFUSED: [422, "Invalid"],
};

interface Asked {
  readonly kind: ResourceKind;
  readonly namespace: string | undefined;
  readonly name: string | undefined;
  readonly subresource: string | undefined;
  readonly query: URLSearchParams;
}

/** The model by HTTP on a free port of loopback, as far as clients of enid's kinds go. */
export async function serveKubernetes(options: FrontOptions): Promise<KubernetesFront> {
  const listener = (request: IncomingMessage, response: ServerResponse) => {
    answer(options, request, response).catch((thrown: unknown) => fail(response, coerceError(thrown)));
  };
  const { tls } = options;
  const server = tls === undefined ? createServer(listener) : createTlsServer(tls, listener);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http${tls === undefined ? "" : "s"}://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}

async function answer(
  { model, token }: FrontOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if (token !== undefined && request.headers.authorization !== `Bearer ${token}`) {
    throw new EnidError("ENID_KUBERNETES_DENIED", { what: "a call", detail: "Unauthorized" });
  }
  const asked = askedBy(request.url ?? "/");
  const { kind, name, query, subresource } = asked;
  if (name === undefined) {
    if (request.method === "POST")
      return send(response, 201, model.create(kind, inNamespace(asked, await body(request))));
    if (query.get("watch") === "true") return watch(model, asked, response);
    const { items, resourceVersion } = model.list(kind, selectionOf(asked));
    return send(response, 200, {
      apiVersion: apiVersionOf(kind),
      kind: `${kind.kind}List`,
      metadata: { resourceVersion },
      items,
    });
  }
  const named: ObjectName = { name, ...(asked.namespace === undefined ? {} : { namespace: asked.namespace }) };
  switch (request.method) {
    case "GET": {
      const object = model.get(kind, named);
      if (object === undefined) throw new EnidError("ENID_KUBERNETES_NOT_FOUND", { what: name });
      return send(response, 200, object);
    }
    case "PATCH": {
      if (request.headers["content-type"] !== "application/merge-patch+json") {
        throw new EnidError("ENID_KUBERNETES_REFUSED", { what: name, detail: "only merge patches are served" });
      }
      const patch = (await body(request)) as Record<string, unknown>;
      return send(response, 200, model.patch(kind, named, patch, subresource === "status" ? { subresource } : {}));
    }
    case "DELETE":
      if (!model.delete(kind, named)) throw new EnidError("ENID_KUBERNETES_NOT_FOUND", { what: name });
      return send(response, 200, { kind: "Status", apiVersion: "v1", status: "Success" });
    default:
      throw new EnidError("ENID_KUBERNETES_REFUSED", { what: name, detail: `no ${request.method}` });
  }
}

function watch(model: KubernetesModel, asked: Asked, response: ServerResponse): void {
  const write = (type: string, object: unknown) => void response.write(`${JSON.stringify({ type, object })}\n`);
  const tell = (event: WatchEvent) => {
    if (event.kind !== "bookmark") return write(event.kind.toUpperCase(), event.object);
    const { resourceVersion } = event;
    const { kind } = asked;
    write("BOOKMARK", { apiVersion: apiVersionOf(kind), kind: kind.kind, metadata: { resourceVersion } });
  };
  const gone = () => write("ERROR", statusOf(new EnidError("ENID_KUBERNETES_GONE", { what: asked.kind.plural })));
  response.writeHead(200, { "content-type": "application/json" });
  response.flushHeaders();
  try {
    const stop = model.watch(asked.kind, selectionOf(asked), asked.query.get("resourceVersion") ?? model.version, {
      tell,
      end: (isGone) => {
        if (isGone) gone();
        response.end();
      },
    });
    response.on("close", stop);
  } catch (thrown) {
    // A server says so within the stream (API concepts, "410 Gone responses").
    if (coerceError(thrown).code !== "ENID_KUBERNETES_GONE") throw thrown;
    gone();
    response.end();
  }
}

function askedBy(url: string): Asked {
  const { pathname, searchParams: query } = new URL(url, "http://api");
  const [, group = "", version = "", namespace, plural = "", name, subresource] =
    /^\/(?:api|apis\/([^/]+))\/([^/]+)(?:\/namespaces\/([^/]+))?\/([^/]+)(?:\/([^/]+))?(?:\/([^/]+))?$/.exec(
      pathname,
    ) ?? [];
  const kind = KINDS.find((one) => one.group === group && one.version === version && one.plural === plural);
  if (kind === undefined) throw new EnidError("ENID_KUBERNETES_NOT_FOUND", { what: pathname });
  const decoded = (text: string | undefined) => (text === undefined ? undefined : decodeURIComponent(text));
  return { kind, namespace: decoded(namespace), name: decoded(name), subresource, query };
}

function selectionOf({ namespace, query }: Asked) {
  const fieldSelector = query.get("fieldSelector") ?? undefined;
  return {
    ...(namespace === undefined ? {} : { namespace }),
    ...(fieldSelector === undefined ? {} : { fieldSelector }),
  };
}

function inNamespace({ namespace }: Asked, object: unknown): KubernetesObject {
  const made = object as KubernetesObject;
  return namespace === undefined ? made : { ...made, metadata: { ...made.metadata, namespace } };
}

async function body(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    chunks.push(Buffer.from(chunk as Uint8Array));
    bytes += chunks.at(-1)?.length ?? 0;
    if (bytes > BODY_LIMIT_BYTES)
      throw new EnidError("ENID_KUBERNETES_REFUSED", { what: "a call", detail: "too large" });
  }
  return JSON.parse(Buffer.concat(chunks).toString("utf8"));
}

function send(response: ServerResponse, status: number, answered: unknown): void {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(answered));
}

function fail(response: ServerResponse, error: EnidError): void {
  if (response.headersSent) response.destroy();
  else send(response, statusOf(error).code, statusOf(error));
}

function statusOf(error: EnidError) {
  const [code, reason] = FAILURES[error.code] ?? [500, "InternalError"];
  return { kind: "Status", apiVersion: "v1", status: "Failure", message: error.message, reason, code };
}
