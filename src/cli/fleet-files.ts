import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { createSecureContext } from "node:tls";
import { coerceError, EnidError } from "../errors.ts";
import type { RedisTls } from "../fleet/index.ts";

const PASSWORD_LIMIT_BYTES = 1_024;
/** All authorities of a system together are some 220 kB. */
const PEM_LIMIT_BYTES = 1_048_576;

/** What the fleet's files hold; each is undefined where the settings name none. */
export interface FleetFiles {
  readonly password: string | undefined;
  readonly sentinelPassword: string | undefined;
  readonly tls: RedisTls | undefined;
}

export interface FleetFileNames {
  readonly "redis-password-file": string;
  readonly "sentinel-password-file": string;
  readonly "redis-tls": boolean;
  readonly "redis-ca-file": string;
  readonly "redis-certificate-file": string;
  readonly "redis-key-file": string;
}

/** @throws EnidError ENID_FLEET_FILE. What a file holds gets into no message. */
export async function readFleetFiles(names: FleetFileNames): Promise<FleetFiles> {
  return {
    password: await passwordOf(names, "redis-password-file"),
    sentinelPassword: await passwordOf(names, "sentinel-password-file"),
    tls: names["redis-tls"] ? await tlsOf(names) : undefined,
  };
}

type FileSetting = Exclude<keyof FleetFileNames, "redis-tls">;

async function passwordOf(names: FleetFileNames, setting: FileSetting): Promise<string | undefined> {
  const file = names[setting];
  if (file === "") return undefined;
  const text = await read({ file, setting, limitBytes: PASSWORD_LIMIT_BYTES, isSecret: true });
  const password = text.replace(/\r?\n$/, "");
  if (password === "") throw unusable(file, setting, "it is empty");
  if (/[\r\n\0]/.test(password)) throw unusable(file, setting, "it has more than one line");
  return password;
}

async function tlsOf(names: FleetFileNames): Promise<RedisTls> {
  const ca = await pemOf(names, "redis-ca-file", false);
  const certificate = await pemOf(names, "redis-certificate-file", false);
  const key = await pemOf(names, "redis-key-file", true);
  if ((certificate === undefined) !== (key === undefined)) {
    const setting = key === undefined ? "redis-key-file" : "redis-certificate-file";
    throw unusable("(none)", setting, "a certificate and its key go together");
  }
  check({ ca }, names["redis-ca-file"], "redis-ca-file");
  check({ cert: certificate, key }, names["redis-certificate-file"], "redis-certificate-file");
  return {
    ...(ca === undefined ? {} : { ca }),
    ...(certificate === undefined ? {} : { certificate }),
    ...(key === undefined ? {} : { key }),
  };
}

async function pemOf(names: FleetFileNames, setting: FileSetting, isSecret: boolean): Promise<string | undefined> {
  const file = names[setting];
  if (file === "") return undefined;
  const text = await read({ file, setting, limitBytes: PEM_LIMIT_BYTES, isSecret });
  if (!text.includes("-----BEGIN ")) throw unusable(file, setting, "it holds no PEM");
  return text;
}

/** Whether OpenSSL takes it: better now than with each connection. */
function check(
  part: { readonly ca?: string | undefined; readonly cert?: string | undefined; readonly key?: string | undefined },
  file: string,
  setting: FileSetting,
): void {
  try {
    createSecureContext(part);
  } catch (thrown) {
    throw unusable(file, setting, thrown instanceof Error ? thrown.message : String(thrown));
  }
}

interface Wanted {
  readonly file: string;
  readonly setting: FileSetting;
  readonly limitBytes: number;
  readonly isSecret: boolean;
}

async function read({ file, setting, limitBytes, isSecret }: Wanted): Promise<string> {
  try {
    const handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const facts = await handle.stat();
      if (!facts.isFile()) throw unusable(file, setting, "it is not a regular file");
      if (facts.size > limitBytes) throw unusable(file, setting, `it holds more than ${limitBytes} bytes`);
      if (isSecret) checkOwner(file, setting, facts);
      return await handle.readFile("utf8");
    } finally {
      await handle.close();
    }
  } catch (thrown) {
    if (thrown instanceof EnidError) throw thrown;
    const { values, message } = coerceError(thrown);
    throw unusable(file, setting, String(values.detail ?? message));
  }
}

function checkOwner(file: string, setting: FileSetting, facts: { readonly mode: number; readonly uid: number }): void {
  if ((facts.mode & 0o027) !== 0) {
    const octal = (facts.mode & 0o7777).toString(8).padStart(4, "0");
    throw unusable(file, setting, `others may read or change it (mode ${octal}); allowed is 0600 or 0640`);
  }
  const own = process.geteuid?.();
  if (own !== undefined && facts.uid !== own && facts.uid !== 0) {
    throw unusable(file, setting, `it belongs to user ${facts.uid}; allowed are enid's user ${own} and root`);
  }
}

function unusable(file: string, setting: FileSetting, detail: string): EnidError {
  return new EnidError("ENID_FLEET_FILE", { file, setting, detail });
}
