import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { ROOT } from "../../test/house/source-files.ts";
import type { Resource } from "./templates.ts";

/** The processor may be shared with all other tests; alone it takes some 8 s. */
const LIMIT_MS = 180_000;

const IS_ROOT = process.getuid?.() === 0;

/** What `cdk synth` left. */
export interface Synthesized {
  readonly stdout: string;
  readonly stderr: string;
  /** Path of the template. */
  readonly file: string;
  readonly resources: Readonly<Record<string, Resource>>;
  readonly report: ValidationReport;
  remove(): void;
}

/** Of validation-report.json, which CDK writes beside the template, what the tests look at. */
export interface ValidationReport {
  readonly pluginReports: readonly {
    readonly pluginName: string;
    readonly violations: readonly unknown[];
    readonly suppressedViolations?: readonly { readonly acknowledgedId: string; readonly acknowledgedAt: string }[];
  }[];
}

/**
 * Runs the CLI on the example as a person does, with the project's Node and without a network: in a namespace that has not even
 * loopback where the user is root, else with a proxy that nobody is behind.
 */
export function synthesizeExample(artifact: string): Synthesized {
  const folder = mkdtempSync(join(tmpdir(), "enid-cdk-"));
  const output = join(folder, "cdk.out");
  const home = join(folder, "home");
  mkdirSync(home);
  const cdk = join(ROOT, "node_modules", ".bin", "cdk");
  const words = [cdk, "synth", "--quiet", "--output", output, "--context", `artifact=${artifact}`];
  const [program = "", ...args] = IS_ROOT ? ["unshare", "--net", ...words] : words;
  const proxy = IS_ROOT ? {} : { HTTP_PROXY: "http://127.0.0.1:9", HTTPS_PROXY: "http://127.0.0.1:9" };
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    cwd: join(ROOT, "cdk", "example"),
    encoding: "utf8",
    timeout: LIMIT_MS,
    // No credentials, no Region: the stack is for any.
    env: { PATH: `${dirname(process.execPath)}:${process.env.PATH}`, HOME: home, TMPDIR: folder, ...proxy },
  });
  if (status !== 0) {
    rmSync(folder, { recursive: true, force: true });
    throw new Error(`cdk synth ended with ${status}: ${stderr}${stdout}`, { cause: error });
  }
  const json = (name: string) => JSON.parse(readFileSync(join(output, name), "utf8"));
  const file = join(output, "EnidExample.template.json");
  return {
    stdout,
    stderr,
    file,
    resources: json("EnidExample.template.json").Resources,
    report: json("validation-report.json"),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** A finding of cfn-lint, of which the tests look at so much. */
export interface LintFinding {
  readonly Level: string;
  readonly Message: string;
  readonly Rule: { readonly Id: string };
}

/** cfn-lint on a template, for these Regions. It ends with other codes than 0 where it has findings. */
export function lint(file: string, regions: readonly string[]): readonly LintFinding[] {
  const program = join(ROOT, ".enid", "python", "bin", "cfn-lint");
  const { stdout, stderr, error } = spawnSync(
    program,
    ["--format", "json", "--regions", ...regions, "--template", file],
    { encoding: "utf8", timeout: LIMIT_MS, maxBuffer: 1 << 26 },
  );
  if (!stdout.startsWith("[")) throw new Error(`cfn-lint gave no findings: ${stderr}${stdout}`, { cause: error });
  return JSON.parse(stdout) as LintFinding[];
}
