/**
 * `npm start`: the whole way from a configuration file to addresses for pods, against the simulated cloud, over HTTP,
 * with a real daemon process and the real plugin executable. Ends with a table, or with one JSON object (--json).
 */
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { ROOT } from "../lab/daemon.ts";
import { createNarrator } from "./narrator.ts";
import { printReport } from "./report.ts";
import { tellStory } from "./story.ts";

const { values } = parseArgs({
  options: { json: { type: "boolean", default: false }, keep: { type: "boolean", default: false } },
});

const folder = mkdtempSync(join(tmpdir(), "enid-story-"));
const narrator = createNarrator(values.json, process.stdout);
let ok = false;
try {
  const configurationFile = join(folder, "enid.conflist");
  cpSync(join(ROOT, "scripts", "story", "enid.conflist"), configurationFile);
  const result = await tellStory({ folder, configurationFile, narrator });
  narrator.end();
  ok = result.summary.ok;
  if (values.json) process.stdout.write(`${JSON.stringify(result.summary)}\n`);
  else printReport(result, process.stdout);
} catch (error) {
  narrator.end();
  const detail = error instanceof Error ? error.message : String(error);
  if (values.json) process.stdout.write(`${JSON.stringify({ ok: false, error: detail })}\n`);
  else process.stderr.write(`The story broke off: ${detail}\n`);
} finally {
  if (values.keep) process.stderr.write(`kept: ${folder}\n`);
  else rmSync(folder, { recursive: true, force: true });
}
process.exitCode = ok ? 0 : 1;
