import http from "node:http";

/** What a command line of curl asks for. */
export interface CurlRequest {
  readonly url: string;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
  /** A Unix socket in place of the URL's host. */
  readonly socket: string | undefined;
}

const LIMIT_MS = 10_000;

/** Reads the arguments of curl that pages use. Throws on another one. */
export function readCurl(args: readonly string[]): CurlRequest {
  const headers: Record<string, string> = {};
  let [url, method, body, socket]: (string | undefined)[] = [];
  for (let at = 0; at < args.length; at++) {
    const word = args[at] ?? "";
    // -sX PUT is -s and -X PUT.
    const flag = word.startsWith("--") ? word : word.replace(/^-[sSf]+(?=[XHd]$)/, "-");
    const value = () => {
      at += 1;
      const given = args[at];
      if (given === undefined) throw new Error(`curl ${word} needs a value`);
      return given;
    };
    if (/^-[sSf]+$/.test(flag) || flag === "--fail") continue;
    if (flag === "-X") method = value();
    else if (flag === "-d") body = value();
    else if (flag === "--unix-socket") socket = value();
    else if (flag === "-H") {
      const [, name = "", content = ""] = /^([^:]+): *(.*)$/.exec(value()) ?? [];
      headers[name.toLowerCase()] = content;
    } else if (flag.startsWith("-") || url !== undefined)
      throw new Error(`test/documents/curl.ts does not know ${word}`);
    else url = /^https?:/.test(word) ? word : `http://${word}`;
  }
  if (url === undefined) throw new Error("curl has no URL");
  return { url, method: method ?? (body === undefined ? "GET" : "POST"), headers, body, socket };
}

export function sendRequest({
  url,
  method,
  headers,
  body,
  socket,
}: CurlRequest): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const options = {
      method,
      headers,
      agent: false,
      timeout: LIMIT_MS,
      ...(socket !== undefined && { socketPath: socket }),
    };
    const request = http.request(url, options, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (part: string) => {
        text += part;
      });
      response.on("error", reject);
      response.on("end", () => resolve({ status: response.statusCode ?? 0, text }));
    });
    request.on("timeout", () => request.destroy(new Error(`no answer within ${LIMIT_MS / 1000} s`)));
    request.on("error", reject);
    request.end(body);
  });
}
