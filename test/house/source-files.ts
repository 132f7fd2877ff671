import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = join(dirname(fileURLToPath(import.meta.url)), "..", "..");

/** Paths below `folder` of the repository, relative to the repository, of files that `accept` takes. */
export function filesBelow(folder: string, accept: (path: string) => boolean = () => true): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)))
    .filter(accept)
    .sort();
}

export function readSource(path: string): string {
  return readFileSync(join(ROOT, path), "utf8");
}

export const sources: readonly string[] = filesBelow("src", (path) => path.endsWith(".ts"));

/** What a file names in import and export statements and in import(): relative ones as paths in the repository. */
export function importsOf(path: string): string[] {
  const text = readSource(path);
  const statements = text.matchAll(/^(?:import\s+|(?:import|export)\b[^;"=]*?\bfrom\s+)"([^"]+)"/gm);
  const calls = text.matchAll(/\bimport\(\s*"([^"]+)"/g);
  return [...statements, ...calls].map(([, name = ""]) => (name.startsWith(".") ? join(dirname(path), name) : name));
}
