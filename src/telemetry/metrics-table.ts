import type { Registry } from "prom-client";

/** The metrics of a registry as the rows of docs/metrics.md, sorted by name; a test keeps the page equal to it. */
export function metricsTable(registry: Registry): string {
  const metrics = registry.getMetricsAsArray() as unknown as readonly {
    name: string;
    help: string;
    type: string;
    labelNames: readonly string[];
  }[];
  const rows = [...metrics]
    .sort((one, other) => (one.name < other.name ? -1 : 1))
    .map(({ name, type, labelNames, help }) => {
      const labels = labelNames.filter((label) => label !== "le").map((label) => `\`${label}\``);
      return `| \`${name}\` | ${type} | ${labels.join(", ")} | ${help.replaceAll("|", "\\|")} |`;
    });
  return ["| Metric | Type | Labels | What it says and what to do |", "|---|---|---|---|", ...rows].join("\n");
}
