import { describe, expect, it } from "vitest";
import { EnidError } from "../../src/errors.ts";
import { readScenario } from "../../src/simulator/scenario/index.ts";

const LEAST = {
  name: "least",
  description: "The least that a scenario says.",
  hours: 1,
  nodes: [{ count: 2, type: "m5.xlarge" }],
  subnets: [{ cidr: "10.64.0.0/24" }],
};

function read(more: object) {
  return readScenario(JSON.stringify({ ...LEAST, ...more }), "some.json");
}

function refusal(more: object): EnidError {
  try {
    read(more);
  } catch (thrown) {
    if (thrown instanceof EnidError) return thrown;
    throw thrown;
  }
  throw new Error("the scenario was read");
}

describe("a scenario file", () => {
  it("gets what it leaves out", () => {
    expect(read({})).toEqual({
      ...LEAST,
      seed: 1,
      until: "end",
      nodes: [{ count: 2, type: "m5.xlarge", startSeconds: 0, spreadSeconds: 0, podLimit: 56 }],
      subnets: [{ cidr: "10.64.0.0/24", count: 1, tags: {}, used: 0, nodes: true }],
      settings: { eni: {}, ipam: {} },
      cloud: { interfaceQuota: 1_000_000 },
      workload: [],
      restarts: [],
      exhaustion: [],
    });
  });

  it("keeps what it says", () => {
    const scenario = read({
      nodes: [{ count: 1, type: "m5.large", podLimit: 7, startSeconds: 3, spreadSeconds: 4 }],
      account: { interfaceQuota: 9, throttling: false },
      cloud: { attachMs: 5, metadataLagMs: { minMs: 1, maxMs: 2 } },
      workload: [{ pattern: "fill", podsPerNode: 3 }],
      restarts: [{ atSeconds: 60 }],
      exhaustion: [{ untilSeconds: 60, addresses: 5 }],
    });
    expect(scenario.nodes[0]).toEqual({ count: 1, type: "m5.large", podLimit: 7, startSeconds: 3, spreadSeconds: 4 });
    expect(scenario.cloud).toEqual({
      interfaceQuota: 9,
      throttling: false,
      attachMs: 5,
      metadataLagMs: { minMs: 1, maxMs: 2 },
    });
    expect(scenario.workload).toEqual([{ pattern: "fill", podsPerNode: 3 }]);
    expect(scenario.restarts).toEqual([{ atSeconds: 60, spreadSeconds: 0, downSeconds: 2 }]);
    expect(scenario.exhaustion).toEqual([{ subnet: undefined, fromSeconds: 0, untilSeconds: 60, addresses: 5 }]);
  });

  it.each([
    ["an unknown key", { ndoes: 1 }, 'the file has the unknown key "ndoes"'],
    ["a key that is lacking", { nodes: [{ count: 1 }] }, '/nodes/0 lacks "type"'],
    ["too many nodes in a group", { nodes: [{ count: 20_001, type: "m5.large" }] }, "/nodes/0/count must be <= 20000"],
    [
      "too many nodes in all",
      {
        nodes: Array.from({ length: 3 }, () => ({ count: 9_000, type: "m5.large" })),
        subnets: [{ cidr: "10.0.0.0/16" }],
      },
      "/nodes has 27000 nodes; at most 20000",
    ],
    ["too many hours", { hours: 721 }, "/hours must be <= 720"],
    ["an instance type that there is not", { nodes: [{ count: 1, type: "m5.huge" }] }, "no instance type m5.huge"],
    ["an unknown pattern", { workload: [{ pattern: "stedy" }] }, '/workload/0 has the unknown pattern "stedy"'],
    [
      "a key of another pattern",
      { workload: [{ pattern: "fill", podsPerNode: 1, lifetimeSeconds: 1 }] },
      '/workload/0 has the unknown key "lifetimeSeconds"',
    ],
    ["a range with host bits", { subnets: [{ cidr: "10.64.0.1/24" }] }, "/subnets/0/cidr: 10.64.0.1/24 is not a range"],
    ["a range too large for a subnet", { subnets: [{ cidr: "10.0.0.0/15" }] }, "from /16 to /28"],
    [
      "ranges that overlap",
      { subnets: [{ cidr: "10.64.0.0/24", count: 3 }, { cidr: "10.64.2.0/24" }] },
      "10.64.2.0/24 overlaps",
    ],
    ["no subnet for the nodes", { subnets: [{ cidr: "10.64.0.0/24", nodes: false }] }, "none has nodes: true"],
    [
      "subnets too small for the nodes",
      { nodes: [{ count: 12, type: "m5.large" }], subnets: [{ cidr: "10.64.0.0/28" }] },
      "12 nodes in 1 subnets need 12",
    ],
    [
      "more used than there is",
      { subnets: [{ cidr: "10.64.0.0/28", used: 12 }] },
      "/subnets/0/used: 10.64.0.0/28 has 11",
    ],
    [
      "a subnet to exhaust that there is not",
      { exhaustion: [{ subnet: 1, untilSeconds: 1, addresses: 1 }] },
      "/exhaustion/0/subnet",
    ],
    [
      "an exhaustion that ends early",
      { exhaustion: [{ fromSeconds: 2, untilSeconds: 1, addresses: 1 }] },
      "ends before it begins",
    ],
    ["a span upside down", { cloud: { attachMs: { minMs: 2, maxMs: 1 } } }, "/cloud/attachMs has minMs above maxMs"],
  ])("with %s is refused with its place", (_, more, place) => {
    const error = refusal(more);
    expect(error.code).toBe("ENID_SCENARIO_INVALID");
    expect(error.message).toContain("some.json");
    expect(error.message).toContain(place);
  });

  it("with wrong settings is refused as a configuration file is", () => {
    const error = refusal({ settings: { ipam: { "min-alocate": 3 } } });
    expect(error.code).toBe("ENID_CONFIG_INVALID");
    expect(error.message).toContain('did you mean "min-allocate"?');
  });

  it("that is no JSON, or too large, is refused", () => {
    expect(() => readScenario("{", "some.json")).toThrow(/ENID_SCENARIO_INVALID|some\.json is not usable/);
    expect(() => readScenario(" ".repeat(1_048_577), "some.json")).toThrow("at most 1048576 are read");
  });
});
