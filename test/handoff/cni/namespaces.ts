import { type ChildProcess, execFile, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { promisify } from "node:util";

const execute = promisify(execFile);

/** Longest that one command of a test may take. */
const LIMIT_MS = 20_000;

export interface Ended {
  readonly exit: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Network namespaces of one test file, with names that no other run has. */
export class Namespaces {
  readonly #suffix = `${process.pid}-${randomBytes(3).toString("hex")}`;
  readonly #made: string[] = [];
  readonly #children: ChildProcess[] = [];

  /** Makes a namespace with loopback up and without duplicate address detection, which takes a second per address. */
  async make(role: string): Promise<string> {
    const name = `enid-${role}-${this.#suffix}`;
    await execute("ip", ["netns", "add", name]);
    this.#made.push(name);
    await this.ip(name, "link", "set", "lo", "up");
    for (const scope of ["all", "default"]) {
      await this.run(name, "tee", [`/proc/sys/net/ipv6/conf/${scope}/accept_dad`], { input: "0" });
    }
    return name;
  }

  /** A veth pair between two namespaces, both ends up with their addresses. */
  async join(left: Side, right: Side): Promise<void> {
    const peer = ["type", "veth", "peer", "name", right.device, "netns", right.namespace];
    await execute("ip", ["link", "add", left.device, "netns", left.namespace, ...peer]);
    for (const { namespace, device, addresses } of [left, right]) {
      for (const address of addresses) await this.ip(namespace, "addr", "add", address, "dev", device, "nodad");
      await this.ip(namespace, "link", "set", device, "up");
    }
  }

  async ip(namespace: string, ...parameters: readonly string[]): Promise<string> {
    return (await execute("ip", ["-n", namespace, ...parameters], { timeout: LIMIT_MS })).stdout;
  }

  /** Runs a program in the namespace; rejects unless it succeeds. */
  async in(namespace: string, program: string, ...parameters: readonly string[]): Promise<string> {
    const ended = await this.run(namespace, program, parameters);
    if (ended.exit === 0) return ended.stdout;
    throw new Error(`${program} ${parameters.join(" ")} ended with ${ended.exit}: ${ended.stdout}${ended.stderr}`);
  }

  /** Runs a program in the namespace with this environment and input, and says how it ended. */
  run(
    namespace: string,
    program: string,
    parameters: readonly string[],
    { environment, input = "" }: { environment?: Readonly<Record<string, string>>; input?: string } = {},
  ): Promise<Ended> {
    return new Promise((resolve, reject) => {
      const child = spawn("ip", ["netns", "exec", namespace, program, ...parameters], {
        env: { PATH: process.env.PATH, ...environment },
        timeout: LIMIT_MS,
        killSignal: "SIGKILL",
      });
      const [stdout, stderr]: [Buffer[], Buffer[]] = [[], []];
      child.stdout.on("data", (data: Buffer) => stdout.push(data));
      child.stderr.on("data", (data: Buffer) => stderr.push(data));
      child.stdin.on("error", () => {});
      child.once("error", reject);
      child.once("close", (exit) =>
        resolve({ exit, stdout: Buffer.concat(stdout).toString(), stderr: Buffer.concat(stderr).toString() }),
      );
      child.stdin.end(input);
    });
  }

  /** One packet there and back. */
  async ping(from: string, to: string): Promise<void> {
    await this.in(from, "ping", "-n", "-c", "1", "-W", "5", to);
  }

  /** A TCP server on all addresses of the namespace that says `greeting` to whoever comes; resolves once it listens. */
  async serve(namespace: string, port: number, greeting: string): Promise<void> {
    const server = spawn("ip", ["netns", "exec", namespace, process.execPath, "-e", SERVER, String(port), greeting]);
    this.#children.push(server);
    await new Promise<void>((resolve, reject) => {
      server.stdout.once("data", () => resolve());
      server.once("exit", (code) => reject(new Error(`the TCP server ended with ${code}`)));
    });
  }

  /** What a TCP server says. */
  hear(from: string, address: string, port: number): Promise<string> {
    return this.in(from, process.execPath, "-e", CLIENT, address, String(port));
  }

  async remove(name: string): Promise<void> {
    await execute("ip", ["netns", "delete", name]);
    this.#made.splice(this.#made.indexOf(name), 1);
  }

  async removeAll(): Promise<void> {
    for (const child of this.#children.splice(0)) child.kill("SIGKILL");
    for (const name of this.#made.splice(0)) await execute("ip", ["netns", "delete", name]).catch(() => {});
  }
}

export interface Side {
  readonly namespace: string;
  readonly device: string;
  /** With prefix lengths. */
  readonly addresses: readonly string[];
}

const SERVER = `
const [port, greeting] = process.argv.slice(1);
require("node:net").createServer((socket) => socket.end(greeting)).listen(Number(port), "::", () => console.log("up"));
`;
const CLIENT = `
const [host, port] = process.argv.slice(1);
const socket = require("node:net").connect({ host, port: Number(port), timeout: 5000 });
socket.on("timeout", () => socket.destroy(new Error("no answer in time")));
socket.pipe(process.stdout);
`;
