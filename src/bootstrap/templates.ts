import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The templates of deploy/ec2/. In the bundle scripts/build.ts puts the texts in the place of this file. */
const folder = join(dirname(fileURLToPath(import.meta.url)), "..", "..", "deploy", "ec2");
const read = (path: string) => readFileSync(join(folder, path), "utf8");

export const AL2023: string = read("al2023/user-data.txt");
export const AL2023_MANAGED: string = read("al2023/user-data-managed.txt");
export const BOTTLEROCKET: string = read("bottlerocket/user-data.toml");
export const BOTTLEROCKET_MANAGED: string = read("bottlerocket/user-data-managed.toml");
export const UBUNTU: string = read("ubuntu/user-data.txt");
