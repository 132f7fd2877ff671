import { execFileSync, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fastifyFactory, { type FastifyInstance } from "fastify";
import { systemClock } from "../../../src/adapters/index.ts";
import type { EnidError } from "../../../src/errors.ts";
import type { AddAnswer, AddRequest, LeaseService } from "../../../src/handoff/cni/index.ts";
import { cniRoutes, listenOnSocket } from "../../../src/handoff/cni/index.ts";
import type { EnidEvent, Telemetry } from "../../../src/manager/ports/index.ts";
import type { Attachment, Families, Lease, Pod } from "../../../src/pool/index.ts";

const NATIVE = join(import.meta.dirname, "../../../native");

/** Builds the plugin when its source is newer; fails with the command to run when that is not possible. */
export function pluginBinary(): string {
  execFileSync(join(NATIVE, "build.sh"));
  return join(NATIVE, "bin/enid-ipam");
}

/** The variant that ends with exit code 99 on any memory error or undefined behaviour. */
export function sanitizedBinary(): string {
  const output = join(NATIVE, "bin/enid-ipam-sanitized");
  execFileSync(join(NATIVE, "build.sh"), ["--sanitize", output]);
  return output;
}

export interface PluginRun {
  readonly exit: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly durationMs: number;
}

export interface PluginInput {
  readonly environment: Readonly<Record<string, string>>;
  /** `null` leaves standard input open. */
  readonly stdin?: string | Uint8Array | null;
  readonly arguments?: readonly string[];
  readonly signal?: AbortSignal;
}

/** Runs the executable with exactly this environment. */
export function runPlugin(binary: string, input: PluginInput): Promise<PluginRun> {
  return new Promise((resolve, reject) => {
    const startedMs = performance.now();
    const environment = { ASAN_OPTIONS: "exitcode=99", UBSAN_OPTIONS: "exitcode=99", ...input.environment };
    const child = spawn(binary, input.arguments ?? [], {
      env: environment,
      killSignal: "SIGKILL",
      ...(input.signal ? { signal: input.signal } : {}),
    });
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    child.stdout.on("data", (data: Buffer) => stdout.push(data));
    child.stderr.on("data", (data: Buffer) => stderr.push(data));
    child.stdin.on("error", () => {}); // the plugin may end before it has read everything
    child.once("error", reject);
    child.once("close", (exit) => {
      const durationMs = performance.now() - startedMs;
      resolve({
        exit,
        stdout: Buffer.concat(stdout).toString(),
        stderr: Buffer.concat(stderr).toString(),
        durationMs,
      });
    });
    if (input.stdin !== null) child.stdin.end(input.stdin ?? "");
  });
}

export interface CniError {
  readonly cniVersion: string;
  readonly code: number;
  readonly msg: string;
  readonly details: string;
}

/** The error object that the plugin printed. */
export function errorOf(run: PluginRun): CniError {
  if (run.exit !== 1) throw new Error(`exit ${run.exit}, not 1: ${run.stdout}${run.stderr}`);
  return JSON.parse(run.stdout) as CniError;
}

/** What the plugin must print for an error of the catalogue. */
export function expectedError(error: EnidError, code: number, cniVersion = "1.1.0"): CniError {
  return { cniVersion, code, msg: `${error.code}: ${error.message}`, details: error.remedy };
}

export const POD_ARGUMENTS =
  "IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=cart-0;K8S_POD_INFRA_CONTAINER_ID=c0;K8S_POD_UID=u-1";

export function environment(verb: string, more: Readonly<Record<string, string>> = {}): Record<string, string> {
  return {
    CNI_COMMAND: verb,
    CNI_CONTAINERID: "c0",
    CNI_NETNS: "/run/netns/c0",
    CNI_IFNAME: "eth0",
    CNI_ARGS: POD_ARGUMENTS,
    CNI_PATH: "/opt/cni/bin",
    ...more,
  };
}

export function configuration(cniVersion = "1.1.0", more: Readonly<Record<string, unknown>> = {}): string {
  return JSON.stringify({ cniVersion, name: "cilium", type: "cilium-cni", ipam: { type: "enid-ipam" }, ...more });
}

/** Leases 10.0.0.1, 10.0.0.2, ..., 2001:db8::1, 2001:db8::2, ... as `families` says, and records what it was asked. */
export class FakeService implements LeaseService {
  readonly leases = new Map<string, Lease>();
  readonly adds: AddRequest[] = [];
  readonly removed: Attachment[] = [];
  /** The pod of each of `removed`, where the caller stated it. */
  readonly removedPods: (Pod | undefined)[] = [];
  readonly signals: AbortSignal[] = [];
  /** What each GC said. */
  readonly collected: { network: string; valid: readonly Pick<Attachment, "containerId" | "interfaceName">[] }[] = [];
  /** Replaces the answer of ADD. */
  onAdd: ((request: AddRequest, signal?: AbortSignal) => Promise<AddAnswer>) | undefined;
  onRemove: ((attachment: Attachment) => Promise<void>) | undefined;
  onCollect: (() => Promise<void>) | undefined;
  unready: EnidError | undefined;
  limitedBy: EnidError | undefined;
  lostBy: EnidError | undefined;
  nowMs = 1_000;
  families: Families = "ipv4";
  #next = 0;

  async add(request: AddRequest, signal?: AbortSignal): Promise<AddAnswer> {
    this.adds.push(request);
    if (signal !== undefined) this.signals.push(signal);
    if (this.onAdd !== undefined) return this.onAdd(request, signal);
    const known = this.lookup(request.attachment);
    if (known !== undefined) return answerOf(known);
    this.#next += 1;
    const ipv4 = `10.0.${this.#next >> 8}.${this.#next & 255}`;
    const ipv6 = `2001:db8::${this.#next.toString(16)}`;
    const addresses = {
      ipv4: { address: ipv4 },
      ipv6: { address: ipv6 },
      dual: { address: ipv4, ipv6Address: ipv6 },
    }[this.families];
    const { attachment, pod } = request;
    const lease = { attachment, pod, ...addresses, leasedAtMs: this.nowMs };
    this.leases.set(keyOf(request.attachment), lease);
    return answerOf(lease);
  }

  async remove(attachment: Attachment, pod?: Pod): Promise<void> {
    await this.onRemove?.(attachment);
    this.removed.push(attachment);
    this.removedPods.push(pod);
    this.leases.delete(keyOf(attachment));
  }

  async collect(network: string, valid: FakeService["collected"][number]["valid"]): Promise<void> {
    this.collected.push({ network, valid });
    await this.onCollect?.();
  }

  lookup(attachment: Attachment): Lease | undefined {
    return this.leases.get(keyOf(attachment));
  }

  lost(): EnidError | undefined {
    return this.lostBy;
  }

  notReady(): EnidError | undefined {
    return this.unready;
  }

  limited(): EnidError | undefined {
    return this.limitedBy;
  }
}

function answerOf({ address, ipv6Address }: Lease): AddAnswer {
  return { address, ...(ipv6Address === undefined ? {} : { ipv6Address }) };
}

function keyOf(attachment: Attachment): string {
  return `${attachment.network} ${attachment.containerId} ${attachment.interfaceName}`;
}

export class RecordingTelemetry implements Telemetry {
  readonly events: EnidEvent[] = [];
  readonly verbs: { verb: string; outcome: string; durationMs: number }[] = [];

  event(event: EnidEvent): void {
    this.events.push(event);
  }

  cloudCall(): void {}

  served(verb: string, outcome: string, durationMs: number): void {
    this.verbs.push({ verb, outcome, durationMs });
  }
}

export interface Place {
  readonly folder: string;
  readonly socket: string;
  remove(): Promise<void>;
}

/** A folder of its own for a socket; removed at the end of the test. */
export async function makePlace(): Promise<Place> {
  const folder = await mkdtemp(join(tmpdir(), "enid-cni-"));
  return {
    folder,
    socket: join(folder, "enid.sock"),
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}

export interface Daemon {
  readonly service: FakeService;
  readonly telemetry: RecordingTelemetry;
  readonly fastify: FastifyInstance;
  close(): Promise<void>;
}

/** A real server on the real socket with the real routes; only the manager behind them is a fake. */
export async function startDaemon(socket: string): Promise<Daemon> {
  const service = new FakeService();
  const telemetry = new RecordingTelemetry();
  const fastify = fastifyFactory({ forceCloseConnections: true });
  await fastify.register(cniRoutes(service, { telemetry, clock: systemClock }));
  await listenOnSocket(fastify, socket);
  return { service, telemetry, fastify, close: () => fastify.close() };
}

export interface RawServer {
  close(): Promise<void>;
}

/** A server that is not enid: whatever `handler` does with each connection. */
export async function startRawServer(socket: string, handler: (connection: Socket) => void): Promise<RawServer> {
  const open = new Set<Socket>();
  const server: Server = createServer((connection) => {
    open.add(connection);
    connection.on("error", () => {});
    connection.once("close", () => open.delete(connection));
    handler(connection);
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(socket, resolve);
  });
  return {
    close: () =>
      new Promise((resolve) => {
        for (const connection of open) connection.destroy();
        server.close(() => resolve());
      }),
  };
}

/** Calls `read` until it answers something, or fails after `limitMs`. */
export async function until<Value>(read: () => Value | undefined | false, limitMs = 5_000): Promise<Value> {
  const deadlineMs = performance.now() + limitMs;
  for (;;) {
    const value = read();
    if (value !== undefined && value !== false) return value;
    if (performance.now() > deadlineMs) throw new Error(`not so within ${limitMs} ms: ${read.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

/** The bytes that the plugin sent as `text`: undoes the escapes of bytes that are not UTF-8. */
export function bytesOf(text: string): Buffer {
  const parts: Buffer[] = [];
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    parts.push(code >= 0xdc80 && code <= 0xdcff ? Buffer.from([code - 0xdc00]) : Buffer.from(character));
  }
  return Buffer.concat(parts);
}
