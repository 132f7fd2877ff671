import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import { type Ended, type RunOptions, run, runToEnd } from "./commands.ts";

const PREFIX = "enid-env-";
let made = 0;
const living = new Set<Namespace>();

/** A network namespace with a name of its own, and how to do something in it. */
export class Namespace {
  readonly name: string;
  readonly #children = new Set<ChildProcess>();

  private constructor(name: string) {
    this.name = name;
  }

  /** A new one with its loopback up. `label` makes its name readable. */
  static async create(label: string): Promise<Namespace> {
    if (made === 0) await removeAbandoned();
    const namespace = new Namespace(`${PREFIX}${process.pid}-${++made}-${label}`);
    await run("ip", ["netns", "add", namespace.name]);
    living.add(namespace);
    // No duplicate address detection: it would hold up each address by a second.
    await namespace.sysctl({ "net.ipv6.conf.all.accept_dad": 0, "net.ipv6.conf.default.accept_dad": 0 });
    await namespace.ip("link", "set", "lo", "up");
    return namespace;
  }

  /** As a container runtime names it in CNI_NETNS. */
  get path(): string {
    return `/var/run/netns/${this.name}`;
  }

  ip(...args: readonly string[]): Promise<string> {
    return run("ip", ["-n", this.name, ...args]);
  }

  /** Parsed output of `ip -json …`. */
  async ipJson<Row>(...args: readonly string[]): Promise<readonly Row[]> {
    const text = await run("ip", ["-json", "-n", this.name, ...args]);
    return text.trim() === "" ? [] : (JSON.parse(text) as Row[]);
  }

  /** Several `ip` commands in one process. */
  async batch(...lines: readonly string[]): Promise<void> {
    if (lines.length > 0) await run("ip", ["-n", this.name, "-batch", "-"], { input: `${lines.join("\n")}\n` });
  }

  run(program: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
    return run("ip", ["netns", "exec", this.name, program, ...args], options);
  }

  runToEnd(program: string, args: readonly string[], options: RunOptions = {}): Promise<Ended> {
    return runToEnd("ip", ["netns", "exec", this.name, program, ...args], options);
  }

  async sysctl(values: Readonly<Record<string, number>>): Promise<void> {
    const args = Object.entries(values).map(([name, value]) => `${name}=${value}`);
    await this.run("sysctl", ["-q", "-w", ...args]);
  }

  /** A process that lives at most as long as the namespace. */
  spawn(program: string, args: readonly string[], options: SpawnOptions = {}): ChildProcess {
    // `ip netns exec` becomes the program: the process that is signalled is the program itself.
    const child = spawn("ip", ["netns", "exec", this.name, program, ...args], options);
    this.#children.add(child);
    child.once("exit", () => this.#children.delete(child));
    return child;
  }

  /** One answered ping within a second. */
  async pings(address: string): Promise<boolean> {
    const { code } = await this.runToEnd("ping", ["-n", "-c", "1", "-W", "1", address]);
    return code === 0;
  }

  /** All that this process made and did not remove. */
  static async removeAll(): Promise<void> {
    for (const namespace of living) await namespace.remove();
  }

  /**
   * With what runs in it. Nothing is an error: what is gone is gone. Its veth pairs go first, and at once: the kernel takes
   * its time to clear a namespace away, and a peer that is still there has the name that the next one wants.
   */
  async remove(): Promise<void> {
    living.delete(this);
    const links = await this.ipJson<{ ifname: string }>("link", "show", "type", "veth").catch(() => []);
    await this.batch(...links.map(({ ifname }) => `link del dev ${ifname}`)).catch(() => {});
    for (const child of this.#children) child.kill("SIGKILL");
    await removeByName(this.name);
  }
}

async function removeByName(name: string): Promise<void> {
  const { stdout } = await runToEnd("ip", ["netns", "pids", name]);
  for (const pid of stdout.split("\n").filter((line) => line !== "")) {
    try {
      process.kill(Number(pid), "SIGKILL");
    } catch {
      // It ended by itself.
    }
  }
  await runToEnd("ip", ["netns", "del", name]);
}

/** Namespaces of test processes that were killed before they could remove them. */
async function removeAbandoned(): Promise<void> {
  for (const name of namespaceNames()) {
    const owner = /^enid-env-(\d+)-/.exec(name)?.[1];
    if (owner !== undefined && !isAlive(Number(owner))) await removeByName(name);
  }
}

function namespaceNames(): string[] {
  try {
    return readdirSync("/run/netns");
  } catch {
    return [];
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
