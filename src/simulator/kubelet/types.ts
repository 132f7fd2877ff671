import type { ErrorCode } from "../../errors.ts";
import type { PodIdentity } from "../workload/index.ts";

/** One try to give a pod a network namespace. */
export interface Sandbox {
  readonly pod: PodIdentity;
  /** 64 hexadecimal digits; no two sandboxes share one. */
  readonly containerId: string;
  /** Path of the network namespace; "" = it is gone, since the machine was booted after it was made. */
  readonly netns: string;
  /** Of its pod, from 0. */
  readonly attempt: number;
  /** What its network namespace uses, IPv4 first; empty until an ADD has succeeded. They stay named when they are free again. */
  readonly addresses: readonly string[];
  /** Monotonic ms at which an ADD first succeeded. */
  readonly sinceMs: number | undefined;
}

export type Verb = "add" | "del" | "check" | "status" | "gc";

/** What came of one run of the plugin. */
export interface CallAnswer {
  readonly exit: 0 | 1;
  /** The text that the plugin printed. */
  readonly body: string;
  /** `plugin`: the daemon was away, cut or late. `queue`: so it was, and the DEL was left in the queue. */
  readonly by: "daemon" | "plugin" | "queue";
  /** Of an ADD that succeeded. */
  readonly addresses: readonly string[];
  /** Of a failure. */
  readonly error: ErrorCode | undefined;
}

/** What somebody who watches is told, at once and in the order in which it happens. */
export interface KubeletHooks {
  /**
   * The plugin has answered; STATUS and GC concern no sandbox. Called before anything changes by it: `sandbox.addresses` are
   * those of earlier ADDs, and `running()` names who else uses an address that is answered now.
   */
  onAnswer?(sandbox: Sandbox | undefined, verb: Verb, answer: CallAnswer): void;
  /** The sandbox uses its addresses from now on. */
  onUse?(sandbox: Sandbox): void;
  /** Nobody uses the sandbox's addresses any more: its processes have ended and the datapath has let go of it. */
  onFree?(sandbox: Sandbox): void;
  /** The pod has an address for the first time. Not called again for its later sandboxes. */
  onAddress?(pod: PodIdentity, time: AddressTime): void;
  /** The runtime has forgotten the sandbox: no DEL will come. */
  onForgotten?(sandbox: Sandbox): void;
  /** The pod is stopped and nothing is left of it: its controller may run another of its name. */
  onGone?(pod: PodIdentity): void;
}

export interface AddressTime {
  /** From `run()` to the first ADD that succeeded. */
  readonly tookMs: number;
  /** That ADD took longer than 50 ms of virtual time, or one before it failed. */
  readonly waited: boolean;
}

/** A pod that should run and has no address. */
export interface WaitingPod {
  readonly pod: PodIdentity;
  /** Monotonic ms since which it could have one: `run()`, or the end of the boot or of the sandbox that took its address away. */
  readonly sinceMs: number;
}

/** How often things happened since the kubelet was made. */
export interface KubeletCounts {
  /** Pods that got an address, and those of them that waited (`AddressTime.waited`). */
  addressed: number;
  waited: number;
  /** ADDs sent, repeated ones included; those that failed; those whose caller went away. */
  adds: number;
  failedAdds: number;
  repeatedAdds: number;
  hangUps: number;
  /** DELs sent, those below included; those that failed and are sent again; those left in the queue. */
  dels: number;
  failedDels: number;
  queuedDels: number;
  /** Sandboxes whose DEL never comes. */
  lostDels: number;
  duplicateDels: number;
  lateDels: number;
  checks: number;
  statuses: number;
  collections: number;
}

export function noCounts(): KubeletCounts {
  return {
    addressed: 0,
    waited: 0,
    adds: 0,
    failedAdds: 0,
    repeatedAdds: 0,
    hangUps: 0,
    dels: 0,
    failedDels: 0,
    queuedDels: 0,
    lostDels: 0,
    duplicateDels: 0,
    lateDels: 0,
    checks: 0,
    statuses: 0,
    collections: 0,
  };
}
