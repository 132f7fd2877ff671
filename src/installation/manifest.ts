import { EnidError } from "../errors.ts";
import { MANIFEST } from "./layout.ts";

/** What enid's own file at a path was before. */
export interface Previous {
  readonly sha256: string;
  readonly version: string;
  /** Where its bytes are kept, so that one can go back. Absent: they are not, of a text. */
  readonly kept?: string;
}

export interface InstalledFile {
  readonly sha256: string;
  readonly mode: number;
  /** Of the enid whose file it is. */
  readonly version: string;
  readonly previous?: Previous;
}

/** What somebody else had at a path of enid's, or what was changed by hand there. */
export interface Foreign {
  readonly path: string;
  /** Of a link: where it led. */
  readonly link?: string;
  readonly sha256?: string;
  /** Where its bytes are kept; of a link there are none. */
  readonly kept?: string;
}

/** What is installed, by its path: written before the first of its files is, and again when all is done. */
export interface Manifest {
  readonly format: 1;
  readonly version: string;
  readonly commit: string;
  /** MAC address of the primary interface, which some of the files name. Absent: not known, or not on EC2. */
  readonly primaryMac?: string;
  /** False: an installation was cut off, and the next one ends it. */
  readonly complete: boolean;
  readonly files: Readonly<Record<string, InstalledFile>>;
  /** Folders that were made for them, the outermost first. */
  readonly folders: readonly string[];
  readonly foreign: readonly Foreign[];
}

export function renderManifest(manifest: Manifest): Uint8Array {
  return new TextEncoder().encode(`${JSON.stringify(manifest, null, 2)}\n`);
}

/** @throws EnidError ENID_INSTALL_MANIFEST. */
export function parseManifest(bytes: Uint8Array | undefined): Manifest | undefined {
  if (bytes === undefined) return undefined;
  const wrong = (detail: string) => new EnidError("ENID_INSTALL_MANIFEST", { file: MANIFEST, detail });
  let found: Partial<Manifest> | null;
  try {
    found = JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    throw wrong("it is not JSON");
  }
  if (found?.format !== 1) throw wrong(`its format is ${JSON.stringify(found?.format)}; this enid knows 1`);
  const { version, files, folders, foreign } = found;
  const isPath = (path: unknown) => typeof path === "string" && path.startsWith("/") && !path.includes("/../");
  const isWhole =
    typeof version === "string" &&
    Array.isArray(folders) &&
    folders.every(isPath) &&
    Array.isArray(foreign) &&
    foreign.every(({ path }) => isPath(path)) &&
    typeof files === "object" &&
    Object.entries(files).every(([path, file]) => isPath(path) && /^[0-9a-f]{64}$/.test(String(file?.sha256)));
  if (!isWhole) throw wrong("it is not whole");
  return found as Manifest;
}
