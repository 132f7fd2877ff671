import { chmodSync, chownSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { redisOptions, serverOf } from "../../src/cli/fleet.ts";
import { defaultSettings } from "../../src/configuration/index.ts";
import { EnidError } from "../../src/errors.ts";
import { type Certificates, makeCertificates } from "../support/certificates.ts";
import { describeAsRoot } from "../support/root.ts";

let folder: string;
let files: Certificates;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "enid-files-"));
  files = makeCertificates(folder);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const settings = (changes: object) => ({ ...defaultSettings, redis: ["redis:6379"], ...changes });

function secret(text: string, mode = 0o600): string {
  const file = join(folder, "password");
  rmSync(file, { force: true });
  writeFileSync(file, text);
  chmodSync(file, mode);
  return file;
}

async function refusal(changes: object): Promise<string> {
  const error = await redisOptions(settings(changes)).then(
    () => undefined,
    (thrown) => thrown,
  );
  expect(error).toBeInstanceOf(EnidError);
  expect(error.code).toBe("ENID_FLEET_FILE");
  expect(error.message).not.toContain("hunter2");
  return error.message;
}

describe("the way to the fleet's store", () => {
  it("is made of the settings", async () => {
    const values = settings({
      "fleet-name": "prod-1",
      redis: ["a.internal:26379", "[2001:db8::1]:26380"],
      "redis-kind": "sentinel",
      "redis-master": "enid",
      "redis-username": "node",
      "redis-password-file": secret("hunter2 with spaces \n"),
      "redis-replica-acks": 1,
    });
    expect(await redisOptions(values)).toEqual({
      kind: "sentinel",
      servers: [
        { host: "a.internal", port: 26379 },
        { host: "2001:db8::1", port: 26380 },
      ],
      masterName: "enid",
      username: "node",
      password: "hunter2 with spaces ",
      replicaAcks: 1,
      prefix: "enid:prod-1:",
    });
    expect(serverOf("redis:1")).toEqual({ host: "redis", port: 1 });
  });

  it.each([
    ["an empty file", "\n", 0o600, /it is empty/],
    ["two lines", "hunter2\nhunter2\n", 0o600, /more than one line/],
    ["a file that all may read", "hunter2", 0o604, /mode 0604/],
    ["a file that the group may change", "hunter2", 0o620, /mode 0620/],
    ["a large file", "hunter2".repeat(1_000), 0o600, /more than 1024 bytes/],
  ])("takes no password of %s", async (_, text, mode, why) => {
    const message = await refusal({ "redis-password-file": secret(text, mode) });
    expect(message).toMatch(why);
    expect(message).toContain("redis-password-file");
  });

  it("takes the password of a file that its group may read, and none of a file that is not there", async () => {
    const file = secret("hunter2", 0o640);
    expect(await redisOptions(settings({ "sentinel-password-file": file }))).toMatchObject({
      sentinelPassword: "hunter2",
    });
    expect(await refusal({ "redis-password-file": join(folder, "none") })).toMatch(/ENOENT|no such file/i);
    expect(await refusal({ "redis-password-file": folder })).toMatch(/not a regular file/);
  });

  describeAsRoot("a file of another user", () => {
    it("is not taken", async () => {
      const file = secret("hunter2");
      chownSync(file, 12_345, 0);
      expect(await refusal({ "redis-password-file": file })).toMatch(/belongs to user 12345/);
    });
  });

  it("reads certificates and their key, and refuses what OpenSSL would", async () => {
    chmodSync(files.client.key, 0o600);
    const tls = {
      "redis-tls": true,
      "redis-ca-file": files.ca,
      "redis-certificate-file": files.client.certificate,
      "redis-key-file": files.client.key,
    };
    const pem = (file: string) => readFileSync(file, "utf8");
    expect(await redisOptions(settings(tls))).toMatchObject({
      tls: { ca: pem(files.ca), certificate: pem(files.client.certificate), key: pem(files.client.key) },
    });
    expect(await redisOptions(settings({ "redis-tls": true }))).toMatchObject({ tls: {} });
    chmodSync(files.server.key, 0o600);
    expect(await refusal({ ...tls, "redis-key-file": files.server.key })).toMatch(/key values mismatch/i);
    expect(await refusal({ ...tls, "redis-ca-file": secret("no certificate") })).toMatch(/no PEM/);
    chmodSync(files.client.key, 0o644);
    expect(await refusal(tls)).toMatch(/redis-key-file .*mode 0644/);
  });
});
