import { statSync } from "node:fs";
import { stat } from "node:fs/promises";
import { dirname } from "node:path";
import PQueue from "p-queue";
import type { Sandboxes } from "../../manager/ports/index.ts";
import type { Sandbox } from "../../pool/index.ts";

type Verdict = "there" | "gone" | "unknown";

/** What one path led to: a device and inode ("4:4026532281"), nothing, or nothing that can be told. */
type Found =
  | { readonly kind: "found"; readonly identity: string }
  | { readonly kind: "missing" }
  | { readonly kind: "unclear" };

interface FileIdentity {
  readonly dev: bigint;
  readonly ino: bigint;
}

/** Device and inode of what a path leads to, links followed. Rejects as `stat` does. */
export type StatPath = (path: string) => Promise<FileIdentity>;
/** The same at once; undefined when nothing is there. Throws what else `stat` says. */
type StatAtOnce = (path: string) => FileIdentity | undefined;

/** Looks under way at once. One that hangs keeps a thread of the process busy, of which there are four in all. */
const AT_ONCE = 2;
/**
 * Where the kernel keeps everything in memory, so that no look hangs: namespaces in procfs, and the folders in which runtimes mount
 * them (a tmpfs). There a look takes microseconds, and the ADDs of a burst need not wait for each other's. Nothing deeper:
 * /proc/PID/root leads to any file system.
 */
const IN_MEMORY = /^(?:\/proc\/(?:\d+|self)\/ns\/[a-z]+|(?:\/var)?\/run\/netns(?:\/[^/]+)?)$/;
/** Looks that wait; far more than a node has pods. Only looks that hang let so many gather. */
const WAITING_LIMIT = 10_000;
/** An ADD does not wait for the look at all others. */
const BEFORE_OTHERS = 1;

/** PROC_PID_INIT_INO (include/linux/proc_ns.h): the PID namespace that the machine began with. */
const FIRST_PID_NAMESPACE = 0xeffffffcn;

const OF_A_PROCESS = /^\/proc\/\d+\//;

/**
 * Sandboxes as the file system shows them: a network namespace is a file of the kernel's (a mount at /run/netns/NAME, or
 * /proc/PID/ns/net), and device and inode say which one it is (namespaces(7), "The /proc/pid/ns/ directory").
 *
 * Whether a path that leads nowhere means that the sandbox is gone depends on where it was looked for. So the folder is
 * remembered too: another one, or none, says nothing of what was in the one before. Numbers in /proc mean processes only to
 * those in the same PID namespace as the runtime, which is taken to be the machine's first one.
 */
export function sandboxesOnDisk(statPath?: StatPath): Sandboxes {
  return statPath === undefined
    ? sandboxesBy(
        (path) => stat(path, { bigint: true }),
        (path) => statSync(path, { bigint: true, throwIfNoEntry: false }),
      )
    : sandboxesBy(statPath);
}

function sandboxesBy(statPath: StatPath, statAtOnce?: StatAtOnce): Sandboxes {
  const queue = new PQueue({ concurrency: AT_ONCE });

  async function find(path: string, priority = 0): Promise<Found> {
    if (statAtOnce !== undefined && isInMemory(path)) return findAtOnce(path, statAtOnce);
    if (queue.size >= WAITING_LIMIT) return { kind: "unclear" };
    try {
      const { dev, ino } = await queue.add(() => statPath(path), { priority });
      return { kind: "found", identity: `${dev}:${ino}` };
    } catch (error) {
      return { kind: isMissing(error) ? "missing" : "unclear" };
    }
  }

  /** What the path is looked for in; undefined where it cannot be seen, or means nothing to this process. */
  async function folderOf(path: string, priority = 0): Promise<string | undefined> {
    if (!path.startsWith("/")) return undefined;
    const isOfProcess = OF_A_PROCESS.test(path);
    if (!isOfProcess && path.startsWith("/proc/")) return undefined;
    const found = await find(isOfProcess ? "/proc/self/ns/pid" : dirname(path), priority);
    if (found.kind !== "found") return undefined;
    return isOfProcess && !found.identity.endsWith(`:${FIRST_PID_NAMESPACE}`) ? undefined : found.identity;
  }

  async function judge({ path, identity }: Sandbox): Promise<Verdict | "elsewhere"> {
    const found = await find(path);
    if (found.kind === "unclear") return "unknown";
    if (found.kind === "missing") return "elsewhere";
    if (found.identity === identity) return "there";
    // All namespaces are of one device. What is of another one is a file that stands where a mount cannot be seen.
    return deviceOf(found.identity) === deviceOf(identity) ? "elsewhere" : "unknown";
  }

  return {
    async identify(path) {
      const [namespace, folder] = await Promise.all([find(path, BEFORE_OTHERS), folderOf(path, BEFORE_OTHERS)]);
      if (namespace.kind !== "found" || folder === undefined) return undefined;
      return { path, identity: namespace.identity, folder };
    },

    async look(sandboxes) {
      const judged = await Promise.all(sandboxes.map(judge));
      // Folders after what is in them: one that went away meanwhile says nothing.
      const folders = new Map<string, Promise<string | undefined>>();
      return Promise.all(
        sandboxes.map(async ({ path, folder }, index) => {
          const verdict = judged[index] ?? "unknown";
          if (verdict !== "elsewhere") return verdict;
          const key = OF_A_PROCESS.test(path) ? "/proc" : dirname(path);
          const now = folders.get(key) ?? folderOf(path);
          folders.set(key, now);
          return (await now) === folder ? "gone" : "unknown";
        }),
      );
    },
  };
}

function findAtOnce(path: string, statAtOnce: StatAtOnce): Found {
  try {
    const found = statAtOnce(path);
    return found === undefined ? { kind: "missing" } : { kind: "found", identity: `${found.dev}:${found.ino}` };
  } catch (error) {
    return { kind: isMissing(error) ? "missing" : "unclear" };
  }
}

/** Whether a look at the path cannot hang. */
export function isInMemory(path: string): boolean {
  return IN_MEMORY.test(path);
}

function deviceOf(identity: string): string {
  return identity.slice(0, identity.indexOf(":"));
}

/** A process that ends while it is looked at says ESRCH. */
function isMissing(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  return code === "ENOENT" || code === "ESRCH";
}
