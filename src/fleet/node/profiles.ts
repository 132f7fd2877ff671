import { coerceError } from "../../errors.ts";
import type { FleetProfile, FleetProfiles } from "../../manager/ports/index.ts";
import type { ProfileList } from "../store/profiles.ts";
import type { PartOptions } from "./parts.ts";

/** Follows the fleet's profiles by the revision that comes with each answer of the registry. */
export class NodeProfiles implements FleetProfiles {
  readonly #options: Pick<PartOptions, "store" | "telemetry">;
  readonly #listeners = new Set<() => void>();
  #known: ProfileList | undefined;
  #isAsking = false;

  constructor(options: Pick<PartOptions, "store" | "telemetry">) {
    this.#options = options;
  }

  current(): readonly FleetProfile[] | undefined {
    return this.#known?.profiles;
  }

  watch(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** The node is in another fleet now: what it knows of this one is nothing to that. */
  forget(): void {
    this.#known = undefined;
  }

  /**
   * The store has this revision. A later one is taken. An earlier one means that the store lost data: what this node knows
   * goes back to it. 0 where nothing is known says nothing: the node keeps what it had before it started.
   */
  async heard(revision: number): Promise<void> {
    if (this.#isAsking || revision === (this.#known?.revision ?? 0)) return;
    this.#isAsking = true;
    try {
      if (this.#known !== undefined && revision < this.#known.revision) await this.#bringBack(this.#known, revision);
      else this.#take(await this.#options.store.profiles.list());
    } catch (thrown) {
      // The next answer of the registry asks again; the state of the connection is told elsewhere.
      const { code, message } = coerceError(thrown);
      this.#options.telemetry.event({
        name: "fleet-profiles-unread",
        level: "debug",
        message: `${code}: ${message}`,
        fields: { revision },
      });
    } finally {
      this.#isAsking = false;
    }
  }

  async #bringBack(known: ProfileList, revision: number): Promise<void> {
    await this.#options.store.profiles.restore(known);
    this.#options.telemetry.event({
      name: "fleet-profiles-restored",
      level: "warn",
      message: `the fleet's store lost its profiles (revision ${revision}): brought back ${known.profiles.length} of revision ${known.revision}`,
      fields: { revision, restored: known.revision, profiles: known.profiles.map(({ name }) => name) },
    });
  }

  #take(list: ProfileList): void {
    // Between the answer and the question the store may have lost its data.
    if (list.revision <= (this.#known?.revision ?? 0)) return;
    this.#known = list;
    for (const listener of this.#listeners) listener();
  }
}
