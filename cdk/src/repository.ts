import { readFileSync } from "node:fs";

/**
 * The tree that holds this package's sources beside `deploy/`, `schemas/` and `src/`: the checkout, or `lib/` of the
 * package, which is laid out like it (cdk/build.ts).
 */
const TREE = new URL("../../", import.meta.url);

/** The text of a file of the tree, by its path from the top: "deploy/iam/enid-node.json". */
export function readRepositoryFile(path: string): string {
  return readFileSync(new URL(path, TREE), "utf8");
}
