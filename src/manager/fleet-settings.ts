import { profilesFor, type Settings } from "../configuration/index.ts";
import type { NodeState } from "./node.ts";
import type { Fleet, FleetProfile } from "./ports/index.ts";
import type { SettingsKeeper } from "./settings-keeper.ts";

export interface FleetSettingsOptions {
  readonly fleet: Fleet | undefined;
  readonly keeper: SettingsKeeper;
  readonly node: NodeState;
  /** Labels of the node that profiles match. */
  readonly labels: Readonly<Record<string, string>>;
  readonly wake: () => void;
}

/** Brings the fleet's profiles that are this node's to the keeper of the settings, when they or the node changed. */
export class FleetSettings {
  readonly #options: FleetSettingsOptions;
  #stopWatch = () => {};
  #isOffering = false;
  #offered: readonly [readonly FleetProfile[], string, Settings] | undefined;

  constructor(options: FleetSettingsOptions) {
    this.#options = options;
  }

  start(): void {
    const { fleet, wake } = this.#options;
    if (fleet !== undefined) this.#stopWatch = fleet.profiles.watch(wake);
  }

  stop(): void {
    this.#stopWatch();
  }

  /** `apply` is told the settings when they changed. */
  look(apply: (settings: Settings) => void): void {
    const { fleet, node, keeper, labels, wake } = this.#options;
    const profiles = fleet?.profiles.current();
    // Before the node is known, those that match its instance type would be taken for somebody else's.
    if (profiles === undefined || node.facts === undefined || this.#isOffering) return;
    const { instanceType } = node.facts;
    const [before, typeBefore, settingsBefore] = this.#offered ?? [];
    // What did not fit may fit when the file or an override is another one.
    if (profiles === before && instanceType === typeBefore && keeper.settings === settingsBefore) return;
    this.#isOffering = true;
    const own = profilesFor(profiles, { instanceType, labels });
    keeper
      .offerProfiles(own)
      .then((changed) => {
        this.#offered = [profiles, instanceType, keeper.settings];
        if (changed) apply(keeper.settings);
      })
      // The disk refuses: it is tried again with the next round, and the state of the disk is told elsewhere.
      .catch(() => {})
      .finally(() => {
        this.#isOffering = false;
        if (fleet?.profiles.current() !== profiles) wake();
      });
  }
}
