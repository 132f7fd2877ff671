import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Redis } from "ioredis";
import { describe, expect, it, onTestFinished } from "vitest";
import { labPods } from "../../../scripts/lab/plugin.ts";
import { nodeLab } from "../../daemon/node-lab.ts";
import { freePort, type RedisServer, startRedis } from "../../support/redis.ts";

const names = ({ degraded }: { readonly degraded: readonly { readonly name: string }[] }) =>
  degraded.map(({ name }) => name);

async function withRights({ host, port }: RedisServer, password: string): Promise<void> {
  const redis = new Redis({ host, port });
  await redis.acl("SETUSER", "default", "resetpass", `>${password}`);
  redis.disconnect();
}

describe("a real daemon of a fleet", () => {
  it("goes on without its store, says so, and is back with it", async () => {
    const redis = await startRedis();
    onTestFinished(() => redis.stop());
    const server = `${redis.host}:${redis.port}`;
    const lab = await nodeLab({ instanceType: "m5.large", fleet: { "fleet-name": "lab", redis: [server] } });
    await lab.start();
    const there = await lab.until(({ fleet }) => fleet?.connected === true);
    expect(there.fleet).toMatchObject({ name: "lab", servers: [server], because: "" });
    expect(names(there)).not.toContain("fleet-away");

    await redis.kill();
    const [before, ...others] = labPods(3);
    const answers = await lab.burst("ADD", others);
    expect(answers.flatMap(({ error }) => error ?? [])).toEqual([]);
    const away = await lab.until((status) => names(status).includes("fleet-away"));
    const told = away.degraded.find(({ name }) => name === "fleet-away");
    expect(told?.error).toMatchObject({ code: "ENID_FLEET_AWAY", message: expect.stringMatching(/ECONNREFUSED/) });
    expect(away.fleet).toMatchObject({ connected: false, because: expect.stringMatching(/ECONNREFUSED/) });
    if (before === undefined) throw new Error("no pod");
    expect((await lab.plugin("ADD", before)).error).toBeUndefined();

    await redis.restart();
    const back = await lab.until((status) => status.fleet?.connected === true && !names(status).includes("fleet-away"));
    expect(back.pool.leased).toBe(3);

    redis.hang(true);
    // A store that hangs keeps nothing waiting at the end either.
    expect(await lab.daemon.stop()).toBe(0);
  }, 60_000);

  it("starts while nobody listens and a file is missing, and takes up other servers while it runs", async () => {
    const redis = await startRedis();
    onTestFinished(() => redis.stop());
    await withRights(redis, "of-the-lab");
    const lab = await nodeLab({
      instanceType: "m5.large",
      fleet: { redis: [`127.0.0.1:${await freePort()}`], "redis-password-file": "/nonexistent/password" },
    });
    const file = join(lab.configurationFile, "..", "redis.password");
    await lab.start();
    const away = await lab.until((status) => names(status).includes("fleet-away"));
    expect(away.fleet?.because).toMatch(/\/nonexistent\/password of redis-password-file cannot be used/);

    writeFileSync(file, "of-the-lab\n", { mode: 0o600 });
    await lab.enid("set", `redis=["${redis.host}:${redis.port}"]`);
    await lab.enid("set", `redis-password-file=${file}`);
    const there = await lab.until(({ fleet }) => fleet?.connected === true);
    expect(there.fleet?.servers).toEqual([`${redis.host}:${redis.port}`]);

    await lab.enid("set", "fleet-name=another");
    const waits = await lab.until((status) => names(status).includes("fleet-settings-wait"));
    expect(waits.fleet).toMatchObject({ name: "default", connected: true });
    await lab.enid("unset", "fleet-name");
    await lab.until((status) => !names(status).includes("fleet-settings-wait"));
    rmSync(file);
  }, 60_000);
});
