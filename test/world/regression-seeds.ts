import type { SeedOptions } from "../../src/simulator/world/index.ts";

/** A seed that once broke a promise, and what it had found. */
export interface RegressionSeed extends Pick<SeedOptions, "seed" | "nodes" | "hours" | "faults" | "fleet"> {
  readonly found: string;
}

/**
 * Every seed whose violation led to a change of enid. What a seed draws changes with the world, so an old one may not meet
 * its bug any more; it is replayed all the same, and each bug has a test of its own beside the code that it was in.
 */
export const REGRESSION_SEEDS: readonly RegressionSeed[] = [
  seed(
    21,
    "none",
    "a node whose primary interface may carry no pods waited for more addresses than it could ever hold",
  ),
  seed(100, "all", "a lost leased address kept a full node from being ready"),
  seed(458, "all", "empty interfaces in a subnet that is no longer allowed kept a full instance from growing"),
  seed(497, "all", "cloud-away stayed after a failed look-up of subnets that nobody wanted any more"),
  seed(602, "all", "cloud-away stayed after a failed look-up of security groups"),
  seed(1872, "all", "single addresses in every slot kept a node that takes prefixes only from being ready"),
  seed(1881, "all", "addresses of a call that took effect after it was settled stayed unknown for an hour"),
  seed(1914, "all", "the same, with a second call"),
  seed(1993, "all", "state-write-failing stayed on an idle node when the disk was well again"),
  seed(2295, "all", "what a look at EC2 brought in while its step was written on a slow disk left the disk again"),
  seed(3794, "all", "after a restart, describes that lag made a node drop a prefix that it had just taken"),
  seed(4340, "all", "a describe that lagged by more than a minute brought back addresses that had been given back"),
  seed(7356, "all", "an address was taken for given back because EC2 said NotFound of an interface that is there"),
  seed(8027, "all", "settling a call by a describe that lags brought back addresses that had been given back"),
  seed(9073, "all", "a plan that makes place for a prefix was taken for one that does not repeat to nothing"),
  rolling(95, "a store that failed over answered with an epoch that its holder had left behind"),
  rolling(104, "an ADD that needed no move failed for want of the store"),
  rolling(207, "a call settled by a describe that lags brought a fixed address back that another node had by then"),
  rolling(242, "a fixed address was answered with that moved on meanwhile"),
  rolling(260, "a pod whose record a lost store had made anew was told that it lost its address"),
  rolling(328, "an address that moved under describes that lag came to two interfaces of its node"),
  rolling(344, "a record was given up after the store had lost its data"),
  rolling(359, "an address that no node held was forgotten with the store's data, though a node had it"),
  rolling(395, "a node served an address that had moved on, from a record that it had brought back itself"),
  rolling(406, "an address was forgotten with the store's data, whose claim its node had never heard of"),
  rolling(500, "the cloud gave the address of a dead node to another one, in a prefix"),
];

function seed(number: number, faults: "all" | "none", found: string): RegressionSeed {
  return { seed: number, nodes: 3, hours: 2, faults, found };
}

/** A StatefulSet with fixed addresses rolls over a fleet. */
function rolling(number: number, found: string): RegressionSeed {
  return { seed: number, nodes: 20, hours: 1, faults: "all", fleet: "stateful", found };
}
