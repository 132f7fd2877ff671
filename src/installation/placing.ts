import { basename, dirname, join } from "node:path";
import { EnidError } from "../errors.ts";
import { type Contents, type Disk, type Entry, missingFolders } from "./disk.ts";
import { FOLDER_MODES, MANIFEST, REPLACED_FOLDER, STATE_FOLDER } from "./layout.ts";
import { type Foreign, type InstalledFile, type Manifest, renderManifest } from "./manifest.ts";

/** A file that shall be on the node. */
export interface WantedFile {
  readonly path: string;
  readonly contents: Contents | { readonly link: string };
  /** Of the contents. */
  readonly sha256: string;
  readonly mode: number;
  /** What happens to another file at the path: it is replaced and kept aside, or left alone. */
  readonly others: "replaced" | "left";
  /** Made where there is none, and never written again. */
  readonly once?: boolean;
  /** The one before is kept aside too, so that one can go back. */
  readonly keepsPrevious?: boolean;
}

export type FileAction =
  /** It was not there. */
  | "written"
  /** Another one of enid's was there. */
  | "updated"
  /** Somebody else's was there, or one that was changed by hand; it is kept aside. */
  | "replaced"
  /** It is as it should be. */
  | "in place"
  /** Somebody else's is there and stays. */
  | "left"
  /** It is not wanted any more. */
  | "removed"
  /** It is not wanted any more, and was changed by hand. */
  | "abandoned";

export interface FileChange {
  readonly path: string;
  readonly action: FileAction;
  /** What lies there by now; of removed ones, what lay there. */
  readonly sha256: string;
  /** Where the one before is kept. */
  readonly kept?: string;
}

/** What is to be done on the disk, and how the manifest says it. */
export interface Placement {
  readonly changes: readonly FileChange[];
  readonly wanted: readonly WantedFile[];
  /** As it will be in the end. */
  readonly manifest: Manifest;
  /** Of files that are to be removed: they stay known until they are. */
  readonly leaving: Manifest["files"];
  /** What a run that was cut off left beside its files. */
  readonly leftovers: readonly string[];
  /** Whether the disk is not yet so. */
  readonly isNeeded: boolean;
}

/** What is known beside the files. */
export type About = Pick<Manifest, "version" | "commit" | "primaryMac">;

/** Looks at the disk and says what `carryOut` will do. @throws EnidError ENID_INSTALL_PATH where no file can be. */
export function planPlacement(
  disk: Disk,
  wanted: readonly WantedFile[],
  before: Manifest | undefined,
  about: About,
): Placement {
  const { version } = about;
  const files: Record<string, InstalledFile> = {};
  const foreign: Foreign[] = [...(before?.foreign ?? [])];
  const changes: FileChange[] = [];
  for (const file of wanted) {
    const found = disk.look(file.path);
    const known = before?.files[file.path];
    const decided = decide(file, found, known, version);
    changes.push(decided.change);
    if (decided.installed !== undefined) files[file.path] = decided.installed;
    const { stranger } = decided;
    if (stranger !== undefined && !foreign.some((one) => isSame(one, stranger))) foreign.push(stranger);
  }
  const leaving: Record<string, InstalledFile> = {};
  for (const [path, known] of Object.entries(before?.files ?? {})) {
    if (wanted.some((file) => file.path === path)) continue;
    const found = disk.look(path);
    if (found === undefined) continue;
    leaving[path] = known;
    changes.push({ path, action: isOurs(found, known) ? "removed" : "abandoned", sha256: known.sha256 });
  }
  const missing = wanted.flatMap(({ path }) => missingFolders(disk, path));
  // Those of the manifest itself are there before it can say so.
  const folders = [...new Set([...(before?.folders ?? []), ...missing])].filter(
    (folder) => !`${STATE_FOLDER}/`.startsWith(`${folder}/`),
  );
  const manifest: Manifest = { format: 1, ...about, complete: true, files, folders, foreign };
  const leftovers = [...wanted.map(({ path }) => path), MANIFEST].map(besideOf).filter((path) => disk.look(path));
  const isNeeded =
    changes.some(({ action }) => action !== "in place" && action !== "left") ||
    leftovers.length > 0 ||
    before === undefined ||
    !Buffer.from(renderManifest(manifest)).equals(renderManifest(before));
  return { changes, wanted, manifest, leaving, leftovers, isNeeded };
}

/**
 * Brings the disk there, but for the last word of the manifest, which `conclude` says. Each file is whole at any moment: the
 * new one is written beside it, and renamed. Cut off anywhere, the next run ends it.
 */
export function carryOut(disk: Disk, placement: Placement): void {
  const { changes, wanted, manifest, leaving, leftovers } = placement;
  for (const path of leftovers) disk.remove(path);
  const begun = { ...manifest, complete: false, files: { ...leaving, ...manifest.files } };
  put(disk, MANIFEST, { bytes: renderManifest(begun) }, 0o600);
  for (const { path, action, kept } of changes) {
    if (action === "removed") {
      disk.remove(path);
      disk.sync(dirname(path));
    }
    if (action !== "written" && action !== "updated" && action !== "replaced") continue;
    const file = wanted.find((one) => one.path === path);
    if (file === undefined) continue;
    if (kept !== undefined) put(disk, kept, { of: path }, 0o600);
    put(disk, path, file.contents, file.mode, file.sha256);
  }
}

/** The last word: all is there. Of what was kept aside, only what the manifest names stays. */
export function conclude(disk: Disk, { manifest }: Placement): void {
  const kept = [...Object.values(manifest.files).map(({ previous }) => previous), ...manifest.foreign];
  for (const name of disk.list(REPLACED_FOLDER)) {
    const path = `${REPLACED_FOLDER}/${name}`;
    if (!kept.some((one) => one?.kept === path)) disk.remove(path);
  }
  put(disk, MANIFEST, { bytes: renderManifest(manifest) }, 0o600);
}

/** Whether what is there is enid's, of this run or of the one before. */
export function isOurs(found: Entry | undefined, known: InstalledFile): boolean {
  const isFile = found?.kind === "file" || found?.kind === "link";
  return isFile && (found.sha256 === known.sha256 || found.sha256 === known.previous?.sha256);
}

/** Where a file is written before it is renamed: none that looks into the folder takes it for one of its own. */
export function besideOf(path: string): string {
  return join(dirname(path), `.${basename(path)}.enid-new`);
}

interface Decision {
  readonly change: FileChange;
  readonly installed?: InstalledFile;
  readonly stranger?: Foreign;
}

function decide(
  file: WantedFile,
  found: Entry | undefined,
  known: InstalledFile | undefined,
  version: string,
): Decision {
  const { path, sha256, mode } = file;
  if (found?.kind === "folder" || found?.kind === "other") {
    throw new EnidError("ENID_INSTALL_PATH", {
      path,
      step: "written",
      detail: `a ${found.kind === "folder" ? "folder" : "device or socket"} is there`,
    });
  }
  const fresh: InstalledFile = { sha256, mode, version };
  if (found === undefined) {
    // Of a run that was cut off: what it kept aside stays known.
    const previous = known?.sha256 === sha256 ? known.previous : undefined;
    return { change: { path, action: "written", sha256 }, installed: { ...fresh, ...(previous && { previous }) } };
  }
  const isKnown = known !== undefined && isOurs(found, known);
  if (file.once) {
    const action = isKnown ? "in place" : "left";
    return { change: { path, action, sha256: known?.sha256 ?? sha256 }, ...(known && { installed: known }) };
  }
  if (found.sha256 === sha256) {
    const installed = known?.sha256 === sha256 ? { ...known, mode } : fresh;
    const isWhole = found.kind === "link" || found.mode === mode;
    return { change: { path, action: isWhole ? "in place" : "updated", sha256 }, installed };
  }
  if (isKnown) {
    const was = found.sha256 === known.sha256 ? known.version : (known.previous?.version ?? known.version);
    const kept = file.keepsPrevious ? keptAt(path, found.sha256) : undefined;
    const previous = { sha256: found.sha256, version: was, ...(kept && { kept }) };
    return {
      change: { path, action: "updated", sha256, ...(kept && { kept }) },
      installed: { ...fresh, previous },
    };
  }
  if (file.others === "left") {
    return { change: { path, action: "left", sha256: "" }, ...(known && { installed: known }) };
  }
  if (found.kind === "link") {
    return { change: { path, action: "replaced", sha256 }, installed: fresh, stranger: { path, link: found.target } };
  }
  const kept = keptAt(path, found.sha256);
  return {
    change: { path, action: "replaced", sha256, kept },
    installed: fresh,
    stranger: { path, sha256: found.sha256, kept },
  };
}

function keptAt(path: string, sha256: string): string {
  return `${REPLACED_FOLDER}/${basename(path)}.${sha256.slice(0, 12)}`;
}

function isSame(one: Foreign, other: Foreign): boolean {
  return one.path === other.path && one.sha256 === other.sha256 && one.link === other.link;
}

function put(disk: Disk, path: string, contents: WantedFile["contents"], mode: number, sha256?: string): void {
  for (const folder of missingFolders(disk, path)) {
    disk.makeFolder(folder, FOLDER_MODES[folder] ?? 0o755);
    disk.sync(dirname(folder));
  }
  const beside = besideOf(path);
  if ("link" in contents) {
    disk.link(beside, contents.link);
    disk.rename(beside, path);
    disk.sync(dirname(path));
    return;
  }
  const written = disk.write(beside, contents, mode);
  if (sha256 !== undefined && written !== sha256) {
    disk.remove(beside);
    const detail = "its source was changed while it was read";
    throw new EnidError("ENID_INSTALL_PATH", { path, step: "written", detail });
  }
  disk.rename(beside, path);
  disk.sync(dirname(path));
}
