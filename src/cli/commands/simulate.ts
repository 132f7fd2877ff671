import { availableParallelism } from "node:os";
import { defineCommand } from "../command.ts";
import type { Surroundings } from "../simulate/hunt.ts";
import { usage } from "../simulate/usage.ts";
import { VERSION } from "../version.ts";

/** Flags that mean something only with --seeds, and only with --scenario. */
const HUNT_FLAGS = [
  "nodes",
  "hours",
  "faults",
  "fleet",
  "only",
  "until-seconds",
  "trace",
  "weakness",
  "real-disks",
] as const;
const SCENARIO_FLAGS = ["policy", "report"] as const;

export const simulate = defineCommand({
  name: "simulate",
  description:
    "Runs whole fleets in this process, on a virtual clock, against a simulated EC2; nothing real is touched.\nWith --seeds it hunts: everything that happens is drawn from the seed, faults included, and every promise of enid is\nchecked after each event. With --scenario it answers capacity questions: how long a start takes, what it costs in calls.\nExit code 1 when a promise was broken.",
  positionals: "",
  positionalCount: [0, 0],
  flags: {
    seeds: { type: "string", value: "RANGE", help: "Hunt: FROM..TO such as 1..200, or one seed such as 7." },
    nodes: { type: "number", value: "N", help: "Hunt: nodes of each world; 3 when absent.", range: [1, 50] },
    hours: {
      type: "number",
      value: "H",
      help: "Hunt: virtual hours with faults; then all has to come to rest. 2 when absent.",
      range: [1, 720],
    },
    faults: {
      type: "string",
      value: "LIST",
      help: "Hunt: all, none, or kinds such as crash,ec2-slow; all when absent.",
    },
    fleet: {
      type: "string",
      value: "KIND",
      help: "Hunt: stateful, for a StatefulSet with fixed addresses that rolls over the nodes; agents, for Cilium's agents that take addresses from their CiliumNode; or none. Drawn when absent: stateful or none.",
    },
    only: { type: "string", value: "LIST", help: "One seed: of the drawn faults only these numbers, or none." },
    "until-seconds": { type: "string", value: "SECONDS", help: "One seed: faults end at this virtual time." },
    trace: {
      type: "string",
      value: "SUBJECT",
      help: "One seed: the story of an address, pod NAMESPACE/NAME, interface or machine.",
    },
    weakness: {
      type: "string",
      value: "NAME",
      help: "Hunt: turn one protection of enid off, to see the hunt find it.",
    },
    "real-disks": {
      type: "boolean",
      help: "Hunt: half of the machines keep their state in real files; a power loss tears writes. Slower.",
    },
    scenario: { type: "string", value: "FILE", help: "Capacity: the scenario; bench/scenarios has some." },
    policy: {
      type: "string",
      value: "LIST",
      help: "Capacity: who manages the addresses: enid, a peer, several with commas, or all; enid when absent.",
    },
    report: { type: "string", value: "FILE", help: "Capacity: write an HTML report with plots." },
    workers: {
      type: "number",
      value: "N",
      help: "Threads; the answer does not depend on it. Hunt: one per processor when absent. Capacity: 1.",
      range: [1, 256],
    },
    json: { type: "boolean", help: "Print the figures as one JSON document and nothing else." },
  },
  examples: [
    { line: "enid simulate --seeds 1..200", what: "A short hunt: 200 worlds of 3 nodes and 2 hours, with all faults." },
    { line: "enid simulate --seeds 7 --trace node-1", what: "One world, and what happened on one of its machines." },
    {
      line: "enid simulate --seeds 1..60 --fleet agents --nodes 2 --hours 1",
      what: "Does any promise break where Cilium's agents take addresses from their CiliumNode?",
    },
    {
      line: "enid simulate --seeds 1..500 --fleet stateful --nodes 20 --hours 1",
      what: "Fixed addresses over 20 nodes: node losses, and everything that can become of Redis.",
    },
    {
      line: "enid simulate --scenario bench/scenarios/cold-start-1000.json --policy all --report report.html",
      what: "How enid and its peers start a thousand nodes.",
    },
  ],
  async run({ flags, output, clock }) {
    const { seeds, scenario } = flags;
    if ((seeds === undefined) === (scenario === undefined)) {
      throw usage("one of --seeds FROM..TO and --scenario FILE is needed");
    }
    const mode = seeds === undefined ? "scenario" : "seeds";
    const foreign = (seeds === undefined ? HUNT_FLAGS : SCENARIO_FLAGS).find(
      (name) => flags[name] !== undefined && flags[name] !== false,
    );
    if (foreign !== undefined) throw usage(`--${foreign} is not for --${mode}`);

    const [{ buildFacts }, { standardScreen }] = await Promise.all([
      import("../build-facts.ts"),
      import("../simulate/progress.ts"),
    ]);
    const surroundings: Omit<Surroundings, "workers"> = {
      output,
      screen: standardScreen(),
      clock,
      json: flags.json,
      title: `enid ${VERSION}, commit ${buildFacts().commit}`,
    };
    if (scenario !== undefined) {
      const { simulateScenario } = await import("../simulate/scenario.ts");
      // Each holds a whole fleet in memory: one after the other, unless told otherwise.
      const wanted = { file: scenario, policy: flags.policy ?? "enid", reportFile: flags.report };
      return simulateScenario(wanted, { ...surroundings, workers: flags.workers ?? 1 });
    }

    const [{ FAULT_KINDS, FLEET_CHOICES, WEAKNESSES }, { parseHunt }, { hunt, trace }] = await Promise.all([
      import("../../simulator/world/index.ts"),
      import("../simulate/hunt-options.ts"),
      import("../simulate/hunt.ts"),
    ]);
    const names = { faultKinds: FAULT_KINDS, weaknesses: WEAKNESSES, fleets: FLEET_CHOICES };
    const options = parseHunt({ ...flags, seeds: seeds ?? "" }, names);
    const { from, to } = options.seeds;
    if (flags.trace !== undefined) {
      if (from !== to) throw usage(`--trace is for one seed: --seeds ${from}`);
      return trace(options, flags.trace, { ...surroundings, workers: 1 });
    }
    return hunt(options, {
      ...surroundings,
      workers: Math.min(flags.workers ?? availableParallelism(), to - from + 1),
    });
  },
});
