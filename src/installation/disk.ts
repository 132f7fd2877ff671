import { createHash } from "node:crypto";
import {
  chmodSync,
  closeSync,
  constants,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  readSync,
  renameSync,
  rmdirSync,
  rmSync,
  type Stats,
  symlinkSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { EnidError } from "../errors.ts";

/** What a file gets: bytes in memory; those of a file of this machine, which may be large; or those of another of the disk. */
export type Contents = { readonly bytes: Uint8Array } | { readonly from: string } | { readonly of: string };

export type Entry =
  | { readonly kind: "file"; readonly sha256: string; readonly mode: number }
  /** `sha256`: that of its target's name, as `sha256OfLink` makes it. */
  | { readonly kind: "link"; readonly sha256: string; readonly target: string }
  | { readonly kind: "folder" }
  | { readonly kind: "other" };

/**
 * The machine's files below a root. Paths are those of the machine ("/etc/cni/net.d"); links on the way are followed as they
 * would be on it, so that none leads out of the root. What changes something is one operation each; a crash falls between two
 * of them, or into `write`, which may leave a part of its file.
 *
 * @throws EnidError ENID_INSTALL_PATH from each of them.
 */
export interface Disk {
  /** What is at the path, its last link not followed; undefined when nothing is. */
  look(path: string): Entry | undefined;
  /** Whether a folder or a file is there, links followed. */
  hasFolder(path: string): boolean;
  hasFile(path: string): boolean;
  /** Links followed; undefined when there is no such file. */
  read(path: string): Uint8Array | undefined;
  /** Names in the folder, sorted; none when there is no such folder. */
  list(path: string): readonly string[];
  /** Makes one folder; the one it lies in is there. */
  makeFolder(path: string, mode: number): void;
  /** Makes the file or writes it over, with its bytes on the disk when it ends. Answers the SHA-256 of what was written. */
  write(path: string, contents: Contents, mode: number): string;
  /** Makes a symbolic link where nothing is. */
  link(path: string, target: string): void;
  rename(from: string, to: string): void;
  remove(path: string): void;
  removeFolder(path: string): void;
  /** The folder and all in it. */
  removeAll(path: string): void;
  /** What was renamed and removed in the folder is on the disk when it ends. */
  sync(folder: string): void;
}

const CHUNK_BYTES = 1024 * 1024;
/** As the kernel's own limit of links on the way. */
const LINKS_LIMIT = 40;

/** `root`: a folder of this machine; "/" is the machine itself. */
export function diskBelow(root: string): Disk {
  /** Where the path leads, with the links of its folders followed below the root. */
  const place = (path: string, followsLast = false): string => {
    const parts = path.split("/").filter((part) => part !== "" && part !== ".");
    const done: string[] = [];
    let links = 0;
    while (parts.length > 0) {
      const part = parts.shift() ?? "";
      if (part === "..") {
        done.pop();
        continue;
      }
      const here = join(root, ...done, part);
      const target = parts.length === 0 && !followsLast ? undefined : linkTarget(here);
      if (target === undefined) done.push(part);
      else {
        links += 1;
        if (links > LINKS_LIMIT) throw fault(path, "reached", "its links go round in a circle");
        if (target.startsWith("/")) done.length = 0;
        parts.unshift(...target.split("/").filter((each) => each !== "" && each !== "."));
      }
    }
    return join(root, ...done);
  };
  const step = <Result>(path: string, what: string, work: (place: string) => Result): Result => {
    try {
      return work(place(path));
    } catch (thrown) {
      if (thrown instanceof EnidError) throw thrown;
      throw fault(path, what, thrown instanceof Error ? thrown.message : String(thrown), thrown);
    }
  };
  return {
    look: (path) => step(path, "looked at", look),
    hasFolder: (path) => step(path, "looked at", () => statOf(place(path, true))?.isDirectory() === true),
    hasFile: (path) => step(path, "looked at", () => statOf(place(path, true))?.isFile() === true),
    read: (path) =>
      step(path, "read", () => {
        const at = place(path, true);
        return statOf(at)?.isFile() === true ? readFileSync(at) : undefined;
      }),
    list: (path) =>
      step(path, "listed", () => {
        const at = place(path, true);
        return statOf(at)?.isDirectory() === true ? readdirSync(at).toSorted() : [];
      }),
    makeFolder: (path, mode) =>
      step(path, "made", (at) => {
        mkdirSync(at);
        chmodSync(at, mode);
      }),
    write: (path, contents, mode) =>
      step(path, "written", (at) => write(at, "of" in contents ? { from: place(contents.of) } : contents, mode)),
    link: (path, target) => step(path, "made", (at) => symlinkSync(target, at)),
    rename: (from, to) => step(to, "put in place", (at) => renameSync(place(from), at)),
    remove: (path) => step(path, "removed", unlinkSync),
    removeFolder: (path) => step(path, "removed", rmdirSync),
    removeAll: (path) => step(path, "removed", (at) => rmSync(at, { recursive: true, force: true })),
    sync: (folder) => step(folder, "synced", () => sync(place(folder, true))),
  };
}

/** The folders on the way to the path that are not there, the outermost first. */
export function missingFolders(disk: Disk, path: string): string[] {
  const folder = dirname(path);
  if (folder === "/" || disk.hasFolder(folder)) return [];
  return [...missingFolders(disk, folder), folder];
}

export function sha256Of(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** What stands for the contents of a symbolic link. */
export function sha256OfLink(target: string): string {
  return sha256Of(new TextEncoder().encode(`link:${target}`));
}

/** SHA-256 of a file of this machine, read piece by piece. */
export function sha256OfFile(file: string): string {
  const hash = createHash("sha256");
  pieces(file, (piece) => hash.update(piece));
  return hash.digest("hex");
}

function look(at: string): Entry | undefined {
  const stats = statOf(at);
  if (stats === undefined) return undefined;
  if (stats.isSymbolicLink()) {
    const target = readlinkSync(at);
    return { kind: "link", sha256: sha256OfLink(target), target };
  }
  if (stats.isDirectory()) return { kind: "folder" };
  if (!stats.isFile()) return { kind: "other" };
  return { kind: "file", sha256: sha256OfFile(at), mode: stats.mode & 0o7777 };
}

function write(at: string, contents: Exclude<Contents, { of: string }>, mode: number): string {
  const hash = createHash("sha256");
  // Not followed where it is a link, and never a pipe that is waited for.
  const flags =
    constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const file = openSync(at, flags, 0o600);
  try {
    const put = (piece: Uint8Array) => {
      hash.update(piece);
      for (let done = 0; done < piece.length; ) done += writeSync(file, piece, done);
    };
    if ("bytes" in contents) put(contents.bytes);
    else pieces(contents.from, put);
    chmodSync(at, mode);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  return hash.digest("hex");
}

function pieces(file: string, take: (piece: Uint8Array) => void): void {
  const from = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const chunk = new Uint8Array(CHUNK_BYTES);
    for (let bytes = readSync(from, chunk); bytes > 0; bytes = readSync(from, chunk)) take(chunk.subarray(0, bytes));
  } finally {
    closeSync(from);
  }
}

function sync(folder: string): void {
  const handle = openSync(folder, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

function statOf(at: string): Stats | undefined {
  try {
    return lstatSync(at);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw error;
  }
}

function linkTarget(at: string): string | undefined {
  return statOf(at)?.isSymbolicLink() === true ? readlinkSync(at) : undefined;
}

function fault(path: string, step: string, detail: string, cause?: unknown): EnidError {
  return new EnidError("ENID_INSTALL_PATH", { path, step, detail }, cause === undefined ? {} : { cause });
}
