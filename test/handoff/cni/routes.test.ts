import { request as httpRequest } from "node:http";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import {
  configuration,
  type Daemon,
  environment,
  makePlace,
  type Place,
  pluginBinary,
  runPlugin,
  startDaemon,
  until,
} from "./helpers.ts";

let place: Place;
let daemon: Daemon;

beforeAll(() => {
  pluginBinary();
});

beforeEach(async () => {
  place = await makePlace();
  daemon = await startDaemon(place.socket);
});

afterEach(async () => {
  await daemon.close();
  await place.remove();
});

interface Answer {
  readonly status: number | undefined;
  readonly headers: Record<string, unknown>;
  readonly body: string;
}

function post(body: string, type = "application/json"): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const headers = { "content-type": type, "content-length": Buffer.byteLength(body) };
    const outgoing = httpRequest({ socketPath: place.socket, path: "/cni", method: "POST", headers }, (incoming) => {
      const chunks: Buffer[] = [];
      incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
      incoming.once("end", () =>
        resolve({ status: incoming.statusCode, headers: incoming.headers, body: Buffer.concat(chunks).toString() }),
      );
    });
    outgoing.once("error", reject);
    outgoing.end(body);
  });
}

const request = (verb: string, stdin = configuration()) => JSON.stringify({ environment: environment(verb), stdin });

describe("POST /cni", () => {
  it("answers with the body to print, the exit code and a length", async () => {
    expect(await post(request("ADD"))).toMatchObject({
      status: 200,
      headers: { "x-enid-exit": "0", "content-length": "56" },
      body: '{"cniVersion":"1.1.0","ips":[{"address":"10.0.0.1/32"}]}',
    });
  });

  it("answers an empty success with length 0", async () => {
    expect(await post(request("DEL"))).toMatchObject({
      status: 200,
      headers: { "x-enid-exit": "0", "content-length": "0" },
      body: "",
    });
  });

  it.each([
    ["not JSON", "{", 400, "JSON"],
    ["an array", "[]", 400, "the body is not a JSON object"],
    ["nothing", "", 400, "empty"],
    ["no environment", '{"stdin":""}', 400, '"environment" is not an object'],
    ["no stdin", '{"environment":{}}', 400, '"stdin" is not a string'],
    ["a variable that is no string", '{"environment":{"CNI_IFNAME":1},"stdin":""}', 400, '"CNI_IFNAME"'],
    ["a prototype", '{"environment":{},"stdin":"","__proto__":{}}', 400, "not valid JSON"],
  ])("refuses a body of %s as a CNI error", async (_what, body, status, detail) => {
    const answer = await post(body);
    expect(answer).toMatchObject({ status, headers: { "x-enid-exit": "1" } });
    const error = JSON.parse(answer.body) as { code: number; msg: string };
    expect(error.code).toBe(6);
    expect(error.msg).toContain("ENID_CNI_REQUEST");
    expect(error.msg).toContain(detail);
    expect(daemon.telemetry.verbs).toEqual([{ verb: "unknown", outcome: "ENID_CNI_REQUEST", durationMs: 0 }]);
  });

  it("refuses a body of another type, and one over 8 MiB", async () => {
    expect(await post(request("ADD"), "text/xml")).toMatchObject({ status: 415, headers: { "x-enid-exit": "1" } });
    const large = JSON.stringify({ environment: {}, stdin: "x".repeat(8 * 1024 * 1024) });
    // The server answers before it has read everything; the client may notice the closed connection first.
    const answer = await post(large).then(
      ({ status }) => status,
      (error: NodeJS.ErrnoException) => error.code,
    );
    expect([413, "EPIPE", "ECONNRESET"]).toContain(answer);
    expect(daemon.telemetry.verbs.map(({ outcome }) => outcome)).toEqual(["ENID_CNI_REQUEST", "ENID_CNI_REQUEST"]);
  });

  it("refuses a configuration with bytes that are not UTF-8", async () => {
    const answer = await post(request("ADD", '{"cniVersion":"1.0.0","name":"\udcff"}'));
    expect(JSON.parse(answer.body)).toMatchObject({ code: 6, msg: expect.stringContaining("it is not UTF-8") });
  });

  it("tells telemetry each verb with its outcome and duration, with few different verbs", async () => {
    await post(request("ADD"));
    await post(request("CHECK"));
    await post(request("GC"));
    await post(request("anything at all"));
    expect(daemon.telemetry.verbs).toEqual([
      { verb: "ADD", outcome: "ok", durationMs: expect.any(Number) },
      { verb: "CHECK", outcome: "ENID_CNI_CONFIG", durationMs: expect.any(Number) },
      { verb: "GC", outcome: "ENID_CNI_CONFIG", durationMs: expect.any(Number) },
      { verb: "unknown", outcome: "ENID_CNI_VERB", durationMs: expect.any(Number) },
    ]);
    expect(daemon.telemetry.verbs.every(({ durationMs }) => durationMs >= 0 && durationMs < 5_000)).toBe(true);
  });

  it("reports each failed verb as an event that names the container", async () => {
    await post(request("CHECK"));
    expect(daemon.telemetry.events).toEqual([
      {
        name: "cni-failed",
        level: "warn",
        message: expect.stringContaining('CHECK for container "c0" failed: ENID_CNI_CONFIG: '),
        fields: expect.objectContaining({ verb: "CHECK", code: "ENID_CNI_CONFIG", interfaceName: "eth0" }),
      },
    ]);
  });
});

describe("a caller that hangs up", () => {
  it("aborts its ADD", async () => {
    let abortedWith: unknown;
    daemon.service.onAdd = (_request, signal) =>
      new Promise((_resolve, reject) => {
        signal?.addEventListener("abort", () => {
          abortedWith = signal.reason;
          reject(signal.reason);
        });
      });
    const controller = new AbortController();
    const run = runPlugin(pluginBinary(), {
      environment: { ...environment("ADD"), ENID_SOCKET: place.socket },
      stdin: configuration(),
      signal: controller.signal,
    }).catch((error: Error) => error.name);
    await until(() => daemon.service.adds.length === 1);
    expect(daemon.service.signals[0]?.aborted).toBe(false);
    controller.abort();
    expect(await run).toBe("AbortError");
    await until(() => daemon.telemetry.verbs.length === 1);
    expect(abortedWith).toBeDefined();
    expect(daemon.telemetry.verbs[0]).toMatchObject({ verb: "ADD", outcome: "ENID_CNI_CALLER_GONE" });
  });

  it("is told apart from one that got its answer", async () => {
    await post(request("ADD"));
    await daemon.fastify.close();
    expect(daemon.service.signals[0]?.aborted).toBe(false);
  });

  it("has its DEL carried out all the same", async () => {
    let finish: (() => void) | undefined;
    daemon.service.onRemove = () =>
      new Promise((resolve) => {
        finish = resolve;
      });
    const run = runPlugin(pluginBinary(), {
      environment: { ...environment("DEL"), ENID_SOCKET: place.socket, ENID_TIMEOUT_MS: "200" },
      stdin: configuration(),
    });
    const finishRemoval = await until(() => finish);
    expect(await run).toMatchObject({ exit: 0 }); // its time was up: it left the deletion in the queue
    finishRemoval();
    await until(() => daemon.service.removed.length === 1);
    await until(() => daemon.telemetry.verbs.length === 1);
    expect(daemon.telemetry.verbs[0]).toMatchObject({ verb: "DEL", outcome: "ok" });
  });
});
