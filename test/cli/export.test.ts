import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { temporaryFolder } from "./fake-daemon.ts";
import { callEnid } from "./run-enid.ts";

const PASSWORD = "s3cret of leaf 1";

let folder: string;
let file: string;

beforeEach(async () => {
  folder = await temporaryFolder();
  file = join(folder, "05-cilium.conf");
  writeFileSync(join(folder, "password"), `${PASSWORD}\n`, { mode: 0o600 });
  write({
    asn: 4_200_000_112,
    "router-id": "10.0.12.5",
    uplinks: [
      { neighbor: "10.0.12.1", asn: 4_200_000_001, "password-file": join(folder, "password") },
      { neighbor: "10.0.12.2", asn: 4_200_000_002 },
    ],
    "bird-include-file": join(folder, "enid.conf"),
  });
});

function write(bgp: object): void {
  const ipam = { type: "enid-ipam", podCIDRs: ["10.12.5.0/24"] };
  writeFileSync(file, JSON.stringify({ cniVersion: "1.0.0", name: "n", type: "cilium-cni", ipam, bgp }));
}

const exported = (...more: string[]) => callEnid(["export", "bird", "--read-eni-configuration", file, ...more]);

/** What BIRD says of a configuration; empty: it takes it. */
function check(text: string): string {
  const conf = join(folder, "checked.conf");
  writeFileSync(conf, text);
  return spawnSync("bird", ["-p", "-c", conf], { encoding: "utf8" }).stderr;
}

describe("enid export bird", () => {
  it("prints a bird.conf without its passwords, which BIRD therefore refuses", async () => {
    const { code, stdout, stderr } = await exported();
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toMatch(/^protocol bgp uplink2 from enid_uplink \{\n {2}neighbor 10\.0\.12\.2 as 4200000002;/m);
    expect(stdout).not.toContain("s3cret");
    expect(check(stdout)).toContain("syntax error");
  });

  it("prints them when asked to; BIRD takes it then", async () => {
    const { stdout } = await exported("--with-passwords");
    expect(stdout).toContain(`password "${PASSWORD}";`);
    expect(check(stdout)).toBe("");
  });

  it("is JSON with --json, and without passwords too", async () => {
    const { stdout } = await exported("--json");
    const { configuration } = JSON.parse(stdout);
    expect(configuration).toContain("router id 10.0.12.5;");
    expect(configuration).not.toContain("s3cret");
  });

  it("writes a file that BIRD takes, with the passwords, which nobody else can read, and says only where", async () => {
    const output = join(folder, "bird.conf");
    writeFileSync(output, "old", { mode: 0o666 });
    const { code, stdout } = await exported("--output", output);
    expect([code, stdout]).toEqual([0, `${output} is written; check it with: bird -p -c ${output}\n`]);
    expect(statSync(output).mode & 0o777).toBe(0o640);
    expect(check(readFileSync(output, "utf8"))).toBe("");
    expect(readFileSync(output, "utf8")).toContain(PASSWORD);
    expect(JSON.parse((await exported("--json", "--output", output)).stdout)).toEqual({ file: output });
  });

  it("gives a new file the group of its folder", async () => {
    const bird = join(folder, "bird");
    mkdirSync(bird);
    spawnSync("chgrp", ["12345", bird]);
    await exported("--output", join(bird, "bird.conf"));
    // Without root the folder has the group that everything has.
    expect(statSync(join(bird, "bird.conf")).gid).toBe(statSync(bird).gid);
  });

  it("takes an address of the node as the router id when none is set", async () => {
    write({ asn: 1, uplinks: [{ neighbor: "10.0.12.1", asn: 2 }] });
    const { code, stdout, stderr } = await exported();
    // A machine without any address has none to take.
    if (code === 0) expect(stdout).toMatch(/^router id (?!127\.)[\d.]+;$/m);
    else expect(stderr).toContain("the node has no IPv4 address");
  });

  it("ends with 3 where the settings do not suffice, and says what is missing", async () => {
    write({ uplinks: [] });
    const { code, stdout, stderr } = await exported();
    expect([code, stdout]).toEqual([3, ""]);
    expect(stderr).toContain("ENID_BGP_INCOMPLETE: the settings of bgp do not make a bird.conf: bgp.asn is 0");
  });

  it("ends with 1 where a password file is open to everybody, also when it would not be shown", async () => {
    chmodSync(join(folder, "password"), 0o644);
    const { code, stderr } = await exported();
    expect(code).toBe(1);
    expect(stderr).toContain("ENID_PASSWORD_FILE");
    expect(stderr).not.toContain("s3cret");
  });

  it("ends with 1 where the file cannot be written", async () => {
    const { code, stderr } = await exported("--output", join(folder, "not", "there"));
    expect(code).toBe(1);
    expect(stderr).toContain("ENID_OUTPUT_FAILED");
  });

  it("exports nothing else", async () => {
    const { code, stderr } = await callEnid(["export", "frr"]);
    expect(code).toBe(2);
    expect(stderr).toContain('"frr" cannot be exported; allowed is bird');
  });
});
