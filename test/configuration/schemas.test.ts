import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Ajv2020 } from "ajv/dist/2020.js";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  defaultSettings,
  keySchemas,
  readConfiguration,
  settingNames,
  settingSchema,
} from "../../src/configuration/index.ts";
import { EnidError } from "../../src/errors.ts";

const ROOT = join(import.meta.dirname, "../..");
const schemas = readdirSync(join(ROOT, "schemas")).map((name) => ({
  name,
  schema: JSON.parse(readFileSync(join(ROOT, "schemas", name), "utf8")),
}));

function wholeFile() {
  const ajv = new Ajv2020({ strict: true });
  ajv.addKeyword("x-enid");
  for (const { schema } of schemas) ajv.addSchema(schema);
  const validate = ajv.getSchema("eni-configuration.schema.json");
  if (validate === undefined) throw new Error("no schema for a whole file");
  return validate;
}

function isReadable(text: string): boolean {
  try {
    readConfiguration(Buffer.from(text), "/etc/enid.conf");
    return true;
  } catch (error) {
    if (error instanceof EnidError) return false;
    throw error;
  }
}

/** What a file must say beside some keys. */
const NEEDED: Record<string, Record<string, object>> = {
  "excluded-addresses": { ipam: { podCIDRs: ["10.12.5.0/24"] } },
  uplinks: { bgp: { asn: 4_200_000_112 } },
  fixed: { fleet: { redis: ["redis-1:6379"] } },
  "fixed-annotations": { fleet: { redis: ["redis-1:6379"] } },
  "redis-kind": { fleet: { redis: ["redis-1:26379"], "redis-master": "enid" } },
  "redis-master": { fleet: { "redis-kind": "sentinel" } },
  "redis-ca-file": { fleet: { "redis-tls": true } },
  "redis-certificate-file": { fleet: { "redis-tls": true, "redis-key-file": "/etc/enid/redis.key" } },
  "redis-key-file": { fleet: { "redis-tls": true, "redis-certificate-file": "/etc/enid/redis.crt" } },
};

describe("the schemas", () => {
  it.each(schemas)("$name is valid draft 2020-12 and named after its file", ({ name, schema }) => {
    expect(schema.$schema).toBe("https://json-schema.org/draft/2020-12/schema");
    expect(schema.$id).toBe(name);
    expect(new Ajv2020().validateSchema(schema)).toBe(true);
  });

  it("describe every key of eni, ipam, bgp and fleet", () => {
    expect(keySchemas.length).toBeGreaterThan(25);
    for (const { key, role, title, description, examples, allowed } of keySchemas) {
      expect(title, key).toMatch(/^[A-Z]/);
      expect(description, key).toMatch(/^[A-Z].*\.$/);
      expect(examples.length, key).toBeGreaterThan(0);
      expect(["setting", "fact", "moved", "unread", "other"], key).toContain(role);
      expect(allowed === undefined, key).toBe(role === "unread");
    }
  });

  it("have examples that are valid", () => {
    for (const { section, key, examples } of keySchemas) {
      for (const example of examples) {
        const needed = NEEDED[key] ?? {};
        const file = { ...needed, [section]: { ...needed[section], [key]: example } };
        expect(isReadable(JSON.stringify(file)), key).toBe(true);
      }
    }
  });

  it("know exactly the settings, with the defaults that apply", () => {
    expect(settingNames.toSorted()).toEqual(Object.keys(defaultSettings).toSorted());
    for (const name of settingNames) expect(settingSchema(name).default, name).toEqual(defaultSettings[name]);
  });

  it("say in words the limits that they set in numbers", () => {
    const definitions: Record<string, Record<string, unknown>> = schemas.find(({ name }) =>
      name.startsWith("definitions"),
    )?.schema.$defs;
    for (const [name, schema] of Object.entries(definitions)) {
      expect(schema.title, name).toBeTypeOf("string");
      for (const limit of ["minimum", "maximum", "maxItems", "maxLength", "maxProperties"]) {
        if (schema[limit] !== undefined) expect(schema.title, name).toContain(String(schema[limit]));
      }
    }
  });

  it("for a whole file, as an editor uses it, never refuses what enid reads", () => {
    const validate = wholeFile();
    const json = fc.jsonValue({ maxDepth: 2 });
    const section = fc.dictionary(fc.constantFrom(...keySchemas.map(({ key }) => key)), json, { maxKeys: 3 });
    const entry = fc.record(
      {
        type: fc.constantFrom("cilium-cni", "portmap"),
        eni: section,
        ipam: section,
        bgp: section,
        fleet: section,
        name: json,
      },
      { requiredKeys: [] },
    );
    const file = fc.oneof(
      entry,
      fc.record({ plugins: fc.array(entry, { maxLength: 2 }), eni: section, ipam: section }, { requiredKeys: [] }),
    );
    let readable = 0;
    fc.assert(
      fc.property(file, (value) => {
        if (!isReadable(JSON.stringify(value))) return;
        // A second cilium-cni is not read, so enid does not check it; an editor does.
        if ("plugins" in value && (value.plugins ?? []).length > 1) return;
        readable += 1;
        expect(validate(value), JSON.stringify(value)).toBe(true);
      }),
      { numRuns: 2_000 },
    );
    expect(readable).toBeGreaterThan(50);
  });

  it("for a whole file refuses wrong values in both forms", () => {
    const validate = wholeFile();
    for (const section of [{ eni: { "subnet-tag": {} } }, { ipam: { "pre-allocate": -1 } }]) {
      expect(validate(section)).toBe(false);
      expect(validate({ plugins: [{ type: "cilium-cni", ...section }] })).toBe(false);
      expect(validate({ plugins: [{ type: "portmap" }], ...section })).toBe(false);
      expect(validate({ plugins: [{ type: "portmap", ...section }] })).toBe(true);
    }
  });
});
