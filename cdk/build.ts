/**
 * Compiles the package into lib/, which is laid out like the checkout: cdk/src/ as JavaScript with its types, what it enters of src/,
 * the schemas, and the files of deploy/ that it reads. So a path means the same here and there.
 *
 *   bin/with-node cdk/build.ts [FOLDER]      FOLDER: instead of cdk/lib; it is emptied first
 */
import { spawnSync } from "node:child_process";
import { cpSync, rmSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const PACKAGE = dirname(fileURLToPath(import.meta.url));
const ROOT = dirname(PACKAGE);
const LIB = resolve(process.argv[2] ?? join(PACKAGE, "lib"));

rmSync(LIB, { recursive: true, force: true });
const { status, error } = spawnSync(
  join(ROOT, "node_modules", ".bin", "tsc"),
  ["-p", "tsconfig.build.json", "--outDir", LIB],
  {
    cwd: PACKAGE,
    stdio: "inherit",
  },
);
if (status !== 0) throw new Error("tsc could not compile the package; see above", { cause: error });
for (const path of ["deploy/iam", "deploy/ec2", "deploy/cilium", "LICENSE"]) {
  cpSync(join(ROOT, path), join(LIB, path), { recursive: true });
}
