import { readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { isOld } from "../../../src/fleet/redis/version.ts";
import { makeCertificates } from "../../support/certificates.ts";
import { freePort, type RedisServer, startRedis } from "../../support/redis.ts";
import { admin, COUNT, connect, count, inStep, refusal, until } from "./bench.ts";

let server: RedisServer;

beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());
beforeEach(async () => {
  await admin(server).flushall();
});

const place = () => ({ host: server.host, port: server.port });

describe("a connection", () => {
  it("is made in the background, and what is asked meanwhile waits for it", async () => {
    const connections = connect(place());
    expect(connections.condition()).toMatchObject({ connected: false, because: "not connected yet" });
    expect(await Promise.all([count(connections), count(connections)])).toEqual([1, 2]);
    expect(connections.condition()).toMatchObject({ connected: true, because: "" });
  });

  it("comes without anything being asked, and tells that its condition changed", async () => {
    const connections = connect(place());
    await new Promise<void>((resolve) => connections.watch(resolve));
    expect(connections.condition().connected).toBe(true);
  });

  it("goes on with a server that forgot its scripts", async () => {
    const connections = connect(place());
    await count(connections);
    await admin(server).script("FLUSH");
    expect(await count(connections)).toBe(2);
  });

  it("ends unnoticed when another follows at once", async () => {
    const connections = connect(place());
    await count(connections);
    await admin(server).call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
    await until("a count", () => count(connections).then(isTrue, () => false));
  });

  it("is refused at once by a port where nobody listens, after the time in which one might come", async () => {
    const connections = connect({ host: "127.0.0.1", port: await freePort(), limitMs: 100 });
    const first = await refusal(count(connections));
    expect(first.code).toBe("ENID_FLEET_AWAY");
    expect(first.message).toMatch(/no connection to 127\.0\.0\.1:\d+: connect ECONNREFUSED/);
    expect((await refusal(count(connections))).code).toBe("ENID_FLEET_AWAY");
    expect(connections.condition().because).toMatch(/ECONNREFUSED/);
  });

  it("gives up a server that hangs, and finds it again", async () => {
    const connections = connect({ ...place(), limitMs: 800 });
    await count(connections);
    server.hang(true);
    try {
      const late = await refusal(count(connections));
      expect(late).toMatchObject({ code: "ENID_FLEET_AWAY", values: { detail: "no answer within 800 ms" } });
      expect(connections.condition()).toMatchObject({ connected: false, because: "no answer within 800 ms" });
      // Nothing waits for it any more.
      expect((await refusal(count(connections))).values.detail).toMatch(/^no connection to/);
    } finally {
      server.hang(false);
    }
    await until("connected", () => connections.condition().connected);
    // The step whose answer never came was carried out all the same, when the server went on.
    expect(await count(connections)).toBe(3);
  });

  it("cannot be used once it is closed, and what waits ends", async () => {
    const connections = connect({ host: "127.0.0.1", port: await freePort() });
    const waiting = refusal(count(connections));
    connections.close();
    expect((await waiting).code).toBe("ENID_FLEET_AWAY");
    expect((await refusal(count(connections))).code).toBe("ENID_FLEET_AWAY");
  });

  it("is exchanged for one to another server and another fleet", async () => {
    const connections = connect({ host: "127.0.0.1", port: await freePort(), limitMs: 100 });
    await refusal(count(connections));
    connections.exchange({ ...place(), prefix: "enid:other:" });
    expect(await count(connections)).toBe(1);
    expect(await admin(server).get("enid:other:{a}:count")).toBe("1");
  });

  it("says why it is not even tried", async () => {
    const connections = connect({ ...place(), obstacle: "the password file is empty" });
    expect((await refusal(count(connections))).values.detail).toBe("the password file is empty");
    expect(connections.condition()).toMatchObject({ connected: false, because: "the password file is empty" });
  });

  it("names the script that is refused, once to the operator, and stays connected", async () => {
    const notices: string[] = [];
    const connections = connect({ ...place(), notice: (message) => notices.push(message) });
    const broken = { name: "broken", lua: 'return redis.call("HGET", KEYS[1])' };
    for (const _ of [1, 2]) {
      const error = await refusal(connections.run(broken, ["{a}:x"], []));
      expect(error.code).toBe("ENID_FLEET_FAILED");
      expect(error.message).toMatch(/refused broken: .*[Ww]rong number of args/);
    }
    expect(notices).toHaveLength(1);
    expect(connections.condition().connected).toBe(true);
  });
});

const isTrue = () => true;

describe("a server that restarts", () => {
  it.each([
    ["with what it wrote to its disk", true, 2],
    ["with nothing", false, 1],
  ])("%s", async (_, keepsData, next) => {
    const own = await startRedis(["--appendonly", "yes", "--appendfsync", "always"]);
    onTestFinished(() => own.stop());
    const connections = connect({ host: own.host, port: own.port, limitMs: 800 });
    await count(connections);
    await own.kill();
    await until("away", () => !connections.condition().connected);
    expect((await refusal(count(connections))).code).toBe("ENID_FLEET_AWAY");
    if (!keepsData) {
      for (const name of readdirSync(own.folder)) rmSync(join(own.folder, name), { recursive: true, force: true });
    }
    await own.restart();
    await until("connected", () => connections.condition().connected);
    expect(await count(connections)).toBe(next);
  });
});

describe("replicas", () => {
  let master: RedisServer;
  let replica: RedisServer;
  beforeAll(async () => {
    master = await startRedis(["--repl-diskless-sync-delay", "0"]);
    replica = await startRedis(["--replicaof", `127.0.0.1 ${master.port}`]);
    await inStep(replica);
  });
  afterAll(async () => {
    await replica.stop();
    await master.stop();
  });
  const acked = { ...COUNT, acks: true };
  const toMaster = () => ({ host: master.host, port: master.port, replicaAcks: 1 });

  it("have what a step wrote that waits for them", async () => {
    const connections = connect({ ...toMaster(), limitMs: 10_000 });
    for (let times = 1; times <= 20; times++) {
      expect(await connections.run(acked, ["{a}:acked"], [])).toBe(times);
      expect(await admin(replica).get("enid:test:{a}:acked")).toBe(String(times));
    }
  });

  it("that hang fail such a step, and no other", async () => {
    const connections = connect({ ...toMaster(), limitMs: 1_000 });
    await count(connections);
    replica.hang(true);
    try {
      const error = await refusal(connections.run(acked, ["{a}:late"], []));
      expect(error).toMatchObject({
        code: "ENID_FLEET_AWAY",
        values: { detail: "0 of 1 replicas had the change within 500 ms" },
      });
      const [, plain] = await Promise.all([refusal(connections.run(acked, ["{a}:late"], [])), count(connections)]);
      expect(plain).toBe(2);
      expect(connections.condition().connected).toBe(true);
    } finally {
      replica.hang(false);
    }
    await until("acks again", () => connections.run(acked, ["{a}:late"], []).then(isTrue, () => false));
  });

  it("do not serve writes before they are promoted", async () => {
    const connections = connect({ host: replica.host, port: replica.port });
    const error = await refusal(count(connections));
    expect(error.code).toBe("ENID_FLEET_AWAY");
    expect(error.message).toMatch(/READONLY/);
    await admin(replica).replicaof("NO", "ONE");
    await until("a write", () => count(connections, "{a}:promoted").then(isTrue, () => false));
    await admin(replica).replicaof("127.0.0.1", master.port);
  });
});

describe("TLS", () => {
  let own: RedisServer;
  let files: ReturnType<typeof makeCertificates>;
  let port: number;
  beforeAll(async () => {
    files = makeCertificates(server.folder);
    port = await freePort();
    const { certificate, key } = files.server;
    own = await startRedis([
      ...["--tls-port", String(port), "--tls-ca-cert-file", files.ca],
      ...["--tls-cert-file", certificate, "--tls-key-file", key, "--tls-auth-clients", "optional"],
    ]);
  });
  afterAll(() => own.stop());
  const pem = (file: string) => readFileSync(file, "utf8");

  it("is spoken with a server whose certificate the named authority signed", async () => {
    expect(await count(connect({ host: "127.0.0.1", port, tls: { ca: pem(files.ca) } }))).toBe(1);
    expect(await count(connect({ host: "localhost", port, tls: { ca: pem(files.ca) } }))).toBe(2);
  });

  it("is refused with one that another authority signed, and the reason is told", async () => {
    const connections = connect({ host: "127.0.0.1", port, tls: {}, limitMs: 300 });
    const error = await refusal(count(connections));
    expect(error.code).toBe("ENID_FLEET_AWAY");
    expect(error.message).toMatch(/self-signed certificate|unable to (verify|get)/);
  });

  it("asks the node for its certificate, too", async () => {
    await admin(own).config("SET", "tls-auth-clients", "yes");
    const anonymous = connect({ host: "127.0.0.1", port, tls: { ca: pem(files.ca) }, limitMs: 300 });
    expect((await refusal(count(anonymous))).code).toBe("ENID_FLEET_AWAY");
    const { certificate, key } = files.client;
    const tls = { ca: pem(files.ca), certificate: pem(certificate), key: pem(key) };
    expect(await count(connect({ host: "127.0.0.1", port, tls }))).toBeGreaterThan(0);
  });

  it("is not tried by a server without it, nor without it by one that has it", async () => {
    const limits = { limitMs: 300 };
    expect((await refusal(count(connect({ ...place(), tls: {}, ...limits })))).code).toBe("ENID_FLEET_AWAY");
    expect((await refusal(count(connect({ host: "127.0.0.1", port, ...limits })))).code).toBe("ENID_FLEET_AWAY");
  });
});

describe("versions", () => {
  it.each([
    [5, 0, true],
    [6, 0, true],
    [6, 2, false],
    [7, 0, false],
    [8, 1, false],
  ])("%i.%i", (major, minor, old) => expect(isOld(major, minor)).toBe(old));
});
