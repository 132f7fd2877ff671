import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type BirdConfInput, birdConf, readPasswordFile, replaceFile } from "../../../src/handoff/bird/index.ts";
import { testFolder } from "./helpers.ts";

const folder = testFolder();
/** Nothing is in it. BIRD wants the folder of a pattern to be there. */
const empty = join(folder, "empty");
mkdirSync(empty);

const VALUES: BirdConfInput["values"] = {
  asn: 4_200_000_112,
  "router-id": "10.0.12.5",
  uplinks: [
    { neighbor: "10.0.12.1", asn: 4_200_000_001 },
    { neighbor: "10.0.12.2", asn: 4_200_000_002 },
  ],
  bfd: true,
  "graceful-restart": true,
  "bird-include-file": "/etc/bird/enid.conf",
  "ip-families": "ipv4",
};

function conf(values: Partial<BirdConfInput["values"]> = {}, input: Partial<BirdConfInput> = {}): string {
  return birdConf({ values: { ...VALUES, ...values }, nodeAddress: undefined, passwords: [], ...input });
}

/** What BIRD says of the configuration; empty: it takes it. */
function check(text: string): string {
  const file = join(folder, "bird.conf");
  writeFileSync(file, text);
  const { status, stderr } = spawnSync("bird", ["-p", "-c", file], { encoding: "utf8" });
  return status === 0 ? "" : `${stderr}\n${text}`;
}

const uplink = fc
  .record({
    family: fc.constantFrom("ipv4", "ipv6", "link-local"),
    host: fc.integer({ min: 1, max: 250 }),
    asn: fc.oneof(fc.constant(VALUES.asn), fc.integer({ min: 1, max: 4_294_967_294 })),
    local: fc.boolean(),
    device: fc.option(fc.stringMatching(/^[A-Za-z0-9_.@-]{1,15}$/)),
    hops: fc.option(fc.integer({ min: 2, max: 255 })),
    password: fc.option(fc.stringMatching(/^[ !#-~]{1,80}$/)),
  })
  .map(({ family, host, asn, local, device, hops, password }) => {
    const isLinkLocal = family === "link-local";
    const neighbor = { ipv4: `10.0.1.${host}`, ipv6: `FD00:1::${host}`, "link-local": `fe80::${host}` }[family] ?? "";
    const own = { ipv4: "10.0.2.1", ipv6: "fd00:2::1", "link-local": "fe80::ffff" }[family] ?? "";
    const settings = {
      neighbor,
      asn,
      ...(local || hops !== null ? { "local-address": own } : {}),
      ...(isLinkLocal ? { interface: device ?? "eth0" } : {}),
      ...(!isLinkLocal && hops !== null ? { multihop: hops } : {}),
      ...(!isLinkLocal && hops === null && device !== null ? { interface: device } : {}),
    };
    return { settings, password: password === null ? undefined : { text: password } };
  });

describe("bird.conf of a node", () => {
  it("is taken by BIRD, whatever the section bgp says", () => {
    const input = fc.record({
      asn: fc.integer({ min: 1, max: 4_294_967_294 }),
      uplinks: fc.array(uplink, { minLength: 1, maxLength: 8 }),
      bfd: fc.boolean(),
      restart: fc.boolean(),
      families: fc.constantFrom("ipv4" as const, "ipv6" as const, "dual" as const),
      include: fc.stringMatching(/^\/[!#-.0-~]{0,20}[0-9A-Za-z._*?[-][!#-.0-~]{0,20}$/),
    });
    fc.assert(
      fc.property(input, ({ asn, uplinks, bfd, restart, families, include }) => {
        const values = {
          asn,
          uplinks: uplinks.map(({ settings }) => settings),
          bfd,
          "graceful-restart": restart,
          "ip-families": families,
          "bird-include-file": `${empty}${include}`,
        };
        expect(check(conf(values, { passwords: uplinks.map(({ password }) => password) }))).toBe("");
      }),
      { numRuns: 100 },
    );
  });

  it("includes the file of enid, once it is there, whatever its name", () => {
    for (const name of ["enid.conf", "a*b?c[d]e.conf", "[", "x]", "-", "!.conf"]) {
      const file = join(folder, name);
      const text = conf({ "bird-include-file": file });
      writeFileSync(file, "nonsense;\n");
      expect(check(text), name).toContain(`${file}:1:1 syntax error`);
      writeFileSync(file, "");
      expect(check(text), name).toBe("");
    }
  });

  it("announces only what enid does, takes nothing in, and has each uplink with BFD and graceful restart", () => {
    const text = conf({}, { passwords: [{ text: "secret" }, undefined] });
    expect(text).toMatch(/^router id 10\.0\.12\.5;$/m);
    expect(text.match(/import \w+/g)).toEqual(Array(3).fill("import none"));
    expect(text.match(/(?<=^ +)export [\w ]+/gm)).toEqual([
      "export none",
      "export filter enid_routes",
      "export filter enid_routes",
    ]);
    expect(text.match(/^protocol bgp \w+ from enid_uplink/gm)).toHaveLength(2);
    expect(text.match(/bfd on;/g)).toHaveLength(2);
    expect(text.match(/password/g)).toHaveLength(1);
    expect(text).toContain("graceful restart on;");
    expect(text).toContain("graceful restart wait 20;");
    expect(conf({ "graceful-restart": false }).match(/^.*graceful restart.*$/gm)).toEqual(["  graceful restart off;"]);
    expect(text).toContain("merge paths on;");
    expect(text).not.toContain("ipv6");
  });

  it("says IPv4 over IPv6 where the session has IPv6 addresses", () => {
    const text = conf({ "ip-families": "dual", uplinks: [{ neighbor: "fd00::1", asn: 1 }] });
    expect(text.match(/extended next hop on/g)).toHaveLength(1);
    expect(conf({ "ip-families": "dual" })).not.toContain("extended next hop");
  });

  it("is refused by BIRD while a password is hidden", () => {
    expect(check(conf({}, { passwords: ["hidden"] }))).toMatch(/bird\.conf:\d+:\d+ .*syntax error/);
  });

  it("takes the node's address as the router id when the settings name none", () => {
    expect(conf({ "router-id": "" }, { nodeAddress: "192.0.2.7" })).toContain("router id 192.0.2.7;");
  });

  it.each([
    [{ asn: 0 }, "bgp.asn is 0"],
    [{ uplinks: [] }, "bgp.uplinks names no router"],
    [{ "router-id": "" }, "bgp.router-id is empty and the node has no IPv4 address"],
    [
      { uplinks: [{ neighbor: "10.9.9.9", asn: 1, multihop: 3 }] },
      "the uplink 10.9.9.9 is hops away and says no local-address",
    ],
  ])("is not made of %j", (values, detail) => {
    expect(() => conf(values)).toThrow(
      expect.objectContaining({ code: "ENID_BGP_INCOMPLETE", message: expect.stringContaining(detail) }),
    );
  });
});

describe("a password file", () => {
  const file = (content: string, mode = 0o600) => {
    const path = join(folder, "password");
    writeFileSync(path, content);
    chmodSync(path, mode);
    return path;
  };

  it("holds one line", async () => {
    expect(await readPasswordFile(file("s3cret #/*\n"))).toBe("s3cret #/*");
    expect(await readPasswordFile(file("s3cret\r\n", 0o640))).toBe("s3cret");
  });

  it.each<[string, () => string, RegExp]>([
    ["is missing", () => join(folder, "none"), /ENOENT/],
    ["is a folder", () => folder, /not a regular file/],
    ["everybody may read", () => file("s3cret", 0o644), /everybody may read it \(mode 0644\)/],
    ["is empty", () => file("\n"), /it is empty/],
    ["is too long", () => file("x".repeat(81)), /more than 80 bytes/],
    ["is far too long", () => file("x".repeat(1_000_000)), /more than 80 bytes/],
    ["has two lines", () => file("s3cret\nmore\n"), /one line of printable ASCII/],
    ["has a quote", () => file('s3"cret\n'), /without a double quote/],
  ])("is refused when it %s, and never shown", async (_what, make, message) => {
    const error = await readPasswordFile(make()).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "ENID_PASSWORD_FILE", message: expect.stringMatching(message) });
    expect(JSON.stringify(error)).not.toContain("s3");
  });
});

describe("a file that is replaced", () => {
  it("keeps owner and group of the one before, and takes the mode", async () => {
    const path = join(folder, "replaced");
    writeFileSync(path, "old");
    await replaceFile(path, "new", { mode: 0o640, asBefore: true });
    expect(readFileSync(path, "utf8")).toBe("new");
    expect(statSync(path).mode & 0o777).toBe(0o640);
    expect(statSync(path).gid).toBe(process.getgid?.());
  });

  it("does not follow what lies at the place of the temporary one", async () => {
    const path = join(folder, "other");
    writeFileSync(join(folder, "victim"), "whole");
    symlinkSync(join(folder, "victim"), join(folder, ".other.new"));
    await replaceFile(path, "new", { mode: 0o600 });
    expect(readFileSync(join(folder, "victim"), "utf8")).toBe("whole");
    expect(readFileSync(path, "utf8")).toBe("new");
  });
});
