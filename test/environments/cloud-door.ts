import { connect, createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { pipeline, Transform } from "node:stream";
import type { RunningSimulator } from "../../src/simulator/index.ts";
import type { Namespace } from "./namespace.ts";

const RELAY = join(import.meta.dirname, "relay.ts");

/** What makes a program of a node that instance. */
export type CloudEnvironment = Readonly<Record<string, string>>;

export interface CloudDoor {
  environment(instanceId: string): CloudEnvironment;
  close(): Promise<void>;
}

/**
 * Opens the simulated cloud, which listens on loopback, to the nodes: at `address` of the namespace, with the ports that it
 * has. Before an answer leaves, `settled` is awaited: what EC2 says is so has become so in the network.
 */
export async function openCloud(
  simulator: RunningSimulator,
  instanceIds: readonly string[],
  place: { readonly namespace: Namespace; readonly address: string; readonly folder: string },
  settled: () => Promise<void>,
): Promise<CloudDoor> {
  const urls = [simulator.endpoint, ...instanceIds.map((id) => simulator.metadataEndpoint(id))];
  const ports = urls.map((url) => Number(new URL(url).port));
  const doors = await Promise.all(ports.map((port) => openDoor(port, join(place.folder, `${port}.sock`), settled)));
  const ways = ports.map((port) => `${port}=${join(place.folder, `${port}.sock`)}`);
  const relay = place.namespace.spawn(
    process.execPath,
    ["--disable-warning=ExperimentalWarning", RELAY, place.address, ...ways],
    {
      stdio: ["pipe", "pipe", "inherit"],
    },
  );
  await new Promise<void>((resolve, reject) => {
    const late = setTimeout(() => reject(new Error("the relay to the cloud did not listen within 20 s")), 20_000);
    relay.stdout?.once("data", () => resolve());
    relay.once("exit", (code) => reject(new Error(`the relay to the cloud ended with ${code}`)));
    relay.stdout?.once("data", () => clearTimeout(late));
  });
  const seen = (value: string) =>
    value.startsWith("http://127.0.0.1:") ? value.replace("127.0.0.1", place.address) : value;
  return {
    environment: (instanceId) =>
      Object.fromEntries(Object.entries(simulator.environment(instanceId)).map(([name, value]) => [name, seen(value)])),
    close: async () => {
      relay.removeAllListeners("exit");
      relay.kill("SIGKILL");
      await Promise.all(doors.map((door) => door.close()));
    },
  };
}

async function openDoor(port: number, path: string, settled: () => Promise<void>) {
  const open = new Set<Socket>();
  const server: Server = createServer({ allowHalfOpen: true }, (client) => {
    const cloud = connect({ host: "127.0.0.1", port, allowHalfOpen: true });
    for (const socket of [client, cloud]) {
      open.add(socket);
      socket.once("close", () => open.delete(socket));
    }
    const whenSettled = new Transform({
      transform: (part, _encoding, done) => {
        settled().then(() => done(undefined, part), done);
      },
    });
    pipeline(client, cloud, () => {});
    pipeline(cloud, whenSettled, client, () => {});
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(path, resolve);
  });
  return {
    close: () =>
      new Promise<void>((resolve) => {
        for (const socket of open) socket.destroy();
        server.close(() => resolve());
      }),
  };
}
