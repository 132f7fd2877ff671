import type { Cancel } from "../../adapters/index.ts";

/** What the room does to the node, and all of it: programs, lines of a program that runs on, and settings of the kernel. */
export interface Host {
  /**
   * Runs a program to its end, with `input` on its standard input. Its exit code is part of the answer.
   *
   * @throws EnidError ENID_HOST_ROUTES when it is not there, does not end in time, or says more than is believed.
   */
  run(program: Program, args: readonly string[], input?: string): Promise<Output>;

  /** Runs a program that goes on, and hands on each line of its output. `ended` is called once, unless it was cancelled. */
  follow(program: Program, args: readonly string[], on: FollowEvents): Cancel;

  /**
   * A file below /proc/sys/net, e.g. "ipv4/conf/eth0/rp_filter". Undefined when there is no such file.
   *
   * @throws EnidError ENID_HOST_ROUTES
   */
  readSetting(name: string): Promise<string | undefined>;

  /** @throws EnidError ENID_HOST_ROUTES */
  writeSetting(name: string, value: string): Promise<void>;
}

export type Program = "ip" | "nft";

export interface Output {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface FollowEvents {
  readonly line: (line: string) => void;
  readonly ended: (why: string) => void;
}
