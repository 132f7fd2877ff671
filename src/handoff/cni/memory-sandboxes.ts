import type { Sandboxes } from "../../manager/ports/index.ts";

/** The in-memory twin of the kernel's namespaces, with the runtime's side of it. */
export interface MemorySandboxes extends Sandboxes {
  /** A new namespace is at the path; the one that was there is gone. */
  open(path: string): void;
  /** Nothing is there any more. */
  close(path: string): void;
  /** The boot of the machine. */
  clear(): void;
  /** False: the folder of the runtime cannot be seen by the daemon, as in a container that lacks the mount. */
  visible: boolean;
  readonly paths: ReadonlySet<string>;
}

const NAMESPACE_DEVICE = 4;
/** The kernel's first namespaces have numbers just below (PROC_DYNAMIC_FIRST is 0xf0000000). */
const FIRST_NAMESPACE = 0xf0000000;
const FOLDER = "25:1042";

/** Sandboxes that live as long as the process; pass the same contract suite as those of the file system. */
export function createMemorySandboxes(): MemorySandboxes {
  const identities = new Map<string, string>();
  const paths = new Set<string>();
  let made = 0;
  return {
    visible: true,
    paths,
    open(path) {
      made += 1;
      paths.add(path);
      identities.set(path, `${NAMESPACE_DEVICE}:${FIRST_NAMESPACE + made}`);
    },
    close(path) {
      paths.delete(path);
      identities.delete(path);
    },
    clear() {
      paths.clear();
      identities.clear();
    },
    async identify(path) {
      const identity = identities.get(path);
      return identity === undefined || !this.visible ? undefined : { path, identity, folder: FOLDER };
    },
    async look(sandboxes) {
      if (!this.visible) return sandboxes.map(() => "unknown");
      return sandboxes.map(({ path, identity }) => (identities.get(path) === identity ? "there" : "gone"));
    },
  };
}
