import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { systemClock } from "../../src/adapters/index.ts";
import { type Policy, readScenario, runScenario } from "../../src/simulator/scenario/index.ts";
import { enidFleetPolicy, enidPolicy } from "../../src/simulator/world/index.ts";

const FILE = join(import.meta.dirname, "../../bench/scenarios/cold-start-1000.json");

const NODES = 120;
/** As much smaller as the fleet, but for the time that a start takes by itself: that is as long as with 1,000 nodes. */
const ASSIGNING = { capacity: 12, "refill-per-second": 0.9 };
const DESCRIBING = { capacity: 12, "refill-per-second": 3.6 };

/** cold-start-1000.json with fewer nodes, of an account whose buckets are as much smaller. */
function smallFleet(nodes = NODES) {
  const file = JSON.parse(readFileSync(FILE, "utf8"));
  const buckets = { AssignPrivateIpAddresses: ASSIGNING, DescribeNetworkInterfaces: DESCRIBING };
  const others = { DescribeInstanceTypes: DESCRIBING, DescribeSubnets: DESCRIBING };
  const all = Object.entries({ ...buckets, ...others });
  return {
    ...file,
    nodes: [{ ...file.nodes[0], count: nodes }],
    settings: {
      eni: { ...file.settings.eni, "first-start-jitter-seconds": Math.round(nodes / ASSIGNING["refill-per-second"]) },
      ipam: file.settings.ipam,
      fleet: { ...file.settings.fleet, "budget-buckets": Object.fromEntries(all) },
    },
    account: {
      buckets: Object.fromEntries(
        all.map(([action, { capacity, "refill-per-second": refillPerSecond }]) => [
          action,
          { capacity, refillPerSecond },
        ]),
      ),
    },
  };
}

async function start(policy: Policy, file = smallFleet()) {
  const { report, complete } = await runScenario({
    scenario: readScenario(JSON.stringify(file), "cold-start-small.json"),
    policy,
    clock: systemClock,
  });
  expect(report.violations).toEqual([]);
  expect(complete).toBe(true);
  const { max, bound } = report.readySeconds;
  return { ...report, ofBound: max / bound };
}

const countOf = (calls: Readonly<Record<string, number>>, actions: readonly string[]) =>
  actions.reduce((sum, action) => sum + (calls[action] ?? 0), 0);

describe("a fleet that starts at once", () => {
  it("is not throttled, and is ready within 1.1 times what the buckets allow", async () => {
    const { throttledShare, ofBound, ec2Calls } = await start(enidFleetPolicy);
    expect(throttledShare).toBeLessThan(0.001);
    expect(ofBound).toBeLessThan(1.1);
    expect(ec2Calls.AssignPrivateIpAddresses).toBe(NODES);
    // What all nodes ask alike is asked by some of them: a number that does not grow with the fleet.
    const alike = ["DescribeInstanceTypes", "DescribeSubnets", "DescribeSecurityGroups"];
    const half = await start(enidFleetPolicy, smallFleet(NODES / 2));
    expect(countOf(ec2Calls, alike)).toBeLessThanOrEqual(4);
    expect(countOf(ec2Calls, alike)).toBeLessThanOrEqual(countOf(half.ec2Calls, alike) + 1);
  });

  it("is throttled in fewer than 5 % of its calls without a store, and ready within 1.5 times", async () => {
    const { throttledShare, ofBound } = await start(enidPolicy);
    expect(throttledShare).toBeLessThan(0.05);
    expect(ofBound).toBeLessThan(1.5);
  });

  it("is told apart from nodes that know nothing of each other and do not spread their starts", async () => {
    const file = smallFleet();
    file.settings.eni["first-start-jitter-seconds"] = 0;
    expect((await start(enidPolicy, file)).throttledShare).toBeGreaterThan(0.05);
  });
});
