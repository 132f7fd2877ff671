import { writeFileSync } from "node:fs";
import { run, runToEnd } from "./commands.ts";

/** A host name for some processes of this machine: a UTS namespace, kept by a file. */
export class HostName {
  readonly #name: string;
  readonly #file: string;

  /** `file`: made; nothing may be there. */
  constructor(name: string, file: string) {
    this.#name = name;
    this.#file = file;
  }

  /** What stands before a command to run it under that name. The command takes its place: signals reach it. */
  get prefix(): readonly string[] {
    return ["nsenter", `--uts=${this.#file}`];
  }

  async set(): Promise<void> {
    writeFileSync(this.#file, "");
    await run("unshare", [`--uts=${this.#file}`, "hostname", this.#name]);
  }

  async clear(): Promise<void> {
    // Not mounted = never set.
    await runToEnd("umount", [this.#file]);
  }
}
