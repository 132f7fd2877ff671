import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { placeholdersOf, SYSTEMS, secretsIn, USER_DATA_LIMIT_BYTES, userData } from "../../src/bootstrap/index.ts";
import { parseYaml } from "../deploy/yaml.ts";
import { filesBelow, readSource } from "../house/source-files.ts";
import { CONFLIST, partsOf, scriptOf, VALUES } from "./release.ts";

const toml = (text: string): unknown =>
  JSON.parse(
    execFileSync(
      "/usr/bin/python3",
      ["-c", "import json, sys, tomllib; json.dump(tomllib.load(sys.stdin.buffer), sys.stdout)"],
      {
        input: text,
        encoding: "utf8",
      },
    ),
  );

/** The NodeConfig of the user data of a system. */
function nodeConfig(system: "al2023" | "al2023-managed"): unknown {
  const part = partsOf(userData(system, VALUES).text).find(({ type }) => type === "application/node.eks.aws");
  return parseYaml(part?.text ?? "");
}

describe("user data", () => {
  it.each(SYSTEMS)("of %s has a value for every placeholder, and fits", (system) => {
    const { text, bytes, gzippedBytes } = userData(system, VALUES);
    expect(text).not.toMatch(/@[A-Z0-9_]+@/);
    expect(bytes).toBe(Buffer.byteLength(text));
    expect(bytes).toBeLessThan(USER_DATA_LIMIT_BYTES / 2);
    expect(gzippedBytes).toBeLessThan(bytes);
    // EC2 and cloud-init take any bytes; a console does not.
    expect(text).toMatch(/^[\n\x20-\x7e]+$/);
  });

  it("comes from every template there is", () => {
    const templates = filesBelow("deploy/ec2", (path) => /\/user-data[^/]*$/.test(path)).map(readSource);
    expect(templates).toHaveLength(SYSTEMS.length);
    const names = templates.map((text) =>
      [...new Set(text.match(/@[A-Z0-9_]+@/g))].map((name) => name.slice(1, -1)).sort(),
    );
    expect(names.sort()).toEqual(SYSTEMS.map((system) => placeholdersOf(system).toSorted()).sort());
  });

  it("has an image on Bottlerocket whose parts are of the release, and whose entry finds them", () => {
    const lines = readSource("deploy/ec2/bottlerocket/Dockerfile").split("\n");
    const copied = lines.filter((line) => line.startsWith("COPY ")).map((line) => line.split(" ").slice(1));
    expect(copied.map(([from]) => from)).toEqual(["enid", "enid-ipam", "share/deploy/ec2/bottlerocket/host-container"]);
    const entry = readSource("deploy/ec2/bottlerocket/host-container");
    expect(entry).toContain(`</usr/local/lib/enid/enid-ipam`);
    expect(lines).toContain(`ENTRYPOINT ["${copied.at(-1)?.[1]}"]`);
  });

  it("has the same script on each system up to what is of the system", () => {
    const shared = (text: string) => text.slice(0, text.indexOf('"$enid" install'));
    const [first = "", ...others] = (["al2023", "al2023-managed", "ubuntu"] as const).map((system) =>
      shared(scriptOf(system)),
    );
    expect(first.length).toBeGreaterThan(2_000);
    for (const other of others) expect(other).toBe(first);
    expect(scriptOf("al2023-managed")).toBe(scriptOf("al2023"));
  });

  it("of Amazon Linux has a NodeConfig and a script, in this order", () => {
    for (const system of ["al2023", "al2023-managed"] as const) {
      expect(partsOf(userData(system, VALUES).text).map(({ type }) => type)).toEqual([
        "application/node.eks.aws",
        "text/x-shellscript",
      ]);
    }
    expect(nodeConfig("al2023")).toEqual({
      apiVersion: "node.eks.aws/v1alpha1",
      kind: "NodeConfig",
      spec: {
        cluster: {
          name: VALUES.CLUSTER_NAME,
          apiServerEndpoint: VALUES.API_ENDPOINT,
          certificateAuthority: VALUES.CERTIFICATE_AUTHORITY,
          cidr: VALUES.SERVICE_CIDR,
        },
        kubelet: { config: { maxPods: 58 } },
      },
    });
    expect(nodeConfig("al2023-managed")).toEqual({
      apiVersion: "node.eks.aws/v1alpha1",
      kind: "NodeConfig",
      spec: { kubelet: { config: { maxPods: 58 }, flags: ["--max-pods=58"] } },
    });
  });

  it("of Bottlerocket is TOML with the host container and the number of pods", () => {
    const container = {
      enid: { enabled: true, superpowered: true, source: VALUES.IMAGE, "user-data": VALUES.CONFLIST_BASE64 },
    };
    expect(toml(userData("bottlerocket-managed", VALUES).text)).toEqual({
      settings: { kubernetes: { "max-pods": 58 }, "host-containers": container },
    });
    expect(toml(userData("bottlerocket", VALUES).text)).toEqual({
      settings: {
        kubernetes: {
          "cluster-name": VALUES.CLUSTER_NAME,
          "api-server": VALUES.API_ENDPOINT,
          "cluster-certificate": VALUES.CERTIFICATE_AUTHORITY,
          "max-pods": 58,
        },
        "host-containers": container,
      },
    });
  });

  it.each([
    ["ARTIFACT_S3", "s3://bucket/x'; reboot; '"],
    ["ARTIFACT_S3", "https://bucket/x"],
    ["ARTIFACT_SHA256", "A".repeat(64)],
    ["REGION", "eu-central-1\nx"],
    ["MAX_PODS", "0"],
    ["CLUSTER_NAME", 'a"b'],
    ["CLUSTER_NAME", "$(reboot)"],
    ["API_ENDPOINT", "http://insecure"],
    ["SERVICE_CIDR", "10.100.0.0"],
    ["REDIS_SECRET", "a'b"],
    ["REDIS_PASSWORD_FILE", "relative"],
  ])("takes no %s %j", (name, value) => {
    expect(() => userData("al2023", { ...VALUES, [name]: value })).toThrow(
      expect.objectContaining({ code: "ENID_USER_DATA_VALUE" }),
    );
  });

  it("that would not fit even compressed is refused", () => {
    // Nothing that gzip could shorten.
    const noise = Buffer.concat(
      Array.from({ length: 600 }, (_, index) => createHash("sha256").update(String(index)).digest()),
    );
    expect(() => userData("al2023", { ...VALUES, CONFLIST_BASE64: noise.toString("base64") })).toThrow(
      expect.objectContaining({ code: "ENID_USER_DATA_TOO_LARGE" }),
    );
  });
});

describe("secrets in a configuration", () => {
  it.each([
    [{ fleet: { "redis-password": "x" } }, ["/fleet/redis-password"]],
    [{ plugins: [{ token: "x" }, { "secret-key": "", secret: "y" }] }, ["/plugins/0/token", "/plugins/1/secret"]],
    [{ url: "redis://user:word@host:6379" }, ["/url"]],
    [{ note: "-----BEGIN RSA PRIVATE KEY-----" }, ["/note"]],
    [{ "aws-key": "AKIAABCDEFGHIJKLMNOP" }, ["/aws-key"]],
  ])("are found: %j", (value, places) => {
    expect(secretsIn(value)).toEqual(places);
  });

  it("are in none of the examples", () => {
    for (const path of filesBelow("eni-config")) {
      if (!/\.(json|conf|conflist)$/.test(path)) continue;
      expect(secretsIn(JSON.parse(readSource(path))), path).toEqual([]);
    }
    expect(secretsIn(JSON.parse(CONFLIST))).toEqual([]);
  });
});
