import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Metafile } from "esbuild";
import { ROOT } from "../build.ts";
import { Refusal } from "./refusal.ts";

/** A package of npm of which there is code in the bundle. */
export interface BundledPackage {
  /** Its place below the checkout, which is its key in package-lock.json. */
  readonly path: string;
  readonly name: string;
  readonly version: string;
  /** SPDX. */
  readonly license: string;
  /** As package-lock.json has it: "sha512-" and base64. */
  readonly integrity: string;
  /** Paths of the packages that it imports, of those in the bundle. */
  readonly dependencies: readonly string[];
}

/** Modules whose texts scripts/build.ts writes into the bundle, and the packages that the texts are of. */
const EMBEDDED_PACKAGES: Readonly<Record<string, string>> = {
  "src/simulator/report/plot-library.ts": "node_modules/uplot",
};

interface LockEntry {
  readonly version: string;
  readonly license?: string;
  readonly integrity?: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
}

/** By their path. @throws Refusal a package is not as package-lock.json describes it. */
export function bundledPackages(metafile: Metafile): readonly BundledPackage[] {
  const lock = JSON.parse(readFileSync(join(ROOT, "package-lock.json"), "utf8")).packages as Record<string, LockEntry>;
  const paths = new Set<string>();
  for (const { inputs } of Object.values(metafile.outputs)) {
    for (const [input, { bytesInOutput }] of Object.entries(inputs)) {
      const path = /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(input)?.[0] ?? EMBEDDED_PACKAGES[input];
      if (path !== undefined && bytesInOutput > 0) paths.add(path);
    }
  }
  return [...paths].sort().map((path) => {
    const { version, license, integrity, ...locked } = lock[path] ?? { version: "" };
    const installed = JSON.parse(readFileSync(join(ROOT, path, "package.json"), "utf8"));
    if (license === undefined || integrity === undefined || installed.version !== version) {
      throw new Refusal(`${path} is not as package-lock.json describes it; run: npm ci`);
    }
    const wanted = { ...locked.dependencies, ...locked.optionalDependencies, ...locked.peerDependencies };
    const dependencies = Object.keys(wanted).flatMap((name) => resolve(path, name, lock) ?? []);
    return {
      path,
      name: installed.name,
      version,
      license,
      integrity,
      dependencies: dependencies.filter((found) => paths.has(found)).sort(),
    };
  });
}

/** Where Node finds the package `name` from the one in `path`: in its own node_modules or in one further up. */
function resolve(path: string, name: string, lock: Readonly<Record<string, LockEntry>>): string | undefined {
  for (let from = path; ; from = from.slice(0, from.lastIndexOf("/node_modules/"))) {
    const found = `${from}/node_modules/${name}`;
    if (found in lock) return found;
    if (!from.includes("/node_modules/")) return `node_modules/${name}` in lock ? `node_modules/${name}` : undefined;
  }
}
