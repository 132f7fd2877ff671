/**
 * Bundles the command `enid` for a node: `npm run build` writes dist/enid (a launcher with the flags that keep the daemon
 * small), dist/enid.mjs and dist/chunks/. Needs nothing at run time but Node 24.
 */
import { chmodSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build, type Metafile, type Plugin } from "esbuild";
import { COMMIT_FILE, commitOf } from "../src/cli/simulate/commit.ts";

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

/**
 * What each is worth is in docs/footprint.md.
 *
 * Not by NODE_OPTIONS: it refuses V8's flags, and child processes would inherit it.
 */
const NODE_FLAGS = [
  "--disable-warning=ExperimentalWarning",
  "--max-semi-space-size=1",
  "--optimize-for-size",
  "--no-concurrent-recompilation",
];

const LAUNCHER = `#!/bin/sh
# enid with the flags that keep it small. ENID_NODE names another Node 24 than the one on the PATH.
here=$(dirname "$(readlink -f "$0")")
node=$here/../node_modules/node/bin/node
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
    absWorkingDir: ROOT,
    // The worker's code lies beside the chunk that starts it.
    entryPoints: { enid: "src/main.ts", "chunks/simulate-worker": "src/cli/simulate/simulate-worker.ts" },
    outdir: folder,
    outExtension: { ".js": ".mjs" },
    chunkNames: "chunks/[name]-[hash]",
    bundle: true,
    // Commands and the credential providers of the SDK are imported when needed; in one file they would all be in memory.
    splitting: true,
    platform: "node",
    format: "esm",
    target: "node24",
    // The SDK's "main" is CommonJS and holds all of EC2's 700 operations.
    mainFields: ["module", "main"],
    // Names stay, so that a stack trace in a log can be read.
    minifySyntax: true,
    minifyWhitespace: true,
    sourcemap: "external",
    banner: { js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);' },
    plugins: [staticSchemaKeys, embeddedTexts],
    metafile: true,
    logLevel: "warning",
  });
  checkInputs(metafile);
  writeFileSync(join(folder, COMMIT_FILE), `${commitOf(ROOT)}\n`);
  const launcher = join(folder, "enid");
  writeFileSync(launcher, LAUNCHER);
  chmodSync(launcher, 0o755);
  return [launcher];
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
const EMBEDDED = /[\\/](simulator[\\/]report[\\/]plot-library|installation[\\/]texts)\.ts$/;

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

if (import.meta.main) {
  const folder = join(ROOT, "dist");
  const [launcher] = await buildDaemon(folder);
  const sizeKb = Math.round(statSync(join(folder, "enid.mjs")).size / 1024);
  process.stdout.write(`${launcher} (enid.mjs ${sizeKb} KB)\n`);
}
