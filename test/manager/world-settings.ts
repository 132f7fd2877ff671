import { effectiveSettings, parseOverride, type Settings, settingName } from "../../src/configuration/index.ts";
import { EnidError } from "../../src/errors.ts";
import type { ConfigurationOffer } from "../../src/manager/index.ts";
import type { Dice, WorldClock } from "../support/world-clock.ts";
import { configuration, FILE } from "./harness.ts";

export type Parts = Parameters<typeof configuration>[0];

/** One state that the settings can be in: the last valid file and the overrides. */
interface Possible {
  readonly file: Parts | undefined;
  readonly overrides: ReadonlyMap<string, string>;
}

const SELECTIONS: readonly object[] = [
  {},
  {},
  { "subnet-ids": ["subnet-0000000a"], "subnet-tags": {} },
  { "subnet-ids": ["subnet-0000000b"], "subnet-tags": {} },
  { "subnet-tags": { other: "1" } },
  { "subnet-tags": { nobody: "has this" } },
  { "security-groups": ["sg-00000002"] },
];

const ASSIGNMENTS: readonly string[] = [
  "pre-allocate=0",
  "pre-allocate=1",
  "pre-allocate=12",
  "min-allocate=6",
  "max-allocate=8",
  "max-allocate=14",
  "max-above-watermark=3",
  "first-interface-index=1",
  "first-interface-index=0",
  "cooling-seconds=0",
  "cooling-seconds=2",
  "cooling-seconds=90",
  "add-wait-seconds=4",
  "subnet-ids=subnet-0000000b",
  "subnet-ids=subnet-0000000a",
  "security-groups=sg-00000003",
  "delete-on-termination=false",
  "prefix-delegation=off",
  "prefix-delegation=preferred",
  "prefix-delegation=required",
  "release-excess=false",
  "release-delay-seconds=0",
  "release-delay-seconds=20",
  "interface-idle-seconds=0",
  "use-primary-address=true",
  "use-primary-address=false",
];

const OF_IPV6: readonly string[] = ["ip-families=ipv4", "ip-families=dual", "ip-families=ipv6"];

/** What the settings must be, from what was asked and what was acknowledged; independent of the manager. */
export class ExpectedSettings {
  readonly #clock: WorldClock;
  #possible: Possible[] = [{ file: undefined, overrides: new Map() }];
  /** What may have been in force, and until when (monotonic ms; Infinity: still). */
  #periods: { readonly settings: Settings; untilMs: number }[] = [];

  constructor(clock: WorldClock) {
    this.#clock = clock;
  }

  /** Begins a change; its outcome is reported by the answer: true, false, or never (the process died). */
  change(make: (before: Possible) => Possible): (done: boolean) => void {
    const before = this.#possible;
    const after = distinct(before.map(make));
    this.#possible = distinct([...before, ...after]);
    this.#note(after);
    return (done) => {
      this.#possible = done ? after : before;
      this.#forget();
    };
  }

  /** At a start that succeeded, one of the possible states must hold; the others are out. */
  started(settings: Settings): string[] {
    const match = this.#possible.filter((possible) => sameValues(settingsOf(possible), settings));
    if (match.length === 0) {
      const expected = this.#possible.map((possible) => JSON.stringify(settingsOf(possible).values)).join(" or ");
      return [`the settings are ${JSON.stringify(settings.values)}; expected ${expected}`];
    }
    this.#possible = match;
    this.#note(match);
    this.#forget();
    return [];
  }

  /** While nothing is under way. */
  problems(settings: Settings): string[] {
    const holds = this.#possible.some((possible) => sameValues(settingsOf(possible), settings));
    return holds ? [] : [`the settings changed by themselves: ${JSON.stringify(settings.values)}`];
  }

  /** Everything that may have been in force at that moment. */
  at(monotonicMs: number): Settings[] {
    return this.#periods.filter(({ untilMs }) => untilMs >= monotonicMs).map(({ settings }) => settings);
  }

  #note(possible: readonly Possible[]): void {
    for (const one of possible) this.#periods.push({ settings: settingsOf(one), untilMs: Number.POSITIVE_INFINITY });
  }

  #forget(): void {
    const nowMs = this.#clock.monotonicMs();
    const current = this.#possible.map(settingsOf);
    for (const period of this.#periods) {
      if (period.untilMs !== Number.POSITIVE_INFINITY) continue;
      if (!current.some((settings) => sameValues(settings, period.settings))) period.untilMs = nowMs;
    }
    this.#periods = this.#periods.filter(({ untilMs }) => untilMs > nowMs - 3_600_000).slice(-200);
  }
}

export function withFile(parts: Parts): (before: Possible) => Possible {
  return (before) => ({ ...before, file: parts });
}

export function withOverride(assignment: string): (before: Possible) => Possible {
  const [name = ""] = assignment.split("=");
  return (before) => ({ ...before, overrides: new Map([...before.overrides, [name, assignment]]) });
}

export function withoutOverride(name: string): (before: Possible) => Possible {
  return (before) => ({ ...before, overrides: new Map([...before.overrides].filter(([other]) => other !== name)) });
}

export function drawAssignment(dice: Dice, { ipv6 }: Pick<Draw, "ipv6">): string {
  return dice.pick(ipv6 && dice.chance(0.2) ? OF_IPV6 : ASSIGNMENTS);
}

export function drawName(dice: Dice): string {
  return settingName(dice.pick(OVERRIDDEN));
}

export const OVERRIDDEN: readonly string[] = [
  ...new Set([...ASSIGNMENTS, ...OF_IPV6].map((text) => text.split("=")[0] ?? "")),
];

/** What a file may say beyond what every world's says. */
export interface Draw {
  readonly selections: boolean;
  readonly ipv6: boolean;
  readonly cluster: boolean;
}

export function drawParts(dice: Dice, { selections, ipv6, cluster }: Draw): Parts {
  return {
    eni: {
      ...(selections ? dice.pick(SELECTIONS) : {}),
      "prefix-delegation": dice.pick(["off", "off", "preferred", "required"]),
      "interface-idle-seconds": dice.pick([0, 30, 300]),
      "start-jitter-seconds": dice.pick([0, 0, 10]),
      ...(cluster ? { "cluster-name": "prod" } : {}),
    },
    ipam: {
      "release-delay-seconds": dice.pick([0, 10, 180]),
      "pre-allocate": dice.pick([0, 1, 2, 8]),
      "min-allocate": dice.pick([0, 0, 4]),
      "cooling-seconds": dice.pick([0, 5, 30]),
      "add-wait-seconds": dice.pick([5, 20]),
      ...(ipv6 ? { "ip-families": dice.pick(["ipv4", "dual", "dual", "ipv6"]) } : {}),
      ...(dice.chance(0.3) ? { "max-above-watermark": 2 } : {}),
    },
  };
}

export function offerOf(parts: Parts): ConfigurationOffer {
  return { kind: "valid", configuration: configuration(parts) };
}

export function brokenOffer(dice: Dice): ConfigurationOffer {
  const error = new EnidError("ENID_CONFIG_UNREADABLE", { file: FILE, detail: "as the world wants it" });
  return { kind: dice.pick(["invalid", "missing"] as const), error };
}

function distinct(possible: readonly Possible[]): Possible[] {
  const byText = possible.map((one) => [JSON.stringify([one.file, [...one.overrides]]), one] as const);
  return [...new Map(byText).values()];
}

const computed = new WeakMap<Possible, Settings>();

function settingsOf(possible: Possible): Settings {
  const known = computed.get(possible);
  if (known !== undefined) return known;
  const { file, overrides } = possible;
  const parsed = [...overrides.values()].map((assignment) => {
    const { name, value } = parseOverride(assignment);
    return [name, { value, setAtMs: 0 }] as const;
  });
  const settings = effectiveSettings(file === undefined ? undefined : configuration(file), Object.fromEntries(parsed));
  computed.set(possible, settings);
  return settings;
}

function sameValues(one: Settings, other: Settings): boolean {
  return JSON.stringify(one.values) === JSON.stringify(other.values);
}
