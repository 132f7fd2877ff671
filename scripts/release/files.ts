import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import {
  chmodSync,
  copyFileSync,
  createWriteStream,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import { Refusal } from "./refusal.ts";

/** What editors and tools leave behind. */
const LEFT_OUT = /^(?:__pycache__|node_modules|\..*|.*~|.*\.pyc)$/;
/** 9 takes three times as long for half a percent less. */
const GZIP_LEVEL = 6;
const IN_WHICH_DOTS_COUNT = /^\.env(?:\.|$)/;

/** The modes are the same whatever the umask is: 0755 for folders and what may be run, 0644 for the rest. */
export function copyFolder(from: string, to: string): void {
  mkdirSync(to, { recursive: true });
  chmodSync(to, 0o755);
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    if (LEFT_OUT.test(entry.name) && !IN_WHICH_DOTS_COUNT.test(entry.name)) continue;
    const [source, target] = [join(from, entry.name), join(to, entry.name)];
    if (entry.isDirectory()) copyFolder(source, target);
    else copyFile(source, target);
  }
}

export function copyFile(from: string, to: string): void {
  mkdirSync(dirname(to), { recursive: true });
  copyFileSync(from, to);
  chmodSync(to, (statSync(from).mode & 0o111) === 0 ? 0o644 : 0o755);
}

export function write(file: string, text: string): void {
  writeFileSync(file, text);
  chmodSync(file, 0o644);
}

/** SHA256SUMS of the folder, for `sha256sum -c`: every file, by its path. */
export function checksums(folder: string): string {
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((path) => statSync(join(folder, path)).isFile())
    .sort();
  return files.map((path) => `${sha256Of(join(folder, path))}  ${path}\n`).join("");
}

export function sha256Of(file: string): string {
  return createHash("sha256").update(readFileSync(file)).digest("hex");
}

/**
 * Packs the folder, in order and without traces of this machine. Compressed by the Node of the build, so that the bytes do
 * not depend on the machine's gzip.
 *
 * @throws Refusal there is no GNU tar.
 */
export async function pack(folder: string, tarball: string, builtAt: string | null): Promise<void> {
  const order = ["--sort=name", "--format=ustar", "--owner=0", "--group=0", "--numeric-owner"];
  const args = [...order, `--mtime=${builtAt ?? "@0"}`, "-cf", "-", "-C", dirname(folder), basename(folder)];
  const tar = spawn("tar", args, { stdio: ["ignore", "pipe", "inherit"] });
  const ended = once(tar, "close");
  await Promise.all([ended, pipeline(tar.stdout, createGzip({ level: GZIP_LEVEL }), createWriteStream(tarball))]).catch(
    (error) => {
      throw new Refusal(`GNU tar is needed: ${error.message}`);
    },
  );
  if (tar.exitCode !== 0) throw new Refusal(`GNU tar is needed: tar ended with ${tar.exitCode}`);
}
