import { describe, expect, it } from "vitest";
import { layoutOf } from "../../src/manager/range-layout.ts";
import type { BlockCounts } from "../../src/pool/index.ts";

const NONE = { total: 1, free: 1, leased: 0, cooling: 0, releasing: 0 };
const range = (cidr: string, leased = 0): BlockCounts => ({
  ...NONE,
  leased,
  block: { cidr, interfaceId: "node", kind: "node-cidr" },
  usable: true,
});
const fixed = (address: string, leased = 0): BlockCounts => ({
  ...NONE,
  leased,
  block: { cidr: `${address}/32`, interfaceId: "node", kind: "address" },
  usable: false,
  kept: true,
});

describe("the layout of ranges beside fixed addresses", () => {
  it.each([0, 1])("leaves the address alone, whether a pod has it (%d) or not", (leased) => {
    const layout = layoutOf(["10.12.5.0/24"], [range("10.12.5.0/24"), fixed("10.99.0.7", leased)]);
    expect(layout).toEqual({ serving: ["10.12.5.0/24"], draining: [], removed: [], added: [] });
  });

  it("brings a range in beside it, and takes one out", () => {
    const layout = layoutOf(["10.12.6.0/24"], [range("10.12.5.0/24"), fixed("10.99.0.7", 1)]);
    expect(layout).toEqual({ serving: [], draining: [], removed: ["10.12.5.0/24"], added: ["10.12.6.0/24"] });
  });

  it("is what the address leaves of a range that holds it, and the whole range once it is gone", () => {
    const parts = layoutOf(["10.12.5.0/29"], [fixed("10.12.5.4")]);
    expect(parts.added.toSorted()).toEqual(["10.12.5.0/30", "10.12.5.5/32", "10.12.5.6/31"]);
    const whole = layoutOf(
      ["10.12.5.0/29"],
      parts.added.map((cidr) => range(cidr)),
    );
    expect(whole.added).toEqual(["10.12.5.0/29"]);
    expect(whole.removed.toSorted()).toEqual(parts.added.toSorted());
  });
});
