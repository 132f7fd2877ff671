import type { Stats } from "node:fs";
import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { EnidError } from "../errors.ts";
import { readConfiguration } from "./read.ts";
import { FILE_LIMIT_BYTES, tooLarge } from "./source-text.ts";
import type { Configuration } from "./types.ts";

/** Reads the configuration file. Throws what readConfigurationBytes and readConfiguration throw. */
export async function readConfigurationFile(file: string): Promise<Configuration> {
  return readConfiguration(await readConfigurationBytes(file), file);
}

/**
 * The bytes of a regular file, symbolic links followed. Never reads more than 1 MiB and never waits for a pipe or a device.
 * Throws ENID_CONFIG_TOO_LARGE or ENID_CONFIG_UNREADABLE (with the system's error as cause; see isMissing).
 */
export async function readConfigurationBytes(file: string): Promise<Uint8Array> {
  let handle: FileHandle | undefined;
  try {
    // O_NONBLOCK: opening a named pipe without a writer would wait for ever.
    handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
    const stats = await handle.stat();
    const kind = wrongKind(stats);
    if (kind !== undefined) {
      throw new EnidError("ENID_CONFIG_UNREADABLE", { file, detail: `it is ${kind}; allowed is a regular file` });
    }
    if (stats.size > FILE_LIMIT_BYTES) throw tooLarge(file, stats.size);
    return await readUpToLimit(handle, file);
  } catch (error) {
    throw error instanceof EnidError ? error : unreadable(file, error);
  } finally {
    await handle?.close();
  }
}

/** Whether the error says that there is no such file, as against one that cannot be read. */
export function isMissing(error: EnidError): boolean {
  return error.code === "ENID_CONFIG_UNREADABLE" && systemCode(error.cause) === "ENOENT";
}

/** The size is not trusted: files of /proc say 0, and a file may grow while it is read. */
async function readUpToLimit(handle: FileHandle, file: string): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let total = 0;
  for (;;) {
    const chunk = new Uint8Array(64 * 1024);
    const { bytesRead } = await handle.read(chunk, 0, chunk.length, null);
    if (bytesRead === 0) return Buffer.concat(chunks, total);
    total += bytesRead;
    if (total > FILE_LIMIT_BYTES) throw tooLarge(file, `more than ${FILE_LIMIT_BYTES}`);
    chunks.push(chunk.subarray(0, bytesRead));
  }
}

function wrongKind(stats: Stats): string | undefined {
  if (stats.isFile()) return undefined;
  if (stats.isDirectory()) return "a directory";
  if (stats.isFIFO()) return "a named pipe";
  if (stats.isSocket()) return "a socket";
  return "a device";
}

const DETAILS: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file",
  EACCES: "permission denied",
  EPERM: "permission denied",
  ENOTDIR: "a part of its path is not a directory",
  ELOOP: "its symbolic links go round in a circle",
  ENAMETOOLONG: "its name is too long",
  ENXIO: "it is a socket or a device without a driver",
};

function unreadable(file: string, error: unknown): EnidError {
  const code = systemCode(error) ?? "";
  const message = error instanceof Error ? error.message : String(error);
  const detail = Object.hasOwn(DETAILS, code) ? `${DETAILS[code]} (${code})` : message;
  return new EnidError("ENID_CONFIG_UNREADABLE", { file, detail }, { cause: error });
}

function systemCode(error: unknown): string | undefined {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return typeof code === "string" ? code : undefined;
}
