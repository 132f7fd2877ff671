import { readdirSync, readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type RedisServer, startRedis } from "../../support/redis.ts";
import { admin, connect, count, documentedRights, PREFIX, refusal, until } from "./bench.ts";

const FOLDER = new URL("../../../src/fleet/redis/", import.meta.url);

let server: RedisServer;
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());

/** A user of that name; "" as its password is the right one. */
async function user(name: string, rights: readonly string[]) {
  await admin(server).acl("SETUSER", name, "reset", "on", ">secret-of-the-store", ...rights);
  return { host: server.host, port: server.port, username: name, password: "secret-of-the-store" };
}

describe("the user of docs/fleet.md", () => {
  it("may run each command that the scripts call, and what the connection needs", () => {
    const called = new Set(
      readdirSync(FOLDER).flatMap((file) =>
        [...readFileSync(new URL(file, FOLDER), "utf8").matchAll(/redis\.p?call\(\s*["']([A-Za-z]+)/g)].map((match) =>
          match[1]?.toLowerCase(),
        ),
      ),
    );
    expect(called.size).toBeGreaterThan(10);
    const allowed = documentedRights().filter((word) => word.startsWith("+"));
    const connection = ["eval", "evalsha", "wait", "info", "ping"];
    expect(allowed.sort()).toEqual([...new Set([...called, ...connection])].map((name) => `+${name}`).sort());
  });

  it("is enough for steps, and reaches no other keys", async () => {
    const options = await user("enid", [...documentedRights(), "+incr"]);
    expect(await count(connect(options))).toBe(1);
    const elsewhere = await refusal(count(connect({ ...options, prefix: "other:" })));
    expect(elsewhere.code).toBe("ENID_FLEET_FAILED");
    expect(elsewhere.message).toMatch(/refused count: NOPERM|refused probe: NOPERM|No permissions to access a key/i);
    expect(PREFIX).not.toBe("other:");
  });
});

describe("a connection that is turned away", () => {
  it("says so, names no password, and is made once the password is right", async () => {
    const options = await user("late", ["~*", "+@all"]);
    const connections = connect({ ...options, password: "another-secret", limitMs: 300 });
    const error = await refusal(count(connections));
    expect(error.code).toBe("ENID_FLEET_FAILED");
    expect(error.message).toMatch(/refused count: WRONGPASS/);
    expect(`${error.stack} ${JSON.stringify(error)} ${String(error.cause)}`).not.toMatch(/secret/);
    expect(connections.condition().because).toMatch(/^WRONGPASS/);
    connections.exchange({ prefix: PREFIX, ...options });
    await until("connected", () => connections.condition().connected);
  });

  it("goes on trying, and is let in once the server knows the user", async () => {
    const connections = connect({
      host: server.host,
      port: server.port,
      username: "new",
      password: "secret",
      limitMs: 300,
    });
    expect((await refusal(count(connections))).message).toMatch(/WRONGPASS/);
    await admin(server).acl("SETUSER", "new", "on", ">secret", "~*", "+@all");
    await until("connected", () => connections.condition().connected);
  });

  it("names the step for which a right is missing", async () => {
    const options = await user("weak", ["~*", "+@all", "-incr"]);
    const notices: string[] = [];
    const connections = connect({ ...options, notice: (message) => notices.push(message) });
    const error = await refusal(count(connections));
    expect(error.code).toBe("ENID_FLEET_FAILED");
    expect(error.message).toMatch(/refused count: .*(can't run this command|NOPERM)/);
    expect(notices).toEqual([error.message]);
    expect(connections.condition().connected).toBe(true);
  });
});
