import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";
import { describe, expect, it } from "vitest";
import {
  checkSettings,
  effectiveSettings,
  environmentOf,
  parseOverride,
  readConfiguration,
  readConfigurationFile,
  settingNames,
  updateKeyTables,
  updateSettingsTable,
} from "../../src/configuration/index.ts";
import { failureOf } from "./helpers.ts";

const ROOT = join(import.meta.dirname, "../..");
const EXAMPLES = join(ROOT, "eni-config");
const examples = readdirSync(EXAMPLES).filter((name) => name !== "README.md");
const readme = readFileSync(join(EXAMPLES, "README.md"), "utf8");
const reference = readFileSync(join(ROOT, "docs/configuration.md"), "utf8");

/** All keys of an object and of the objects in it, tags aside. */
function keysOf(value: unknown): string[] {
  if (typeof value !== "object" || value === null) return [];
  if (Array.isArray(value)) return value.flatMap(keysOf);
  return Object.entries(value).flatMap(([key, inner]) => [
    key,
    ...(key.endsWith("tags") || key === "capabilities" ? [] : keysOf(inner)),
  ]);
}

describe("the examples", () => {
  it("cover secondary addresses, prefixes, dual stack, both environments, fleets, a list and the form of 2020", () => {
    expect(examples.toSorted()).toEqual([
      "aws-fleet.conf",
      "aws.conf",
      "chained.conflist",
      "dual-stack.conf",
      "on-premises-fleet.conf",
      "on-premises-twin.conf",
      "on-premises.conf",
      "prefixes.conf",
      "secondary-addresses.conf",
      "trip-com-2020.conf",
    ]);
  });

  it.each(examples)("%s is valid, and each of its keys is explained in the README", async (name) => {
    const configuration = await readConfigurationFile(join(EXAMPLES, name));
    expect(checkSettings(effectiveSettings(configuration, {}))).toEqual([]);
    expect(configuration.network).toBe("cilium");
    expect(configuration.form).toBe(/2020|conflist/.test(name) ? "list" : "single");
    expect(readme).toContain(`## ${name}`);
    for (const key of keysOf(JSON.parse(configuration.text))) {
      expect(readme, key).toMatch(new RegExp(`\`(?:eni\\.|ipam\\.|bgp\\.|fleet\\.)?${key}\``));
    }
  });

  it("have notices only in the form of 2020: its old spellings", async () => {
    for (const name of examples) {
      const { notices, values } = await readConfigurationFile(join(EXAMPLES, name));
      if (name !== "trip-com-2020.conf") expect(notices, name).toEqual([]);
      else {
        expect(notices.map(({ place }) => place.pointer)).toEqual([
          "/plugins/0/eni/min-allocate",
          "/plugins/0/eni/pre-allocate",
          "/plugins/0/eni/max-above-watermark",
        ]);
        expect(values).toMatchObject({
          "min-allocate": 10,
          "pre-allocate": 8,
          "max-above-watermark": 4,
          "first-interface-index": 1,
        });
      }
    }
  });

  it("say where the addresses come from", async () => {
    for (const name of examples) {
      const settings = effectiveSettings(await readConfigurationFile(join(EXAMPLES, name)), {});
      expect(environmentOf(settings), name).toBe(name.startsWith("on-premises") ? "node-cidr" : "aws");
    }
  });

  it("of one cluster in both environments differ in eni, podCIDRs and bgp alone", () => {
    const [aws, onPremises] = ["aws.conf", "on-premises-twin.conf"].map((name) =>
      JSON.parse(readFileSync(join(EXAMPLES, name), "utf8")),
    );
    const { eni, ...ofAws } = aws;
    const {
      bgp,
      ipam: { podCIDRs, ...ipam },
      ...ofOnPremises
    } = onPremises;
    expect(ofAws).toEqual({ ...ofOnPremises, ipam });
    for (const part of [eni, bgp, podCIDRs]) expect(Object.keys(part).length).toBeGreaterThan(0);
  });

  it("are read the same by a bundle", async () => {
    const folder = mkdtempSync(join(tmpdir(), "enid-configuration-"));
    try {
      const outfile = join(folder, "configuration.mjs");
      await build({
        entryPoints: [join(ROOT, "src/configuration/index.ts")],
        outfile,
        bundle: true,
        platform: "node",
        format: "esm",
        logLevel: "error",
        // jsonc-parser's main file is UMD, whose own requires a bundler cannot follow.
        mainFields: ["module", "main"],
        banner: { js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);' },
      });
      const bundle = await import(pathToFileURL(outfile).href);
      for (const name of examples) {
        const bytes = readFileSync(join(EXAMPLES, name));
        expect(bundle.readConfiguration(bytes, name)).toEqual(readConfiguration(bytes, name));
      }
      expect(() => bundle.readConfiguration(Buffer.from('{"eni":{"subnet-tag":{}}}'), "x")).toThrow("subnet-tags");
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe("README.md", () => {
  it("has the table of settings as the schemas give it (npm run docs renders it)", () => {
    const page = readFileSync(join(ROOT, "README.md"), "utf8");
    expect(updateSettingsTable(page)).toBe(page);
    const names = [...page.matchAll(/^\| `(?:eni|ipam|bgp|fleet|kubernetes)\.([a-zA-Z-]+)` \|/gm)].map(
      ([, name]) => name,
    );
    expect(names).toEqual(expect.arrayContaining([...settingNames]));
    expect(updateSettingsTable(page.replace(/\| `ipam\.pre-allocate`.*\n/, ""))).toBe(page);
    expect(() => updateSettingsTable("no place")).toThrow("lacks");
  });
});

describe("docs/configuration.md", () => {
  it("has the tables of keys as the schemas give them (npm run docs renders them)", () => {
    expect(updateKeyTables(reference)).toBe(reference);
    expect(updateKeyTables(reference.replace(/\| `pre-allocate`.*\n/g, ""))).toBe(reference);
    expect(() => updateKeyTables("no place")).toThrow("lacks");
  });

  it("shows configurations that are valid", () => {
    const blocks = [...reference.matchAll(/```json\n([\s\S]*?)```/g)].map(([, block = ""]) => block);
    expect(blocks).toHaveLength(5);
    for (const block of blocks) expect(readConfiguration(Buffer.from(block), "doc").notices).toEqual([]);
  });

  it("shows overrides that are understood", () => {
    const commands = [...reference.matchAll(/^enid set '?(.*?)'?$/gm)].map(([, override = ""]) => override);
    expect(commands).toHaveLength(8);
    for (const command of commands) expect(() => parseOverride(command)).not.toThrow();
  });

  it("shows a message as it is", () => {
    const message = /```\n(configuration [\s\S]*?)\n```/.exec(reference)?.[1];
    const file =
      '{\n  "cniVersion": "1.0.0",\n  "name": "cilium",\n  "type": "cilium-cni",\n  "ipam": {\n    "type": "enid-ipam",\n    "min-allocate": 10,\n    "pre-allocate": "8",\n    "max-alocate": 30\n  }\n}\n';
    expect(failureOf(() => readConfiguration(Buffer.from(file), "/etc/cni/net.d/05-enid.conf")).message).toBe(message);
  });
});
