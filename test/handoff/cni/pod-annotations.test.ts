import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { CniCall } from "../../../src/handoff/cni/call.ts";
import { serveCall } from "../../../src/handoff/cni/index.ts";
import { configuration, environment, FakeService } from "./helpers.ts";

const CAPABILITY = "io.kubernetes.cri.pod-annotations";

function callOf(verb: string, annotations: unknown): CniCall {
  const runtimeConfig = annotations === undefined ? {} : { [CAPABILITY]: annotations };
  return { environment: environment(verb, {}), stdin: configuration("1.1.0", { runtimeConfig }) };
}

/** What the manager is told of the pod's annotations, or the message of the refusal. */
async function told(annotations: unknown): Promise<Readonly<Record<string, string>> | undefined | string> {
  const service = new FakeService();
  const { error } = await serveCall(callOf("ADD", annotations), service, new AbortController().signal);
  if (error === undefined) return service.adds[0]?.annotations;
  expect([error.code, error.entry.cni]).toEqual(["ENID_CNI_CONFIG", 7]);
  return error.message;
}

describe("the annotations of a pod", () => {
  it("are none when the runtime passes none on, or none is enid's", async () => {
    for (const annotations of [undefined, null, {}, { "app.example/enid.io/x": "1" }, { "kubernetes.io/x": [1] }]) {
      expect(await told(annotations)).toBeUndefined();
    }
  });

  it("are told as they are, without those of others", async () => {
    const own = { "enid.io/fixed-address": "true", "enid.io/other": "" };
    expect(await told({ ...own, "kubernetes.io/config.seen": "2026-01-01", huge: "x".repeat(100_000) })).toEqual(own);
  });

  it("are no object that a key could spoil", async () => {
    const stdin = configuration("1.1.0", {}).replace(
      /\}$/,
      `,"runtimeConfig":{"${CAPABILITY}":{"__proto__":"x","enid.io/fixed-address":"true"}}}`,
    );
    const service = new FakeService();
    await serveCall({ environment: environment("ADD", {}), stdin }, service, new AbortController().signal);
    expect(service.adds[0]?.annotations).toEqual({ "enid.io/fixed-address": "true" });
  });

  it.each([
    ["a list", ["enid.io/fixed-address"], "is not an object"],
    ["text", "enid.io/fixed-address=true", "is not an object"],
    ["a value that is no text", { "enid.io/fixed-address": true }, '"enid.io/fixed-address" is not text'],
    ["a long value", { "enid.io/fixed-address": "x".repeat(257) }, "has a value of more than 256 characters"],
    ["a long name", { [`enid.io/${"x".repeat(64)}`]: "" }, "is longer than 71 characters"],
    [
      "very many of enid's",
      Object.fromEntries(Array.from({ length: 33 }, (_, at) => [`enid.io/${at}`, ""])),
      "has 33 annotations under enid.io/; at most 32 are read",
    ],
  ])("are refused, with the place, when they are %s", async (_, annotations, words) => {
    const message = await told(annotations);
    expect(message).toContain(`runtimeConfig["${CAPABILITY}"]`);
    expect(message).toContain(words);
  });

  it("never keep a DEL from its work", async () => {
    const service = new FakeService();
    const { error } = await serveCall(callOf("DEL", ["no object"]), service, new AbortController().signal);
    expect(error).toBeUndefined();
  });

  it("of any kind are told or refused, never a crash", async () => {
    await fc.assert(
      fc.asyncProperty(fc.jsonValue({ maxDepth: 3 }), async (annotations) => {
        await told(annotations);
      }),
    );
  });
});
