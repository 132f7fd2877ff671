import type { Cancel, Clock } from "../../adapters/index.ts";
import { coerceError, EnidError } from "../../errors.ts";
import type { BirdReport, Reach, ReachAddress, ReachPicture, Telemetry } from "../../manager/ports/index.ts";
import { type Announcements, announcementsOf, NOTHING } from "./announcements.ts";
import { type BirdAccess, BirdSilent } from "./control.ts";
import { type IncludeFile, includeFile } from "./include-file.ts";
import { IncludeWriter } from "./include-writer.ts";
import { type Lack, Sessions } from "./sessions.ts";
import { configureBird, readBird } from "./speaker.ts";
import { Waiting } from "./waiting.ts";

export interface BirdOptions {
  readonly clock: Clock;
  readonly telemetry: Telemetry;
  /** What tells this daemon from another one on the machine: the folder of its state. */
  readonly owner: string;
  readonly pauses?: Partial<BirdPauses>;
}

/** All in milliseconds. */
export interface BirdPauses {
  /** Changes that come together become one configuration. */
  readonly burstMs: number;
  /** From one look at the file and at BIRD to the next. */
  readonly lookMs: number;
  /** The same after a change, and while something is lacking. */
  readonly lookSoonMs: number;
  /** After the first failure, doubling up to the second one. */
  readonly retryMs: number;
  readonly longestRetryMs: number;
  /** How long no session may be up, or routes not exported, before it is trouble. */
  readonly sessionsGraceMs: number;
  readonly routesGraceMs: number;
  /** How long after the start a node that has nothing yet leaves alone what BIRD announces. */
  readonly settleMs: number;
  /** The most that an ADD waits for its own route. */
  readonly readyMs: number;
}

const PAUSES: BirdPauses = {
  burstMs: 20,
  lookMs: 10_000,
  lookSoonMs: 1_000,
  retryMs: 250,
  longestRetryMs: 10_000,
  sessionsGraceMs: 30_000,
  routesGraceMs: 5_000,
  settleMs: 30_000,
  readyMs: 5_000,
};

/** What a round works towards. */
interface Target {
  readonly asn: number;
  readonly announcements: Announcements;
  readonly file: IncludeFile;
  readonly path: string;
  readonly socket: string;
  readonly neighbors: readonly string[];
}

interface InForce {
  readonly path: string;
  readonly description: string;
  readonly hosts: ReadonlySet<string>;
  /** Monotonic. */
  readonly lookAtMs: number;
}

/** Announces the node's pod addresses through BIRD: docs/bird.md. */
export function createBird(options: BirdOptions): Reach {
  return new Bird(options);
}

class Bird implements Reach {
  readonly name = "bird";
  readonly #clock: Clock;
  readonly #telemetry: Telemetry;
  readonly #pauses: BirdPauses;
  readonly #owner: string;
  readonly #writer: IncludeWriter;
  readonly #sessions: Sessions;
  readonly #waiting: Waiting;
  #look: (() => ReachPicture) | undefined;
  #tell: () => void = () => {};
  /** What BIRD has taken over as far as is known, and when it is looked at again. */
  #inForce: InForce | undefined;
  #announcements: Announcements = NOTHING;
  /** The file was written, and BIRD has not yet taken it over. */
  #outstanding = false;
  /** The file of which nothing is announced any more. */
  #withdrawn = "";
  #trouble: EnidError | undefined;
  #lack: (Lack & { readonly sinceMs: number }) | undefined;
  #failures = 0;
  /** Monotonic; NaN once something was to be announced. */
  #settlesAtMs = Number.NaN;
  #toldRanges: string | undefined;
  #configuredAtMs = 0;
  #checkedAtMs = 0;
  #round: Promise<void> | undefined;
  #next: { readonly atMs: number; readonly cancel: Cancel } | undefined;
  readonly #stop = new AbortController();

  constructor({ clock, telemetry, owner, pauses }: BirdOptions) {
    this.#clock = clock;
    this.#telemetry = telemetry;
    this.#pauses = { ...PAUSES, ...pauses };
    this.#writer = new IncludeWriter(telemetry, owner);
    this.#owner = owner;
    this.#sessions = new Sessions(telemetry);
    this.#waiting = new Waiting(clock, this.#pauses.readyMs, () => this.#trouble);
  }

  start(look: () => ReachPicture, tell: () => void): void {
    this.#look = look;
    this.#tell = tell;
    this.#settlesAtMs = this.#clock.monotonicMs() + this.#pauses.settleMs;
    this.#schedule(0);
  }

  changed(): void {
    this.#schedule(this.#pauses.burstMs);
  }

  /**
   * Inside of an announced range nothing is to be waited for, and nothing can fail: BIRD announces it or is away, and a
   * node whose BIRD is away can still run its pods. An address that stands alone is nowhere without its route.
   */
  async ready(addresses: readonly ReachAddress[]): Promise<void> {
    // Without BIRD, and in a range, an ADD must not pay for a look at the whole node.
    const isCovered = () => addresses.every(({ address }) => this.#announcements.covers(address));
    if (this.#look === undefined || this.#withdrawn !== "" || isCovered()) return;
    const picture = this.#look();
    if (picture.bgp.asn === 0) return;
    const { hosts } = announcementsOf({ blocks: picture.blocks, addresses });
    if (hosts.every((host) => this.#inForce?.hosts.has(host))) return;
    this.#schedule(this.#pauses.burstMs);
    await this.#waiting.wait(hosts);
  }

  trouble(): EnidError | undefined {
    return this.#trouble;
  }

  report(): BirdReport {
    const { ranges, hosts } = this.#announcements;
    return {
      kind: "bird",
      announced: [...ranges, ...hosts],
      sessions: this.#sessions.reports,
      configuredAtMs: this.#configuredAtMs,
      checkedAtMs: this.#checkedAtMs,
    };
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    this.#next?.cancel();
    this.#waiting.refuse(new EnidError("ENID_BIRD", { detail: "enid stops" }));
    await this.#round;
  }

  /** One round at a time, the earliest moment that anybody asked for. */
  #schedule(delayMs: number): void {
    const atMs = this.#clock.monotonicMs() + delayMs;
    if (this.#stop.signal.aborted || (this.#next !== undefined && this.#next.atMs <= atMs)) return;
    this.#next?.cancel();
    const cancel = this.#clock.after(delayMs, () => {
      this.#next = undefined;
      // What changes while a round is under way is looked at by the one behind it.
      this.#round = (this.#round ?? Promise.resolve()).then(() => this.#run());
    });
    this.#next = { atMs, cancel };
  }

  async #run(): Promise<void> {
    if (this.#stop.signal.aborted || this.#look === undefined) return;
    const before = this.#trouble?.message;
    const served = this.#waiting.take();
    try {
      const target = targetOf(this.#look(), this.#owner);
      await (target.asn === 0 ? this.#withdraw(target) : this.#announce(target));
      this.#failures = 0;
      this.#waiting.serve(served);
    } catch (thrown) {
      this.#fail(thrown);
    }
    if (this.#trouble?.message !== before) this.#tell();
  }

  async #announce(target: Target): Promise<void> {
    this.#withdrawn = "";
    const { path, file, announcements } = target;
    const known = this.#inForce;
    const nowMs = this.#clock.monotonicMs();
    // Most changes are pods inside of a range, which change nothing here.
    if (known?.path === path && known.description === file.description && nowMs < known.lookAtMs) {
      this.#schedule(known.lookAtMs - nowMs);
      return;
    }
    if (this.#isSettling(announcements, nowMs)) {
      this.#schedule(this.#settlesAtMs - nowMs);
      return;
    }
    if (await this.#writer.write(path, file.text)) this.#outstanding = true;
    this.#announcements = announcements;
    // Asked each time: BIRD may have been started anew, or have read another configuration.
    const state = this.#outstanding ? undefined : await this.#read(target);
    const isChange = state?.description !== file.description;
    if (isChange) await this.#configure(target);
    const delayMs = Math.min(this.#judge(target), isChange ? this.#pauses.lookSoonMs : Number.POSITIVE_INFINITY);
    const lookAtMs = this.#clock.monotonicMs() + delayMs;
    this.#inForce = { path, description: file.description, hosts: new Set(announcements.hosts), lookAtMs };
    this.#schedule(delayMs);
  }

  /** A node whose state was lost finds out within seconds what it has; until then the daemon before it may be right. */
  #isSettling({ ranges, hosts }: Announcements, nowMs: number): boolean {
    if (ranges.length + hosts.length > 0) this.#settlesAtMs = Number.NaN;
    return nowMs < this.#settlesAtMs;
  }

  async #configure(target: Target): Promise<void> {
    await configureBird(this.#access(target));
    const state = await this.#read(target);
    if (state.description !== target.file.description) {
      const detail =
        state.description === ""
          ? `it knows no protocol of enid's: its configuration does not include ${target.path}`
          : `it took over its configuration and still announces what another ${target.path} said`;
      throw new EnidError("ENID_BIRD", { detail });
    }
    this.#outstanding = false;
    this.#configuredAtMs = this.#clock.nowMs();
    const { ranges, hosts } = target.announcements;
    const message = `BIRD announces ${countOf(ranges, "range", "ranges")} and ${countOf(hosts, "address", "addresses")} outside of them`;
    const fields = { ranges, hosts: hosts.length };
    // Single addresses come and go with pods.
    const level = ranges.join() === this.#toldRanges ? "debug" : "info";
    this.#toldRanges = ranges.join();
    this.#telemetry.event({ name: "bird-configured", level, message, fields });
  }

  /** asn is 0: what was announced goes once, and BIRD is left alone from then on. */
  async #withdraw({ path, socket, file }: Target): Promise<void> {
    this.#next?.cancel();
    this.#next = undefined;
    if (this.#withdrawn === path) return;
    this.#announcements = NOTHING;
    this.#inForce = undefined;
    this.#lack = undefined;
    this.#sessions.forget();
    if (await this.#writer.withdraw(path, file.text)) this.#outstanding = true;
    if (this.#outstanding) {
      // One that is away reads the empty file when it comes.
      await configureBird(this.#access({ socket })).catch((thrown) => {
        if (!(thrown instanceof BirdSilent)) throw thrown;
      });
      const message = "bgp.asn is 0: BIRD announces nothing for enid any more";
      this.#telemetry.event({ name: "bird-withdrawn", level: "info", message });
    }
    this.#outstanding = false;
    this.#withdrawn = path;
    this.#trouble = undefined;
  }

  async #read(target: Target) {
    const state = await readBird(this.#access(target));
    this.#checkedAtMs = this.#clock.nowMs();
    this.#sessions.see(state.protocols, state.bfd, this.#checkedAtMs);
    return state;
  }

  #access({ socket }: Pick<Target, "socket">): BirdAccess {
    return { socket, clock: this.#clock, signal: this.#stop.signal };
  }

  /** BIRD has what it should: do its sessions carry it? Answers after how many milliseconds to look again. */
  #judge({ announcements, neighbors }: Target): number {
    const nowMs = this.#clock.monotonicMs();
    const lack = this.#sessions.lack(announcements, neighbors);
    this.#lack = lack && { ...lack, sinceMs: lack.of === this.#lack?.of ? this.#lack.sinceMs : nowMs };
    const { sessionsGraceMs, routesGraceMs, lookMs, lookSoonMs } = this.#pauses;
    const graceMs = lack?.of === "sessions" ? sessionsGraceMs : routesGraceMs;
    const isTrouble = this.#lack !== undefined && nowMs - this.#lack.sinceMs >= graceMs;
    this.#trouble = isTrouble && lack ? new EnidError("ENID_BIRD", { detail: lack.detail }) : undefined;
    return lack === undefined || isTrouble ? lookMs : lookSoonMs;
  }

  #fail(thrown: unknown): void {
    if (this.#stop.signal.aborted) return;
    this.#inForce = undefined;
    this.#lack = undefined;
    if (thrown instanceof BirdSilent) {
      this.#sessions.lose(this.#clock.nowMs());
      // The file is written before BIRD is asked: it needs no telling when it comes.
      if (thrown.away) this.#outstanding = false;
    }
    const error = thrown instanceof EnidError ? thrown : undefined;
    const detail = coerceError(thrown).values.detail ?? String(thrown);
    this.#trouble = error ?? new EnidError("ENID_BIRD", { detail }, { cause: thrown });
    this.#failures += 1;
    const { retryMs, longestRetryMs } = this.#pauses;
    this.#schedule(Math.min(longestRetryMs, retryMs * 2 ** Math.min(this.#failures - 1, 20)));
  }
}

function targetOf({ blocks, addresses, bgp }: ReachPicture, owner: string): Target {
  const { asn, includeFile: path, controlSocket: socket, neighbors = [] } = bgp;
  const announcements = asn === 0 ? NOTHING : announcementsOf({ blocks, addresses });
  return {
    asn,
    announcements,
    file: includeFile(asn === 0 ? undefined : announcements, owner),
    path,
    socket,
    neighbors,
  };
}

function countOf(things: readonly unknown[], one: string, many: string): string {
  return `${things.length} ${things.length === 1 ? one : many}`;
}
