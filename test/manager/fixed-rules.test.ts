import { describe, expect, it } from "vitest";
import type { FixedRule } from "../../src/configuration/index.ts";
import { FIXED_ANNOTATION, fixedPod } from "../../src/manager/fixed-rules.ts";

const pod = (namespace: string, name: string) => ({ namespace, name });

function settings(fixed: readonly FixedRule[], annotations = false) {
  return { fixed, "fixed-annotations": annotations, "fixed-keep-seconds": 60 };
}

describe("the rules of fixed addresses", () => {
  it.each([
    [{ namespace: "shop", "stateful-set": "db" }, "shop", "db-0", true],
    [{ namespace: "shop", "stateful-set": "db" }, "shop", "db-01", false],
    [{ namespace: "shop", "stateful-set": "db" }, "shop", "db-x-0", false],
    [{ namespace: "shop", "stateful-set": "db" }, "shop2", "db-0", false],
    [{ namespace: "shop", "stateful-set": "db", ordinals: "0-2,7" }, "shop", "db-2", true],
    [{ namespace: "shop", "stateful-set": "db", ordinals: "0-2,7" }, "shop", "db-7", true],
    [{ namespace: "shop", "stateful-set": "db", ordinals: "0-2,7" }, "shop", "db-3", false],
    [{ namespace: "*", pod: "a*b*c" }, "any", "a-b-b-c", true],
    [{ namespace: "*", pod: "a*b*c" }, "any", "a-c-b", false],
    [{ namespace: "*", pod: "ab*ba" }, "any", "aba", false],
    [{ namespace: "t-*", pod: "*" }, "t-1", "x", true],
    [{ namespace: "t.1", pod: "x" }, "t-1", "x", false],
  ] as const)("%o, %s/%s: %s", (rule, namespace, name, fits) => {
    expect(fixedPod(settings([rule]), pod(namespace, name), undefined) !== undefined).toBe(fits);
  });

  it("count in their order, each with its own time", () => {
    const rules = [
      { namespace: "shop", pod: "db-0", "keep-seconds": 0 },
      { namespace: "shop", pod: "*", addresses: ["10.9.0.0/24"] },
    ];
    expect(fixedPod(settings(rules), pod("shop", "db-0"), undefined)).toMatchObject({ keepMs: 0, ranges: [] });
    const other = fixedPod(settings(rules), pod("shop", "db-1"), undefined);
    expect(other).toMatchObject({ key: "shop/db-1", keepMs: 60_000, ranges: ["10.9.0.0/24"] });
  });

  it("give way to an annotation, where annotations count", () => {
    const rule = { namespace: "shop", pod: "db" };
    const asks = { [FIXED_ANNOTATION]: "true" };
    const refuses = { [FIXED_ANNOTATION]: "false" };
    expect(fixedPod(settings([], true), pod("shop", "web"), asks)).toMatchObject({ key: "shop/web" });
    expect(fixedPod(settings([], false), pod("shop", "web"), asks)).toBeUndefined();
    expect(fixedPod(settings([rule], true), pod("shop", "db"), refuses)).toBeUndefined();
    expect(fixedPod(settings([rule], false), pod("shop", "db"), refuses)).toBeDefined();
  });
});
