import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { announcementsOf } from "../../../src/handoff/bird/announcements.ts";
import { includeFile, isWrittenByEnid } from "../../../src/handoff/bird/include-file.ts";
import type { ReachBlock } from "../../../src/manager/ports/index.ts";

function block(cidr: string, kind: ReachBlock["kind"], usable = true): ReachBlock {
  return { cidr, kind, interfaceId: "i", usable };
}
const leased = (...addresses: string[]) => addresses.map((address) => ({ address, interfaceId: "i" }));

describe("what a node announces", () => {
  it("is its ranges, and no address inside of them", () => {
    const picture = {
      blocks: [
        block("10.2.0.0/24", "node-cidr"),
        block("10.1.0.0/25", "node-cidr"),
        block("fd00:1::/112", "node-cidr"),
      ],
      addresses: leased("10.1.0.7", "10.2.0.255", "fd00:1::ffff"),
    };
    const { ranges, hosts, covers } = announcementsOf(picture);
    expect(ranges).toEqual(["10.1.0.0/25", "10.2.0.0/24", "fd00:1::/112"]);
    expect(hosts).toEqual([]);
    expect(["10.1.0.127", "10.1.0.128", "fd00:1::1", "fd00:2::1", "0.10.1.0"].map(covers)).toEqual([
      true,
      false,
      true,
      false,
      false,
    ]);
  });

  it("is of a range that drains, and of what came from elsewhere, each leased address", () => {
    const picture = {
      blocks: [block("10.1.0.0/24", "node-cidr", false), block("10.2.0.0/24", "node-cidr")],
      addresses: leased("10.9.9.9", "10.1.0.8", "10.2.0.1", "10.1.0.7", "fd00::9", "10.1.0.7"),
    };
    expect(announcementsOf(picture)).toMatchObject({
      ranges: ["10.2.0.0/24"],
      hosts: ["10.1.0.7/32", "10.1.0.8/32", "10.9.9.9/32", "fd00::9/128"],
    });
  });

  it("is of fixed addresses those that a pod has here: one that is parked is nobody's", () => {
    const blocks = [
      block("10.1.0.0/24", "node-cidr"),
      block("10.99.0.7/32", "address", false),
      block("10.99.0.8/32", "address", false),
    ];
    expect(announcementsOf({ blocks, addresses: leased("10.99.0.7", "10.1.0.7") })).toMatchObject({
      ranges: ["10.1.0.0/24"],
      hosts: ["10.99.0.7/32"],
    });
  });

  it("is on AWS each delegated prefix, and of secondary addresses only those that are leased", () => {
    const picture = {
      blocks: [
        block("10.64.0.16/28", "prefix"),
        block("10.64.0.5/32", "address"),
        block("10.64.0.6/32", "address"),
        block("2001:db8::/80", "prefix"),
      ],
      addresses: leased("10.64.0.6", "10.64.0.17", "2001:db8::1:2"),
    };
    expect(announcementsOf(picture)).toMatchObject({
      ranges: ["10.64.0.16/28", "2001:db8::/80"],
      hosts: ["10.64.0.6/32"],
    });
  });

  it("covers each leased address once, whatever there is", () => {
    const range = fc
      .record({ third: fc.nat(3), length: fc.constantFrom(16, 22, 24, 28, 32), usable: fc.boolean() })
      .map(({ third, length, usable }) => block(`10.${length}.${third * 4}.0/${length}`, "node-cidr", usable));
    const address = fc
      .record({ second: fc.constantFrom(16, 22, 24, 28, 32), third: fc.nat(15), last: fc.nat(31) })
      .map(({ second, third, last }) => `10.${second}.${third}.${last}`);
    const isInside = (cidr: string, text: string) => {
      const [network = "", length] = cidr.split("/");
      const number = (each: string) => each.split(".").reduce((sum, byte) => sum * 256 + Number(byte), 0);
      const size = 2 ** (32 - Number(length));
      return Math.floor(number(network) / size) === Math.floor(number(text) / size);
    };
    fc.assert(
      fc.property(fc.array(range, { maxLength: 8 }), fc.array(address, { maxLength: 12 }), (blocks, addresses) => {
        const { ranges, hosts } = announcementsOf({ blocks, addresses: leased(...addresses) });
        for (const each of addresses) {
          const covered = blocks.some(({ usable, cidr }) => usable && isInside(cidr, each));
          expect(ranges.some((cidr) => isInside(cidr, each))).toBe(covered);
          expect(hosts.filter((host) => host === `${each}/32`)).toHaveLength(covered ? 0 : 1);
        }
        expect(hosts.length).toBeLessThanOrEqual(addresses.length);
      }),
    );
  });
});

describe("the include file", () => {
  const text = (ranges: string[], hosts: string[] = []) =>
    includeFile({ ranges, hosts, covers: () => false }, "/state");

  it("says the same of the same, and another version of something else", () => {
    expect(text(["10.1.0.0/24"])).toEqual(text(["10.1.0.0/24"]));
    const versions = [text([]), text(["10.1.0.0/24"]), text([], ["10.1.0.0/32"]), text(["fd00::/64"])];
    expect(new Set(versions.map(({ description }) => description)).size).toBe(4);
    for (const { text, description } of versions) expect(text.split(description)).toHaveLength(3);
  });

  it("is known as enid's, with and without routes, and nothing else is", () => {
    expect(
      [text([]).text, text(["10.1.0.0/24"]).text, includeFile(undefined, "/state").text].map(isWrittenByEnid),
    ).toEqual([true, true, true]);
    expect(["", "protocol static enid4 {}\n", `\n${text([]).text}`].map(isWrittenByEnid)).toEqual([
      false,
      false,
      false,
    ]);
  });
});
