import type { FollowEvents, Host, Output } from "../../../src/handoff/routes/host.ts";
import { MACS } from "./node-namespace.ts";

export const OK: Output = { code: 0, stdout: "", stderr: "" };

export interface ScriptedHost extends Host {
  /** The links as `ip -json addr show` shows them. */
  links: unknown[];
  /** Batches of `ip`, and inputs of `nft -f -`, in order. */
  readonly batches: string[];
  readonly nft: string[];
  /** Programs that were begun, in all. */
  count: number;
  /** How often everything was read. */
  readings: number;
  /** Answers the next batches; when there is none: done. */
  answer: (input: string) => Output | Promise<Output>;
  answerNft: (input: string) => Output | Promise<Output>;
  answerReading: () => Output | undefined;
  /** Of the monitor that runs. */
  monitor: FollowEvents | undefined;
  monitors: number;
}

export function link(device: string, mac: string): unknown {
  return { ifindex: 2, ifname: device, flags: ["UP"], mtu: 9001, address: mac, addr_info: [] };
}

/** A node without rules and routes whose programs do as they are told. It keeps nothing of what is set. */
export function scriptedHost(): ScriptedHost {
  const host: ScriptedHost = {
    links: [link("eth0", MACS.primary), link("eth1", MACS.second)],
    batches: [],
    nft: [],
    count: 0,
    readings: 0,
    answer: () => OK,
    answerNft: () => OK,
    answerReading: () => undefined,
    monitor: undefined,
    monitors: 0,
    async run(program, args, input = "") {
      host.count++;
      if (program === "nft") {
        if (!args.includes("-f")) return { code: 1, stdout: "", stderr: "no such table" };
        host.nft.push(input);
        return host.answerNft(input);
      }
      if (args.includes("-batch")) {
        host.batches.push(input);
        return host.answer(input);
      }
      if (args.includes("addr")) host.readings++;
      return host.answerReading() ?? { ...OK, stdout: args.includes("addr") ? JSON.stringify(host.links) : "[]" };
    },
    follow(_program, _args, on) {
      host.monitors++;
      host.monitor = on;
      return () => {
        host.monitor = undefined;
      };
    },
    readSetting: async () => "0",
    writeSetting: async () => {},
  };
  return host;
}
