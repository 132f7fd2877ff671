import fc from "fast-check";
import ipaddr from "ipaddr.js";
import { describe, expect, it } from "vitest";
import type { CniCall } from "../../../src/handoff/cni/call.ts";
import { serveCall } from "../../../src/handoff/cni/index.ts";
import { configuration, environment, FakeService, POD_ARGUMENTS } from "./helpers.ts";

interface Asked {
  readonly capability?: unknown;
  readonly args?: unknown;
  readonly text?: string;
}

function callOf({ capability, args, text }: Asked): CniCall {
  return {
    environment: environment("ADD", text === undefined ? {} : { CNI_ARGS: `${POD_ARGUMENTS};IP=${text}` }),
    stdin: configuration("1.1.0", {
      ...(capability === undefined ? {} : { runtimeConfig: { portMappings: [], ips: capability } }),
      ...(args === undefined ? {} : { args: { cni: { labels: [], ips: args } } }),
    }),
  };
}

/** What the manager is asked for, or the message of the refusal. */
async function wanted(asked: Asked): Promise<readonly string[] | undefined | string> {
  const service = new FakeService();
  const { error } = await serveCall(callOf(asked), service, new AbortController().signal);
  return error === undefined ? service.adds[0]?.wanted : error.message;
}

describe("the addresses that an ADD asks for", () => {
  it("are none when nobody says any", async () => {
    for (const asked of [{}, { capability: [] }, { capability: null, args: null }, { args: [] }, { text: "" }]) {
      expect(await wanted(asked)).toBeUndefined();
    }
  });

  it("come from the capability, from args, or from CNI_ARGS, with or without a prefix length", async () => {
    expect(await wanted({ capability: ["10.0.0.7", "2001:db8::7"] })).toEqual(["10.0.0.7", "2001:db8::7"]);
    expect(await wanted({ args: ["10.2.2.42/24", "2001:db8::5"] })).toEqual(["10.2.2.42", "2001:db8::5"]);
    expect(await wanted({ text: "192.168.10.4/24" })).toEqual(["192.168.10.4"]);
    expect(await wanted({ text: "2001:DB8:0::7/64,10.0.0.7" })).toEqual(["2001:db8::7", "10.0.0.7"]);
    expect(await wanted({ text: " 10.0.0.7 , 10.0.0.7/32" })).toEqual(["10.0.0.7"]);
  });

  it("are those of the first place that says any; the others are not even read", async () => {
    const all = { capability: ["10.0.0.1"], args: ["10.0.0.2"], text: "10.0.0.3" };
    expect(await wanted(all)).toEqual(["10.0.0.1"]);
    expect(await wanted({ ...all, capability: [] })).toEqual(["10.0.0.2"]);
    // "If a runtime passes an equivalent key via args [...] the plugin must ignore the CNI_ARGS Field."
    expect(await wanted({ args: ["10.0.0.2"], text: "nonsense" })).toEqual(["10.0.0.2"]);
    expect(await wanted({ capability: ["10.0.0.1"], args: "nonsense" })).toEqual(["10.0.0.1"]);
  });

  it.each([
    [{ capability: "10.0.0.7" }, "runtimeConfig.ips: it is not an array"],
    [{ capability: [7] }, "runtimeConfig.ips: an entry of type number is not an address"],
    [{ args: ["10.0.0"] }, 'args.cni.ips: "10.0.0" is not an address'],
    [{ args: ["10.0.0.07"] }, '"10.0.0.07" is not an address'],
    [{ args: ["10.0.0.7/33"] }, '"10.0.0.7/33" is not an address'],
    [{ args: ["10.0.0.7/"] }, '"10.0.0.7/" is not an address'],
    [{ args: ["10.0.0.7/24/24"] }, '"10.0.0.7/24/24" is not an address'],
    [{ args: ["fe80::1%eth0"] }, '"fe80::1%eth0" is not an address'],
    [{ args: ["::ffff:10.0.0.7"] }, '"::ffff:10.0.0.7" is not an address'],
    [{ args: ["::1/129"] }, '"::1/129" is not an address'],
    [{ args: ["1".repeat(100)] }, '"1111'],
    [{ args: ["10.0.0.7", "10.0.0.8"] }, "10.0.0.7 and 10.0.0.8 are of one family; a pod has one address of each"],
    [{ text: "10.0.0.7;IP=" }, undefined],
    [{ text: "10.0.0.7," }, 'CNI_ARGS holds IP="10.0.0.7,": "" is not an address'],
    [{ text: "10.0.0.7,10.0.0.8" }, "are of one family"],
  ])("%j is refused in words", async (asked, problem) => {
    if (problem === undefined) expect(await wanted(asked)).toBeUndefined();
    else expect(await wanted(asked)).toContain(problem);
  });

  it("are canonical however they are written", async () => {
    const ipv6 = fc.ipV6().filter((text) => !text.includes("."));
    await fc.assert(
      fc.asyncProperty(fc.ipV4(), ipv6, fc.nat(32), fc.boolean(), async (v4, v6, length, upper) => {
        const written = [`${v4}/${length}`, upper ? v6.toUpperCase() : v6];
        const canonical = [v4, ipaddr.IPv6.parse(v6).toRFC5952String()];
        expect(await wanted({ capability: written })).toEqual(canonical);
        expect(await wanted({ text: written.join(",") })).toEqual(canonical);
      }),
      { numRuns: 100 },
    );
  });

  it("do not matter to DEL, however they are written", async () => {
    const service = new FakeService();
    for (const text of ["10.0.0.7", "nonsense"]) {
      const call = { ...callOf({ args: 7, text }), environment: environment("DEL", { CNI_ARGS: `IP=${text}` }) };
      const { answer } = await serveCall(call, service, new AbortController().signal);
      expect(answer).toEqual({ exit: 0, body: "" });
    }
    expect(service.removed).toHaveLength(2);
  });
});
