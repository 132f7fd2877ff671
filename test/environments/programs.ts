import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

/** Where Debian, Fedora and the CNI project put the reference plugins. */
const CNI_FOLDERS = ["/usr/lib/cni", "/usr/libexec/cni", "/opt/cni/bin"];

/** Absolute path of a program on the PATH. */
export function programOnPath(name: string): string {
  return find(name, [...(process.env.PATH ?? "").split(delimiter), "/usr/sbin", "/sbin"]);
}

/** Absolute path of a reference plugin. */
export function referencePlugin(name: string): string {
  return find(name, CNI_FOLDERS);
}

function find(name: string, folders: readonly string[]): string {
  const found = folders.map((folder) => join(folder, name)).find(isExecutable);
  if (found === undefined) throw new Error(`${name} is in none of ${folders.join(", ")}; npm test installs it`);
  return found;
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
