import { execFileSync } from "node:child_process";
import { systemClock } from "../../../src/adapters/index.ts";
import { type Host, linuxHost } from "../../../src/handoff/routes/index.ts";
import type { ReachAddress, ReachBlock, ReachInterface, ReachPicture } from "../../../src/manager/ports/index.ts";

export interface Ran {
  readonly command: string;
  readonly input: string;
}

/** A network namespace with links like a node's interfaces; each leads into one router namespace. */
export interface NodeNamespace {
  readonly name: string;
  /** The room's host, inside of the namespace. */
  readonly host: Host;
  /** What was run through `host`, oldest first. */
  readonly ran: Ran[];
  /** Of those: what can change something. */
  changing(): readonly Ran[];
  /** Adds a link with that MAC. */
  link(device: string, mac: string): void;
  /** Runs a program in the namespace; its standard output. Throws when it fails. */
  run(...command: readonly string[]): string;
  /** The same in the namespace at the other end of the links: ends are called "g" and the device's name. */
  outside(...command: readonly string[]): string;
  /** A pod: a namespace with that address, reached over a link of its own. Goes with the node. */
  pod(address: string): void;
  setting(name: string, value?: string): string;
  /** Rules of a family without the kernel's own three. */
  rules(family?: "-4" | "-6"): readonly string[];
  routes(table: number | "main", family?: "-4" | "-6"): readonly string[];
  remove(): void;
}

let count = 0;

export function nodeNamespace(): NodeNamespace {
  const name = `enid-r${process.pid}-${count++}`;
  const router = `${name}-gw`;
  const exec = (command: readonly string[], input = "") =>
    execFileSync(command[0] ?? "", command.slice(1), { encoding: "utf8", input, stdio: ["pipe", "pipe", "pipe"] });
  const inside = (...command: readonly string[]) => exec(["ip", "netns", "exec", name, ...command]);
  exec(["ip", "netns", "add", name]);
  exec(["ip", "netns", "add", router]);
  inside("ip", "link", "set", "lo", "up");
  const real = linuxHost({ clock: systemClock, prefix: ["ip", "netns", "exec", name] });
  const ran: Ran[] = [];
  const pods: string[] = [];
  const path = (setting: string) => `/proc/sys/net/${setting}`;
  const host: Host = {
    run(program, args, input = "") {
      ran.push({ command: [program, ...args].join(" "), input });
      return real.run(program, args, input);
    },
    follow: real.follow,
    // What /proc/sys/net shows is of the namespace of who reads it.
    readSetting: async (setting) => {
      try {
        return inside("cat", path(setting)).trim();
      } catch {
        return undefined;
      }
    },
    writeSetting: async (setting, value) => void exec(["ip", "netns", "exec", name, "tee", path(setting)], value),
  };
  const lines = (text: string) =>
    text
      .split("\n")
      .map((line) => line.trim())
      .filter((line) => line !== "");
  return {
    name,
    host,
    ran,
    changing: () => ran.filter(({ command }) => /-batch|-f -/.test(command)),
    link(device, mac) {
      const peer = device.slice(0, 12);
      exec([
        ...["ip", "link", "add", device, "netns", name, "address", mac],
        ...["type", "veth", "peer", "name", `g${peer}`, "netns", router],
      ]);
      exec(["ip", "netns", "exec", router, "ip", "link", "set", `g${peer}`, "up"]);
    },
    run: inside,
    outside: (...command) => exec(["ip", "netns", "exec", router, ...command]),
    pod(address) {
      const pod = `${name}-p${pods.length}`;
      const device = `lxc${pods.length}`;
      pods.push(pod);
      exec(["ip", "netns", "add", pod]);
      exec(["ip", "link", "add", device, "netns", name, "type", "veth", "peer", "name", "eth0", "netns", pod]);
      inside("ip", "link", "set", device, "up");
      inside("ip", "route", "add", `${address}/32`, "dev", device, "scope", "link");
      for (const words of [
        ["link", "set", "eth0", "up"],
        ["address", "add", `${address}/32`, "dev", "eth0"],
        ["route", "add", "169.254.1.1/32", "dev", "eth0", "scope", "link"],
        ["route", "add", "default", "via", "169.254.1.1", "dev", "eth0"],
      ]) {
        exec(["ip", "netns", "exec", pod, "ip", ...words]);
      }
      this.setting(`ipv4/conf/${device}/proxy_arp`, "1");
      this.setting("ipv4/ip_forward", "1");
    },
    setting(setting, value) {
      if (value !== undefined) exec(["ip", "netns", "exec", name, "tee", path(setting)], value);
      return inside("cat", path(setting)).trim();
    },
    rules: (family = "-4") =>
      lines(inside("ip", family, "-details", "rule", "show"))
        .map((line) => line.replaceAll(/\s+/g, " "))
        .filter((line) => !/^(0|32766|32767):/.test(line)),
    routes: (table, family = "-4") => {
      try {
        return lines(inside("ip", family, "route", "show", "table", String(table))).map((line) =>
          line.replaceAll(/\s+/g, " "),
        );
      } catch {
        // No route was ever in it.
        return [];
      }
    },
    remove() {
      for (const each of [name, router, ...pods]) {
        try {
          exec(["ip", "netns", "del", each]);
        } catch {
          // It may be gone already.
        }
      }
    },
  };
}

export const MACS = { primary: "02:00:00:00:00:10", second: "02:00:00:00:00:11", third: "02:00:00:00:00:12" } as const;

export function reachInterface(changes: Partial<ReachInterface> = {}): ReachInterface {
  return {
    id: "eni-1",
    mac: MACS.second,
    networkCard: 0,
    deviceIndex: 1,
    subnetCidr: "10.0.1.0/24",
    primaryAddress: "10.0.1.10",
    primaryIsForPods: false,
    usable: true,
    ...changes,
  };
}

export const PRIMARY = reachInterface({
  id: "eni-0",
  mac: MACS.primary,
  deviceIndex: 0,
  subnetCidr: "10.0.0.0/24",
  primaryAddress: "10.0.0.10",
  usable: false,
});

export const BLOCKS: readonly ReachBlock[] = [
  { cidr: "10.0.1.64/26", kind: "prefix", interfaceId: "eni-1", usable: true },
  { cidr: "10.0.1.128/25", kind: "prefix", interfaceId: "eni-1", usable: true },
];

/** The node of most tests: a primary interface without pods, and one with. */
export function pictureOf(changes: Partial<ReachPicture> = {}): ReachPicture {
  return {
    primaryInterfaceId: "eni-0",
    interfaces: [PRIMARY, reachInterface()],
    blocks: BLOCKS,
    addresses: [],
    bgp: { asn: 0, includeFile: "", controlSocket: "" },
    ...changes,
  };
}

/** Addresses of the second interface, from 10.0.1.64 on. */
export function pods(number: number, from = 0): readonly ReachAddress[] {
  return Array.from({ length: number }, (_, at) => ({ address: `10.0.1.${64 + from + at}`, interfaceId: "eni-1" }));
}
