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
import { overlap } from "../../src/configuration/ip-range.ts";
import { EnidError } from "../../src/errors.ts";
import { FILE, read } from "./helpers.ts";
import { addressIn, ipv4Range, ipv6Range, rangeOf } from "./ranges.ts";

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
const ofEc2 = {
  "static-ip-tags": tags,
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
  podCIDRs: fc.constant([]),
  "excluded-addresses": fc.constant([]),
  "ip-families": fc.constantFrom("ipv4", "ipv6", "dual"),
};
const ofBoth = {
  "min-allocate": count,
  "pre-allocate": count,
  "max-allocate": fc.constant(0),
  "max-above-watermark": count,
  "cooling-seconds": fc.integer({ min: 0, max: 86_400 }),
  "add-wait-seconds": fc.integer({ min: 0, max: 50 }),
  "orphan-grace-seconds": fc.integer({ min: 0, max: 86_400 }),
  "release-excess": fc.boolean(),
  "release-delay-seconds": fc.integer({ min: 0, max: 86_400 }),
  "router-id": fc.constantFrom("", "10.0.12.5", "255.255.255.254"),
  bfd: fc.boolean(),
  "graceful-restart": fc.boolean(),
  "bird-include-file": fc.constantFrom("/etc/bird/enid.conf", "/run/enid/bird.conf"),
  "bird-control-socket": fc.constantFrom("/run/bird/bird.ctl", "/var/run/bird.ctl"),
};
type Said = Partial<Record<SettingName, unknown>>;

const asn = fc.integer({ min: 1, max: 4_294_967_294 });
/** A range that routers and the node have addresses of; no pods have. */
const link = fc.constantFrom("198.51.100.0/24", "198.18.0.0/16", "2001:db8:99:1::/64", "fdee:0:0:1::/120");
const password = { "password-file": fc.constant("/etc/bird/uplink.password") };
/** A router and the session with it. */
const uplink = link.chain((cidr) => {
  const onLink = { neighbor: addressIn(cidr), asn, interface: fc.constantFrom("eth1", "bond0.12"), ...password };
  const hopsAway = {
    neighbor: addressIn(cidr),
    asn,
    multihop: fc.integer({ min: 2, max: 255 }),
    "local-address": addressIn(cidr),
    ...password,
  };
  return fc.oneof(
    fc.record(onLink, { requiredKeys: ["neighbor", "asn"] }),
    fc
      .record(hopsAway, { requiredKeys: ["neighbor", "asn", "local-address"] })
      .filter((one) => one.neighbor !== one["local-address"]),
  );
});
const uplinks = fc.uniqueArray(uplink, { maxLength: 8, selector: (one) => one.neighbor });
const bgp: fc.Arbitrary<Said> = fc.oneof(fc.constant({}), fc.record({ asn }), fc.record({ asn, uplinks }));

/** Ranges, what of them is excluded, and the families to match; now and then nothing of it. */
const ranges: fc.Arbitrary<Said> = fc
  .uniqueArray(fc.oneof(ipv4Range(20, 29), ipv6Range()), { minLength: 1, maxLength: 6 })
  .map((all) => all.filter((range, at) => !all.slice(0, at).some((other) => overlap(rangeOf(other), rangeOf(range)))))
  .chain((podCIDRs) =>
    fc.record({
      podCIDRs: fc.constant(podCIDRs),
      "excluded-addresses": fc.array(fc.constantFrom(...podCIDRs).chain(addressIn), { maxLength: 3 }),
      "ip-families": fc.constant(familiesOf(podCIDRs)),
    }),
  );

function familiesOf(podCIDRs: readonly string[]): string {
  const ofIpv6 = podCIDRs.filter((cidr) => cidr.includes(":")).length;
  return ofIpv6 === 0 ? "ipv4" : ofIpv6 === podCIDRs.length ? "ipv6" : "dual";
}

const some = (arbitraries: Record<string, fc.Arbitrary<unknown>>): fc.Arbitrary<Said> =>
  fc.record(arbitraries, { requiredKeys: [] });
const together = (...parts: fc.Arbitrary<Said>[]): fc.Arbitrary<Said> =>
  fc.tuple(...parts).map((all) => Object.assign({}, ...all));
/** What a valid file may say: of a node on EC2, or of one with ranges of its own. */
const someSettings = fc.oneof(together(some(ofEc2), some(ofBoth), bgp), together(ranges, some(ofBoth), bgp));

/** The settings as a file of either form. */
function fileOf(settings: Said, asList: boolean): unknown {
  const part = (section: string) => {
    const own = new Set(keySchemas.filter((schema) => schema.section === section).map(({ key }) => key));
    const entries = Object.entries(settings).filter(([key]) => own.has(key) && isSettingIn(section, key));
    return entries.length === 0 ? {} : { [section]: Object.fromEntries(entries) };
  };
  const entry = { type: "cilium-cni", ...part("eni"), ...part("ipam"), ...part("bgp") };
  return asList ? { name: "n", plugins: [{ type: "portmap" }, entry] } : entry;
}

function isSettingIn(section: string, key: string): boolean {
  return keySchemas.some((schema) => schema.section === section && schema.key === key && schema.role === "setting");
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
        fc.constantFrom(
          "%",
          '{"eni":%}',
          '{"ipam":%}',
          '{"bgp":%}',
          '{"fleet":%}',
          '{"fleet":{"redis":%}}',
          '{"fleet":{"redis":["a:1"]},"ipam":{"fixed":[%]}}',
          '{"bgp":{"uplinks":%}}',
          '{"plugins":%}',
          '{"plugins":[%]}',
        ),
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

describe("whatever the spelling of addresses", () => {
  /** The same address or range, with capitals, zeros and gaps as it may come. */
  const spelled = (text: string): fc.Arbitrary<string> => {
    const [address = "", length] = text.split("/");
    const { family, first } = rangeOf(address);
    const suffix = length === undefined ? "" : `/${length}`;
    if (family === "ipv4") return fc.constant(`${address}${suffix}`);
    const groups = first.toString(16).padStart(32, "0").match(/.{4}/g) ?? [];
    const long = groups.map((group) =>
      fc.constantFrom(group, group.toUpperCase(), group.replace(/^0{1,3}/, ""), group.replace(/^0/, "")),
    );
    return fc
      .oneof(
        fc.constant(address.toUpperCase()),
        fc.tuple(...long).map((some) => some.join(":")),
      )
      .map((one) => `${one}${suffix}`);
  };
  const spelledAll = (all: readonly string[]) => fc.tuple(...all.map(spelled));

  it("a file and an override say the same, in canonical text, and what is canonical stays as it is", () => {
    const cases = together(ranges, fc.record({ asn, uplinks })).chain((canonical) => {
      const said = canonical as { podCIDRs: string[]; "excluded-addresses": string[]; uplinks: { neighbor: string }[] };
      return fc.record({
        canonical: fc.constant(canonical),
        podCIDRs: spelledAll(said.podCIDRs),
        excluded: spelledAll(said["excluded-addresses"]),
        neighbors: spelledAll(said.uplinks.map((one) => one.neighbor)),
      });
    });
    fc.assert(
      fc.property(cases, ({ canonical, podCIDRs, excluded, neighbors }) => {
        const uplinksSpelled = (canonical.uplinks as object[]).map((one, at) => ({ ...one, neighbor: neighbors[at] }));
        const loose: Said = { ...canonical, podCIDRs, "excluded-addresses": excluded, uplinks: uplinksSpelled };
        expect(read(fileOf(loose, false)).values).toEqual(canonical);
        expect(read(fileOf(canonical, false)).values).toEqual(canonical);
        for (const [name, value] of Object.entries(loose)) {
          const text = typeof value === "string" ? value : JSON.stringify(value);
          expect(parseOverride(`${name}=${text}`).value).toEqual(canonical[name as SettingName]);
        }
        const overrides = Object.fromEntries(
          Object.entries(loose).map(([name, value]) => [name, { value, setAtMs: 1 }]),
        );
        expect(effectiveSettings(undefined, overrides).values).toMatchObject(canonical);
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
