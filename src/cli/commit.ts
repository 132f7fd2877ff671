import { readFileSync, statSync } from "node:fs";
import path from "node:path";

const LEVELS = 6;
const COMMIT = /^[0-9a-f]{40}(?:[0-9a-f]{24})?$/;

/** The commit of the checkout around `folder`, or "unknown". Reads files only: git need not be installed. */
export function commitOf(folder: string): string {
  let level = folder;
  for (let count = 0; count < LEVELS; count += 1) {
    const git = gitFolder(path.join(level, ".git"));
    if (git !== undefined) return headOf(git) ?? "unknown";
    level = path.dirname(level);
  }
  return "unknown";
}

/** `.git` is a folder, or in a further work tree a file that names one. */
function gitFolder(entry: string): string | undefined {
  const stats = statSync(entry, { throwIfNoEntry: false });
  if (stats === undefined || stats.isDirectory()) return stats && entry;
  const [, target] = /^gitdir: (.+)$/.exec(read(entry) ?? "") ?? [];
  return target === undefined ? undefined : path.resolve(path.dirname(entry), target);
}

function headOf(git: string): string | undefined {
  const head = read(path.join(git, "HEAD")) ?? "";
  if (COMMIT.test(head)) return head;
  const [, name] = /^ref: (refs\/[\w./-]+)$/.exec(head) ?? [];
  if (name === undefined || name.includes("..")) return undefined;
  const common = read(path.join(git, "commondir"));
  for (const folder of [git, ...(common === undefined ? [] : [path.resolve(git, common)])]) {
    const packed = read(path.join(folder, "packed-refs"))?.split("\n") ?? [];
    const found = read(path.join(folder, name)) ?? packed.find((line) => line.endsWith(` ${name}`))?.split(" ")[0];
    if (found !== undefined && COMMIT.test(found)) return found;
  }
  return undefined;
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8").trim();
  } catch {
    // Absent, unreadable, a folder: there is no such file for us.
    return undefined;
  }
}
