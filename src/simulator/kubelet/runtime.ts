import type { Cancel, Clock } from "../../adapters/index.ts";
import type { Dice } from "../engine/index.ts";
import type { PodIdentity } from "../workload/index.ts";
import { addressesIn, checkCall, collectCall, sandboxCall, statusCall } from "./calls.ts";
import type { RuntimeFaults } from "./faults.ts";
import type { Plugin, PluginAnswer } from "./plugin.ts";
import type { CallAnswer, KubeletCounts, KubeletHooks, Sandbox, Verb } from "./types.ts";

/** Shares of sandboxes for which the runtime does more than it must. */
export interface Habits {
  /** ADD is repeated for the same sandbox up to 5 s after its answer, since the answer was lost. */
  readonly repeat: number;
  /** CHECK comes within a minute. */
  readonly check: number;
  /** STATUS is asked before the sandbox is made. */
  readonly status: number;
  /** Ms from one GC to the next, on average; 0 = the runtime sends none, as containerd does. */
  readonly collectEveryMs: number;
}

/** Network namespaces as the runtime makes them, by their paths. */
export interface Namespaces {
  open(path: string): void;
  close(path: string): void;
  /** The machine is booted. */
  clear(): void;
}

export interface RuntimeOptions {
  readonly plugin: Plugin;
  readonly clock: Clock;
  readonly dice: Dice;
  readonly faults: RuntimeFaults;
  readonly hooks: KubeletHooks;
  readonly counts: KubeletCounts;
  readonly habits: Habits;
  /** Ms from the wish for a sandbox to its ADD: least and most. */
  readonly sandboxMs: readonly [number, number];
  /** The network configuration. */
  readonly stdin: string;
  /** By address; outlives the runtime of one boot. */
  readonly running: Map<string, Sandbox>;
  readonly namespaces: Namespaces | undefined;
}

/** What becomes of a sandbox that is made: exactly one of the first two, `broken` perhaps later. */
export interface SandboxEvents {
  /** It has its addresses, `answerMs` after ADD was sent. */
  up(answerMs: number): void;
  /** It got none, and is undone. */
  failed(): void;
  /** It was up, and the runtime finds it unusable: it has to be destroyed. */
  broken(): void;
}

const REPEAT_WITHIN_MS = 5_000;
const CHECK_WITHIN_MS = 60_000;
/** Of GCs: those whose list is old when the plugin gets it, and how old at most. */
const STALE_LISTS = 0.3;
const STALE_WITHIN_MS = 20_000;

/** A sandbox as the runtime keeps it. */
export class LiveSandbox implements Sandbox {
  readonly pod: PodIdentity;
  readonly attempt: number;
  readonly containerId: string;
  netns: string;
  addresses: readonly string[] = [];
  sinceMs: number | undefined;
  /** `made`: no ADD yet; `up` has addresses; `ending`: its DEL was begun, or is not due any more. */
  state: "made" | "adding" | "up" | "ending" = "made";
  /** Ends what is under way for it: its ADD or CHECK, or the wait for one. */
  quit: Cancel = nothing;

  constructor(pod: PodIdentity, attempt: number, dice: Dice) {
    this.pod = pod;
    this.attempt = attempt;
    this.containerId = dice.digits(64);
    this.netns = `/var/run/netns/cni-${this.containerId.slice(0, 32)}`;
  }
}

/**
 * containerd with cilium-cni in front of the plugin, from one boot of the machine to the next. As containerd's
 * sandbox_run.go and sandbox_stop.go have it: a failed ADD is followed by one DEL whose failure is ignored; stopping ends
 * the processes, then comes DEL, and only when that succeeds is the sandbox gone. cilium-cni takes the endpoint out of the
 * datapath before it passes DEL on, so that from there on nobody uses the address.
 */
export class ContainerRuntime {
  readonly #options: RuntimeOptions;
  /** Of the sandboxes whose network namespaces it has made and not removed. */
  readonly #known = new Set<string>();

  constructor(options: RuntimeOptions) {
    this.#options = options;
    if (options.habits.collectEveryMs > 0) this.#collectLater(options.dice.fork("collections"));
  }

  /** RunPodSandbox. */
  create(pod: PodIdentity, attempt: number, events: SandboxEvents): LiveSandbox {
    const { clock, dice, habits, sandboxMs } = this.#options;
    const sandbox = new LiveSandbox(pod, attempt, dice);
    this.#known.add(sandbox.containerId);
    this.#options.namespaces?.open(sandbox.netns);
    if (dice.chance(habits.status)) this.#status();
    sandbox.quit = clock.after(dice.between(...sandboxMs), () => this.#add(sandbox, events));
    return sandbox;
  }

  /** The call of `create` is given up before its sandbox is up: what was begun is undone, then `done`. */
  cancel(sandbox: LiveSandbox, done: () => void): void {
    const wasAsked = sandbox.state !== "made";
    sandbox.quit();
    sandbox.state = "ending";
    if (wasAsked) {
      this.#options.counts.hangUps += 1;
      this.#undo(sandbox, done);
    } else {
      this.#forget(sandbox);
      done();
    }
  }

  /** StopPodSandbox: its processes have ended. `done(false)` when DEL failed: to be called again. */
  destroy(sandbox: LiveSandbox, done: (gone: boolean) => void): void {
    const isFirst = sandbox.state !== "ending";
    sandbox.quit();
    sandbox.quit = nothing;
    sandbox.state = "ending";
    this.#free(sandbox);
    if (isFirst && this.#isForgotten(sandbox)) {
      this.#forget(sandbox);
      done(true);
      return;
    }
    this.#del(sandbox, (succeeded) => {
      if (succeeded) {
        this.#forget(sandbox);
        this.#sendAgain(sandbox);
      } else this.#options.counts.failedDels += 1;
      done(succeeded);
    });
  }

  #add(sandbox: LiveSandbox, events: SandboxEvents): void {
    const { clock, faults, counts } = this.#options;
    const startedMs = clock.monotonicMs();
    let stopPatience: Cancel = nothing;
    sandbox.state = "adding";
    const hangUp = this.#sendAdd(sandbox, (answer) => {
      stopPatience();
      if (answer.exit !== 0) return this.#undo(sandbox, () => events.failed());
      this.#use(sandbox, answer.addresses);
      events.up(clock.monotonicMs() - startedMs);
      this.#followHabits(sandbox, events);
    });
    if (sandbox.state !== "adding") return;
    const patienceMs = faults.patienceMs();
    if (patienceMs !== undefined) {
      stopPatience = clock.after(patienceMs, () => {
        hangUp();
        counts.hangUps += 1;
        this.#undo(sandbox, () => events.failed());
      });
    }
    sandbox.quit = () => {
      stopPatience();
      hangUp();
    };
  }

  #sendAdd(sandbox: LiveSandbox, done: (answer: CallAnswer) => void): Cancel {
    const { plugin, stdin, counts } = this.#options;
    counts.adds += 1;
    return plugin.run(sandboxCall("ADD", sandbox, stdin), (printed) => {
      const answer = read(printed, printed.exit === 0);
      if (answer.exit !== 0) counts.failedAdds += 1;
      this.#tell(sandbox, "add", answer);
      done(answer);
    });
  }

  /** After an ADD that brought nothing; as in containerd, what comes of the DEL is of no matter. */
  #undo(sandbox: LiveSandbox, done: () => void): void {
    sandbox.state = "ending";
    sandbox.quit = nothing;
    if (this.#isForgotten(sandbox)) {
      this.#forget(sandbox);
      done();
      return;
    }
    this.#del(sandbox, (succeeded) => {
      this.#forget(sandbox);
      if (succeeded) this.#sendAgain(sandbox);
      done();
    });
  }

  #del(sandbox: LiveSandbox, done: (succeeded: boolean) => void): void {
    const { plugin, stdin, counts } = this.#options;
    counts.dels += 1;
    plugin.run(sandboxCall("DEL", sandbox, stdin), (printed) => {
      if (printed.by === "queue") counts.queuedDels += 1;
      this.#tell(sandbox, "del", read(printed, false));
      done(printed.exit === 0);
    });
  }

  /** Its network namespace is removed, and the runtime knows it no more. */
  #forget({ containerId, netns }: LiveSandbox): void {
    this.#known.delete(containerId);
    this.#options.namespaces?.close(netns);
  }

  #collectLater(dice: Dice): void {
    const { clock, habits } = this.#options;
    clock.after(habits.collectEveryMs * (0.5 + dice.fraction()), () => {
      // The list is made, and sent: at once, or when it is not true any more.
      const known = [...this.#known];
      clock.after(dice.chance(STALE_LISTS) ? dice.between(0, STALE_WITHIN_MS) : 0, () => this.#collect(known));
      this.#collectLater(dice);
    });
  }

  #collect(known: readonly string[]): void {
    const { plugin, stdin, counts } = this.#options;
    counts.collections += 1;
    plugin.run(collectCall(known, stdin), (printed) => this.#tell(undefined, "gc", read(printed, false)));
  }

  #isForgotten(sandbox: LiveSandbox): boolean {
    const { faults, hooks, counts } = this.#options;
    if (!faults.isMissing()) return false;
    counts.lostDels += 1;
    hooks.onForgotten?.(sandbox);
    return true;
  }

  #sendAgain(sandbox: LiveSandbox): void {
    const { faults, clock, counts } = this.#options;
    const again = (delayMs: number | undefined, count: "duplicateDels" | "lateDels") => {
      if (delayMs === undefined) return;
      clock.after(delayMs, () => {
        counts[count] += 1;
        this.#del(sandbox, nothing);
      });
    };
    again(faults.duplicateAfterMs(), "duplicateDels");
    again(faults.lateAfterMs(), "lateDels");
  }

  #followHabits(sandbox: LiveSandbox, events: SandboxEvents): void {
    const { habits, dice, clock } = this.#options;
    // What `up` set off may have ended it.
    if (sandbox.state !== "up") return;
    const drawn = dice.fraction();
    if (drawn < habits.repeat) {
      sandbox.quit = clock.after(dice.between(0, REPEAT_WITHIN_MS), () => this.#repeatAdd(sandbox, events));
    } else if (drawn < habits.repeat + habits.check) {
      sandbox.quit = clock.after(dice.between(1_000, CHECK_WITHIN_MS), () => this.#check(sandbox));
    }
  }

  #repeatAdd(sandbox: LiveSandbox, events: SandboxEvents): void {
    sandbox.quit = nothing;
    this.#options.counts.repeatedAdds += 1;
    let answered = false;
    const hangUp = this.#sendAdd(sandbox, (answer) => {
      answered = true;
      sandbox.quit = nothing;
      if (answer.exit !== 0) {
        events.broken();
      } else if (answer.addresses.join() !== sandbox.addresses.join()) {
        this.#free(sandbox);
        this.#use(sandbox, answer.addresses);
      }
    });
    if (!answered) sandbox.quit = hangUp;
  }

  #check(sandbox: LiveSandbox): void {
    const { plugin, stdin, counts } = this.#options;
    counts.checks += 1;
    sandbox.quit = nothing;
    let answered = false;
    const hangUp = plugin.run(checkCall(sandbox, stdin), (printed) => {
      answered = true;
      sandbox.quit = nothing;
      this.#tell(sandbox, "check", read(printed, false));
    });
    if (!answered) sandbox.quit = hangUp;
  }

  #status(): void {
    const { plugin, stdin, counts } = this.#options;
    counts.statuses += 1;
    plugin.run(statusCall(stdin), (printed) => this.#tell(undefined, "status", read(printed, false)));
  }

  #use(sandbox: LiveSandbox, addresses: readonly string[]): void {
    const { running, hooks, clock } = this.#options;
    sandbox.state = "up";
    sandbox.quit = nothing;
    sandbox.addresses = addresses;
    sandbox.sinceMs ??= clock.monotonicMs();
    for (const address of addresses) running.set(address, sandbox);
    hooks.onUse?.(sandbox);
  }

  #free(sandbox: LiveSandbox): void {
    const { running, hooks } = this.#options;
    let used = false;
    for (const address of sandbox.addresses) {
      if (running.get(address) !== sandbox) continue;
      running.delete(address);
      used = true;
    }
    if (used) hooks.onFree?.(sandbox);
  }

  #tell(sandbox: Sandbox | undefined, verb: Verb, answer: CallAnswer): void {
    this.#options.hooks.onAnswer?.(sandbox, verb, answer);
  }
}

function read(printed: PluginAnswer, hasAddresses: boolean): CallAnswer {
  const { exit, body, by, error } = printed;
  return { exit, body, by, error, addresses: hasAddresses ? addressesIn(body) : [] };
}

function nothing(): void {}
