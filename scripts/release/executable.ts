import {
  copyFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { transform } from "esbuild";
import { type Chunk, NODE_FLAGS, ROOT } from "../build.ts";
import { CACHE_FLAGS } from "./code-cache.ts";
import { copyNode, type Platform, stripFile } from "./platform.ts";
import { runTool } from "./run-tool.ts";

/** Node looks for it in its own executable: when it is switched, there is an application in it. */
const FUSE = "NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2";
const LOADER = fileURLToPath(new URL("./loader.cjs", import.meta.url));

interface ExecutableOptions {
  readonly platform: Platform;
  readonly chunks: readonly Chunk[];
  /** Where the executable goes. */
  readonly file: string;
  /** An empty folder for what is made on the way. */
  readonly workFolder: string;
  readonly say: (line: string) => void;
}

/** Puts the bundle into Node's executable, as a single executable application. Answers the version of that Node. */
export async function makeExecutable(options: ExecutableOptions): Promise<{ readonly nodeVersion: string }> {
  const { platform, chunks, file, workFolder, say } = options;
  const assets: Record<string, string> = { loader: LOADER };
  const folder = join(workFolder, "chunks");
  mkdirSync(folder);
  for (const { name, code } of chunks) {
    assets[name] = join(folder, name);
    writeFileSync(join(folder, name), await asFunction(code));
  }
  if (platform.isNative) {
    makeCaches(folder);
    for (const { name } of chunks) assets[`${name}.cache`] = join(folder, `${name}.cache`);
  } else say(`${platform.name}: without code caches, which only a machine of that platform can make: it starts slower`);

  const blob = join(workFolder, "enid.blob");
  const configuration = {
    main: LOADER,
    output: blob,
    disableExperimentalSEAWarning: true,
    // Of the loader alone, which is a page of code.
    useCodeCache: false,
    execArgv: NODE_FLAGS,
    // NODE_OPTIONS of whoever starts enid does not change it.
    execArgvExtension: "none",
    assets,
  };
  writeFileSync(join(workFolder, "sea.json"), JSON.stringify(configuration));
  runTool(process.execPath, ["--experimental-sea-config", join(workFolder, "sea.json")]);

  const { version } = copyNode(platform, file);
  stripFile(platform, file, say);
  const postject = join(ROOT, "node_modules", "postject", "dist", "cli.js");
  runTool(process.execPath, [postject, file, "NODE_SEA_BLOB", blob, "--sentinel-fuse", FUSE]);
  if (readFileSync(file).indexOf(`${FUSE}:1`) < 0) throw new Error(`${file} holds no application`);
  return { nodeVersion: version };
}

/**
 * V8 copies bytes into a cache that it never set, and what is in them depends on the length of the process's own texts: its
 * path, its arguments, its environment. So that these are the same in every checkout, all that takes part is put into a folder
 * whose name has always the same length.
 */
function makeCaches(chunksFolder: string): void {
  const place = mkdtempSync(join(tmpdir(), "enid-caches-"));
  try {
    const node = join(place, "node");
    copyFileSync(realpathSync(process.execPath), node);
    for (const name of ["code-cache.ts", "loader.cjs"]) copyFileSync(new URL(name, import.meta.url), join(place, name));
    const chunks = join(place, "chunks");
    cpSync(chunksFolder, chunks, { recursive: true });
    const args = [...NODE_FLAGS, ...CACHE_FLAGS, join(place, "code-cache.ts"), chunks];
    runTool(node, args, { cwd: place, env: {} });
    for (const name of readdirSync(chunks).filter((one) => one.endsWith(".cache"))) {
      copyFileSync(join(chunks, name), join(chunksFolder, name));
    }
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
}

/** An ES module as an expression for loader.cjs: a function of (exports, require, module, URL of the file). */
async function asFunction(code: string): Promise<string> {
  const { code: commonJs } = await transform(code, {
    format: "cjs",
    platform: "node",
    target: "node24",
    // Loaded by the same `require`, and only when it comes to that.
    supported: { "dynamic-import": false },
    define: { "import.meta.url": "__url" },
    // One byte a character in memory.
    charset: "ascii",
  });
  return `(function(exports,require,module,__url){${commonJs.trimEnd()}\n})`;
}
