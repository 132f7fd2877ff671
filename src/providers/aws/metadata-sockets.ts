import { Agent, request } from "node:http";
import type { MetadataAnswer, MetadataExchange } from "./options.ts";

/** Answers are identifiers and short lists; a tree of 15 interfaces × 50 addresses stays far below. */
const ANSWER_LIMIT_BYTES = 256 * 1024;
/** Metadata limits the connections of an instance, and shares 1024 packets/s with DNS. */
const CONNECTIONS = 4;

/** Instance metadata over HTTP, on connections that are kept. */
export function metadataOverSockets(): MetadataExchange {
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
  return {
    send: ({ method, url, headers, signal }) =>
      new Promise<MetadataAnswer>((resolve, reject) => {
        const settle = (finish: () => void) => {
          signal.removeEventListener("abort", abort);
          finish();
        };
        const abort = () => call.destroy(signal.reason);
        const call = request(url, { method, headers: { ...headers }, agent }, (response) => {
          const chunks: Buffer[] = [];
          let sizeBytes = 0;
          response.on("data", (chunk: Buffer) => {
            sizeBytes += chunk.length;
            if (sizeBytes > ANSWER_LIMIT_BYTES)
              call.destroy(new Error(`the answer exceeds ${ANSWER_LIMIT_BYTES} bytes`));
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
        if (signal.aborted) abort();
        else signal.addEventListener("abort", abort, { once: true });
        call.end();
      }),
    close: () => agent.destroy(),
  };
}
