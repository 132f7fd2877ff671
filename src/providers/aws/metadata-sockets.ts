import { Agent, type ClientRequest, request } from "node:http";
import type { Clock } from "../../adapters/index.ts";
import type { MetadataAnswer, MetadataExchange } from "./options.ts";

/** Answers are identifiers and short lists; a tree of 15 interfaces × 50 addresses stays far below. */
const ANSWER_LIMIT_BYTES = 256 * 1024;
/** Metadata limits the connections of an instance, and shares 1024 packets/s with DNS. */
const CONNECTIONS = 4;

/** Instance metadata over HTTP, on connections that are kept. The clock measures the time limits. */
export function metadataOverSockets(clock: Clock): MetadataExchange {
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
  return {
    send: ({ method, url, headers, timeoutMs, signal }) =>
      new Promise<MetadataAnswer>((resolve, reject) => {
        if (signal?.aborted) {
          reject(signal.reason);
          return;
        }
        const settle = (finish: () => void) => {
          cancel();
          signal?.removeEventListener("abort", abort);
          finish();
        };
        // Said before the connection is closed: that would say something of its own.
        const giveUp = (error: unknown) => {
          settle(() => reject(error));
          call.destroy();
        };
        const abort = () => giveUp(signal?.reason);
        const late = () =>
          giveUp(Object.assign(new Error(`no answer within ${timeoutMs} ms`), { name: "TimeoutError" }));
        const call: ClientRequest = request(url, { method, headers: { ...headers }, agent }, (response) => {
          const chunks: Buffer[] = [];
          let sizeBytes = 0;
          response.on("data", (chunk: Buffer) => {
            sizeBytes += chunk.length;
            if (sizeBytes > ANSWER_LIMIT_BYTES) giveUp(new Error(`the answer exceeds ${ANSWER_LIMIT_BYTES} bytes`));
            else chunks.push(chunk);
          });
          response.on("end", () =>
            settle(() => {
              if (response.complete)
                resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString("utf8") });
              else reject(new Error("the answer was cut off"));
            }),
          );
          response.on("error", (error) => settle(() => reject(error)));
        });
        call.on("error", (error) => settle(() => reject(error)));
        const cancel = clock.after(timeoutMs, late);
        signal?.addEventListener("abort", abort, { once: true });
        call.end();
      }),
    close: () => agent.destroy(),
  };
}
