import type { Clock } from "../../adapters/index.ts";
import type { ReachPicture, Telemetry } from "../../manager/ports/index.ts";
import { type Actual, routeKey, ruleKey } from "./actual.ts";
import { type Applied, after, applyChanges } from "./applying.ts";
import { inside } from "./cidr.ts";
import { type Desired, desire } from "./desired.ts";
import { type Change, difference, MARKS_KEY } from "./difference.ts";
import type { Host } from "./host.ts";
import { readActual } from "./reading.ts";

export interface MenderOptions {
  readonly host: Host;
  readonly clock: Clock;
  readonly telemetry: Pick<Telemetry, "event">;
}

/** One comparison and what it led to. */
export interface Round {
  readonly desired: Desired;
  /** After the changes. */
  readonly actual: Actual;
  /** By device: what of somebody else is in the way. */
  readonly conflicts: ReadonlyMap<string, string>;
  /** Everything that could not be done, also by an earlier round that is not to be repeated yet. */
  readonly refused: readonly Applied[];
}

/** A link that takes no such MTU, or a node without nft, is not asked again with each pod. */
const REFUSED_PAUSE_MS = 5_000;

/** Makes what is there what is desired, round by round, and remembers what is there in between. One round at a time. */
export class Mender {
  readonly #options: MenderOptions;
  #actual: Actual | undefined;
  #outdated = true;
  #made = new Set<string>();
  readonly #refused = new Map<string, Applied & { readonly untilMs: number }>();
  #repaired = 0;
  #repairedAtMs = 0;
  #checkedAtMs = 0;

  constructor(options: MenderOptions) {
    this.#options = options;
  }

  get counts(): { repaired: number; repairedAtMs: number; checkedAtMs: number } {
    return { repaired: this.#repaired, repairedAtMs: this.#repairedAtMs, checkedAtMs: this.#checkedAtMs };
  }

  /** The next round reads what is there. */
  outdate(): void {
    this.#outdated = true;
  }

  /**
   * Resolves when everything that can be done is done.
   *
   * @throws EnidError ENID_HOST_ROUTES when nothing can be read, or nothing done.
   */
  async round(picture: ReachPicture): Promise<Round> {
    const { host, clock } = this.#options;
    let actual = this.#actual;
    const looked = this.#outdated || actual === undefined;
    if (actual === undefined || looked) {
      // What is noticed from here on may be missing in what is read.
      this.#outdated = false;
      this.#actual = undefined;
      actual = await readActual(host, { macs: new Set(picture.interfaces.map(({ mac }) => mac)) });
      this.#checkedAtMs = clock.nowMs();
    }
    const desired = desire(picture, actual);
    const inBlock = inside(picture.blocks.map(({ cidr }) => cidr));
    const { changes, conflicts } = difference(desired, actual, { inBlock, made: this.#made });
    const nowMs = clock.monotonicMs();
    const due = changes.filter((change) => (this.#refused.get(keyOf(change))?.untilMs ?? 0) <= nowMs);
    // Half done and then thrown is the same as not known.
    this.#actual = undefined;
    const applied = due.length === 0 ? [] : await applyChanges(host, due);
    this.#actual = after(actual, applied);
    if (looked) this.#countRepairs(applied);
    this.#note(changes, applied, desired, this.#actual);
    return { desired, actual: this.#actual, conflicts, refused: [...this.#refused.values()] };
  }

  #countRepairs(applied: readonly Applied[]): void {
    const repaired = applied.filter(
      ({ change, refused }) => refused === "" && isSetting(change) && this.#made.has(keyOf(change)),
    );
    if (repaired.length === 0) return;
    const { telemetry, clock } = this.#options;
    this.#repaired += repaired.length;
    this.#repairedAtMs = clock.nowMs();
    const counts: Record<string, number> = {};
    for (const { change } of repaired) {
      const what = change.do.replace(/^(add|set)-/, "");
      counts[what] = (counts[what] ?? 0) + 1;
    }
    const said = Object.entries(counts).map(([what, count]) => `${what} ${count}`);
    telemetry.event({
      name: "host-routes-repaired",
      level: "warn",
      message: `somebody removed or changed what enid had set on this node; set again: ${said.join(", ")}`,
      fields: counts,
    });
  }

  #note(changes: readonly Change[], applied: readonly Applied[], desired: Desired, actual: Actual): void {
    const untilMs = this.#options.clock.monotonicMs() + REFUSED_PAUSE_MS;
    for (const one of applied) {
      const key = keyOf(one.change);
      if (one.refused === "") this.#refused.delete(key);
      // What a pod waits for is tried again with the next pod.
      else
        this.#refused.set(key, {
          ...one,
          untilMs: one.change.do.endsWith("-rule") || one.change.do.endsWith("-route") ? 0 : untilMs,
        });
    }
    const asked = new Set(changes.map(keyOf));
    for (const key of this.#refused.keys()) if (!asked.has(key)) this.#refused.delete(key);
    const there = keysOfActual(actual);
    const wanted = keysOfDesired(desired);
    const kept = [...this.#made].filter((key) => there.has(key) || wanted.has(key));
    this.#made = new Set([...kept, ...[...wanted].filter((key) => there.has(key))]);
  }
}

function isSetting({ do: kind }: Change): boolean {
  return kind.startsWith("add-") || kind.startsWith("set-");
}

function keyOf(change: Change): string {
  switch (change.do) {
    case "add-rule":
    case "remove-rule":
      return ruleKey(change.rule);
    case "add-route":
    case "remove-route":
      return routeKey(change.route);
    case "add-address":
    case "remove-address":
      return addressKey(change.address.device, change.address.address);
    case "set-link":
      return linkKey(change.device);
    case "set-filter":
      return filterKey(change.device);
    default:
      return MARKS_KEY;
  }
}

const addressKey = (device: string, address: string) => `address ${device} ${address}`;
const linkKey = (device: string) => `link ${device}`;
const filterKey = (device: string) => `filter ${device}`;

function keysOfDesired({ rules, routes, addresses, links, filters, marked }: Desired): ReadonlySet<string> {
  return new Set([
    ...rules.map(ruleKey),
    ...routes.map(routeKey),
    ...addresses.map(({ device, address }) => addressKey(device, address)),
    ...links.map(({ device }) => linkKey(device)),
    ...filters.map(({ device }) => filterKey(device)),
    ...(marked === "" ? [] : [MARKS_KEY]),
  ]);
}

function keysOfActual({ rules, routes, links, filters, marked }: Actual): ReadonlySet<string> {
  return new Set([
    ...rules.map(ruleKey),
    ...routes.map(routeKey),
    ...links.flatMap(({ device, addresses }) => addresses.map(({ address }) => addressKey(device, address))),
    ...links.map(({ device }) => linkKey(device)),
    ...[...filters.keys()].map(filterKey),
    ...(marked === undefined || marked === "" ? [] : [MARKS_KEY]),
  ]);
}
