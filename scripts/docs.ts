/** Writes the generated parts of docs/ from the code (`npm run docs`); tests keep the two equal. */
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { systemClock } from "../src/adapters/index.ts";
import { updateKeyTables, updateSettingsTable } from "../src/configuration/index.ts";
import { updateScenarioTables } from "../src/simulator/scenario/index.ts";
import { createLogger, createTelemetry, metricsTable } from "../src/telemetry/index.ts";
import { measure } from "../test/ec2/calls-lives.ts";
import { renderCalls } from "../test/ec2/calls-page.ts";
import { renderErrors } from "./render-errors.ts";
import { updatePropsTables } from "./render-props.ts";

const DOCS = join(dirname(dirname(fileURLToPath(import.meta.url))), "docs");

write("errors.md", renderErrors());
write("configuration.md", updateKeyTables(read("configuration.md")));
write("../README.md", updateSettingsTable(read("../README.md")));
write("cdk.md", updatePropsTables(read("cdk.md")));
write("scenarios.md", updateScenarioTables(read("scenarios.md")));
write("metrics.md", updateMetrics(read("metrics.md")));
// Measured, not known: some days of some nodes, in seconds.
write("ec2-calls.md", renderCalls(await measure()));

/** The page with its table of metrics, the one that begins with "| Metric |", rendered anew. */
function updateMetrics(page: string): string {
  const logger = createLogger({ clock: systemClock, level: "silent", stream: { write: () => {} } });
  const { registry } = createTelemetry({ clock: systemClock, logger, version: "0.0.0" });
  const table = /^\| Metric \|.*\n(?:\|.*\n)+/m;
  if (!table.test(page)) throw new Error("docs/metrics.md has no table that begins with | Metric |");
  return page.replace(table, () => `${metricsTable(registry)}\n`);
}

function read(name: string): string {
  return readFileSync(join(DOCS, name), "utf8");
}

function write(name: string, text: string): void {
  writeFileSync(join(DOCS, name), text);
  process.stdout.write(`${join("docs", name)}\n`);
}
