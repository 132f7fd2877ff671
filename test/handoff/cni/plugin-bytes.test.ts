import { createServer, type Server } from "node:http";
import fc from "fast-check";
import { afterAll, beforeAll, expect, it } from "vitest";
import { bytesOf, makePlace, type Place, pluginBinary, runPlugin, sanitizedBinary } from "./helpers.ts";

interface Body {
  readonly environment: Record<string, string>;
  readonly stdin: string;
}

let place: Place;
let server: Server;
let received: Buffer;

beforeAll(async () => {
  place = await makePlace();
  server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    received = Buffer.concat(chunks);
    response.writeHead(200, { "x-enid-exit": "0", "content-length": "0" }).end();
  });
  await new Promise<void>((resolve) => server.listen(place.socket, resolve));
});

afterAll(async () => {
  await new Promise((resolve) => server.close(resolve));
  await place.remove();
});

async function send(binary: string, environment: Record<string, string>, stdin: Uint8Array): Promise<Body> {
  const run = await runPlugin(binary, { environment: { ...environment, ENID_SOCKET: place.socket }, stdin });
  expect(run).toMatchObject({ exit: 0, stdout: "", stderr: "" });
  // Strict on both layers: the body is valid UTF-8, and valid JSON.
  return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(received)) as Body;
}

/** Bytes that are hard on an escaper: any, near-valid UTF-8, and JSON's own characters. */
const bytes = fc.oneof(
  fc.uint8Array({ maxLength: 200 }),
  fc
    .array(fc.constantFrom(0xc0, 0xc2, 0xe0, 0xed, 0xef, 0xf0, 0xf4, 0xf5, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0x41))
    .map((array) => Uint8Array.from(array)),
  fc.array(fc.constantFrom(0, 8, 9, 10, 13, 31, 34, 47, 92, 117, 127)).map((array) => Uint8Array.from(array)),
  fc.string({ unit: "binary", maxLength: 100 }).map((text) => Uint8Array.from(Buffer.from(text))),
);

const variable = fc
  .string({ unit: "binary", maxLength: 60 })
  .filter((text) => text.isWellFormed() && !text.includes("\0") && text !== "");

it("sends exactly the bytes it was given, whatever they are", async () => {
  const binary = pluginBinary();
  await fc.assert(
    fc.asyncProperty(bytes, variable, variable, async (stdin, netns, args) => {
      const environment = { CNI_COMMAND: "ADD", CNI_NETNS: netns, CNI_ARGS: args, CNI_NETNS_OVERRIDE: "1" };
      const body = await send(binary, { ...environment, NOT_CNI: "x" }, stdin);
      expect(body.environment).toEqual(environment);
      expect(bytesOf(body.stdin)).toEqual(Buffer.from(stdin));
      expect(body.stdin.isWellFormed()).toBe(isUtf8(stdin));
    }),
    { numRuns: 200 },
  );
});

it("sends exactly the bytes it was given when the sanitizers watch", async () => {
  const binary = sanitizedBinary();
  await fc.assert(
    fc.asyncProperty(bytes, async (stdin) => {
      expect(bytesOf((await send(binary, { CNI_COMMAND: "ADD" }, stdin)).stdin)).toEqual(Buffer.from(stdin));
    }),
    { numRuns: 60 },
  );
});

it("sends bytes of the environment that are not UTF-8", async () => {
  // Node can only set UTF-8, so a shell does it: 0xff, an overlong NUL, "a", a surrogate, in octal for printf.
  const script = 'CNI_ARGS=$(printf "\\377\\300\\200a\\355\\240\\200") exec "$0"';
  for (const binary of [pluginBinary(), sanitizedBinary()]) {
    const environment = { CNI_COMMAND: "ADD", ENID_SOCKET: place.socket };
    expect(await runPlugin("/bin/sh", { arguments: ["-c", script, binary], environment })).toMatchObject({ exit: 0 });
    const body = JSON.parse(received.toString()) as Body;
    expect(bytesOf(body.environment.CNI_ARGS ?? "")).toEqual(Buffer.from("ffc08061eda080", "hex"));
  }
});

it("sends 1 MiB of the worst bytes", async () => {
  const worst = new Uint8Array(1024 * 1024).fill(0x01);
  const body = await send(pluginBinary(), { CNI_COMMAND: "ADD" }, worst);
  expect(bytesOf(body.stdin).equals(worst)).toBe(true);
  const invalid = new Uint8Array(1024 * 1024).fill(0xff);
  expect(bytesOf((await send(sanitizedBinary(), { CNI_COMMAND: "ADD" }, invalid)).stdin).equals(invalid)).toBe(true);
});

function isUtf8(data: Uint8Array): boolean {
  try {
    new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(data);
    return true;
  } catch {
    return false;
  }
}
