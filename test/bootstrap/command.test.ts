import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { temporaryFolder } from "../cli/fake-daemon.ts";
import { callEnid } from "../cli/run-enid.ts";
import { CONFLIST, VALUES } from "./release.ts";

const SHA256 = VALUES.ARTIFACT_SHA256;
const RELEASE = ["--artifact", VALUES.ARTIFACT_S3, "--sha256", SHA256, "--region", VALUES.REGION];

async function configuration(change: (plugin: Record<string, unknown>) => void = () => {}): Promise<string> {
  const file = join(await temporaryFolder(), "05-enid.conflist");
  const document = JSON.parse(CONFLIST);
  change(document.plugins[0]);
  writeFileSync(file, JSON.stringify(document));
  return file;
}

describe("enid user-data", () => {
  it("prints the user data, with the configuration as it is", async () => {
    const config = await configuration();
    const { code, stdout, stderr } = await callEnid([
      "user-data",
      "--os",
      "al2023-managed",
      "--config",
      config,
      "--max-pods",
      "58",
      ...RELEASE,
    ]);
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toMatch(/^MIME-Version: 1\.0\n/);
    const [, coded = ""] = /^conflist='(.*)'$/m.exec(stdout) ?? [];
    expect(JSON.parse(Buffer.from(coded, "base64").toString())).toEqual(JSON.parse(CONFLIST));
    expect(stdout).toContain(`sha256='${SHA256}'`);
  });

  it.each([
    { args: ["--os", "al2023", ...RELEASE], says: "--cluster is missing" },
    { args: ["--os", "al2023-managed", ...RELEASE, "--cluster", "a"], says: "--cluster has no place" },
    { args: ["--os", "bottlerocket-managed"], says: "--image is missing" },
    { args: ["--os", "bottlerocket-managed", "--image", "a:1", ...RELEASE], says: "--artifact has no place" },
    { args: ["--os", "ubuntu", ...RELEASE, "--cluster", "a"], says: "--api-endpoint is missing" },
    { args: ["--os", "al2023-managed", ...RELEASE, "--redis-secret", "a"], says: "redis-password-file" },
  ])("says $says", async ({ args, says }) => {
    const config = await configuration();
    const { code, stderr } = await callEnid(["user-data", "--config", config, "--max-pods", "58", ...args]);
    expect(code).toBe(2);
    expect(stderr).toContain(says);
  });

  it("refuses a configuration that is not valid, and one with a secret", async () => {
    const invalid = await configuration((plugin) => {
      plugin.ipam = { type: "enid-ipam", "min-allocate": -1 };
    });
    const args = ["user-data", "--os", "al2023-managed", "--max-pods", "58", ...RELEASE, "--config"];
    expect((await callEnid([...args, invalid])).code).toBe(3);
    const leaky = await configuration((plugin) => {
      plugin.args = { password: "correct horse" };
    });
    const refused = await callEnid([...args, leaky]);
    expect(refused.code).toBe(3);
    expect(refused.stderr).toContain("ENID_USER_DATA_SECRET");
    expect(refused.stderr).toContain("/plugins/0/args/password");
    expect(refused.stdout + refused.stderr).not.toContain("correct horse");
  });

  it("names the file that nobody lays down, and has the node fetch it when it knows from where", async () => {
    const config = await configuration((plugin) => {
      plugin.fleet = { redis: ["store:6379"], "redis-password-file": "/etc/enid/redis.password" };
    });
    const args = ["user-data", "--os", "al2023-managed", "--max-pods", "58", ...RELEASE, "--config", config];
    const without = await callEnid(args);
    expect([without.code, without.stderr]).toEqual([
      0,
      expect.stringContaining("nothing here lays down /etc/enid/redis.password"),
    ]);
    const { code, stdout, stderr } = await callEnid([...args, "--redis-secret", "prod/store", "--json"]);
    expect([code, stderr]).toEqual([0, ""]);
    expect(JSON.parse(stdout).text).toContain(
      "redis_secret='prod/store'\nredis_password_file='/etc/enid/redis.password'\n",
    );
  });
});
