import type { Cancel, Clock, Random } from "../../adapters/index.ts";
import { jitterMs } from "../../adapters/index.ts";
import { EnidError } from "../../errors.ts";
import type { HostRoutesReport, Reach, ReachAddress, ReachPicture, Telemetry } from "../../manager/ports/index.ts";
import { routeKey, ruleKey } from "./actual.ts";
import { Alarm } from "./alarm.ts";
import { Burst } from "./burst.ts";
import { concerns } from "./desired.ts";
import { podOf } from "./difference.ts";
import { asHostRoutesError, hostRoutesError } from "./errors.ts";
import type { Host } from "./host.ts";
import { Mender, type Round } from "./mender.ts";
import { Monitor } from "./monitor.ts";
import { isReason, type Watch, watchedAddresses, watchOf } from "./notices.ts";
import { verdictOf } from "./verdict.ts";

export interface HostRoutesOptions {
  readonly host: Host;
  readonly clock: Clock;
  readonly random: Random;
  readonly telemetry: Pick<Telemetry, "event">;
}

/** What waits for its rules, and until when. */
interface Waiting {
  readonly addresses: readonly ReachAddress[];
  readonly resolve: () => void;
  readonly reject: (error: EnidError) => void;
  /** Why it is not served yet. */
  why: EnidError;
}

/** An ADD hears within this time. An interface that was just attached shows up on the node within a few seconds. */
const READY_LIMIT_MS = 8_000;
/** Until a link that is awaited is looked for again; the monitor tells sooner. */
const LINK_PAUSE_MS = 500;
/** A link that is missing for as long is not on its way any more. */
const LINK_LIMIT_MS = 15_000;
/** Leases that end go in one batch when none ended for the first time, or after the second. */
const CHANGES_QUIET_MS = 150;
const CHANGES_LIMIT_MS = 600;
/** From a notice to the reading: who flushes rules flushes more than one. */
const NOTICES_MS = 200;
/** The same, once as many repairs came without a pause between them: somebody goes on removing what enid sets. */
const NOTICES_LONGEST_MS = 2_000;
const REPAIRS_MANY = 12;
const REPAIRS_PAUSE_MS = 30_000;
/** Second line behind the monitor, and the only one while it does not run. */
const CHECK_MS = 15_000;
const CHECK_ALONE_MS = 3_000;
/** After a round that failed. */
const RETRY_MS = 1_000;

/**
 * Devices, routing tables, rules and marks of pod addresses on AWS. One round at a time compares the manager's picture
 * with what is there; ADDs that come while one is under way are served together by the next. docs/host-routes.md says
 * what is set, and how it is told from what others set.
 */
export class HostRoutes implements Reach {
  readonly name = "host-routes";
  readonly #options: HostRoutesOptions;
  readonly #mender: Mender;
  readonly #monitor: Monitor;
  readonly #changes: Alarm;
  readonly #retry: Alarm;
  readonly #burst: Burst;
  readonly #lookAgain: Alarm;
  #look: (() => ReachPicture) | undefined;
  #tell: () => void = () => {};
  #waiting: Waiting[] = [];
  #working: Promise<void> | undefined;
  #again = false;
  /** ADDs that came, ever. */
  #arrivals = 0;
  /** The first of the changes that the next round will take up. */
  #changedAtMs: number | undefined;
  #stopped = false;
  #watch: Watch | undefined;
  #round: Round | undefined;
  #failure: EnidError | undefined;
  #trouble: EnidError | undefined;
  /** Rounds that repaired something, without a pause between them. */
  #repairs = 0;
  /** Since when links are missing, by interface. */
  #missing = new Map<string, number>();

  constructor(options: HostRoutesOptions) {
    this.#options = options;
    const { host, clock, telemetry } = options;
    this.#mender = new Mender({ host, clock, telemetry });
    this.#changes = new Alarm(clock, () => this.#kick());
    this.#retry = new Alarm(clock, () => this.#kick());
    // Also those whose leases are not durable yet: the next round serves them with the others.
    this.#burst = new Burst(clock, () => `${this.#arrivals} ${this.#look?.().addresses.length}`);
    this.#lookAgain = new Alarm(clock, () => {
      this.#mender.outdate();
      this.#kick();
    });
    this.#monitor = new Monitor({
      host,
      clock,
      telemetry,
      line: (line) => {
        if (this.#watch !== undefined && isReason(line, this.#watch)) this.#lookAgain.within(this.#noticesMs());
      },
      ended: () => this.#lookAgain.within(CHECK_ALONE_MS),
      restarted: () => this.#lookAgain.within(this.#noticesMs()),
    });
  }

  start(look: () => ReachPicture, tell: () => void): void {
    this.#look = look;
    this.#tell = tell;
    this.#kick();
  }

  changed(): void {
    if (this.#stopped || this.#look === undefined) return;
    const nowMs = this.#options.clock.monotonicMs();
    this.#changedAtMs ??= nowMs;
    this.#changes.cancel();
    this.#changes.within(Math.max(0, Math.min(CHANGES_QUIET_MS, this.#changedAtMs + CHANGES_LIMIT_MS - nowMs)));
  }

  ready(addresses: readonly ReachAddress[]): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#stopped) {
        reject(stopping());
        return;
      }
      const subject = addresses.map(({ address }) => address).join(" and ");
      const over = () => {
        cancel();
        this.#waiting = this.#waiting.filter((each) => each !== waiting);
      };
      const waiting: Waiting = {
        addresses,
        resolve() {
          over();
          resolve();
        },
        reject(error) {
          over();
          reject(error);
        },
        why: hostRoutesError(subject, `not done after ${READY_LIMIT_MS / 1_000} s`),
      };
      const cancel: Cancel = this.#options.clock.after(READY_LIMIT_MS, () => waiting.reject(waiting.why));
      this.#arrivals++;
      this.#waiting.push(waiting);
      this.#kick();
    });
  }

  trouble(): EnidError | undefined {
    return this.#trouble;
  }

  report(): HostRoutesReport {
    const { repaired, repairedAtMs, checkedAtMs } = this.#mender.counts;
    const round = this.#round;
    const there = new Set(round?.actual.rules.map(ruleKey));
    return {
      kind: "host-routes",
      devices: (round?.desired.devices ?? []).map(({ interfaceId, device, table, problem }) => ({
        interfaceId,
        device,
        table,
        problem: problem || (round?.conflicts.get(device) ?? ""),
      })),
      rules: (round?.desired.rules ?? []).filter((rule) => podOf(rule) !== undefined && there.has(ruleKey(rule)))
        .length,
      repaired,
      repairedAtMs,
      checkedAtMs,
    };
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#monitor.stop();
    this.#changes.cancel();
    this.#retry.cancel();
    this.#lookAgain.cancel();
    for (const waiting of [...this.#waiting]) waiting.reject(stopping());
    await this.#working;
  }

  /** A round begins after this turn of the loop, so that all leases of one commit share it; or after the one under way. */
  #kick(): void {
    if (this.#stopped || this.#look === undefined) return;
    this.#again = true;
    if (this.#working !== undefined) return;
    const turn = new Promise<void>((resolve) => this.#options.clock.nextTurn(resolve));
    this.#working = turn
      .then(() => this.#work())
      .finally(() => {
        this.#working = undefined;
        if (this.#again) this.#kick();
      });
  }

  async #work(): Promise<void> {
    const { clock } = this.#options;
    while (this.#again && !this.#stopped) {
      if (this.#waiting.length > 0 && !this.#isServed()) await this.#burst.gather();
      this.#again = false;
      const [sinceMs, before] = [clock.monotonicMs(), this.#arrivals];
      const served = this.#waiting.length > 0;
      await this.#once();
      if (served || this.#arrivals > before) this.#burst.served(clock.monotonicMs() - sinceMs);
    }
  }

  /** Nothing is to be done for those who wait: the round before served their leases, which were not durable yet. */
  #isServed(): boolean {
    const [round, picture] = [this.#round, this.#look?.()];
    if (round === undefined || picture === undefined) return false;
    const there = keysOf(round);
    return this.#waiting.every(({ addresses }) => verdictOf(addresses, picture, round, there) === undefined);
  }

  async #once(): Promise<void> {
    this.#changes.cancel();
    this.#changedAtMs = undefined;
    const waiting = [...this.#waiting];
    const picture = withWaiting(this.#look?.(), waiting);
    if (picture === undefined || !concerns(picture)) {
      this.#round = undefined;
      this.#settle(undefined);
      for (const each of waiting) each.resolve();
      return;
    }
    this.#monitor.start();
    // Of a pod that went, the end of its rules is this round's doing, and no reason to read everything again.
    if (this.#watch !== undefined) this.#watch = { ...this.#watch, addresses: watchedAddresses(picture) };
    try {
      const { repaired } = this.#mender.counts;
      const round = await this.#mender.round(picture);
      this.#round = round;
      this.#watch = watchOf(picture, round.desired, this.#watch);
      this.#calm(this.#mender.counts.repaired > repaired);
      this.#answer(waiting, picture, round);
      this.#settle(undefined);
    } catch (thrown) {
      const error = asHostRoutesError(thrown);
      for (const each of waiting) each.reject(error);
      this.#mender.outdate();
      this.#settle(error);
      this.#retry.within(RETRY_MS);
    }
    const { random } = this.#options;
    this.#lookAgain.within(jitterMs(random, this.#monitor.running ? CHECK_MS : CHECK_ALONE_MS));
  }

  #answer(waiting: readonly Waiting[], picture: ReachPicture, round: Round): void {
    const there = keysOf(round);
    for (const each of waiting) {
      const verdict = verdictOf(each.addresses, picture, round, there);
      if (verdict === undefined) each.resolve();
      else if (verdict.final) each.reject(verdict.error);
      else {
        each.why = verdict.error;
        this.#lookAgain.within(LINK_PAUSE_MS);
      }
    }
  }

  /** Who removes again and again what is set again and again is not answered as fast for ever. */
  #noticesMs(): number {
    return this.#repairs < REPAIRS_MANY ? NOTICES_MS : NOTICES_LONGEST_MS;
  }

  #calm(repaired: boolean): void {
    const quietMs = this.#options.clock.nowMs() - this.#mender.counts.repairedAtMs;
    if (repaired) this.#repairs++;
    else if (quietMs > REPAIRS_PAUSE_MS) this.#repairs = 0;
  }

  /** Finds out what is wrong now, and tells when that changed. */
  #settle(failure: EnidError | undefined): void {
    this.#failure = failure;
    const before = this.#trouble?.message;
    this.#trouble = this.#failure ?? this.#deviceTrouble() ?? this.#refusalTrouble();
    if (this.#trouble?.message !== before) this.#tell();
  }

  #deviceTrouble(): EnidError | undefined {
    const { devices = [] } = this.#round?.desired ?? {};
    const nowMs = this.#options.clock.monotonicMs();
    const missing = devices.filter((device) => device.missing).map(({ interfaceId }) => interfaceId);
    this.#missing = new Map(missing.map((id) => [id, this.#missing.get(id) ?? nowMs]));
    for (const { interfaceId, device, problem, missing: awaited } of devices) {
      const said = problem || (this.#round?.conflicts.get(device) ?? "");
      const sinceMs = this.#missing.get(interfaceId) ?? nowMs;
      if (awaited && nowMs - sinceMs < LINK_LIMIT_MS) {
        // The monitor may have begun just after the link came: its notice is not to be counted on.
        this.#lookAgain.within(LINK_PAUSE_MS);
        continue;
      }
      if (said !== "") return hostRoutesError(device === "" ? interfaceId : `${interfaceId} (${device})`, said);
    }
    return undefined;
  }

  #refusalTrouble(): EnidError | undefined {
    const refused = this.#round?.refused ?? [];
    const first = refused.find(({ change }) => change.do !== "set-marks") ?? refused[0];
    if (first === undefined) return undefined;
    if (first.change.do === "set-marks") return new EnidError("ENID_NODE_PORT_MARKS", { detail: first.refused });
    return hostRoutesError("this node", first.refused);
  }
}

function keysOf({ actual }: Round): ReadonlySet<string> {
  return new Set([...actual.rules.map(ruleKey), ...actual.routes.map(routeKey)]);
}

/** A lease that is waited for counts, whether the picture shows it yet or not. */
function withWaiting(picture: ReachPicture | undefined, waiting: readonly Waiting[]): ReachPicture | undefined {
  if (picture === undefined || waiting.length === 0) return picture;
  const known = new Set(picture.addresses.map(({ address }) => address));
  const further = waiting.flatMap(({ addresses }) => addresses).filter(({ address }) => !known.has(address));
  return further.length === 0 ? picture : { ...picture, addresses: [...picture.addresses, ...further] };
}

function stopping(): EnidError {
  return hostRoutesError("this node", "enid stops");
}
