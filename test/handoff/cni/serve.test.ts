import fc from "fast-check";
import fastifyFactory from "fastify";
import { expect, it } from "vitest";
import { systemClock } from "../../../src/adapters/index.ts";
import { cniRoutes } from "../../../src/handoff/cni/index.ts";
import { FakeService, RecordingTelemetry } from "./helpers.ts";

const verb = fc.constantFrom("ADD", "DEL", "CHECK", "STATUS", "VERSION", "GC", "", "add");
const text = fc.oneof(
  fc.constantFrom("", "c0", "eth0", "/run/netns/x", "a=b;c", "IgnoreUnknown=1;K8S_POD_NAME=p;IP=1.2.3.4,"),
  fc.string(),
);
const value = fc.oneof(fc.constantFrom("1.1.0", "1.0.0", "0.3.1", "cilium", ""), fc.jsonValue());
const addressList = fc.oneof(fc.array(fc.oneof(fc.ipV4(), fc.ipV6(), fc.string())), fc.jsonValue());
const asked = fc.oneof(fc.record({ ips: addressList, ipRanges: fc.jsonValue() }, { requiredKeys: [] }), fc.jsonValue());
const attachments = fc.oneof(fc.array(fc.record({ containerID: text, ifname: text })), fc.jsonValue());
const stdin = fc.oneof(
  fc
    .record(
      {
        cniVersion: value,
        name: value,
        prevResult: value,
        runtimeConfig: asked,
        args: fc.record({ cni: asked }),
        "cni.dev/valid-attachments": attachments,
      },
      { requiredKeys: [] },
    )
    .map((v) => JSON.stringify(v)),
  fc.json(),
  fc.string({ unit: "binary" }),
);
const environment = fc.record(
  { CNI_CONTAINERID: text, CNI_NETNS: text, CNI_IFNAME: text, CNI_ARGS: text, CNI_NETNS_OVERRIDE: text },
  { requiredKeys: [] },
);

it.each(["ipv4", "ipv6", "dual"] as const)(
  "answers every input of a node with %s: a success, or an error with a code, a message and a remedy",
  async (families) => {
    const telemetry = new RecordingTelemetry();
    const fastify = fastifyFactory();
    const service = new FakeService();
    service.families = families;
    await fastify.register(cniRoutes(service, { telemetry, clock: systemClock }));
    await fc.assert(
      fc.asyncProperty(verb, environment, stdin, async (command, variables, input) => {
        const payload = { environment: { CNI_COMMAND: command, ...variables }, stdin: input };
        const answer = await fastify.inject({ method: "POST", url: "/cni", payload });
        expect(answer.statusCode).toBe(200);
        if (answer.headers["x-enid-exit"] === "0") {
          if (answer.body !== "") expect(answer.json()).toHaveProperty("cniVersion");
          return;
        }
        expect(answer.headers["x-enid-exit"]).toBe("1");
        const error = answer.json<{ code: number; msg: string; details: string }>();
        expect(error.code).toBeOneOf([1, 2, 3, 4, 6, 7, 102]);
        expect(error.msg).toMatch(/^ENID_[A-Z_]+: ./);
        expect(error.msg.length).toBeLessThan(600);
        expect(error.details).not.toMatch(/\{\w+\}/);
      }),
      { numRuns: 500 },
    );
    await fastify.close();
    const outcomes = new Set(telemetry.verbs.map(({ outcome }) => outcome));
    expect([...outcomes]).toEqual(
      expect.arrayContaining(["ok", "ENID_CNI_DECODE", "ENID_CNI_VERSION", "ENID_CNI_VERB"]),
    );
  },
);
