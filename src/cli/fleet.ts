import type { SettingValues } from "../configuration/index.ts";
import { EnidError } from "../errors.ts";
import { type FleetStore, type RedisOptions, type RedisServerAddress, redisFleetStore } from "../fleet/index.ts";
import { readFleetFiles } from "./fleet-files.ts";

/**
 * The store that the settings name; undefined = no fleet.
 * @throws EnidError ENID_FLEET_FILE.
 */
export async function openFleetStore(values: SettingValues): Promise<FleetStore | undefined> {
  return values.redis.length === 0 ? undefined : redisFleetStore(await redisOptions(values));
}

/** What the settings and their files say of the way to the store. */
export type RedisWay = Omit<RedisOptions, "clock" | "random" | "notice">;

/** @throws EnidError ENID_FLEET_FILE. */
export async function redisOptions(values: SettingValues): Promise<RedisWay> {
  const { password, sentinelPassword, tls } = await readFleetFiles(values);
  return {
    ...redisPlace(values),
    ...(values["redis-username"] === "" ? {} : { username: values["redis-username"] }),
    ...(password === undefined ? {} : { password }),
    ...(sentinelPassword === undefined ? {} : { sentinelPassword }),
    ...(tls === undefined ? {} : { tls }),
  };
}

/** The same as far as no file is needed for it. */
export function redisPlace(values: SettingValues): RedisWay {
  return {
    kind: values["redis-kind"],
    servers: values.redis.map(serverOf),
    masterName: values["redis-master"],
    replicaAcks: values["redis-replica-acks"],
    prefix: `enid:${values["fleet-name"]}:`,
  };
}

/** "host:port", "[IPv6]:port"; without a port 6379. */
export function serverOf(text: string): RedisServerAddress {
  const [, bracketed, plain = "", port = "6379"] = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d+))?$/.exec(text) ?? [];
  const host = bracketed ?? plain;
  if (host === "") throw new EnidError("ENID_INTERNAL", { detail: `${text} is no server of the setting redis` });
  return { host, port: Number(port) };
}
