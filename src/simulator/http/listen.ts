/** The HTTP servers of the simulator: bounded requests in, answers out, and an end that waits for nobody. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Answer } from "../model/answer.ts";

export const MAX_BODY_BYTES = 1_048_576;

export interface Incoming {
  readonly method: string;
  readonly path: string;
  /** Without the question mark. */
  readonly query: string;
  /** Header values by lower-case name. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: string;
  /** Aborts when the server closes. A caller that goes away aborts nothing: what EC2 has received, it carries out. */
  readonly signal: AbortSignal;
}

export interface Listening {
  readonly host: string;
  readonly port: number;
  close(): Promise<void>;
}

/** Rejects with the error of the system when the address cannot be bound. */
export async function listen(
  address: { readonly host: string; readonly port: number },
  handle: (incoming: Incoming) => Promise<Answer> | Answer,
): Promise<Listening> {
  const closing = new AbortController();
  const server = createServer((request, response) => {
    void serve(request, response, handle, closing.signal);
  });
  server.requestTimeout = 60_000;
  // Longer than clients keep idle connections, so that a reused one is not closed under them.
  server.keepAliveTimeout = 120_000;
  await bind(server, address);
  const { port } = server.address() as AddressInfo;
  return {
    host: address.host,
    port,
    async close() {
      closing.abort(new Error("the simulator is closing"));
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
  };
}

function bind(server: Server, { host, port }: { readonly host: string; readonly port: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host, port }, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

async function serve(
  request: IncomingMessage,
  response: ServerResponse,
  handle: (incoming: Incoming) => Promise<Answer> | Answer,
  closing: AbortSignal,
): Promise<void> {
  try {
    const body = await readBody(request);
    if (body === undefined) {
      send(response, {
        kind: "reply",
        status: 413,
        headers: { "content-type": "text/plain", connection: "close" },
        body: `the body has more than ${MAX_BODY_BYTES} bytes\n`,
      });
      return;
    }
    const url = new URL(request.url ?? "/", "http://simulator");
    const headers = Object.fromEntries(
      Object.entries(request.headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(", ") : value]),
    );
    const incoming = {
      method: request.method ?? "GET",
      path: url.pathname,
      query: url.search.slice(1),
      headers,
      body,
      signal: closing,
    };
    send(response, await handle(incoming));
  } catch (thrown) {
    // Nobody waits for an answer when the caller went away or the server is closing.
    if (response.destroyed || closing.aborted || response.headersSent) response.destroy();
    else send(response, failure(thrown));
  }
}

/** A fault of the simulator itself. */
function failure(thrown: unknown): Answer {
  const detail = thrown instanceof Error ? thrown.message : String(thrown);
  return {
    kind: "reply",
    status: 500,
    headers: { "content-type": "text/plain" },
    body: `the simulator failed: ${detail}\n`,
  };
}

function send(response: ServerResponse, reply: Answer): void {
  if (reply.kind === "reset") response.destroy();
  if (reply.kind !== "reply") return;
  // Written before the end is known, so that the answer is chunked as EC2's are.
  response.writeHead(reply.status, reply.headers);
  response.write(reply.body);
  response.end();
}

/** Undefined: larger than the limit. */
async function readBody(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of request) {
    const bytes = chunk as Buffer;
    sizeBytes += bytes.length;
    if (sizeBytes > MAX_BODY_BYTES) return undefined;
    chunks.push(bytes);
  }
  return Buffer.concat(chunks).toString("utf8");
}
