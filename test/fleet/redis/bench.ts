import { readFileSync } from "node:fs";
import { Redis } from "ioredis";
import { onTestFinished } from "vitest";
import { EnidError } from "../../../src/errors.ts";
import type { RedisOptions, Script } from "../../../src/fleet/redis/index.ts";
import { Connections } from "../../../src/fleet/redis/runner.ts";
import type { RedisServer } from "../../support/redis.ts";

/** Counts, so that it shows whether it was carried out; a write, so that it needs a master. */
export const COUNT: Script = { name: "count", lua: 'return cjson.encode(redis.call("INCR", KEYS[1]))' };

export const PREFIX = "enid:test:";

/** A connection of the test, closed at its end. */
export function connect(options: Partial<RedisOptions>): Connections {
  const connections = new Connections({ prefix: PREFIX, ...options });
  onTestFinished(() => connections.close());
  return connections;
}

export function count(connections: Connections, key = "{a}:count"): Promise<unknown> {
  return connections.run(COUNT, [key], []);
}

/** What the step was refused with. */
export async function refusal(step: Promise<unknown>): Promise<EnidError> {
  try {
    const answer = await step;
    throw new Error(`the step was carried out: ${JSON.stringify(answer)}`);
  } catch (thrown) {
    if (thrown instanceof EnidError) return thrown;
    throw thrown;
  }
}

/** Waits until `is` says so; 20 s at most. */
export async function until(what: string, is: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 1_000; tries++) {
    if (await is()) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`not within 20 s: ${what}`);
}

/** A client with all rights, disconnected at the end of the test. */
export function admin({ host, port }: Pick<RedisServer, "host" | "port">): Redis {
  const redis = new Redis({ host, port, maxRetriesPerRequest: 3 });
  redis.on("error", () => {});
  onTestFinished(() => redis.disconnect());
  return redis;
}

/** Waits until a replica has all that its master had. */
export async function inStep({ host, port }: Pick<RedisServer, "host" | "port">): Promise<void> {
  const redis = new Redis({ host, port });
  await until("a replica in step", async () => /master_link_status:up/.test(await redis.info("replication")));
  redis.disconnect();
}

/** The rights that docs/fleet.md gives the user `enid`, without its password, as arguments of ACL SETUSER. */
export function documentedRights(prefix = PREFIX): string[] {
  const text = readFileSync(new URL("../../../docs/fleet.md", import.meta.url), "utf8");
  const rule = /^user enid on >\S+ ((?:.*\\\n)*.*)$/m.exec(text)?.[1];
  if (rule === undefined) throw new Error("docs/fleet.md has no line that begins with: user enid on >");
  return rule
    .replaceAll("\\\n", " ")
    .split(/\s+/)
    .filter((word) => word !== "")
    .map((word) => (word.startsWith("~") ? `~${prefix}*` : word));
}
