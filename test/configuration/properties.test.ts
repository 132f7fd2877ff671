import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  defaultSettings,
  effectiveSettings,
  keySchemas,
  type Problem,
  parseOverride,
  readConfiguration,
  type SettingName,
  settingNames,
} from "../../src/configuration/index.ts";
import { EnidError } from "../../src/errors.ts";
import { FILE, read } from "./helpers.ts";

const CODES = ["ENID_CONFIG_SYNTAX", "ENID_CONFIG_INVALID", "ENID_CONFIG_TOO_LARGE"];

/** Reads it; any failure must be of the catalogue, with places inside the text. */
function readsOrRefuses(bytes: Uint8Array): boolean {
  try {
    readConfiguration(bytes, FILE);
    return true;
  } catch (error) {
    expect(error).toBeInstanceOf(EnidError);
    if (!(error instanceof EnidError)) return false;
    expect(CODES).toContain(error.code);
    expect(error.message.startsWith(`configuration ${FILE}:`)).toBe(true);
    expect(error.message).not.toMatch(/\{(?:file|place|detail|problems|bytes|limitBytes)\}/);
    const problems = error.details as readonly Problem[];
    expect(problems.length).toBeGreaterThan(0);
    for (const { place, message } of problems) {
      expect(place.line).toBeGreaterThan(0);
      expect(place.column).toBeGreaterThan(0);
      expect(message.startsWith(`${FILE}:${place.line}:${place.column}`)).toBe(true);
      expect(message).toContain("allowed");
    }
    return false;
  }
}

const count = fc.integer({ min: 0, max: 65_536 });
const tags = fc.dictionary(fc.string({ minLength: 1, maxLength: 127 }), fc.string({ maxLength: 128 }), { maxKeys: 50 });
const id = (prefix: string) => fc.stringMatching(/^[0-9a-f]{8}$/).map((digits) => `${prefix}-${digits}`);
const valid: Record<SettingName, fc.Arbitrary<unknown>> = {
  "min-allocate": count,
  "pre-allocate": count,
  "max-allocate": fc.constant(0),
  "max-above-watermark": count,
  "static-ip-tags": tags,
  podCIDRs: fc.constant([]),
  "cooling-seconds": fc.integer({ min: 0, max: 86_400 }),
  "add-wait-seconds": fc.integer({ min: 0, max: 50 }),
  "ip-families": fc.constantFrom("ipv4", "ipv6", "dual"),
  "release-excess": fc.boolean(),
  "release-delay-seconds": fc.integer({ min: 0, max: 86_400 }),
  "first-interface-index": fc.integer({ min: 0, max: 127 }),
  "security-groups": fc.uniqueArray(id("sg"), { maxLength: 16 }),
  "security-group-tags": tags,
  "subnet-ids": fc.uniqueArray(id("subnet"), { maxLength: 20 }),
  "subnet-tags": tags,
  "exclude-interface-tags": tags,
  "delete-on-termination": fc.boolean(),
  "use-primary-address": fc.boolean(),
  "disable-prefix-delegation": fc.constant(false),
  "prefix-delegation": fc.constantFrom("off", "preferred", "required"),
  "interface-idle-seconds": fc.integer({ min: 0, max: 86_400 }),
  "adopt-interfaces-of": fc.uniqueArray(fc.constantFrom("vpc-cni", "cilium")),
  "cluster-name": fc.stringMatching(/^[A-Za-z0-9._:/=+@-]{0,256}$/),
  "start-jitter-seconds": fc.integer({ min: 0, max: 600 }),
};
const someSettings = fc.record(valid, { requiredKeys: [] }) as fc.Arbitrary<Partial<Record<SettingName, unknown>>>;

const isEni = new Set(
  keySchemas.filter(({ section, role }) => section === "eni" && role === "setting").map(({ key }) => key),
);

/** The settings as a file of either form. */
function fileOf(settings: Partial<Record<SettingName, unknown>>, asList: boolean): unknown {
  const part = (eni: boolean) => Object.fromEntries(Object.entries(settings).filter(([key]) => isEni.has(key) === eni));
  const entry = { type: "cilium-cni", eni: part(true), ipam: part(false) };
  return asList ? { name: "n", plugins: [{ type: "portmap" }, entry] } : entry;
}

describe("whatever the file holds", () => {
  it("any bytes are read or refused, never a crash", () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => void readsOrRefuses(bytes)));
  });

  it("any text is read or refused, and what is no JSON is refused", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: "binary" }),
          fc.json().map((json) => json.slice(1)),
        ),
        (text) => {
          const read = readsOrRefuses(Buffer.from(text));
          if (read) JSON.parse(text);
        },
      ),
    );
  });

  it("any JSON is read or refused, as a whole file and as a section, and never called a syntax error", () => {
    fc.assert(
      fc.property(
        fc.jsonValue({ maxDepth: 6 }),
        fc.constantFrom("%", '{"eni":%}', '{"ipam":%}', '{"plugins":%}', '{"plugins":[%]}'),
        (value, frame) => {
          const text = frame.replace("%", () => JSON.stringify(value));
          try {
            readConfiguration(Buffer.from(text), FILE);
          } catch (error) {
            expect(error).toMatchObject({ code: "ENID_CONFIG_INVALID" });
          }
        },
      ),
    );
  });

  it("any wrong value under a known key is read or refused", () => {
    const key = fc.constantFrom(...keySchemas);
    fc.assert(
      fc.property(key, fc.jsonValue({ maxDepth: 3 }), ({ section, key: name }, value) => {
        readsOrRefuses(Buffer.from(JSON.stringify({ [section]: { [name]: value } })));
      }),
      { numRuns: 500 },
    );
  });

  it("a valid file that is cut anywhere is refused", () => {
    const text = JSON.stringify({ name: "cilium", eni: { "subnet-tags": { a: "b" } }, ipam: { "pre-allocate": 16 } });
    for (let length = 0; length < text.length; length += 1) {
      expect(readsOrRefuses(Buffer.from(text.slice(0, length)))).toBe(false);
    }
    expect(readsOrRefuses(Buffer.from(text))).toBe(true);
  });
});

describe("whatever valid settings a file states", () => {
  it("they are the effective ones, zeros included, and the others have their defaults", () => {
    fc.assert(
      fc.property(someSettings, fc.boolean(), (stated, asList) => {
        const { values, origins } = effectiveSettings(read(fileOf(stated, asList)), {});
        for (const name of settingNames) {
          const said = Object.hasOwn(stated, name);
          expect(values[name]).toEqual(said ? stated[name] : defaultSettings[name]);
          expect(origins[name].kind).toBe(said ? "file" : "default");
        }
      }),
    );
  });

  it("an override wins over the file, the file over the default", () => {
    fc.assert(
      fc.property(someSettings, someSettings, (stated, overridden) => {
        const overrides = Object.fromEntries(
          Object.entries(overridden).map(([name, value]) => [name, { value, setAtMs: 1 }]),
        );
        const { values, origins } = effectiveSettings(read(fileOf(stated, false)), overrides);
        for (const name of settingNames) {
          const [kind, value] = Object.hasOwn(overridden, name)
            ? ["override", overridden[name]]
            : Object.hasOwn(stated, name)
              ? ["file", stated[name]]
              : ["default", defaultSettings[name]];
          expect(values[name]).toEqual(value);
          expect(origins[name].kind).toBe(kind);
        }
      }),
    );
  });

  it("the same settings can be given as overrides", () => {
    fc.assert(
      fc.property(someSettings, (stated) => {
        for (const [name, value] of Object.entries(stated)) {
          const text = typeof value === "string" ? value : JSON.stringify(value);
          expect(parseOverride(`${name}=${text}`)).toEqual({ name, value });
        }
      }),
    );
  });
});

describe("whatever is typed after enid set", () => {
  it("it is understood or refused with an error of the catalogue", () => {
    const name = fc.oneof(fc.constantFrom(...settingNames), fc.string());
    fc.assert(
      fc.property(name, fc.string({ unit: "binary" }), (key, value) => {
        try {
          parseOverride(`${key}=${value}`);
        } catch (error) {
          expect(error).toMatchObject({ code: expect.stringMatching(/^ENID_SETTING_(UNKNOWN|INVALID)$/) });
        }
      }),
      { numRuns: 500 },
    );
  });
});
