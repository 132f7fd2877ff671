import { describe, expect, it } from "vitest";
import { addressesOf, freePrefixOf, isFencedPrefix, prefixOf } from "../../src/manager/fixed-prefixes.ts";
import type { NodeState } from "../../src/manager/node.ts";
import type { FixedRecord } from "../../src/manager/ports/index.ts";
import { Pool } from "../../src/pool/index.ts";
import { attachment, pod } from "./harness.ts";

const PREFIX = "10.0.1.32/28";
const RECORD: FixedRecord = {
  pod: "shop/db-0",
  address: "10.0.1.35",
  subnetId: "subnet-1",
  zone: "eu-central-1a",
  epoch: 3,
  holder: "",
  holderName: "",
  state: "parked",
  keepMs: 0,
};

/** A node with one prefix, which holds the fixed address. */
function nodeWithPrefix() {
  const pool = new Pool();
  pool.upsertInterface({ id: "eni-1", index: 1, usable: true });
  pool.addBlock({ cidr: PREFIX, interfaceId: "eni-1", kind: "prefix" });
  return { pool, fixed: new Map([[RECORD.pod, RECORD]]) } as unknown as NodeState;
}

describe("a prefix that holds a fixed address", () => {
  it("is known by the records of the node", () => {
    const node = nodeWithPrefix();
    expect(isFencedPrefix(node, PREFIX)).toBe(true);
    expect(isFencedPrefix(node, "10.0.1.48/28")).toBe(false);
    expect(isFencedPrefix(node, "10.0.1.35/32")).toBe(false);
    expect(prefixOf(node, RECORD.address)?.block.cidr).toBe(PREFIX);
    expect(prefixOf(node, "10.0.1.48")).toBeUndefined();
  });

  it("goes back when the address is asked for, once its own pods have ended", () => {
    const node = nodeWithPrefix();
    const begun: unknown[] = [];
    const actor = { begin: (step: unknown) => begun.push(step) > 0 };
    const one = node.pool.lease(attachment(1), pod(1), 0);
    expect(one.kind).toBe("leased");
    node.pool.keep(PREFIX, true);
    expect(freePrefixOf(node, actor, RECORD.address, RECORD.pod)).toBe(`the pods that have addresses of ${PREFIX}`);
    expect(node.pool.lease(attachment(2), pod(2), 0).kind).toBe("none");
    node.pool.release(attachment(1), 0, 0);
    node.pool.cool(1);
    expect(freePrefixOf(node, actor, RECORD.address, RECORD.pod)).toContain("to be given back");
    expect(begun).toMatchObject([{ kind: "release-blocks", interfaceId: "eni-1", cidrs: [PREFIX] }]);
    expect(freePrefixOf(node, actor, "10.0.1.48", RECORD.pod)).toBeUndefined();
  });

  it("stays fenced when it cannot go back now", () => {
    const node = nodeWithPrefix();
    node.pool.keep(PREFIX, true);
    freePrefixOf(node, { begin: () => false }, RECORD.address, RECORD.pod);
    expect(node.pool.lease(attachment(2), pod(2), 0).kind).toBe("none");
  });

  it("is made of its addresses", () => {
    expect(addressesOf(PREFIX)).toHaveLength(16);
    expect(addressesOf(PREFIX).at(0)).toBe("10.0.1.32");
    expect(addressesOf(PREFIX).at(-1)).toBe("10.0.1.47");
    expect(addressesOf("10.0.1.7/32")).toEqual(["10.0.1.7"]);
    expect(addressesOf("2600:1f14::/80")).toEqual([]);
    expect(addressesOf("10.0.0.0/16")).toEqual([]);
  });
});
