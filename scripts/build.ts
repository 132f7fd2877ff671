/**
 * Bundles the command `enid`. `npm run build` makes the release of it: dist/enid-VERSION-PLATFORM/ and its tarball, see
 * docs/release.md. `buildDaemon` makes the bundle alone, for a machine that has Node 24.
 */
import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { type BuildOptions, build, type Metafile, type Plugin } from "esbuild";
import type { BuildFacts } from "../src/cli/build-facts.ts";
import { commitOf } from "../src/cli/commit.ts";

export const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

/**
 * What each is worth is in docs/footprint.md.
 *
 * Not by NODE_OPTIONS: it refuses V8's flags, and child processes would inherit it.
 */
export const NODE_FLAGS = [
  "--disable-warning=ExperimentalWarning",
  "--max-semi-space-size=1",
  "--optimize-for-size",
  "--no-concurrent-recompilation",
] as const;

const LAUNCHER = `#!/bin/sh
# enid with the flags that keep it small. ENID_NODE names another Node 24 than the one on the PATH.
here=$(dirname "$(readlink -f "$0")")
node=$here/../../node_modules/node/bin/node
[ -x "$node" ] || node=node
node=\${ENID_NODE:-$node}
# A simulation is no daemon: it may take memory to be fast.
[ "$1" != simulate ] || exec "$node" ${NODE_FLAGS[0]} "$here/enid.mjs" "$@"
MALLOC_ARENA_MAX=1 exec "$node" ${NODE_FLAGS.join(" ")} "$here/enid.mjs" "$@"
`;

/** Builds into `folder`, which is replaced; answers the command that runs the bundle. */
export async function buildDaemon(folder: string): Promise<readonly [string]> {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const { metafile } = await build({
    ...bundling(factsOfCheckout()),
    // The worker's code lies beside the chunk that starts it.
    entryPoints: { enid: "src/main.ts", "chunks/simulate-worker": "src/cli/simulate/simulate-worker.ts" },
    outdir: folder,
    chunkNames: "chunks/[name]-[hash]",
    sourcemap: "external",
    banner: { js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);' },
  });
  checkInputs(metafile);
  const launcher = join(folder, "enid");
  writeFileSync(launcher, LAUNCHER);
  chmodSync(launcher, 0o755);
  return [launcher];
}

export interface Chunk {
  /** "main.mjs", "simulate-worker.mjs" or one of those that they import: `./NAME`. */
  readonly name: string;
  readonly code: string;
}

/** The bundle as ES modules in memory, and what got into it. */
export async function bundleChunks(
  facts: BuildFacts,
): Promise<{ readonly chunks: readonly Chunk[]; readonly metafile: Metafile }> {
  const { outputFiles, metafile } = await build({
    ...bundling(facts),
    entryPoints: { main: "src/main.ts", "simulate-worker": "src/cli/simulate/simulate-worker.ts" },
    outdir: ".",
    chunkNames: "[name]-[hash]",
    write: false,
  });
  checkInputs(metafile);
  const chunks = outputFiles.map(({ path, text }) => ({ name: path.slice(path.lastIndexOf("/") + 1), code: text }));
  return { chunks: chunks.sort((a, b) => (a.name < b.name ? -1 : 1)), metafile };
}

function bundling(facts: BuildFacts) {
  return {
    absWorkingDir: ROOT,
    outExtension: { ".js": ".mjs" },
    bundle: true,
    // Commands and the credential providers of the SDK are imported when needed; in one file they would all be in memory.
    splitting: true,
    platform: "node",
    // `debug` of ioredis takes it if it is there. Here it would be there by chance, as a tool's dependency.
    external: ["supports-color"],
    format: "esm",
    target: "node24",
    // The SDK's "main" is CommonJS and holds all of EC2's 700 operations.
    mainFields: ["module", "main"],
    // Names stay, so that a stack trace in a log can be read.
    minifySyntax: true,
    minifyWhitespace: true,
    define: { ENID_BUILD: JSON.stringify(facts) },
    plugins: [staticSchemaKeys, embeddedTexts],
    metafile: true,
    logLevel: "warning",
  } as const satisfies BuildOptions;
}

/** SOURCE_DATE_EPOCH, in seconds, stands for the time of the commit where there is no git. */
export function factsOfCheckout(): BuildFacts {
  const commit = commitOf(ROOT);
  const git = (...args: string[]) => spawnSync("git", ["-C", ROOT, ...args], { encoding: "utf8", timeout: 60_000 });
  const seconds = process.env.SOURCE_DATE_EPOCH ?? git("show", "-s", "--format=%ct", commit).stdout?.trim();
  const builtAt = /^\d+$/.test(seconds ?? "")
    ? `${new Date(Number(seconds) * 1000).toISOString().slice(0, 19)}Z`
    : null;
  const changes = git("status", "--porcelain").stdout?.trim();
  return { commit, isModified: commit !== "unknown" && changes !== undefined && changes !== "", builtAt };
}

/**
 * The SDK describes each operation by arrays that use computed keys, `{ [_xN]: "..." }`, where _xN is a constant string. To
 * a bundler a computed key may have effects, so that none of the 2,400 descriptions could be left out (540 KB). Here the
 * constants are written in place.
 */
const staticSchemaKeys: Plugin = {
  name: "static-schema-keys",
  setup({ onLoad }) {
    onLoad({ filter: /[\\/]@aws-sdk[\\/].*[\\/]dist-es[\\/].*schemas[\\/][^\\/]+\.js$/ }, ({ path }) => {
      const code = readFileSync(path, "utf8");
      const constants = new Map(
        [...code.matchAll(/^const (_\w+) = ("[^"\\]*");$/gm)].map(([, name, value]) => [name, value]),
      );
      const contents = code.replace(/\[(_\w+)\]:/g, (key, name: string) => {
        const value = constants.get(name);
        return value === undefined ? key : `${value}:`;
      });
      return { contents, loader: "js" };
    });
  },
};

/**
 * Modules that read files of the checkout when they are loaded, and do nothing else: the bundle has no such files, so that
 * there what they export stands in the code.
 */
const EMBEDDED = /[\\/](simulator[\\/]report[\\/]plot-library|installation[\\/]texts|bootstrap[\\/]templates)\.ts$/;

const embeddedTexts: Plugin = {
  name: "embedded-texts",
  setup({ onLoad }) {
    onLoad({ filter: EMBEDDED }, async ({ path }) => ({
      contents: Object.entries(await import(path))
        .map(([name, text]) => `export const ${name} = ${JSON.stringify(text)};`)
        .join("\n"),
      loader: "js",
    }));
  },
};

/** Fails when a part got in that costs tens of megabytes and is easy to let in unseen. */
function checkInputs({ inputs }: Metafile): void {
  const commonJs = Object.keys(inputs).filter((path) => /@(aws-sdk|smithy)\/.*\/dist-cjs\//.test(path));
  if (commonJs.length > 0) throw new Error(`the CommonJS build of the SDK got into the bundle: ${commonJs.join(", ")}`);
}

/** Not awaited at the top: the release is made of this file. */
async function main(): Promise<void> {
  const { values } = parseArgs({ options: { platform: { type: "string" }, output: { type: "string" } } });
  const { buildRelease } = await import("./release/release.ts");
  const { Refusal } = await import("./release/refusal.ts");
  try {
    const release = await buildRelease({
      platform: values.platform ?? `${process.platform}-${process.arch}`,
      output: values.output ?? join(ROOT, "dist"),
      say: (line) => process.stderr.write(`enid: ${line}\n`),
    });
    process.stdout.write(`${release.folder}\n${release.tarball}\n`);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    process.stderr.write(`enid: ${error.message}\n`);
    process.exitCode = 1;
  }
}

if (import.meta.main) main();
