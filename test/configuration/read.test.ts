import { describe, expect, it } from "vitest";
import { readConfiguration } from "../../src/configuration/index.ts";
import { FILE, failureOf, read } from "./helpers.ts";

const messages = (content: unknown) =>
  read(content).notices.map(({ place, message }) => `${place.pointer}: ${message}`);

describe("a single network configuration", () => {
  it("is read with the place of every value", () => {
    const configuration = read(`{
  "cniVersion": "1.0.0",
  "name": "cilium",
  "type": "cilium-cni",
  "eni": { "subnet-tags": {"enid.io/pods": "true"}, "first-interface-index": 1 },
  "ipam": { "type": "enid-ipam",
    "min-allocate": 10, "pre-allocate": 8 }
}`);
    expect(configuration).toMatchObject({
      file: FILE,
      form: "single",
      network: "cilium",
      cniVersion: "1.0.0",
      notices: [],
    });
    expect(configuration.values).toEqual({
      "subnet-tags": { "enid.io/pods": "true" },
      "first-interface-index": 1,
      "min-allocate": 10,
      "pre-allocate": 8,
    });
    expect(configuration.places["pre-allocate"]).toEqual({
      file: FILE,
      line: 7,
      column: 41,
      pointer: "/ipam/pre-allocate",
    });
    expect(configuration.places["subnet-tags"]).toMatchObject({ line: 5, column: 27 });
    expect(Object.keys(configuration.places).toSorted()).toEqual(Object.keys(configuration.values).toSorted());
  });

  it("counts lines and columns with any line break, and not the byte order mark", () => {
    const text = '\uFEFF{\r\n"ipam": {\r"pre-allocate": 0}}';
    const configuration = read(text);
    expect(configuration.places["pre-allocate"]).toMatchObject({ line: 3, column: 17 });
    expect(configuration.text).toBe(text);
  });

  it("keeps the text so that reading it again gives the same", () => {
    const configuration = read({ eni: { "first-interface-index": 1 }, ipam: { "pre-allocate": 0 } });
    expect(readConfiguration(Buffer.from(configuration.text), FILE)).toEqual(configuration);
  });

  it("needs no name and no version", () => {
    expect(read({ eni: {} })).toMatchObject({ network: "", cniVersion: "" });
  });

  it("may have any JSON value of other programs", () => {
    expect(
      messages({ eni: {}, mtu: 9001, args: { a: [null] }, "log-file": "/x", "enable-debug": true, "cni.dev/x": 1 }),
    ).toEqual([]);
  });
});

describe("a zero", () => {
  it.each([
    "min-allocate",
    "pre-allocate",
    "max-allocate",
    "max-above-watermark",
    "cooling-seconds",
    "add-wait-seconds",
  ] as const)("is a value of %s", (name) => {
    for (const spelling of ["0", "0.0", "-0", "0e3"]) {
      const { values } = read(`{"ipam":{"${name}":${spelling}}}`);
      expect(Object.is(values[name], 0)).toBe(true);
    }
  });

  it("is a value in the old spelling, too", () => {
    expect(read({ eni: { "pre-allocate": 0 } }).values).toEqual({ "pre-allocate": 0 });
  });
});

describe("a list", () => {
  it("is read at its first entry of type cilium-cni", () => {
    const configuration = read({
      cniVersion: "0.3.1",
      name: "first",
      plugins: [
        { type: "portmap", ipam: { type: "host-local", subnet: "10.0.0.0/8" } },
        { type: "cilium-cni", name: "inner", ipam: { "pre-allocate": 1 } },
        { type: "cilium-cni", ipam: { "pre-allocate": 2 } },
      ],
    });
    expect(configuration).toMatchObject({
      form: "list",
      network: "first",
      cniVersion: "0.3.1",
      values: { "pre-allocate": 1 },
    });
    expect(configuration.places["pre-allocate"]?.pointer).toBe("/plugins/1/ipam/pre-allocate");
    expect(configuration.notices.map(({ place }) => place.pointer)).toEqual(["/plugins/2/ipam"]);
    expect(configuration.notices[0]?.message).toContain("/plugins/1/ipam is");
  });

  it("without cilium-cni is read as one configuration", () => {
    const configuration = read({
      name: "whole",
      plugins: [{ type: "aws-cni" }, { type: "portmap" }],
      eni: { "subnet-tags": { a: "b" } },
      ipam: { "min-allocate": 3 },
    });
    expect(configuration).toMatchObject({
      form: "list",
      network: "whole",
      values: { "subnet-tags": { a: "b" }, "min-allocate": 3 },
    });
    expect(configuration.places["min-allocate"]?.pointer).toBe("/ipam/min-allocate");
    expect(configuration.notices).toEqual([]);
  });

  it("may be empty, and then says nothing", () => {
    expect(read({ plugins: [] })).toMatchObject({ form: "list", values: {} });
    expect(messages({ plugins: [] })).toEqual([
      ': the file has none of "eni", "ipam", "bgp", "fleet" and "kubernetes": every setting has its default',
    ]);
  });

  it("takes name and version of the entry when it has none itself", () => {
    const plugins = [{ type: "cilium-cni", name: "inner", cniVersion: "0.4.0", eni: {} }];
    expect(read({ plugins })).toMatchObject({ network: "inner", cniVersion: "0.4.0" });
  });

  it("refuses settings that would be lost in a second cilium-cni", () => {
    const error = failureOf(() =>
      read({
        plugins: [
          { type: "cilium-cni", eni: {} },
          { type: "cilium-cni", ipam: { "pre-allocate": 2 } },
        ],
      }),
    );
    expect(error.message).toContain('"ipam" would be lost');
    expect(error.message).toContain("/plugins/1/ipam");
  });

  it("notices a section beside plugins that the entry has itself", () => {
    const configuration = read({
      plugins: [{ type: "cilium-cni", ipam: { "pre-allocate": 1 } }],
      ipam: { "pre-allocate": 2 },
    });
    expect(configuration.values).toEqual({ "pre-allocate": 1 });
    expect(configuration.notices.map(({ place }) => place.pointer)).toEqual(["/ipam"]);
  });

  it("refuses an eni in an entry that is never read", () => {
    const error = failureOf(() => read({ plugins: [{ type: "bridge", eni: {} }, { eni: {} }] }));
    expect(error.details).toMatchObject([{ pointer: "/plugins/0/type" }, { pointer: "/plugins/1" }]);
  });
});

describe("old spellings", () => {
  const eni = { "min-allocate": 10, "pre-allocate": 8, "max-above-watermark": 4 };

  it("in eni are honoured with a notice", () => {
    const configuration = read({ eni });
    expect(configuration.values).toEqual(eni);
    expect(configuration.places["min-allocate"]?.pointer).toBe("/eni/min-allocate");
    expect(configuration.notices.map(({ place }) => place.pointer)).toEqual(
      Object.keys(eni).map((key) => `/eni/${key}`),
    );
    for (const { message } of configuration.notices) expect(message).toContain('moved to "ipam" in 2020; it is used');
  });

  it("give way to ipam, which a zero says as well as any number", () => {
    const configuration = read({ eni, ipam: { "pre-allocate": 0 } });
    expect(configuration.values).toEqual({ ...eni, "pre-allocate": 0 });
    expect(configuration.places["pre-allocate"]?.pointer).toBe("/ipam/pre-allocate");
    expect(configuration.notices[1]?.message).toContain("it is not used");
  });

  it("are checked like the new ones", () => {
    expect(failureOf(() => read({ eni: { "pre-allocate": "8" } })).message).toContain("/eni/pre-allocate");
    expect(failureOf(() => read({ eni: { "max-allocate": 8 } })).message).toContain('it belongs into "ipam"');
  });
});

describe("notices", () => {
  it("name keys of other programs, another IPAM plugin and Cilium's own keys", () => {
    expect(
      messages({ eni: {}, vendor: 1, ipam: { type: "azure-ipam", pool: {}, "pod-cidr-allocation-threshold": 8 } }),
    ).toEqual([
      '/vendor: key "vendor" is not enid\'s and is not read',
      '/ipam/type: "type" of "ipam" is "azure-ipam": cilium-cni asks that plugin for addresses, not "enid-ipam"',
      '/ipam/pool: "pool" in "ipam" is Cilium\'s and is not read',
      '/ipam/pod-cidr-allocation-threshold: "pod-cidr-allocation-threshold" in "ipam" is Cilium\'s and is not read',
    ]);
  });
});

describe("ids and tags", () => {
  const eni = {
    "subnet-ids": ["subnet-0a1b2c3d"],
    "subnet-tags": { a: "b" },
    "security-groups": ["sg-0a1b2c3d"],
    "security-group-tags": { a: "b" },
  };

  it("side by side are both kept, with a notice that the ids win", () => {
    expect(read({ eni }).values).toEqual(eni);
    expect(messages({ eni })).toEqual([
      `/eni/subnet-tags: "subnet-tags" is not used: "subnet-ids" at ${FILE}:3:19 /eni/subnet-ids wins`,
      `/eni/security-group-tags: "security-group-tags" is not used: "security-groups" at ${FILE}:9:24 /eni/security-groups wins`,
    ]);
  });

  it("raise no notice where one of them is empty", () => {
    expect(messages({ eni: { ...eni, "subnet-ids": [], "security-group-tags": {} } })).toEqual([]);
  });
});

describe("facts", () => {
  it("are read apart from the settings", () => {
    const facts = {
      "vpc-id": "vpc-0a1b2c3d",
      "availability-zone": "us-west-2-lax-1a",
      "node-subnet-id": "subnet-0a1b2c3d",
      "instance-id": "i-0a1b2c3d4e5f60718",
      "instance-type": "u-24tb1.112xlarge",
    };
    const configuration = read({ eni: facts });
    expect(configuration.facts).toEqual(facts);
    expect(configuration.values).toEqual({});
    expect(configuration.factPlaces["vpc-id"]?.pointer).toBe("/eni/vpc-id");
  });
});

describe("ranges and EC2", () => {
  it("go together as long as one of them says nothing", () => {
    expect(read({ eni: {}, ipam: { podCIDRs: ["10.1.0.0/24"] } }).values).toEqual({ podCIDRs: ["10.1.0.0/24"] });
    expect(read({ eni: { "first-interface-index": 0 }, ipam: { podCIDRs: [] } }).values.podCIDRs).toEqual([]);
  });

  it("accept a range that fills a /16 exactly, and neighbours", () => {
    const podCIDRs = ["10.1.0.0/17", "10.1.128.0/18", "10.1.192.0/18"];
    expect(read({ ipam: { podCIDRs } }).values.podCIDRs).toEqual(podCIDRs);
  });
});

describe("keys that mean something to JavaScript", () => {
  it("are ordinary tag keys", () => {
    const { values } = read('{"eni":{"subnet-tags":{"__proto__":"a","constructor":"b","toString":"c"}}}');
    expect(Object.entries(values["subnet-tags"] ?? {})).toEqual([
      ["__proto__", "a"],
      ["constructor", "b"],
      ["toString", "c"],
    ]);
  });

  it("are unknown keys in a section", () => {
    const error = failureOf(() => read('{"ipam":{"__proto__":{},"constructor":1}}'));
    expect(error.details).toMatchObject([{ pointer: "/ipam/__proto__" }, { pointer: "/ipam/constructor" }]);
  });

  it("do not become sections by inheritance", () => {
    expect(read('{"__proto__":{"eni":{"nonsense":1}},"ipam":{}}').values).toEqual({});
  });
});
