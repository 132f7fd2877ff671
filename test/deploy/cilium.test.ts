import { describe, expect, it } from "vitest";
import { filesBelow, readSource } from "../house/source-files.ts";
import { parseYaml, readYaml } from "./yaml.ts";

const PAGE = readSource("docs/cilium.md");

interface Row {
  /** Name of the agent's setting, a file of agent.d/. */
  readonly setting: string;
  /** Path of the Helm value, with dots. */
  readonly helm: string;
  readonly value: string;
}

/** The rows of the table of settings of a section of the page, which are the correspondence of the two deployments. */
function settingsOf(heading: string): Row[] {
  const section = PAGE.split(/^#{2,3} /m).find((part) => part.startsWith(`${heading}\n`)) ?? "";
  return section
    .split("\n")
    .filter((line) => line.startsWith("| `"))
    .map((line) => {
      const [, setting = "", helm = "", value = "", why = ""] = line.split("|").map((cell) => cell.trim());
      expect(why.length, `${setting} has a reason`).toBeGreaterThan(10);
      return { setting: bare(setting), helm: bare(helm), value: bare(value) };
    });
}

const bare = (cell: string) => cell.replaceAll("`", "");

/** Values by their paths: {ipam: {mode: "x"}} is {"ipam.mode": "x"}. */
function flat(values: unknown, prefix = ""): Record<string, string> {
  const entries = Object.entries(values as Record<string, unknown>).flatMap(([key, value]) =>
    typeof value === "object" && value !== null
      ? Object.entries(flat(value, `${prefix}${key}.`))
      : [[`${prefix}${key}`, String(value)]],
  );
  return Object.fromEntries(entries);
}

/** A folder of agent.d/ as the agent reads it: a file for each setting. */
function agentSettings(folder: string): Record<string, string> {
  return Object.fromEntries(
    filesBelow(folder).map((path) => {
      const text = readSource(path);
      expect(text, path).toMatch(/^\S+\n$/);
      return [path.slice(folder.length + 1), text.trimEnd()];
    }),
  );
}

const toObject = (rows: readonly Row[], key: "setting" | "helm") =>
  Object.fromEntries(rows.map((row) => [row[key], row.value]));

/** The chart alone knows it: which operator is installed. */
const HELM_ALONE = { "eni.enabled": "false" };

describe.each([
  { heading: "Settings", helm: "deploy/cilium/values.yaml", agent: "deploy/cilium/agent.d", helmAlone: HELM_ALONE },
  { heading: "IPv6", helm: "deploy/cilium/ipv6/values.yaml", agent: "deploy/cilium/ipv6/agent.d", helmAlone: {} },
])("Cilium's settings, section $heading of docs/cilium.md", ({ heading, helm, agent, helmAlone }) => {
  const rows = settingsOf(heading);

  it("are named once each", () => {
    expect(rows.length).toBeGreaterThan(1);
    expect(new Set(rows.map((row) => row.setting)).size).toBe(rows.length);
    expect(new Set(rows.map((row) => row.helm)).size).toBe(rows.length);
  });

  it("are those of the agent's files, with the same values", () => {
    expect(agentSettings(agent)).toEqual(toObject(rows, "setting"));
  });

  it("are those of the Helm values, with the same values", () => {
    expect(flat(readYaml(helm))).toEqual({ ...toObject(rows, "helm"), ...helmAlone });
  });
});

describe("Cilium's settings", () => {
  const rows = settingsOf("Settings");
  const value = (setting: string) => rows.find((row) => row.setting === setting)?.value;

  it("are those without which the agent does not start in this mode", () => {
    expect(value("ipam")).toBe("delegated-plugin");
    expect(value("local-router-ipv4")).toMatch(/^169\.254\./);
    expect(value("enable-endpoint-health-checking")).toBe("false");
    expect(value("enable-envoy-config")).toBe("false");
    expect(value("routing-mode")).toBe("native");
    expect(value("enable-endpoint-routes")).toBe("true");
  });

  it("masquerade nothing", () => {
    const masquerading = rows.filter(({ setting }) => /masq/.test(setting));
    expect(masquerading.map((row) => row.value)).toEqual(["false", "false", "false", "false"]);
  });

  it("say the one thing of the chart that the page names beside the table", () => {
    expect(PAGE).toContain("Helm alone: `eni.enabled: false`.");
  });
});

describe("the reader of YAML in these tests", () => {
  it("resolves anchors, and refuses a key that is there twice", () => {
    expect(parseYaml("x: &a {b: 1}\ny: {<<: *a, c: 2}\n")).toEqual({ x: { b: 1 }, y: { b: 1, c: 2 } });
    expect(() => parseYaml("a: 1\nb: {c: 1, c: 2}\n")).toThrow("c is there twice, line 2");
    expect(() => parseYaml("a: [1")).toThrow("python3-yaml cannot read it");
  });
});
