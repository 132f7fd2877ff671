import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, statSync } from "node:fs";
import { dirname } from "node:path";

/**
 * Makes a folder and those above it with access for their owner alone, each durable before the next. One that exists is
 * left as it is. Step by step, because the recursive mkdir of Node never ends where the kernel forbids folders (/proc).
 */
export function makeFolder(folder: string): void {
  if (existsSync(folder)) return;
  makeFolder(dirname(folder));
  mkdirSync(folder, 0o700);
  syncToDisk(dirname(folder));
}

/**
 * Makes an empty file with access for its owner alone, unless it exists. An existing one is not even opened: closing any
 * descriptor of a file drops the POSIX locks that this process holds on it, and SQLite's locks are of that kind.
 */
export function makePrivateFile(file: string): void {
  if (existsSync(file)) return;
  closeSync(openSync(file, "wx", 0o600));
}

/** fsync of a file or a folder that no lock is held on. */
export function syncToDisk(path: string): void {
  const descriptor = openSync(path, "r");
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** 0 for a file that does not exist. */
export function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}
