import { constants } from "node:fs";
import { chmod, chown, open, rename, stat, unlink } from "node:fs/promises";
import { basename, dirname, join } from "node:path";

/** The include file has some 30 bytes for each route. */
const LIMIT_BYTES = 16 * 1024 * 1024;

/** What lies at the path: its text, "missing", or "foreign" when it cannot have been written by `replaceFile`. */
export async function readOwned(path: string): Promise<{ readonly text: string } | "missing" | "foreign"> {
  let handle: Awaited<ReturnType<typeof open>>;
  try {
    // No link is followed and nothing can block.
    handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === "ENOENT") return "missing";
    if (code === "ELOOP" || code === "ENXIO") return "foreign";
    throw error;
  }
  try {
    const facts = await handle.stat();
    if (!facts.isFile() || facts.size > LIMIT_BYTES) return "foreign";
    return { text: await handle.readFile("utf8") };
  } finally {
    await handle.close();
  }
}

export interface FileModes {
  readonly mode: number;
  /** The new file gets owner and group of the one before, or else the group of its folder: BIRD reads it as its own user. */
  readonly asBefore?: boolean;
}

/**
 * Writes the file so that there is the old text or the new one at any moment, also after a crash. The temporary file
 * begins with a dot: `include "*.conf"` does not find it.
 */
export async function replaceFile(path: string, text: string, { mode, asBefore = false }: FileModes): Promise<void> {
  const folder = dirname(path);
  const temporary = join(folder, `.${basename(path)}.new`);
  const owner = asBefore ? await ownerFor(path) : undefined;
  try {
    await unlink(temporary).catch(ignoreMissing);
    const handle = await open(temporary, "wx", 0o600);
    try {
      await handle.writeFile(text);
      await handle.sync();
    } finally {
      await handle.close();
    }
    if (owner !== undefined) await chown(temporary, owner.uid, owner.gid);
    // Whatever the umask.
    await chmod(temporary, mode);
    await rename(temporary, path);
  } catch (error) {
    await unlink(temporary).catch(() => {});
    throw error;
  }
  const handle = await open(folder, constants.O_RDONLY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function ownerFor(path: string): Promise<{ readonly uid: number; readonly gid: number } | undefined> {
  const before = await stat(path).catch(ignoreMissing);
  if (before !== undefined) return { uid: before.uid, gid: before.gid };
  // Only root may give files away.
  if (process.geteuid?.() !== 0) return undefined;
  return { uid: 0, gid: (await stat(dirname(path))).gid };
}

function ignoreMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== "ENOENT") throw error;
}
