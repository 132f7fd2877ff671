import type { FaultChoice, FaultKind, FleetChoice, SeedOptions, Weakness } from "../../simulator/world/index.ts";
import { listOf, usage } from "./usage.ts";

/** What `enid simulate --seeds` was told, checked. */
export interface HuntOptions {
  readonly seeds: SeedRange;
  /** What every seed is run with. */
  readonly common: Omit<SeedOptions, "seed">;
}

export interface SeedRange {
  readonly from: number;
  /** Included. */
  readonly to: number;
}

/** The flags as they were written; absent ones take the defaults below. */
export interface HuntFlags {
  readonly seeds: string;
  readonly nodes: number | undefined;
  readonly hours: number | undefined;
  readonly faults: string | undefined;
  readonly fleet: string | undefined;
  readonly only: string | undefined;
  readonly "until-seconds": string | undefined;
  readonly weakness: string | undefined;
  readonly "real-disks": boolean;
}

export interface KnownNames {
  readonly faultKinds: readonly FaultKind[];
  readonly weaknesses: readonly Weakness[];
  readonly fleets: readonly FleetChoice[];
}

export const DEFAULT_NODES = 3;
export const DEFAULT_HOURS = 2;
const GREATEST_SEED = Number.MAX_SAFE_INTEGER;
/** A hunt of months; more is a slip. */
const SEEDS_LIMIT = 10_000_000;

/** @throws EnidError ENID_USAGE that names the flag, what it cannot be and what is allowed. */
export function parseHunt(flags: HuntFlags, { faultKinds, weaknesses, fleets }: KnownNames): HuntOptions {
  const seeds = parseSeeds(flags.seeds);
  const isSingle = seeds.from === seeds.to;
  for (const name of ["only", "until-seconds"] as const) {
    if (flags[name] !== undefined && !isSingle) throw usage(`--${name} is for one seed: --seeds ${seeds.from}`);
  }
  const weakness = flags.weakness === undefined ? undefined : listOf("weakness", flags.weakness, weaknesses);
  if (weakness !== undefined && weakness.length > 1) throw usage("--weakness takes one name");
  const fleet = flags.fleet === undefined ? undefined : listOf("fleet", flags.fleet, fleets);
  if (fleet !== undefined && fleet.length > 1) throw usage("--fleet takes one name");
  return {
    seeds,
    common: {
      nodes: flags.nodes ?? DEFAULT_NODES,
      hours: flags.hours ?? DEFAULT_HOURS,
      faults: parseFaults(flags.faults ?? "all", faultKinds),
      ...(fleet?.[0] === undefined ? {} : { fleet: fleet[0] }),
      ...(weakness?.[0] === undefined ? {} : { weakness: weakness[0] }),
      ...(flags["real-disks"] ? { realDisks: true } : {}),
      ...(flags.only === undefined ? {} : { onlyFaults: parseNumbers(flags.only) }),
      ...(flags["until-seconds"] === undefined ? {} : { untilMs: parseUntil(flags["until-seconds"]) }),
    },
  };
}

/** "7", "1..200". */
function parseSeeds(text: string): SeedRange {
  const [, first = "", last = first] = /^(\d+)(?:\.\.(\d+))?$/.exec(text) ?? [];
  const [from, to] = [Number(first), Number(last)];
  if (first === "" || from > GREATEST_SEED || to > GREATEST_SEED) {
    throw usage(`--seeds cannot be ${JSON.stringify(text)}; allowed is FROM..TO such as 1..200, or one seed such as 7`);
  }
  if (to < from) throw usage(`--seeds ${text} ends before it begins; did you mean ${to}..${from}?`);
  if (to - from >= SEEDS_LIMIT) throw usage(`--seeds ${text} are more than ${SEEDS_LIMIT} seeds`);
  return { from, to };
}

function parseFaults(text: string, known: readonly FaultKind[]): FaultChoice {
  return text === "all" || text === "none" ? text : listOf("faults", text, known);
}

/** "3,7"; "none" is the empty list: a violation may need no fault at all. */
function parseNumbers(text: string): readonly number[] {
  if (text === "none") return [];
  return text.split(",").map((part) => {
    if (!/^[1-9]\d{0,5}$/.test(part.trim())) {
      throw usage(`--only cannot be ${JSON.stringify(text)}; allowed are numbers of the plan such as 3,7, or none`);
    }
    return Number(part);
  });
}

/** Seconds with at most three decimals, so that a moment of the virtual clock can be named exactly. */
function parseUntil(text: string): number {
  if (!/^\d{1,9}(?:\.\d{1,3})?$/.test(text)) {
    throw usage(`--until-seconds cannot be ${JSON.stringify(text)}; allowed are seconds such as 1234 or 1234.5`);
  }
  return Math.round(Number(text) * 1000);
}

/** The command line that runs the same world again. */
export function replayCommand(options: SeedOptions): string {
  const { seed, nodes, hours, faults, fleet, weakness, onlyFaults, untilMs, realDisks = false } = options;
  return [
    `enid simulate --seeds ${seed} --nodes ${nodes} --hours ${hours}`,
    `--faults ${typeof faults === "string" ? faults : faults.join(",") || "none"}`,
    ...(fleet === undefined ? [] : [`--fleet ${fleet}`]),
    ...(weakness === undefined ? [] : [`--weakness ${weakness}`]),
    ...(realDisks ? ["--real-disks"] : []),
    ...(onlyFaults === undefined ? [] : [`--only ${onlyFaults.length === 0 ? "none" : onlyFaults.join(",")}`]),
    ...(untilMs === undefined ? [] : [`--until-seconds ${untilMs / 1000}`]),
  ].join(" ");
}

export function* optionsOfSeeds({ seeds: { from, to }, common }: HuntOptions): Generator<SeedOptions> {
  for (let seed = from; seed <= to; seed += 1) yield { seed, ...common };
}
