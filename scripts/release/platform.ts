import { chmodSync, copyFileSync, mkdirSync, readFileSync, realpathSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "../build.ts";
import { Refusal } from "./refusal.ts";
import { isOnPath, runTool } from "./run-tool.ts";

/** A system that a release is made for. */
export interface Platform {
  readonly name: string;
  /** It is the system of this machine: its executable can be run here. */
  readonly isNative: boolean;
  /** C compilers for the plugin, the best first. Those of musl link it statically with musl, the others with glibc. */
  readonly compilers: readonly string[];
  readonly strippers: readonly string[];
  /** The package of npm that has Node's executable for it, and the `integrity` that npm must say of its tarball. */
  readonly nodePackage: string;
  readonly nodeIntegrity: string;
}

/** The only version that `nodeIntegrity` and licences/node.txt are of: the one of package.json. */
const NODE_VERSION = "24.21.0";

const NODE_INTEGRITY: Readonly<Record<string, string>> = {
  "linux-x64": "sha512-3nULszZ5X0fciYpG0t6TrdApJzAn8+FlINP6OiMX7V8HrvpATPN936U1LlReOJriLRa4e8yEqQBYCnLyPNAs7Q==",
  "linux-arm64": "sha512-FpJRPEz2OvvTLfjIOlNGFY9JLPMKgl5m+d4oGYBLg24kJ1mmvN1Zl/HPJgF4HDaJ51ISev1l1cRZ/DM+keXW5g==",
};
const GNU_NAMES: Readonly<Record<string, string>> = { "linux-x64": "x86_64-linux", "linux-arm64": "aarch64-linux" };

/** @throws Refusal for a system that enid is not built for. */
export function platformNamed(name: string): Platform {
  const [nodeIntegrity, gnuName] = [NODE_INTEGRITY[name], GNU_NAMES[name]];
  if (nodeIntegrity === undefined || gnuName === undefined) {
    throw new Refusal(`no release for ${name}; there are ${Object.keys(NODE_INTEGRITY).join(" and ")}`);
  }
  const isNative = name === `${process.platform}-${process.arch}`;
  const compilers = isNative ? ["musl-gcc", "cc"] : [`${gnuName}-musl-gcc`, `${gnuName}-gnu-gcc`];
  const strippers = isNative ? ["strip"] : [`${gnuName}-gnu-strip`, "llvm-strip"];
  return { name, isNative, compilers, strippers, nodePackage: `node-${name}`, nodeIntegrity };
}

/**
 * Puts Node's executable at `file`: of this machine's platform the one that runs this build, of others the one that npm has.
 *
 * @throws Refusal it is not to be had, or not the one that this release is made of.
 */
export function copyNode(platform: Platform, file: string): { readonly version: string } {
  const wanted = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")).devDependencies.node;
  if (wanted !== NODE_VERSION) {
    throw new Refusal(
      `package.json names Node ${wanted}: bring scripts/release/platform.ts and licences/node.txt to it`,
    );
  }
  if (platform.isNative && process.version !== `v${NODE_VERSION}`) {
    throw new Refusal(
      `the release is made with Node ${NODE_VERSION}, and this is ${process.version}; run: npm run build`,
    );
  }
  copyFileSync(platform.isNative ? realpathSync(process.execPath) : fetchNode(platform), file);
  chmodSync(file, 0o755);
  return { version: NODE_VERSION };
}

/** Of what was fetched before, npm asks its own cache. */
function fetchNode({ nodePackage, nodeIntegrity, name }: Platform): string {
  const folder = join(ROOT, ".enid", "release", name);
  mkdirSync(folder, { recursive: true });
  const specification = `${nodePackage}@${NODE_VERSION}`;
  const args = ["pack", specification, "--json", "--prefer-offline", "--pack-destination", folder];
  const [packed] = JSON.parse(runTool("npm", args, { cwd: folder })) as { filename: string; integrity: string }[];
  if (packed?.integrity !== nodeIntegrity) {
    throw new Refusal(
      `${specification} has the integrity ${packed?.integrity}, not ${nodeIntegrity}; nothing is made of it`,
    );
  }
  runTool("tar", ["-xzf", join(folder, packed.filename), "-C", folder, "package/bin/node"]);
  return join(folder, "package", "bin", "node");
}

/** Removes symbols that only a debugger reads; says when there is no tool for it. */
export function stripFile({ strippers, name }: Platform, file: string, say: (line: string) => void): void {
  const strip = strippers.find(isOnPath);
  if (strip === undefined)
    say(`${name}: none of ${strippers.join(", ")} is installed: the symbols of ${file} stay in it`);
  else runTool(strip, [file]);
}
