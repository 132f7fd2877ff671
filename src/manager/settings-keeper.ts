import type { Clock } from "../adapters/index.ts";
import {
  type Configuration,
  checkSettings,
  compareFacts,
  effectiveSettings,
  originText,
  overrideProblems,
  parseOverride,
  profileProblems,
  readConfiguration,
  type SettingProblem,
  type Settings,
  settingName,
} from "../configuration/index.ts";
import { coerceError, EnidError } from "../errors.ts";
import type { Degradations } from "./degradations.ts";
import type { Ledger } from "./ledger.ts";
import type { Change, FleetProfile, NodeFacts, StoredOverride, StoredState, Telemetry } from "./ports/index.ts";
import type { Promises } from "./promises.ts";
import type { ConfigurationReport, ReportedError } from "./reports.ts";

/** What the watcher, or the start, found of the file. `none`: the daemon was started without one. */
export type ConfigurationOffer =
  | { readonly kind: "valid"; readonly configuration: Configuration }
  | { readonly kind: "invalid"; readonly error: EnidError }
  | { readonly kind: "missing"; readonly error: EnidError }
  | { readonly kind: "none" };

export interface SettingsKeeperOptions {
  readonly ledger: Ledger;
  readonly clock: Clock;
  readonly degradations: Degradations;
  readonly telemetry: Telemetry;
  readonly promises: Promises;
  /** Whether the provider serves `podCIDRs`. */
  readonly servesNodeRanges: boolean;
}

/**
 * The effective settings: defaults, then the fleet's profiles, then the last valid file, then the overrides. A file that is
 * missing or broken changes nothing, and neither do profiles that go with nothing here; what was valid last is kept in the
 * state, so a restart never falls back to defaults.
 */
export class SettingsKeeper {
  readonly #ledger: Ledger;
  readonly #clock: Clock;
  readonly #degradations: Degradations;
  readonly #telemetry: Telemetry;
  readonly #promises: Promises;
  readonly #servesNodeRanges: boolean;
  #configuration: Configuration | undefined;
  #readAtMs = 0;
  /** Another configuration is on its way to the disk. */
  #isChanging = false;
  #source: ConfigurationReport["source"] = "none";
  #error: EnidError | undefined;
  #overrides: Record<string, StoredOverride> = {};
  /** Those of this node, in force; what counts less first. */
  #profiles: readonly FleetProfile[] = [];
  #settings: Settings = effectiveSettings(undefined, {});
  #changing: Promise<unknown> = Promise.resolve();

  constructor(options: SettingsKeeperOptions) {
    this.#ledger = options.ledger;
    this.#clock = options.clock;
    this.#degradations = options.degradations;
    this.#telemetry = options.telemetry;
    this.#promises = options.promises;
    this.#servesNodeRanges = options.servesNodeRanges;
    options.ledger.probesWith(() => this.#restated());
  }

  get settings(): Settings {
    return this.#settings;
  }

  /** The configuration as the state holds it; undefined while it changes, or when there is none. */
  #restated(): Change | undefined {
    if (this.#isChanging || this.#configuration === undefined) return undefined;
    return putOf(this.#configuration, this.#readAtMs);
  }

  /**
   * At the start: the offered file, else the last valid one of the state.
   * @throws EnidError ENID_CONFIG_* when neither is usable.
   */
  async begin(state: StoredState, offer: ConfigurationOffer): Promise<void> {
    await this.#choose(state, offer);
    const lost = Object.keys(state.overrides).find((name) => !Object.hasOwn(this.#overrides, name));
    const isForgotten = state.configuration !== undefined && this.#configuration === undefined;
    if (!isForgotten && lost === undefined) return;
    const what = isForgotten ? `the last valid file, ${state.configuration?.file}` : `the override of ${lost}`;
    throw this.#promises.refuse({ promise: 11, detail: `the settings would be in force without ${what}` });
  }

  async #choose(state: StoredState, offer: ConfigurationOffer): Promise<void> {
    this.#overrides = { ...state.overrides };
    this.#profiles = state.profiles ?? [];
    this.#tellUseless("override-without-effect", overrideProblems(this.#overrides));
    this.#tellUseless("profile-without-effect", profileProblems(this.#profiles));
    if (offer.kind === "valid") {
      // With no earlier file to go on with, it is the profiles that give way.
      if (state.configuration === undefined) this.#dropUnfitProfiles(offer.configuration);
      const conflict = this.#conflict(offer.configuration);
      if (conflict === undefined) {
        await this.#accept(offer.configuration, state.configuration?.text);
        return;
      }
      this.#goOn(state, conflict);
      this.#reject({ kind: "invalid", error: conflict });
      return;
    }
    this.#goOn(state, offer.kind === "none" ? undefined : offer.error);
    if (offer.kind !== "none") this.#reject(offer);
  }

  /** While running. Answers whether the settings, or where they come from, changed. */
  offer(offer: ConfigurationOffer): Promise<boolean> {
    return this.#inTurn(() => this.#take(offer));
  }

  /**
   * The fleet's profiles that are this node's, those that count less first. Answers whether the settings, or where they come
   * from, changed. What goes with nothing here is refused as a whole.
   * @throws EnidError ENID_STATE_WRITE_FAILED; nothing changed then.
   */
  offerProfiles(profiles: readonly FleetProfile[]): Promise<boolean> {
    return this.#inTurn(() => this.#takeProfiles(profiles));
  }

  /** @throws EnidError ENID_SETTING_UNKNOWN, ENID_SETTING_INVALID, ENID_STATE_WRITE_FAILED; nothing changed then. */
  set(assignment: string): Promise<void> {
    return this.#inTurn(() => this.#set(assignment));
  }

  /** @throws EnidError ENID_SETTING_UNKNOWN, ENID_SETTING_INVALID, ENID_STATE_WRITE_FAILED; nothing changed then. */
  unset(text: string): Promise<void> {
    return this.#inTurn(() => this.#unset(text));
  }

  /** One change after the other: each is checked against, and builds on, what the one before left. */
  #inTurn<Outcome>(change: () => Promise<Outcome>): Promise<Outcome> {
    const outcome = this.#changing.then(change);
    this.#changing = outcome.catch(() => {});
    return outcome;
  }

  async #take(offer: ConfigurationOffer): Promise<boolean> {
    if (offer.kind === "none") return false;
    if (offer.kind !== "valid") {
      this.#reject(offer);
      return false;
    }
    const conflict = this.#conflict(offer.configuration);
    if (conflict !== undefined) {
      this.#reject({ kind: "invalid", error: conflict });
      return false;
    }
    const before = JSON.stringify(this.#settings);
    await this.#accept(offer.configuration, this.#source === "file" ? this.#configuration?.text : undefined);
    return JSON.stringify(this.#settings) !== before;
  }

  async #takeProfiles(profiles: readonly FleetProfile[]): Promise<boolean> {
    const isKnown = JSON.stringify(profiles) === JSON.stringify(this.#profiles);
    if (isKnown) {
      this.#degradations.clear("fleet-profiles-rejected");
      return false;
    }
    const settings = this.#effective({ profiles });
    const problems = this.#problems(settings);
    if (problems.length > 0) {
      this.#refuseProfiles(problems);
      return false;
    }
    await this.#ledger.must([{ kind: "profiles-put", profiles }]);
    const before = JSON.stringify(this.#settings);
    this.#profiles = profiles;
    this.#settings = settings;
    this.#degradations.clear("fleet-profiles-rejected");
    const names = profiles.map(({ name }) => name);
    this.#telemetry.event({
      name: "fleet-profiles-applied",
      level: "info",
      message: `the fleet's profiles of this node are in force: ${names.length === 0 ? "none" : names.join(", ")}`,
      fields: { profiles: names },
    });
    this.#tellUseless("profile-without-effect", profileProblems(profiles));
    return JSON.stringify(settings) !== before;
  }

  #refuseProfiles(problems: readonly string[]): void {
    const error = new EnidError("ENID_FLEET_PROFILES", { detail: problems.join("; ") });
    if (this.#degradations.messageOf("fleet-profiles-rejected") === error.message) return;
    this.#degradations.set("fleet-profiles-rejected", error, this.#clock.nowMs());
    this.#telemetry.event({
      name: "fleet-profiles-rejected",
      level: "error",
      message: error.message,
      fields: { code: error.code },
    });
  }

  /** Profiles of the state that contradict all there is by now: better none of them than no daemon. */
  #dropUnfitProfiles(configuration: Configuration | undefined): void {
    if (this.#profiles.length === 0) return;
    const problems = this.#problems(this.#effective({ configuration }));
    if (problems.length === 0 || this.#problems(this.#effective({ configuration, profiles: [] })).length > 0) return;
    this.#profiles = [];
    this.#refuseProfiles(problems);
  }

  /** The settings as they are, or would be with other parts. */
  #effective(others: {
    readonly configuration?: Configuration | undefined;
    readonly overrides?: Record<string, StoredOverride>;
    readonly profiles?: readonly FleetProfile[];
  }): Settings {
    const configuration = Object.hasOwn(others, "configuration") ? others.configuration : this.#configuration;
    return effectiveSettings(configuration, others.overrides ?? this.#overrides, others.profiles ?? this.#profiles);
  }

  async #set(assignment: string): Promise<void> {
    const { name, value } = parseOverride(assignment);
    const setAtMs = this.#clock.nowMs();
    const overrides = { ...this.#overrides, [name]: { value, setAtMs } };
    const settings = this.#effective({ overrides });
    const [problem] = this.#problems(settings);
    if (problem !== undefined) {
      throw new EnidError("ENID_SETTING_INVALID", { name, value: JSON.stringify(value), allowed: problem });
    }
    await this.#ledger.must([{ kind: "override-put", name, value, setAtMs }]);
    this.#overrides = overrides;
    this.#settings = settings;
    this.#telemetry.event({
      name: "setting-overridden",
      level: "info",
      message: `${name} is overridden: ${JSON.stringify(value)}`,
      fields: { name, value },
    });
  }

  async #unset(text: string): Promise<void> {
    // An override that only a newer enid knows can be removed all the same.
    const name = Object.hasOwn(this.#overrides, text) ? text : settingName(text);
    const { [name]: removed, ...overrides } = this.#overrides;
    const settings = this.#effective({ overrides });
    const [problem] = this.#problems(settings);
    if (problem !== undefined) {
      throw new EnidError("ENID_SETTING_INVALID", { name, value: "unset", allowed: problem });
    }
    await this.#ledger.must([{ kind: "override-remove", name }]);
    this.#overrides = overrides;
    this.#settings = settings;
    if (removed === undefined) return;
    this.#telemetry.event({
      name: "setting-override-removed",
      level: "info",
      message: `${name} is no longer overridden`,
      fields: { name },
    });
  }

  report(facts: NodeFacts | undefined): ConfigurationReport {
    const error: ReportedError | undefined = this.#error?.toJSON();
    return {
      file: this.#configuration?.file ?? "",
      source: this.#source,
      readAtMs: this.#readAtMs,
      error,
      notices: (this.#configuration?.notices ?? []).map(
        ({ place, message }) => `${place.file}:${place.line}:${place.column}: ${message}`,
      ),
      differences: this.differences(facts),
    };
  }

  /** Facts that the file states and instance metadata denies; metadata wins. */
  differences(facts: NodeFacts | undefined): ConfigurationReport["differences"] {
    if (facts === undefined || this.#configuration === undefined) return [];
    return compareFacts(this.#configuration, facts).map(({ name, stated, actual }) => ({ name, stated, actual }));
  }

  /** Without a usable file: the last valid one of the state. Never defaults in its place. */
  #goOn(state: StoredState, error: EnidError | undefined): void {
    const stored = readStored(state);
    if (stored instanceof EnidError) throw error ?? stored;
    if (stored === undefined && error !== undefined) throw error;
    this.#configuration = stored;
    this.#readAtMs = state.configuration?.readAtMs ?? 0;
    this.#source = stored === undefined ? "none" : "last-valid";
    this.#dropUnfitProfiles(stored);
    this.#settings = this.#effective({});
    const [problem] = this.#problems(this.#settings);
    if (problem !== undefined) {
      throw new EnidError("ENID_CONFIG_INVALID", { file: stored?.file ?? "", problems: problem });
    }
  }

  /** A file that is valid by itself may still contradict an override. */
  #conflict(configuration: Configuration): EnidError | undefined {
    const problems = this.#problems(this.#effective({ configuration }));
    if (problems.length === 0) return undefined;
    const text = `${configuration.file} with the overrides and profiles in force: ${problems.join("; ")}`;
    return new EnidError("ENID_CONFIG_INVALID", { file: configuration.file, problems: text });
  }

  /** What keeps these settings from being in force here: contradictions, and what this node's provider cannot serve. */
  #problems(settings: Settings): string[] {
    const problems = checkSettings(settings).map(({ message }) => message);
    const ranges = settings.values.podCIDRs;
    const origin = originText(settings.origins.podCIDRs);
    if (ranges.length > 0 && !this.#servesNodeRanges) {
      problems.push(`podCIDRs ${ranges.join(", ")} (${origin}): this daemon serves addresses of EC2; ${RESTART}`);
    }
    if (ranges.length === 0 && this.#servesNodeRanges) {
      problems.push(
        `podCIDRs names no range (${origin}), which means EC2: this daemon serves ranges of the node's own; ${RESTART}`,
      );
    }
    return problems;
  }

  #tellUseless(name: string, problems: readonly SettingProblem[]): void {
    for (const { names, message } of problems) {
      this.#telemetry.event({ name, level: "warn", message, fields: { settings: names } });
    }
  }

  async #accept(configuration: Configuration, knownText: string | undefined): Promise<void> {
    const readAtMs = this.#clock.nowMs();
    if (configuration.text !== knownText) {
      this.#isChanging = true;
      try {
        await this.#ledger.must([putOf(configuration, readAtMs)]);
      } finally {
        this.#isChanging = false;
      }
      this.#telemetry.event({
        name: "configuration-applied",
        level: "info",
        message: `${configuration.file} is in force`,
        fields: { file: configuration.file, notices: configuration.notices.map((notice) => notice.message) },
      });
    }
    this.#configuration = configuration;
    this.#readAtMs = readAtMs;
    this.#source = "file";
    this.#error = undefined;
    this.#settings = this.#effective({});
    this.#degradations.clear("configuration-rejected");
    this.#degradations.clear("configuration-missing");
  }

  #reject(offer: { readonly kind: "invalid" | "missing"; readonly error: EnidError }): void {
    this.#error = offer.error;
    if (this.#configuration !== undefined) this.#source = "last-valid";
    const name = offer.kind === "invalid" ? "configuration-rejected" : "configuration-missing";
    this.#degradations.clear(offer.kind === "invalid" ? "configuration-missing" : "configuration-rejected");
    this.#degradations.set(name, offer.error, this.#clock.nowMs());
    this.#telemetry.event({
      name,
      level: "error",
      message: `${offer.error.message}; the last valid configuration stays in force`,
      fields: { code: offer.error.code },
    });
  }
}

/** What it takes to bring a node from one environment to the other. */
const RESTART =
  "that changes when the daemon starts while no pod holds an address: drain or reboot the node, restart enid";

/** The stored configuration; an error when it was written under older rules and is no longer valid. */
export function readStored(state: StoredState): Configuration | EnidError | undefined {
  const stored = state.configuration;
  if (stored === undefined) return undefined;
  try {
    return readConfiguration(new TextEncoder().encode(stored.text), stored.file);
  } catch (thrown) {
    return coerceError(thrown);
  }
}

function putOf({ file, text }: Pick<Configuration, "file" | "text">, readAtMs: number): Change {
  return { kind: "configuration-put", configuration: { file, text, readAtMs } };
}
