/**
 * The main script of the executable, and what its worker threads evaluate. The code lies in assets, one for each chunk of
 * the bundle, and is read when it is required: what a command does not need costs no memory. NAME.cache beside it is V8's
 * code cache of the chunk, made by code-cache.ts.
 */
"use strict";
const { getAsset, getAssetKeys, getRawAsset } = require("node:sea");
const { setFlagsFromString } = require("node:v8");
const { Script } = require("node:vm");
const { isMainThread } = require("node:worker_threads");

const assets = new Set(getAssetKeys());
const modules = new Map();

function load(name) {
  const known = modules.get(name);
  if (known !== undefined) return known.exports;
  const loaded = { exports: {} };
  modules.set(name, loaded);
  const filename = `enid/${name}`;
  const cachedData = assets.has(`${name}.cache`) ? new Uint8Array(getRawAsset(`${name}.cache`)) : undefined;
  const script = new Script(getAsset(name, "latin1"), { filename, cachedData });
  const requireFrom = (id) => (id.startsWith("./") ? load(id.slice(2)) : require(id));
  script.runInThisContext()(loaded.exports, requireFrom, loaded, `file:///${filename}`);
  return loaded.exports;
}

if (isMainThread && process.argv[2] === "simulate") {
  // A simulation is no daemon: its threads, which do the work, may take memory to be fast. Not --concurrent-recompilation:
  // V8 made no compiler thread for this one when it began, and would take it for there (segmentation fault).
  for (const flag of ["--max-semi-space-size=0", "--no-optimize-for-size"]) {
    setFlagsFromString(flag);
  }
}
load(isMainThread ? "main.mjs" : "simulate-worker.mjs");
