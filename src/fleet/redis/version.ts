import type { Cluster, Redis } from "ioredis";

/** Tells `notice` when the server is older than Redis 6.2. Valkey began with 7.2 and says so beside its redis_version. */
export async function tellIfOld(redis: Redis | Cluster, notice: ((message: string) => void) | undefined) {
  if (notice === undefined) return;
  try {
    const version = /^redis_version:(\d+)\.(\d+)\S*/m.exec(await redis.info("server"));
    if (version !== null && isOld(Number(version[1]), Number(version[2]))) {
      notice(`the server is ${version[0].replace("redis_version:", "Redis ")}; enid needs 6.2 or newer, or Valkey`);
    }
  } catch {
    // It will be asked again with the next connection; steps say themselves what the server cannot do.
  }
}

export function isOld(major: number, minor: number): boolean {
  return major < 6 || (major === 6 && minor < 2);
}
