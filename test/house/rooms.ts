/** The rooms of src/ and the rooms that each may enter. docs/architecture.md has the same table, with the reasons. */
export const ARROWS: Readonly<Record<string, readonly string[]>> = {
  "error-catalogue": [],
  errors: ["error-catalogue"],
  adapters: [],
  "instance-types": [],
  pool: [],
  adoption: ["errors", "pool"],
  planning: [],
  configuration: ["errors", "adapters"],
  bootstrap: ["errors"],
  installation: ["errors", "adapters", "configuration"],
  "max-pods": ["errors", "configuration", "instance-types", "planning"],
  "manager/ports": ["errors", "pool", "planning"],
  manager: [
    "errors",
    "manager/ports",
    "configuration",
    "pool",
    "planning",
    "adapters",
    "adoption",
    "handoff/cni",
    "handoff/cilium-node",
  ],
  "providers/aws": ["errors", "manager/ports", "planning", "adapters", "instance-types"],
  "providers/node-cidr": ["errors", "manager/ports", "adapters"],
  state: ["errors", "manager/ports", "pool", "adapters"],
  "handoff/cni": ["errors", "manager/ports", "pool", "adapters"],
  "handoff/cilium-node": ["errors", "manager/ports", "adapters"],
  kubernetes: ["errors", "adapters", "handoff/cilium-node"],
  "handoff/routes": ["errors", "manager/ports", "adapters"],
  "handoff/bird": ["errors", "manager/ports", "configuration", "adapters"],
  fleet: ["errors", "manager/ports", "adapters"],
  telemetry: ["errors", "manager/ports", "manager", "adapters"],
  simulator: ["errors", "adapters", "instance-types"],
  "simulator/engine": ["errors", "adapters"],
  "simulator/direct": ["errors", "adapters", "simulator", "providers/aws"],
  "simulator/kubelet": ["errors", "adapters", "handoff/cni", "simulator/engine", "simulator/workload"],
  "simulator/kubernetes": ["errors", "adapters", "handoff/cilium-node"],
  "simulator/cilium-agent": ["errors", "adapters", "handoff/cilium-node", "handoff/cni"],
  "simulator/workload": ["adapters", "simulator/engine"],
  "simulator/report": ["simulator/scenario"],
  "simulator/scenario": [
    "errors",
    "adapters",
    "configuration",
    "handoff/cni",
    "instance-types",
    "simulator",
    "simulator/engine",
    "simulator/kubelet",
    "simulator/workload",
  ],
  "simulator/policies": [
    "errors",
    "adapters",
    "handoff/cni",
    "instance-types",
    "pool",
    "simulator",
    "simulator/engine",
    "simulator/scenario",
  ],
  "simulator/world": [
    "errors",
    "adapters",
    "configuration",
    "fleet",
    "handoff/cilium-node",
    "handoff/cni",
    "instance-types",
    "manager",
    "manager/ports",
    "pool",
    "providers/aws",
    "state",
    "simulator",
    "simulator/direct",
    "simulator/cilium-agent",
    "simulator/engine",
    "simulator/kubelet",
    "simulator/kubernetes",
    "simulator/scenario",
    "simulator/workload",
  ],
};

/** Composes the others: may enter every room. */
export const COMPOSERS: readonly string[] = ["cli", "main"];

/** Files by which a room is entered other than its index.ts. */
export const FURTHER_ENTRIES: readonly string[] = [
  "src/errors.ts",
  "src/handoff/cni/port.ts",
  "src/handoff/cilium-node/port.ts",
  "src/handoff/cilium-node/api.ts",
];

/** The room of a file of src/: the longest name of a room that leads to it. */
export function roomOf(path: string): string | undefined {
  const inside = path.replace(/^src\//, "").replace(/\.ts$/, "");
  const names = [...Object.keys(ARROWS), ...COMPOSERS].sort((a, b) => b.length - a.length);
  return names.find((name) => inside === name || inside.startsWith(`${name}/`));
}
