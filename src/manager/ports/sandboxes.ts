import type { Sandbox } from "../../pool/index.ts";

/** What the manager asks about network namespaces of pods. Implementation: handoff/cni. */
export interface Sandboxes {
  /** What can be said of the namespace at an ADD. Undefined: it cannot be seen from here, so it is never judged. */
  identify(path: string): Promise<Sandbox | undefined>;

  /**
   * For each of the sandboxes: `gone` only when it is certain that it is there no longer. One that cannot be looked at
   * (permission, a folder that is not mounted here) is `unknown`. Never rejects.
   */
  look(sandboxes: readonly Sandbox[]): Promise<readonly ("there" | "gone" | "unknown")[]>;
}
