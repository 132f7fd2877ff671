/**
 * Makes the code caches of the chunks: `node FLAGS code-cache.ts FOLDER` reads FOLDER/NAME.mjs and writes FOLDER/NAME.mjs.cache.
 *
 * V8 takes a cache only from the same V8 with the same flags: the Node and the flags are those of the executable, and
 * CACHE_FLAGS, which V8 leaves out of the comparison, make two runs write the same bytes.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { Script, type ScriptOptions } from "node:vm";

export const CACHE_FLAGS = ["--predictable", "--random-seed=1"] as const;

/**
 * Chunks that are not run for their caches: what Kubernetes' client loads (undici) draws random numbers while it is loaded, and
 * what is compiled by then differs from run to run. It is loaded for one hand-off alone, and starts a little slower there.
 */
const NOT_RUN = /^kubeconfig-/;

/** The functions that run when a chunk is loaded are compiled by then, and get into its cache. */
function makeCaches(folder: string, loader: string): void {
  const names = readdirSync(folder).filter((name) => name.endsWith(".mjs"));
  const scripts = new Map<string, Script>();
  class RecordedScript extends Script {
    constructor(code: string, options: ScriptOptions) {
      super(code, options);
      scripts.set(String(options.filename).replace("enid/", ""), this);
    }
  }
  const read = (name: string) => readFileSync(join(folder, name), "latin1");
  // The place of the command is taken by one that loads all there is, and does nothing with it.
  const others = names.filter((name) => name !== "main.mjs" && !NOT_RUN.test(name));
  const all = `(function(exports,require){for (const name of ${JSON.stringify(others)}) require("./" + name);})`;
  const replaced: Record<string, unknown> = {
    "node:sea": {
      isSea: () => false,
      getAssetKeys: () => [],
      getAsset: (name: string) => (name === "main.mjs" ? all : read(name)),
    },
    "node:vm": { Script: RecordedScript },
  };
  const original = createRequire(import.meta.url);
  // What was compiled must not be thrown away again, which depends on when garbage is collected.
  setFlagsFromString("--no-flush-bytecode");
  new Function("require", loader)((id: string) => replaced[id] ?? original(id));
  for (const name of names.filter((one) => one === "main.mjs" || NOT_RUN.test(one))) {
    scripts.set(name, new Script(read(name), { filename: `enid/${name}` }));
  }
  // As at the start: V8 notes its flags in each cache.
  setFlagsFromString("--flush-bytecode");
  for (const [name, script] of scripts) writeFileSync(join(folder, `${name}.cache`), script.createCachedData());
}

if (import.meta.main) {
  const [folder = ""] = process.argv.slice(2);
  makeCaches(folder, readFileSync(new URL("./loader.cjs", import.meta.url), "utf8"));
}
