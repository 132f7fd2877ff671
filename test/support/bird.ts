import { type ChildProcess, execFile, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";

/** Real BIRD in network namespaces: leaves (routers) and nodes of a spine-leaf network, for tests that run as root. */

const execute = promisify(execFile);

/** One command must never hold up a test run for good. */
const COMMAND_LIMIT_MS = 20_000;

/** Runs a program to its end and answers its standard output; the error of one that fails has its standard error. */
export async function runProgram(program: string, args: readonly string[]): Promise<string> {
  const { stdout } = await execute(program, [...args], { timeout: COMMAND_LIMIT_MS, maxBuffer: 16 * 1024 * 1024 });
  return stdout;
}

/** Asks `probe` until it answers something other than undefined and false; the error says what was seen last. */
export async function eventually<T>(
  what: string,
  probe: () => Promise<T | undefined | false> | T | undefined | false,
  limitMs = 15_000,
): Promise<T> {
  const end = performance.now() + limitMs;
  let last: unknown;
  for (;;) {
    try {
      const answer = await probe();
      if (answer !== undefined && answer !== false) return answer;
      last = answer;
    } catch (thrown) {
      last = thrown;
    }
    if (performance.now() > end) throw new Error(`not within ${limitMs} ms: ${what}; last: ${String(last)}`);
    await sleep(50);
  }
}

/** One end of a link. */
export interface LinkEnd {
  /** Full name of the namespace, as `add` answers. */
  readonly namespace: string;
  /** At most 15 characters. */
  readonly device: string;
  /** CIDRs of the device, e.g. "10.0.1.2/24", "fd00:1::2/64". */
  readonly addresses: readonly string[];
}

/** Network namespaces with names of their own, so that test processes do not meet. */
export class Namespaces {
  readonly #prefix = `enid-${process.pid}-${randomBytes(3).toString("hex")}`;
  readonly #names: string[] = [];

  /** Makes one, with loopback up, IPv4 and IPv6 forwarding on and no duplicate address detection. Answers its full name. */
  async add(name: string): Promise<string> {
    const full = `${this.#prefix}-${name}`;
    await runProgram("ip", ["netns", "add", full]);
    this.#names.push(full);
    await runProgram("ip", ["-n", full, "link", "set", "lo", "up"]);
    const settings = [
      "net.ipv4.ip_forward=1",
      "net.ipv6.conf.all.forwarding=1",
      "net.ipv6.conf.all.accept_dad=0",
      "net.ipv6.conf.default.accept_dad=0",
    ];
    await this.run(full, "sysctl", "-q", "-w", ...settings);
    return full;
  }

  /** Full name of one that was added. */
  nameOf(name: string): string {
    return `${this.#prefix}-${name}`;
  }

  /** A veth pair between two namespaces, both ends up. */
  async link(a: LinkEnd, b: LinkEnd): Promise<void> {
    await runProgram("ip", [
      ...["link", "add", a.device, "netns", a.namespace, "type", "veth"],
      ...["peer", "name", b.device, "netns", b.namespace],
    ]);
    for (const { namespace, device, addresses } of [a, b]) {
      for (const address of addresses) {
        const flags = address.includes(":") ? ["nodad"] : [];
        await runProgram("ip", ["-n", namespace, "address", "add", address, "dev", device, ...flags]);
      }
      await runProgram("ip", ["-n", namespace, "link", "set", device, "up"]);
    }
  }

  /** Runs a program inside of a namespace. */
  run(namespace: string, program: string, ...args: string[]): Promise<string> {
    return runProgram("ip", ["netns", "exec", namespace, program, ...args]);
  }

  /** Takes all of them away, with their devices. To be called when what runs in them has ended. */
  async remove(): Promise<void> {
    for (const name of this.#names.splice(0)) await runProgram("ip", ["netns", "delete", name]).catch(() => "");
  }
}

export interface BirdOptions {
  /** Full name of the network namespace; absent: the one of the test. */
  readonly namespace?: string;
  /** An own folder: bird.conf, control socket and log lie in it. Its path must be short: a socket's has at most 107 bytes. */
  readonly folder: string;
  /** Text of bird.conf. Absent: the test writes `configurationFile` itself before `start`. */
  readonly configuration?: string;
}

/** One BIRD, in the foreground as a child of the test. It can be started again after it ended. */
export class Bird {
  readonly configurationFile: string;
  readonly socket: string;
  readonly #options: BirdOptions;
  #process: ChildProcess | undefined;
  #log = "";

  constructor(options: BirdOptions) {
    this.#options = options;
    mkdirSync(options.folder, { recursive: true });
    this.configurationFile = join(options.folder, "bird.conf");
    this.socket = join(options.folder, "bird.ctl");
    if (options.configuration !== undefined) writeFileSync(this.configurationFile, options.configuration);
  }

  get running(): boolean {
    return this.#process !== undefined && this.#process.exitCode === null && this.#process.signalCode === null;
  }

  /** What it wrote to standard error: log with `log stderr all;` in its configuration. */
  get log(): string {
    return this.#log;
  }

  /** Starts it and waits until it answers. `recover`: with -R, as after `birdc graceful restart`. */
  async start({ recover = false } = {}): Promise<void> {
    const { namespace, folder } = this.#options;
    const bird = ["bird", "-f", "-c", this.configurationFile, "-s", this.socket, "-P", join(folder, "bird.pid")];
    if (recover) bird.push("-R");
    // `ip netns exec` becomes the program: a signal to the child is a signal to BIRD.
    const [program = "", ...args] = namespace === undefined ? bird : ["ip", "netns", "exec", namespace, ...bird];
    rmSync(this.socket, { force: true });
    const child = spawn(program, args, { stdio: ["ignore", "ignore", "pipe"] });
    this.#process = child;
    child.once("error", (error) => {
      this.#log += `${error.message}\n`;
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      this.#log += text;
    });
    await eventually(`BIRD answers on ${this.socket}`, async () => {
      if (!this.running) throw new Error(`BIRD ended: ${this.#log}`);
      return existsSync(this.socket) && (await this.birdc("show", "status")).includes("Daemon is up");
    });
  }

  /** One command of birdc; answers what it prints. */
  birdc(...words: string[]): Promise<string> {
    return runProgram("birdc", ["-s", this.socket, ...words]);
  }

  /** Writes another bird.conf and has it read. */
  async configure(configuration: string): Promise<string> {
    writeFileSync(this.configurationFile, configuration);
    return this.birdc("configure");
  }

  /** Ends it: SIGTERM says good-bye to the neighbours, SIGKILL does not. Answers once it is gone. */
  async stop(signal: "SIGTERM" | "SIGKILL" = "SIGTERM"): Promise<void> {
    const child = this.#process;
    if (child === undefined || !this.running) return;
    const gone = once(child, "exit");
    child.kill(signal);
    const late = sleep(5_000, "late", { ref: false });
    if ((await Promise.race([gone, late])) !== "late") return;
    child.kill("SIGKILL");
    await gone;
  }

  /** Stops it in its tracks, or lets it go on: to its neighbours the same as a router that hangs. */
  freeze(frozen: boolean): void {
    this.#process?.kill(frozen ? "SIGSTOP" : "SIGCONT");
  }

  /** Networks of a table ("master4", "master6") as BIRD shows them, with where they lead: { "10.1.0.0/24": ["10.0.1.2"] }. */
  async routes(table: "master4" | "master6"): Promise<Record<string, string[]>> {
    return parseRoutes(await this.birdc("show", "route", "table", table));
  }

  /** Waits until the protocol is in the state, e.g. "Established". */
  async untilProtocol(protocol: string, state: string, limitMs?: number): Promise<void> {
    await eventually(
      `${protocol} is ${state}`,
      async () => (await this.birdc("show", "protocols", protocol)).includes(state),
      limitMs,
    );
  }

  /** Waits until the table holds the network (`there`), or holds it no longer. */
  async untilRoute(network: string, there = true, limitMs?: number): Promise<void> {
    const table = network.includes(":") ? "master6" : "master4";
    const what = `${network} ${there ? "arrives" : "goes"}`;
    await eventually(what, async () => network in (await this.routes(table)) === there, limitMs);
  }
}

function parseRoutes(shown: string): Record<string, string[]> {
  const routes: Record<string, string[]> = {};
  let network = "";
  for (const line of shown.split("\n")) {
    const head = /^([0-9a-f.:]+\/\d+)\s/.exec(line)?.[1];
    if (head !== undefined) {
      network = head;
      routes[network] ??= [];
    }
    const via = /^\s+via (\S+)/.exec(line)?.[1];
    if (via !== undefined) routes[network]?.push(via);
  }
  return routes;
}

export interface LeafNeighbor {
  /** Name of the protocol, e.g. "node1". */
  readonly name: string;
  readonly address: string;
  readonly asn: number;
  readonly password?: string;
  /** More lines of the protocol, each with its semicolon, e.g. `interface "eth0";`. */
  readonly more?: readonly string[];
}

export interface LeafOptions {
  readonly routerId: string;
  readonly asn: number;
  readonly neighbors: readonly LeafNeighbor[];
  /** Routes that it tells its neighbours beside those that it learns; a leaf tells nodes none. */
  readonly routes?: readonly string[];
  /**
   * Before it connects to a neighbour, in seconds; 1 when absent. One that is met again sooner than BFD has noticed that
   * it had been away (1 s) loses its new session to that notice.
   */
  readonly connectDelaySeconds?: number;
  /** More statements at the end of the file. */
  readonly more?: string;
}

/**
 * bird.conf of a leaf: takes all that its neighbours announce into its kernel (equal paths become one multipath route),
 * passes it on to all of them, with BFD (100 ms, multiplier 10), and keeps a neighbour's routes while it restarts.
 */
export function leafConfiguration(options: LeafOptions): string {
  const { routerId, asn, neighbors, routes = [], connectDelaySeconds = 1, more = "" } = options;
  const statics = (family: "ipv4" | "ipv6") =>
    routes
      .filter((route) => route.includes(":") === (family === "ipv6"))
      .map((route) => `  route ${route} unreachable;\n`)
      .join("");
  const sessions = neighbors.map(
    ({ name, address, asn: theirs, password, more: lines = [] }) => `protocol bgp ${name} {
  local as ${asn};
  neighbor ${address} as ${theirs};
  bfd graceful;
  graceful restart on;
  connect delay time ${connectDelaySeconds};
  connect retry time 1;
  error wait time 1, 2;
${[...(password === undefined ? [] : [`password "${password}";`]), ...lines].map((line) => `  ${line}\n`).join("")}  ipv4 { import all; export all;${address.includes(":") ? " extended next hop on;" : ""} };
  ipv6 { import all; export all; };
}
`,
  );
  return `log stderr all;
router id ${routerId};
protocol device { scan time 1; }
protocol direct { ipv4; ipv6; }
protocol kernel kernel4 { merge paths on; ipv4 { import none; export where source = RTS_BGP || source = RTS_STATIC; }; }
protocol kernel kernel6 { merge paths on; ipv6 { import none; export where source = RTS_BGP || source = RTS_STATIC; }; }
protocol static static4 { ipv4;
${statics("ipv4")}}
protocol static static6 { ipv6;
${statics("ipv6")}}
protocol bfd { interface "*" { min rx interval 100 ms; min tx interval 100 ms; idle tx interval 300 ms; multiplier 10; }; }
${sessions.join("")}${more}`;
}
