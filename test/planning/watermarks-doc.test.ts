import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import {
  effectivePreAllocate,
  excess,
  needed,
  nodeMaximum,
  type PlanInput,
  type PlanInterface,
  type PlanLimits,
  type PlanSubnet,
  type PrefixMode,
  plan,
} from "../../src/planning/index.ts";
import { Pool } from "../../src/pool/index.ts";
import { brief, freePrefixes, freeSingles, makeInput, makeInterface, NOW_MS } from "./make-input.ts";

/** docs/watermarks.md is run: its tables against the formulas, its examples against the plan and the pool. */
const page = readFileSync(new URL("../../docs/watermarks.md", import.meta.url), "utf8");

describe("the tables of docs/watermarks.md", () => {
  test("of needed are what the formula gives", () => {
    const rows = tableAfter("## How many addresses: needed", "available");
    expect(rows.length).toBeGreaterThanOrEqual(7);
    for (const [available, used, preAllocate, minAllocate, maxAllocate, expected] of rows) {
      expect(needed({ available, used, preAllocate, minAllocate, maxAllocate } as Counts)).toBe(expected);
    }
  });

  test("of excess are what the formula gives", () => {
    const rows = tableAfter("## How many addresses: excess", "available");
    expect(rows.length).toBeGreaterThanOrEqual(5);
    for (const [available, used, preAllocate, minAllocate, maxAboveWatermark, expected] of rows) {
      expect(excess({ available, used, preAllocate, minAllocate, maxAboveWatermark } as Counts)).toBe(expected);
    }
  });

  test("of the node maximum are what the formula gives", () => {
    const rows = tableAfter("## The node maximum", "interfaces");
    expect(rows.length).toBeGreaterThanOrEqual(3);
    for (const [maxInterfaces, addressesPerInterface, firstInterfaceIndex, most, withPrefixes] of rows) {
      const limits = { maxInterfaces, addressesPerInterface, firstInterfaceIndex } as Limits;
      expect([nodeMaximum(limits), nodeMaximum(limits, { prefixes: true })]).toEqual([most, withPrefixes]);
      expect(effectivePreAllocate(8, true, limits)).toBe(Math.min(8, most ?? 0));
    }
  });
});

describe("the examples of docs/watermarks.md", () => {
  const plans = examples("plan");
  test("hold plans", () => expect(plans.length).toBeGreaterThanOrEqual(17));
  test.each(plans.map((lines, index) => [index + 1, lines] as const))("plan %i is what enid plans", (_, lines) => {
    runPlan(lines);
  });

  const pools = examples("pool");
  test("hold pools", () => expect(pools.length).toBeGreaterThanOrEqual(2));
  test.each(pools.map((lines, index) => [index + 1, lines] as const))("pool %i is what the pool does", (_, lines) => {
    runPool(lines);
  });
});

type Counts = Parameters<typeof needed>[0] & Parameters<typeof excess>[0];
type Limits = Parameters<typeof nodeMaximum>[0];

/** Reads the lines of a plan example into an input, and compares what they expect. */
function runPlan(lines: readonly string[]): void {
  const steps: string[] = [];
  let says: Record<string, number> = {};
  let shortfall: string | undefined;
  let input = makeInput({ interfaces: [], subnets: [] });
  for (const line of lines) {
    const [word = "", ...rest] = line.split(" ");
    if (word === "says") says = pairs(rest);
    else if (word === "shortfall") shortfall = rest[0];
    else if (word === "step") steps.push(rest.join(" "));
    else input = { ...input, ...read(line, input) };
  }
  const { needed: asked, surge, wanted, planned, givenBack: gives = 0, ...result } = plan(input);
  expect({ needed: asked, surge, wanted }).toEqual({ needed: says.needed, surge: says.surge, wanted: says.wanted });
  expect({ planned, gives, ...says }).toMatchObject({ planned, gives });
  expect(brief(result.steps)).toEqual(steps);
  expect(result.shortfall?.kind).toBe(shortfall);
}

/** What a line of a plan example says about its input. */
function read(line: string, { interfaces, subnets, watermarks, limits }: PlanInput): Partial<PlanInput> {
  const [word = "", ...rest] = line.split(" ");
  const numbers = (line.match(/\d+/g) ?? []).map(Number);
  const [first = Number.NaN, second = Number.NaN, third = Number.NaN] = numbers;
  switch (word) {
    case "limits":
      return { limits: { maxInterfaces: first, addressesPerInterface: second, firstInterfaceIndex: third } };
    case "card": {
      const { cards = [{ card: 0, maxInterfaces: limits.maxInterfaces }] } = limits;
      return { limits: { ...limits, cards: [...cards, { card: first, maxInterfaces: second }] } };
    }
    case "settings": {
      const set = pairs(rest);
      return {
        watermarks: {
          preAllocate: set["pre-allocate"] ?? watermarks.preAllocate,
          minAllocate: set["min-allocate"] ?? 0,
          maxAllocate: set["max-allocate"] ?? 0,
          maxAboveWatermark: set["max-above-watermark"] ?? 0,
        },
      };
    }
    case "prefixes":
      return { prefixMode: rest[0] as PrefixMode, limits: { ...limits, prefixes: true } };
    case "families":
      return { families: rest[0] as "dual" | "ipv6" };
    case "subnet":
      return { subnets: [...subnets, readSubnet(rest)] };
    case "interface":
      return { interfaces: [...interfaces, readInterface(rest, limits)] };
    case "node":
      return pairs(rest);
    case "give":
      return { giveBack: { count: first, interfaceIdleMs: (numbers[1] ?? 600) * 1000 } };
    default:
      throw new Error(`unknown line in a plan example: ${line}`);
  }
}

/** "subnet-a free 1000 fragmented ipv6" */
function readSubnet([id = "", , free, ...flags]: readonly string[]): PlanSubnet {
  return {
    ...{ id, freeAddresses: Number(free), ipv6: flags.includes("ipv6") },
    ...(flags.includes("fragmented") ? { prefixesBlockedUntilMs: NOW_MS + 1 } : {}),
  };
}

/** "eni-1 index 1 in subnet-a taken 9 used 3 singles 6 prefixes 0 idle 60": singles and prefixes are the free ones. */
function readInterface(words: readonly string[], limits: PlanLimits): PlanInterface {
  const [id = "", , index, , subnetId = "", ...counted] = words;
  const { taken = Number.NaN, used = 0, singles = 0, prefixes = 0, idle } = pairs(counted);
  return makeInterface(Number(index), {
    ...{ id, subnetId, used, slots: limits.addressesPerInterface - 1, slotsTaken: taken },
    ...{ usable: Number(index) >= limits.firstInterfaceIndex, removable: Number(index) > 0 },
    freeBlocks: [...freeSingles(singles), ...freePrefixes(prefixes)],
    ...(idle === undefined ? {} : { idleSinceMs: NOW_MS - idle * 1000 }),
  });
}

/** Runs the lines of a pool example one by one. */
function runPool(lines: readonly string[]): void {
  const pool = new Pool();
  const attachment = (containerId: string) => ({ network: "cilium", containerId, interfaceName: "eth0" });
  const pod = (name: string) => ({ namespace: "default", name, uid: "" });
  for (const line of lines) {
    const [word = "", name = "", , last = ""] = line.split(" ");
    const seconds = [...line.matchAll(/(\d+) s\b/g)].map((match) => Number(match[1]));
    const [firstSeconds = Number.NaN, secondSeconds = Number.NaN] = seconds;
    if (word === "interface") pool.upsertInterface({ id: name, index: Number(last), usable: true });
    else if (word === "block") {
      pool.addBlock({ cidr: name, interfaceId: last, kind: name.endsWith("/32") ? "address" : "prefix" });
    } else if (word === "held") {
      pool.restoreLease({ address: last, attachment: attachment(name), pod: pod(name), leasedAtMs: 0 });
    } else if (word === "lease") {
      const result = pool.lease(attachment(name), pod(name), 0);
      expect([line, "lease" in result ? result.lease.address : result.kind]).toEqual([line, last]);
    } else if (word === "release") {
      expect(pool.release(attachment(name), firstSeconds * 1000, secondSeconds * 1000)).toBeDefined();
    } else if (word === "at") {
      const freed = pool.cool(firstSeconds * 1000);
      expect([line, freed.join(" ") || "none"]).toEqual([line, line.split(": ")[1]]);
    } else throw new Error(`unknown line in a pool example: ${line}`);
    expect(pool.problems()).toEqual([]);
  }
}

/** The numbers of the first table after the heading whose first column has this name. */
function tableAfter(heading: string, firstColumn: string): number[][] {
  const start = page.indexOf(`| ${firstColumn} |`, page.indexOf(`${heading}\n`));
  const [, , ...rows] = (page.slice(start).split("\n\n")[0] ?? "").trim().split("\n");
  return rows.map((row) => row.split("|").slice(1, -2).map(Number));
}

function examples(language: string): string[][] {
  return [...page.matchAll(new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\``, "gm"))].map((match) =>
    (match[1] ?? "").trim().split("\n"),
  );
}

/** "used 8 waiting 19" as an object. */
function pairs(words: readonly string[]): Record<string, number> {
  const result: Record<string, number> = {};
  for (let place = 0; place < words.length; place += 2) result[words[place] ?? ""] = Number(words[place + 1]);
  return result;
}
