import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";

/** A real Redis on loopback, on a free port, with a folder of its own. */
export interface RedisServer {
  readonly host: string;
  readonly port: number;
  readonly folder: string;
  /** SIGKILL; the data on disk stays. */
  kill(): Promise<void>;
  /** The same server again, on the same port and folder. */
  restart(): Promise<void>;
  /** SIGSTOP or SIGCONT: it hangs, with its connections open. */
  hang(hangs: boolean): void;
  /** Ends it and removes its folder. */
  stop(): Promise<void>;
}

/** `config`: further lines of redis.conf, as arguments ("--appendonly", "yes"). By default nothing is written to disk. */
export async function startRedis(config: readonly string[] = []): Promise<RedisServer> {
  const folder = mkdtempSync(join(tmpdir(), "enid-redis-"));
  const port = await freePort();
  const args = ["--port", String(port), "--bind", "127.0.0.1", "--dir", folder, "--save", "", ...config];
  let child: ChildProcess;
  const start = async () => {
    child = spawn("redis-server", args, { stdio: "ignore" });
    await answers(port);
  };
  const end = (signal: NodeJS.Signals) =>
    new Promise<void>((resolve) => {
      if (child.exitCode !== null || child.signalCode !== null) return resolve();
      child.once("exit", () => resolve());
      child.kill("SIGCONT");
      child.kill(signal);
    });
  await start();
  return {
    host: "127.0.0.1",
    port,
    folder,
    kill: () => end("SIGKILL"),
    restart: start,
    hang: (hangs) => void child.kill(hangs ? "SIGSTOP" : "SIGCONT"),
    async stop() {
      await end("SIGKILL");
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
    });
  });
}

/** Waits until it takes commands. A server that wants a password or TLS says so, which is an answer too. */
async function answers(port: number): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    const client = new Redis({ host: "127.0.0.1", port, lazyConnect: true, retryStrategy: null, connectTimeout: 500 });
    client.on("error", () => {});
    try {
      await client.connect();
      if ((await client.ping()) === "PONG") return;
    } catch (error) {
      if (/NOAUTH|WRONGPASS/.test(String(error))) return;
    } finally {
      client.disconnect();
    }
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error(`redis-server on port ${port} does not answer`);
}
