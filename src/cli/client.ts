import http from "node:http";
import type { Clock } from "../adapters/index.ts";
import { catalogue, EnidError, type ErrorCode, type ErrorValues } from "../errors.ts";

/** Talks to the daemon on this node through its Unix socket. */
export interface DaemonClient {
  /** @throws EnidError the daemon's own error, or ENID_DAEMON_UNREACHABLE. */
  request<Answer>(method: "GET" | "PUT" | "DELETE", path: string, body?: unknown): Promise<Answer>;
}

const LIMIT_MS = 10_000;
/** 60,000 leases as JSON are about 20 MB. */
const ANSWER_LIMIT_BYTES = 64 * 1024 * 1024;

export function daemonClient(socket: string, clock: Clock): DaemonClient {
  return {
    async request<Answer>(method: string, path: string, body?: unknown): Promise<Answer> {
      const { status, text } = await exchange(socket, clock, method, path, body);
      const answer = parseAnswer(socket, text);
      if (status >= 200 && status < 300) return answer as Answer;
      throw daemonError(socket, status, answer);
    },
  };
}

function exchange(
  socket: string,
  clock: Clock,
  method: string,
  path: string,
  body: unknown,
): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const payload = body === undefined ? undefined : JSON.stringify(body);
    const fail = (detail: string, cause?: unknown) => {
      cancel();
      reject(new EnidError("ENID_DAEMON_UNREACHABLE", { socket, detail }, { cause }));
    };
    const request = http.request(
      {
        socketPath: socket,
        method,
        path,
        agent: false,
        headers:
          payload === undefined
            ? {}
            : { "content-type": "application/json", "content-length": Buffer.byteLength(payload) },
      },
      (response) => {
        const chunks: Buffer[] = [];
        let bytes = 0;
        response.on("data", (chunk: Buffer) => {
          bytes += chunk.length;
          if (bytes > ANSWER_LIMIT_BYTES) request.destroy(new Error(`its answer exceeds ${ANSWER_LIMIT_BYTES} bytes`));
          else chunks.push(chunk);
        });
        response.on("error", (error) => fail(error.message, error));
        response.on("end", () => {
          cancel();
          resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString("utf8") });
        });
      },
    );
    const cancel = clock.after(LIMIT_MS, () => request.destroy(new Error(`no answer within ${LIMIT_MS / 1000} s`)));
    request.on("error", (error) => fail(explain(error), error));
    request.end(payload);
  });
}

function explain(error: Error & { code?: string }): string {
  if (error.code === "ENOENT") return "the socket does not exist";
  if (error.code === "ECONNREFUSED") return "nobody listens on the socket";
  if (error.code === "EACCES") return "permission denied; the socket belongs to root";
  return error.message;
}

function parseAnswer(socket: string, text: string): unknown {
  try {
    return text === "" ? undefined : JSON.parse(text);
  } catch (cause) {
    throw new EnidError(
      "ENID_DAEMON_UNREACHABLE",
      { socket, detail: "what answers there is not enid (its answer is not JSON)" },
      { cause },
    );
  }
}

/** The error as the daemon threw it: same code, values and details. */
function daemonError(socket: string, status: number, answer: unknown): EnidError {
  const error = (
    answer as { error?: { code?: unknown; values?: ErrorValues; message?: unknown; details?: unknown } } | undefined
  )?.error;
  if (typeof error?.code === "string" && Object.hasOwn(catalogue, error.code)) {
    return new EnidError(error.code as ErrorCode, error.values ?? {}, { details: error.details });
  }
  const detail = `it answers with status ${status}${typeof error?.message === "string" ? `: ${error.message}` : ""}`;
  return new EnidError("ENID_DAEMON_UNREACHABLE", { socket, detail });
}
