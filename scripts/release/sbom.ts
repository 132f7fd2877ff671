import { createHash } from "node:crypto";
import type { ReleaseFacts } from "./facts.ts";
import type { BundledPackage } from "./packages.ts";
import type { CLibrary } from "./plugin.ts";

/** What the release is made of, as CycloneDX 1.6 (https://cyclonedx.org/docs/1.6/json/). The same for the same contents. */
export function softwareBillOfMaterials(
  facts: ReleaseFacts,
  packages: readonly BundledPackage[],
  direct: readonly string[],
  library: CLibrary | undefined,
): unknown {
  const root = `enid@${facts.version}`;
  const node = { ...nodeComponent(facts.node), "bom-ref": `node@${facts.node}` };
  const libraries = library === undefined ? [] : [libraryComponent(library)];
  const purls = new Map(packages.map((one) => [one.path, purlOf(one)]));
  const refsOf = (paths: readonly string[]) => paths.flatMap((path) => purls.get(path) ?? []);
  const dependencies = [
    {
      ref: root,
      dependsOn: [...refsOf(direct), node["bom-ref"], ...libraries.map((one) => one["bom-ref"])],
    },
    ...packages.map((one) => ({ ref: purlOf(one), dependsOn: refsOf(one.dependencies) })),
    ...[node, ...libraries].map((one) => ({ ref: one["bom-ref"], dependsOn: [] })),
  ];
  const contents = {
    metadata: {
      ...(facts.builtAt === null ? {} : { timestamp: facts.builtAt }),
      component: {
        type: "application",
        "bom-ref": root,
        name: "enid",
        version: facts.version,
        licenses: [{ license: { id: "Apache-2.0" } }],
        properties: [
          { name: "enid:commit", value: facts.commit },
          { name: "enid:platform", value: facts.platform },
        ],
      },
    },
    components: [...unique(packages).map(packageComponent), node, ...libraries],
    dependencies: [...new Map(dependencies.map((one) => [one.ref, one])).values()],
  };
  return {
    $schema: "http://cyclonedx.org/schema/bom-1.6.schema.json",
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    serialNumber: `urn:uuid:${uuidOf(JSON.stringify(contents))}`,
    version: 1,
    ...contents,
  };
}

/** One version may be installed in two places. */
function unique(packages: readonly BundledPackage[]): readonly BundledPackage[] {
  return [...new Map(packages.map((one) => [purlOf(one), one])).values()];
}

/** https://github.com/package-url/purl-spec: the @ of a scope is escaped. */
function purlOf({ name, version }: { readonly name: string; readonly version: string }): string {
  return `pkg:npm/${name.replace("@", "%40")}@${version}`;
}

function packageComponent(one: BundledPackage) {
  const [algorithm = "", digest = ""] = one.integrity.split("-", 2);
  const [group, name] = one.name.startsWith("@") ? one.name.split("/") : [undefined, one.name];
  return {
    type: "library",
    "bom-ref": purlOf(one),
    ...(group === undefined ? {} : { group }),
    name,
    version: one.version,
    purl: purlOf(one),
    licenses: [/[ (]/.test(one.license) ? { expression: one.license } : { license: { id: one.license } }],
    hashes: [{ alg: algorithm.replace("sha", "SHA-"), content: Buffer.from(digest, "base64").toString("hex") }],
  };
}

function nodeComponent(version: string) {
  return {
    type: "platform",
    name: "node",
    version,
    purl: `pkg:github/nodejs/node@v${version}`,
    licenses: [{ license: { id: "MIT" } }],
    description: "The runtime in the executable, with V8, OpenSSL, SQLite and what else it contains",
  };
}

/** Of the machine that builds; which version is not recorded in what it links. */
function libraryComponent(library: CLibrary) {
  const id = library === "musl" ? "MIT" : "LGPL-2.1-or-later";
  const description = "The C library in the plugin enid-ipam";
  return { type: "library", "bom-ref": library, name: library, licenses: [{ license: { id } }], description };
}

/** A UUID of version 8 (RFC 9562) of the text, so that two builds give the same. */
function uuidOf(text: string): string {
  const bytes = createHash("sha256").update(text).digest().subarray(0, 16);
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x80, 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  return bytes.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
