import { closeSync, openSync, readFileSync, readSync, realpathSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { EnidError } from "../errors.ts";
import { sha256OfFile } from "./disk.ts";

/** A program of the release, where it lies on this machine. */
export interface Source {
  readonly file: string;
  readonly sha256: string;
}

export interface Sources {
  readonly executable: Source;
  /** Undefined: none lies beside the executable, as where it is installed already. */
  readonly plugin: Source | undefined;
}

export interface Places {
  /** Given by a flag. */
  readonly executable: string | undefined;
  readonly plugin: string | undefined;
  /** Where the release is, in order: the running executable, or dist/enid of a checkout. */
  readonly usual: { readonly executable: string; readonly plugins: readonly string[] };
}

const IN_A_CHECKOUT = "in a checkout, `npm run build` makes it";

/**
 * The programs to be installed, checked: whole by the release's SHA256SUMS where one lies beside them, and both for one kind of
 * machine.
 *
 * @throws EnidError ENID_INSTALL_SOURCE.
 */
export function findSources({ executable, plugin, usual }: Places): Sources {
  const program = check("enid", executable ?? usual.executable);
  const plugins = plugin === undefined ? [join(dirname(program.file), "enid-ipam"), ...usual.plugins] : [plugin];
  const found = plugins.find(isThere);
  if (found === undefined) {
    if (plugin !== undefined) throw fault("enid-ipam", plugin, "there is no such file");
    return { executable: program, plugin: undefined };
  }
  const ipam = check("enid-ipam", found);
  if (ipam.machine !== program.machine) {
    throw fault("enid-ipam", ipam.file, `it is for another kind of machine than ${program.file}`);
  }
  return { executable: program, plugin: ipam };
}

function check(name: string, path: string): Source & { readonly machine: number } {
  let file: string;
  let machine: number | undefined;
  try {
    file = realpathSync(path);
    machine = machineOf(file);
  } catch (thrown) {
    const isMissing = (thrown as NodeJS.ErrnoException).code === "ENOENT";
    const detail = isMissing ? `there is no such file; ${IN_A_CHECKOUT}` : String(thrown);
    throw fault(name, path, detail);
  }
  if (machine === undefined) {
    throw fault(name, path, `it is no executable of Linux (ELF); ${IN_A_CHECKOUT}`);
  }
  const sha256 = sha256OfFile(file);
  const listed = listedSum(file);
  if (listed !== undefined && listed !== sha256) {
    throw fault(name, path, `its SHA-256 is ${sha256}, and SHA256SUMS beside it says ${listed}`);
  }
  return { file, sha256, machine };
}

/** The machine that an ELF executable is for (e_machine); undefined of anything else. */
function machineOf(file: string): number | undefined {
  const handle = openSync(file, "r");
  try {
    const head = Buffer.alloc(20);
    const bytes = readSync(handle, head, 0, head.length, 0);
    const isElf = bytes === head.length && head.readUInt32BE(0) === 0x7f454c46;
    return isElf ? head.readUInt16LE(18) : undefined;
  } finally {
    closeSync(handle);
  }
}

function listedSum(file: string): string | undefined {
  const name = basename(file);
  try {
    const sums = readFileSync(join(dirname(file), "SHA256SUMS"), "utf8").split("\n");
    return sums.find((line) => line.slice(64) === `  ${name}`)?.slice(0, 64);
  } catch {
    return undefined;
  }
}

function isThere(file: string): boolean {
  try {
    realpathSync(file);
    return true;
  } catch {
    return false;
  }
}

function fault(what: string, file: string, detail: string): EnidError {
  return new EnidError("ENID_INSTALL_SOURCE", { what, file, detail });
}
