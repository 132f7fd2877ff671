import { dirname } from "node:path";
import type { Disk } from "./disk.ts";
import type { Machine } from "./install.ts";
import { MANIFEST, REPLACED_FOLDER, RUN_FOLDER, SERVICE_UNIT, STATE_FOLDER } from "./layout.ts";
import { type Manifest, parseManifest } from "./manifest.ts";
import { besideOf, isOurs } from "./placing.ts";
import { type ServiceStep, stopService } from "./services.ts";

export interface UninstallOptions {
  readonly dryRun: boolean;
  /** The state goes too: leases, intents, overrides. */
  readonly purge: boolean;
  /** Whether services are stopped and told. */
  readonly stop: boolean;
}

export interface Removal {
  readonly path: string;
  readonly action: "removed" | "kept" | "gone";
  /** Why it is kept; empty otherwise. */
  readonly why: string;
}

export interface UninstallReport {
  readonly dryRun: boolean;
  readonly changed: boolean;
  /** What was installed; undefined: nothing that is known. */
  readonly version: string | undefined;
  readonly files: readonly Removal[];
  readonly services: readonly ServiceStep[];
  readonly notes: readonly string[];
}

/**
 * Takes away what `install` laid down and nobody changed since; says what stays. Cut off anywhere, the next run ends it.
 *
 * @throws EnidError ENID_INSTALL_MANIFEST, ENID_INSTALL_PATH, ENID_INSTALL_SERVICE.
 */
export async function uninstall({ disk, running }: Machine, options: UninstallOptions): Promise<UninstallReport> {
  const { dryRun, purge } = options;
  const manifest = parseManifest(disk.read(MANIFEST));
  const nothing = { dryRun, changed: false, version: undefined, files: [], services: [], notes: [] };
  if (manifest === undefined && !purge) return { ...nothing, notes: [`nothing to do: there is no ${MANIFEST}`] };
  const files = manifest === undefined ? [] : removalsOf(disk, manifest);
  const services: ServiceStep[] = [];
  const state = purge ? stateOf(disk, manifest) : [];
  if (!dryRun) {
    const isBooted = running !== undefined && options.stop && disk.hasFolder("/run/systemd/system");
    if (isBooted && disk.look(SERVICE_UNIT) !== undefined) services.push(await stopService(running.programs));
    for (const { path, action } of files) {
      for (const each of [besideOf(path), ...(action === "removed" ? [path] : [])]) {
        if (disk.look(each) !== undefined) remove(disk, each);
      }
    }
    if (isBooted && files.some(({ path, action }) => action === "removed" && path.startsWith("/etc/systemd/system/"))) {
      const { code, text } = await running.programs("systemctl", ["daemon-reload"]);
      services.push({ command: "systemctl daemon-reload", failed: code === 0 ? "" : text });
    }
    for (const folder of [...(manifest?.folders ?? [])].reverse()) removeIfEmpty(disk, folder);
    for (const { path } of state) disk.removeAll(path);
    for (const path of keptOfOurs(manifest)) if (disk.look(path) !== undefined) remove(disk, path);
    removeIfEmpty(disk, REPLACED_FOLDER);
    // Last: as long as it is there, another run knows what to do.
    for (const path of [besideOf(MANIFEST), MANIFEST]) if (disk.look(path) !== undefined) remove(disk, path);
    removeIfEmpty(disk, STATE_FOLDER);
  }
  return {
    dryRun,
    changed: manifest !== undefined || state.length > 0,
    version: manifest?.version,
    files: [...files, ...state],
    services,
    notes: notesOf(disk, manifest, options, running !== undefined),
  };
}

/** The last one laid down first: the configuration goes before the plugin that it names. */
function removalsOf(disk: Disk, { files }: Manifest): Removal[] {
  return Object.entries(files)
    .reverse()
    .map(([path, known]): Removal => {
      const found = disk.look(path);
      if (found === undefined) return { path, action: "gone", why: "" };
      if (isOurs(found, known)) return { path, action: "removed", why: "" };
      return { path, action: "kept", why: "it was changed since it was installed" };
    });
}

/** The state, but for what belongs to others. */
function stateOf(disk: Disk, manifest: Manifest | undefined): Removal[] {
  const own = disk.list(STATE_FOLDER).filter((name) => `${STATE_FOLDER}/${name}` !== MANIFEST);
  const foreign = (manifest?.foreign ?? []).some(({ kept }) => kept !== undefined && disk.look(kept) !== undefined);
  return [
    ...own
      .map((name) => `${STATE_FOLDER}/${name}`)
      .filter((path) => path !== REPLACED_FOLDER || (!foreign && manifest !== undefined))
      .filter((path) => path !== besideOf(MANIFEST)),
    ...(disk.hasFolder(RUN_FOLDER) ? [RUN_FOLDER] : []),
  ].map((path) => ({ path, action: "removed", why: "" }));
}

function keptOfOurs(manifest: Manifest | undefined): string[] {
  const foreign = manifest?.foreign.map(({ kept }) => kept) ?? [];
  return Object.values(manifest?.files ?? {}).flatMap(({ previous }) =>
    previous?.kept === undefined || foreign.includes(previous.kept) ? [] : [previous.kept],
  );
}

function notesOf(
  disk: Disk,
  manifest: Manifest | undefined,
  { purge }: UninstallOptions,
  isRunning: boolean,
): string[] {
  const state = disk.list(STATE_FOLDER).some((name) => name.startsWith("state."));
  return [
    ...(manifest?.foreign ?? []).map(({ path, kept, link }) =>
      kept === undefined ? `${path} was a link to ${link} before` : `what was at ${path} before is ${kept}`,
    ),
    ...(state && !purge ? [`the state stays in ${STATE_FOLDER}: --purge removes it`] : []),
    ...(isRunning
      ? ["host routes that enid made stay until a reboot, or until `enid cleanup`, which needs the state"]
      : []),
  ];
}

function remove(disk: Disk, path: string): void {
  disk.remove(path);
  disk.sync(dirname(path));
}

function removeIfEmpty(disk: Disk, folder: string): void {
  if (disk.hasFolder(folder) && disk.list(folder).length === 0) disk.removeFolder(folder);
}
