import { coerceError, EnidError } from "../../errors.ts";
import type { Telemetry } from "../../manager/ports/index.ts";
import { includeFile, isWrittenByEnid, ownerOf } from "./include-file.ts";
import { readOwned, replaceFile } from "./owned-file.ts";

/** BIRD reads it as its own user, and nothing in it is secret. */
const MODE = 0o644;

/** Keeps the include file as it should be. What somebody else put at its path is never written over. */
export class IncludeWriter {
  readonly #telemetry: Telemetry;
  readonly #owner: string;
  /** What this process wrote or found right. */
  #last: { readonly path: string; readonly text: string } | undefined;

  constructor(telemetry: Telemetry, owner: string) {
    this.#telemetry = telemetry;
    this.#owner = owner;
  }

  /** Answers whether the file had to be written. Throws ENID_BIRD when it is not enid's or cannot be written. */
  async write(path: string, text: string): Promise<boolean> {
    // bird.conf of before may still include the old one, and two files with the same protocols are an error.
    const former = this.#last;
    if (former !== undefined && former.path !== path) await this.#empty(former.path);
    const found = await this.#read(path);
    if (found === text) {
      this.#last = { path, text };
      return false;
    }
    if (this.#last?.path === path && found !== this.#last.text) this.#tellChanged(path, found);
    await this.#replace(path, text);
    return true;
  }

  /**
   * Takes back what the file at the path announces, if this daemon wrote it, in this life or an earlier one: one that is
   * on trial beside it must not end what it announces. Answers whether there was something.
   */
  async withdraw(path: string, text: string): Promise<boolean> {
    const former = this.#last;
    if (former !== undefined && former.path !== path) await this.#empty(former.path);
    const found = await readOwned(path).catch(() => "missing" as const);
    if (typeof found === "string" || !isWrittenByEnid(found.text) || found.text === text) return false;
    if (ownerOf(found.text) !== this.#owner) return false;
    await this.#replace(path, text);
    return true;
  }

  async #empty(path: string): Promise<void> {
    const found = await readOwned(path).catch(() => "missing" as const);
    if (typeof found !== "string" && isWrittenByEnid(found.text))
      await this.#replace(path, includeFile(undefined, this.#owner).text);
    this.#last = undefined;
  }

  /** The text that is there; undefined: none. */
  async #read(path: string): Promise<string | undefined> {
    const found = await readOwned(path).catch((thrown) => {
      const detail = `its file ${path} cannot be read: ${coerceError(thrown).values.detail}`;
      throw new EnidError("ENID_BIRD", { detail }, { cause: thrown });
    });
    if (found === "missing") return undefined;
    if (found !== "foreign" && isWrittenByEnid(found.text)) return found.text;
    const detail = `${path} was not written by enid and is left alone; move it away, or name another bird-include-file`;
    throw new EnidError("ENID_BIRD", { detail });
  }

  async #replace(path: string, text: string): Promise<void> {
    try {
      await replaceFile(path, text, { mode: MODE });
    } catch (thrown) {
      const detail = `its file ${path} cannot be written: ${coerceError(thrown).values.detail}`;
      throw new EnidError("ENID_BIRD", { detail }, { cause: thrown });
    }
    this.#last = { path, text };
  }

  #tellChanged(path: string, found: string | undefined): void {
    const message = `somebody ${found === undefined ? "removed" : "changed"} ${path}; it is written again`;
    this.#telemetry.event({ name: "bird-file-changed", level: "warn", message, fields: { file: path } });
  }
}
