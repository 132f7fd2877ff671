import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { onTestFinished } from "vitest";
import { EnidError } from "../../src/errors.ts";
import {
  type Disk,
  diskBelow,
  findSources,
  type InstallOptions,
  type Machine,
  type Probes,
} from "../../src/installation/index.ts";
import { ROOT } from "../house/source-files.ts";

export const CONFLIST = readFileSync(join(ROOT, "deploy/compose/aws/05-enid.conflist"));
export const ON_PREMISES = readFileSync(join(ROOT, "deploy/compose/on-premises/05-enid.conflist"));
export const MAC = "0a:1b:2c:3d:4e:5f";

/** In memory where there is such a place: every file is synced. */
const BASE = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();

/** A folder of the test's own. */
export function temporary(): string {
  const folder = mkdtempSync(join(BASE, "enid-installation-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** An unpacked release with programs of a few bytes: ELF heads of x86-64, which is all that is looked at. */
export function release(version: string, folder = temporary()): string {
  for (const name of ["enid", "enid-ipam"]) writeFileSync(join(folder, name), elf(`${name} ${version}\n`));
  return folder;
}

export function elf(text: string, machine = 62): Buffer {
  const head = Buffer.alloc(20);
  head.writeUInt32BE(0x7f454c46, 0);
  head.writeUInt16LE(machine, 18);
  return Buffer.concat([head, Buffer.from(text)]);
}

/** The machine's tree: mode and contents of files, targets of links; folders by their mode. */
export function tree(root: string, folder = root): Record<string, string> {
  const found: Record<string, string> = {};
  for (const name of readdirSync(folder).sort()) {
    const path = join(folder, name);
    const stats = lstatSync(path);
    const key = `/${relative(root, path)}`;
    const mode = (stats.mode & 0o7777).toString(8).padStart(4, "0");
    if (stats.isSymbolicLink()) found[key] = `-> ${readlinkSync(path)}`;
    else if (stats.isDirectory()) Object.assign(found, { [`${key}/`]: mode }, tree(root, path));
    else found[key] = `${mode} ${readFileSync(path, "latin1")}`;
  }
  return found;
}

/** Its files and links alone, by their paths. */
export function files(root: string): string[] {
  return Object.keys(tree(root)).filter((path) => !path.endsWith("/"));
}

export function put(root: string, path: string, contents: string | Buffer = "", mode = 0o644): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), contents);
  chmodSync(join(root, path), mode);
}

export interface Lab {
  readonly root: string;
  readonly machine: Machine;
  /** What was run, in order. */
  readonly ran: string[];
  options(more?: Partial<InstallOptions> & { readonly release?: string }): InstallOptions;
}

export interface LabOptions {
  /** A folder, or a machine that runs, with systemd. */
  readonly runs?: boolean;
  readonly disk?: (disk: Disk) => Disk;
  /** Exit codes of programs, by the beginning of their command line; 0 otherwise. */
  readonly codes?: Readonly<Record<string, number>>;
  readonly probes?: Partial<Probes>;
  readonly root?: string;
}

/** A machine below a folder, with programs and AWS as the test has them. */
export function lab({
  runs = false,
  disk = (same) => same,
  codes = {},
  probes = {},
  root = temporary(),
}: LabOptions = {}): Lab {
  const ran: string[] = [];
  if (runs) mkdirSync(join(root, "run/systemd/system"), { recursive: true });
  const running = {
    kernel: "6.1.0",
    async programs(program: string, args: readonly string[]) {
      const line = [program, ...args].join(" ");
      if (line === "ip -V") return { code: 0, text: "ip utility, iproute2-6.1.0, libbpf 1.1.0" };
      if (!line.includes("--quiet")) ran.push(line);
      const [, code = 0] = Object.entries(codes).find(([begin]) => line.startsWith(begin)) ?? [];
      return { code, text: code === 0 ? "" : "no such luck" };
    },
    probes: {
      identity: async () => ({ instanceId: "i-1", instanceType: "m6i.large", region: "eu-central-1", primaryMac: MAC }),
      permissions: async () => ({ denied: [], unknown: [], allowed: 14 }),
      ...probes,
    },
  };
  return {
    root,
    ran,
    machine: { disk: disk(diskBelow(root)), running: runs ? running : undefined },
    options: ({ release: folder = release("1"), ...more } = {}) => ({
      configuration: { file: "05-enid.conflist", bytes: CONFLIST },
      sources: findSources({
        executable: undefined,
        plugin: undefined,
        usual: { executable: join(folder, "enid"), plugins: [] },
      }),
      dryRun: false,
      start: true,
      checksPermissions: true,
      version: "1.0.0",
      commit: "c1",
      ...more,
    }),
  };
}

/** The power goes at the change of that number, from 1: a write leaves half of its file, and nothing happens after it. */
export function cutAt(number: number): { disk: (disk: Disk) => Disk; changes: () => number } {
  let changes = 0;
  const next = (): boolean => {
    changes += 1;
    if (changes > number) throw new Error("the power is off");
    return changes === number;
  };
  const cutting = (work: () => void) => {
    if (next()) throw new Error("the power goes");
    work();
  };
  return {
    changes: () => changes,
    disk: (disk) => ({
      ...disk,
      makeFolder: (path, mode) => cutting(() => disk.makeFolder(path, mode)),
      write(path, contents, mode) {
        if (!next()) return disk.write(path, contents, mode);
        if (!("bytes" in contents)) disk.write(path, { bytes: elf("half") }, mode);
        else disk.write(path, { bytes: contents.bytes.subarray(0, contents.bytes.length / 2) }, mode);
        throw new Error("the power goes");
      },
      link: (path, target) => cutting(() => disk.link(path, target)),
      rename: (from, to) => cutting(() => disk.rename(from, to)),
      remove: (path) => cutting(() => disk.remove(path)),
      removeFolder: (path) => cutting(() => disk.removeFolder(path)),
      removeAll: (path) => cutting(() => disk.removeAll(path)),
      sync: (folder) => cutting(() => disk.sync(folder)),
    }),
  };
}

/** The code of the EnidError that it ends with, and its message. */
export async function refusal(work: () => unknown): Promise<string> {
  try {
    await work();
  } catch (thrown) {
    if (thrown instanceof EnidError) return `${thrown.code}: ${thrown.message}`;
    throw thrown;
  }
  return "";
}
