import type { Sample, ScenarioOutcome } from "../../src/simulator/scenario/index.ts";

/** An outcome as a cold start of 5,000 nodes would bring it: `speed` nodes become ready each second. */
export function coldStart(policy: string, speed: number, changes: Partial<ScenarioOutcome> = {}): ScenarioOutcome {
  const series: Sample[] = Array.from({ length: 181 }, (_, index) => {
    const atSeconds = index * 10;
    const readyNodes = Math.min(5_000, Math.floor(atSeconds * speed));
    return {
      atSeconds,
      readyNodes,
      heldAddresses: readyNodes * 14,
      usedAddresses: Math.min(23_000, readyNodes * 10),
      waitingPods: Math.max(0, 23_000 - readyNodes * 10),
      calls: readyNodes < 5_000 ? 60 : 2,
      throttledCalls: readyNodes < 5_000 && speed < 6 ? 20 : 0,
      freeInSubnets: 131_000 - readyNodes * 14,
    };
  });
  return {
    scenario: "cold-start-5000",
    policy,
    report: {
      seeds: 1,
      steps: 1_234_567,
      simulatedHours: 2_500,
      hash: "0123456789abcdef".repeat(4),
      violations: [],
      faults: {},
      ec2Calls: { AssignPrivateIpAddresses: 4_900, CreateNetworkInterface: 5_000, DescribeNetworkInterfaces: 10_050 },
      throttledShare: speed < 6 ? 0.125 : 0,
      readySeconds: { p50: 2_500 / speed, p99: 4_950 / speed, max: 5_000 / speed, bound: 480 },
      timeToAddressMs: { p50: 3, p99: 240_000, max: 290_000 },
      waitedShare: 0.2,
      idleAddresses: { mean: 41_234.56, peak: 70_000 },
    },
    complete: speed > 3,
    nodes: { total: 5_000, ready: Math.min(5_000, 1_800 * speed) },
    pods: { served: 23_000, unserved: 0, failedAttempts: 12 },
    subnets: [
      { id: "subnet-0a", cidr: "10.64.0.0/17", leastFree: 31_000, size: 32_763 },
      { id: "subnet-0b", cidr: "10.65.0.0/24", leastFree: 0, size: 251 },
    ],
    series,
    wallSeconds: 187.4,
    ...changes,
  };
}
