import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Ajv2020 } from "ajv/dist/2020.js";
import { describe, expect, it } from "vitest";
import { type DocumentContext, nodeDocument } from "../../src/cli/fleet/node-document.ts";
import type { StatusReport } from "../../src/manager/index.ts";
import { NODE_KINDS } from "../../src/manager/ports/index.ts";
import { NOON_MS, statusReport } from "../telemetry/status-report.ts";
import { ROOT } from "./run-enid.ts";

const schema = JSON.parse(readFileSync(join(ROOT, "schemas/fleet-node.schema.json"), "utf8"));
const validate = new Ajv2020({ strict: true }).compile(schema);
const CONTEXT: DocumentContext = {
  version: "0.6.0",
  hostName: "node-1",
  calls: { DescribeSubnets: 2 },
  nowMs: NOON_MS,
};

function documentOf(status: StatusReport, context = CONTEXT) {
  const document = nodeDocument(status, context);
  expect(validate(JSON.parse(JSON.stringify(document))), JSON.stringify(validate.errors)).toBe(true);
  return document;
}

describe("what a node says of itself", () => {
  it("is its status, made small", () => {
    const status = statusReport();
    expect(documentOf(status)).toMatchObject({
      schema: 1,
      kind: "enid",
      nodeName: "node-1",
      version: "0.6.0",
      environment: "aws",
      instanceType: "m5.large",
      zone: "eu-west-1a",
      ready: true,
      ipv4: { free: 8, leased: 9, cooling: 1, releasing: 0 },
      interfaces: status.interfaces.length,
      waiting: 0,
      longestWaitMs: 0,
      degraded: [],
      calls: { DescribeSubnets: 2 },
    });
  });

  it("is nothing while the node does not know who it is", () => {
    expect(nodeDocument(statusReport({ node: undefined }), CONTEXT)).toBeUndefined();
  });

  it("has the subnets in use with what is free, those with the most addresses first, and a former one too", () => {
    const status = statusReport();
    const [first] = status.interfaces;
    if (first === undefined) throw new Error("no interface");
    const former = { ...first, id: "eni-z", subnetId: "subnet-former" };
    const { subnets = [] } = documentOf({ ...status, interfaces: [...status.interfaces, former] }) ?? {};
    expect(subnets.map(({ id }) => id)).toEqual(expect.arrayContaining(["subnet-a", "subnet-former"]));
    const held = subnets.map((subnet) => subnet.held);
    expect(held).toEqual(held.toSorted((one, other) => other - one));
    const known = status.subnets[0];
    expect(subnets.find(({ id }) => id === known?.id)).toMatchObject({
      free: known?.freeAddresses,
      readAtMs: known?.readAtMs,
    });
    expect(subnets.find(({ id }) => id === "subnet-former")).toMatchObject({ readAtMs: 0, held: first.counts.total });
  });

  it("stays small whatever the node has", () => {
    const status = statusReport();
    const error = { code: "ENID_INTERNAL", message: "x".repeat(5_000), remedy: "" } as const;
    const [subnet] = status.subnets;
    const [one] = status.interfaces;
    if (subnet === undefined || one === undefined) throw new Error("nothing in the status");
    const many = Array.from({ length: 400 }, (_, n) => n);
    const document = documentOf(
      {
        ...status,
        ready: false,
        waitingFor: "y".repeat(10_000),
        subnets: many.map((n) => ({ ...subnet, id: `subnet-${String(n).padStart(17, "0")}` })),
        interfaces: many.map((n) => ({ ...one, id: `eni-${n}`, subnetId: `subnet-${String(n).padStart(17, "0")}` })),
        degraded: many.map((n) => ({ name: `state-${n}`, sinceMs: 0, error })),
        waiting: many.map((n) => ({
          pod: { namespace: "shop", name: `web-${n}`, uid: "" },
          attachment: { network: "n", containerId: "c", interfaceName: "eth0" },
          sinceMs: NOON_MS - n,
          deadlineMs: NOON_MS,
        })),
      },
      { ...CONTEXT, calls: Object.fromEntries(many.map((n) => [`DescribeSomething${n}`, n])) },
    );
    expect(document).toMatchObject({ waiting: 400, longestWaitMs: 399 });
    expect(Object.keys(document?.calls ?? {})[0]).toBe("DescribeSomething399");
    expect(Buffer.byteLength(JSON.stringify(document))).toBeLessThan(4_096);
  });

  it("has a schema that knows every kind of node", () => {
    expect(schema.properties.kind.enum).toEqual([...NODE_KINDS]);
  });
});
