import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DaemonProcess, runCli } from "../../scripts/lab/daemon.ts";
import type { StatusReport } from "../../src/manager/index.ts";
import type { Lease } from "../../src/pool/index.ts";
import { until } from "./commands.ts";
import { Host } from "./host.ts";
import type { Namespace } from "./namespace.ts";
import { type KnownAs, makePod, type Pod, removePod } from "./pod.ts";
import { programOnPath } from "./programs.ts";

/** A daemon of a simulated cloud, on a machine with much else to do. */
const READY_LIMIT_MS = 60_000;
const LEFT_LIMIT_MS = 20_000;

/** The machine below a node: what differs between the environments. */
export interface NodeMachine {
  /** The node's own, at most one of each family. */
  readonly addresses: readonly string[];
  readonly daemonEnvironment: Readonly<Record<string, string>>;
  readonly daemonArguments: readonly string[];
  /** Stands before the command of the daemon. Absent = nothing. */
  readonly daemonPrefix?: readonly string[];
  /** A namespace with the links and addresses that the system of the machine would set up. */
  powerOn(): Promise<Namespace>;
  /** Nothing that was in the namespace is left. */
  powerOff(): Promise<void>;
}

export interface NodeOptions {
  readonly label: string;
  /** Its own; made. */
  readonly folder: string;
  /** Content of the configuration file. */
  readonly configuration: unknown;
  /** Runs the daemon. */
  readonly command: readonly string[];
  readonly machine: NodeMachine;
}

/** A node of an environment: a machine, a real daemon on it, and pods. */
export class TestNode {
  readonly label: string;
  readonly configurationFile: string;
  readonly pods = new Map<string, Pod>();
  readonly #options: NodeOptions;
  #host: Host | undefined;
  #daemon: DaemonProcess | undefined;
  #boots = 0;

  constructor(options: NodeOptions) {
    this.#options = options;
    this.label = options.label;
    mkdirSync(options.folder, { recursive: true });
    this.configurationFile = join(options.folder, "enid.conf");
    writeFileSync(this.configurationFile, JSON.stringify(options.configuration));
  }

  get host(): Host {
    return defined(this.#host, `${this.label} has no power`);
  }

  get daemon(): DaemonProcess {
    return defined(this.#daemon, `${this.label} has no daemon`);
  }

  get namespace(): Namespace {
    return this.host.namespace;
  }

  get runFolder(): string {
    return join(this.#options.folder, "run");
  }

  pod(name: string): Pod {
    return defined(this.pods.get(name), `${this.label} has no pod ${name}`);
  }

  /** Power on; the daemon does not run yet. */
  async boot(): Promise<void> {
    const { machine, label } = this.#options;
    this.#boots += 1;
    this.#host = await Host.start(label, await machine.powerOn(), machine.addresses);
  }

  /** Starts the daemon. `environment` is added to what the machine gives it. */
  launch(environment: Readonly<Record<string, string>> = {}): void {
    const { folder, command, machine } = this.#options;
    this.#daemon = new DaemonProcess({
      folder,
      configurationFile: this.configurationFile,
      environment: { ENID_NODE: process.execPath, ...machine.daemonEnvironment, ...environment },
      command: [programOnPath("ip"), "netns", "exec", this.namespace.name, ...(machine.daemonPrefix ?? []), ...command],
      bootId: `boot-${this.#boots}`,
      extraArguments: machine.daemonArguments,
    });
    this.#daemon.start();
  }

  /** Until it serves, has what it wants, nothing is under way, and what carries pods has its place in the node's routing. */
  settled(): Promise<StatusReport> {
    return this.daemon.until<StatusReport>(
      "/v1/status",
      (status) => {
        const { ready, intents, watermarks, waiting } = status;
        return ready && intents.length === 0 && waiting.length === 0 && watermarks.needed === 0 && isRouted(status);
      },
      READY_LIMIT_MS,
    );
  }

  async add(name: string, as: KnownAs = {}): Promise<Pod> {
    const pod = await makePod(this.#place(), name, as);
    this.pods.set(name, pod);
    return pod;
  }

  async del(name: string): Promise<void> {
    await removePod(this.#place(), this.pod(name));
    this.pods.delete(name);
  }

  /** The machine loses power and comes back: what lies in memory is gone, the disk is not. The daemon does not run yet. */
  async reboot(): Promise<void> {
    await this.#powerOff();
    rmSync(this.runFolder, { recursive: true, force: true });
    await this.boot();
  }

  async close(): Promise<void> {
    await this.#powerOff();
  }

  /** A command of `enid` on the node, with its state; what it prints. */
  enid(...args: readonly string[]): Promise<string> {
    const [program = "", ...before] = this.#options.command;
    const { PATH, ENID_SOCKET } = this.daemon.clientEnvironment;
    const environment = { PATH: PATH ?? "", ENID_SOCKET: ENID_SOCKET ?? "", ENID_NODE: process.execPath };
    const place = ["--state-dir", this.daemon.stateFolder];
    return this.namespace.run(program, [...before, ...args, ...place], { environment });
  }

  /** Attachment and addresses of each lease, for comparing. */
  async leases(): Promise<readonly string[]> {
    return (await this.daemon.leases()).map(leaseText).sort();
  }

  /** The rules of both families, as `ip` shows them, sorted: in which order those of one priority were made is nothing. */
  async rules(): Promise<readonly string[]> {
    const shown = await Promise.all([this.namespace.ip("-4", "rule"), this.namespace.ip("-6", "rule")]);
    const lines = shown.flatMap((text, family) =>
      text
        .trim()
        .split("\n")
        .map((line) => `${family === 0 ? "ipv4" : "ipv6"} ${line.replaceAll(/\s+/g, " ").trim()}`),
    );
    return lines.sort();
  }

  /** All that is there of pods: leases, rules and routes of their addresses, host veths, queued deletions. */
  async traces(addresses: readonly string[]): Promise<readonly string[]> {
    const [leases, rules, routes, links] = await Promise.all([
      this.leases(),
      this.rules(),
      this.#routes(),
      this.namespace.ip("-brief", "link"),
    ]);
    const names = (line: string) => {
      const words = line.split(/[\s/,]+/);
      return addresses.some((address) => words.includes(address));
    };
    return [
      ...leases.map((text) => `lease ${text}`),
      ...rules.filter(names).map((line) => `rule ${line}`),
      ...routes.filter(names).map((line) => `route ${line}`),
      ...links.split("\n").flatMap((line) => (line.startsWith("veth") ? [`link ${line}`] : [])),
      ...this.queued().map((file) => `queued deletion ${file}`),
    ];
  }

  /** Deletions that the daemon has not carried out. */
  queued(): readonly string[] {
    try {
      return readdirSync(join(this.runFolder, "del-queue")).filter((name) => name.endsWith(".json"));
    } catch {
      return [];
    }
  }

  /** Until nothing is left of pods with these addresses. */
  async untilNothingIsLeft(addresses: readonly string[]): Promise<void> {
    await until(
      `nothing is left of pods on ${this.label}`,
      async () => (await this.traces(addresses)).length === 0,
      LEFT_LIMIT_MS,
      async () => `left:\n  ${(await this.traces(addresses)).slice(0, 20).join("\n  ")}`,
    );
  }

  /** Everything that one wants to see when a test failed. */
  async describe(): Promise<string> {
    const shown = async (title: string, look: () => Promise<string>) => {
      const text = await look().catch((error: Error) => `(${error.message})`);
      return `-- ${this.label}: ${title}\n${text.trimEnd()}`;
    };
    const enidStatus = async () => {
      const { stdout, stderr } = await runCli(["status"], this.daemon.clientEnvironment);
      return `${stdout}${stderr}`;
    };
    const parts = await Promise.all([
      shown("ip rule", async () => (await this.rules()).join("\n")),
      shown("ip route show table all, without the table local", async () => {
        return (await this.#routes()).filter((line) => !line.includes(" table local ")).join("\n");
      }),
      shown("ip address", () => this.namespace.ip("-brief", "address")),
      shown("enid status", enidStatus),
      shown("the daemon's log", async () => this.daemon.logTail(30)),
    ]);
    return parts.join("\n");
  }

  async #routes(): Promise<readonly string[]> {
    const shown = await Promise.all([
      this.namespace.ip("-4", "route", "show", "table", "all"),
      this.namespace.ip("-6", "route", "show", "table", "all"),
    ]);
    return shown.flatMap((text) => text.trim().split("\n"));
  }

  async #powerOff(): Promise<void> {
    await this.#daemon?.kill();
    this.#daemon = undefined;
    for (const { host } of this.pods.values()) await host.namespace.remove();
    this.pods.clear();
    await this.#options.machine.powerOff();
    this.#host = undefined;
  }

  #place() {
    return { label: this.label, namespace: this.namespace, socket: join(this.runFolder, "enid.sock") };
  }
}

/** Each interface with addresses of pods has its device and table; true where there are none. */
function isRouted({ interfaces, reach = [] }: StatusReport): boolean {
  const routed = reach.flatMap((report) => (report.kind === "host-routes" ? report.devices : []));
  const done = new Set(routed.flatMap(({ interfaceId, problem }) => (problem === "" ? [interfaceId] : [])));
  return interfaces.every(({ id, counts }) => counts.total === 0 || done.has(id));
}

function leaseText({ attachment, address, ipv6Address }: Lease): string {
  return `${attachment.containerId} ${attachment.interfaceName} ${address} ${ipv6Address ?? ""}`.trimEnd();
}

function defined<Value>(value: Value | undefined, otherwise: string): Value {
  if (value === undefined) throw new Error(otherwise);
  return value;
}
