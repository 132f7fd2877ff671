import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { updatePropsTables } from "../../scripts/render-props.ts";
import { readPage } from "../../test/documents/markdown.ts";
import { ROOT, readSource } from "../../test/house/source-files.ts";

/** A compiler or npm on a machine that runs all other tests as well. */
const LIMIT_MS = 120_000;

const PAGE = "docs/cdk.md";

interface Manifest {
  readonly version: string;
  readonly exports: Readonly<Record<string, string | Readonly<Record<string, string>>>>;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly peerDependencies: Readonly<Record<string, string>>;
}

const manifest = JSON.parse(readSource("cdk/package.json")) as Manifest;
const folder = mkdtempSync(join(tmpdir(), "enid-cdk-package-"));
const app = join(folder, "app");
const installed = join(app, "node_modules", "@enid", "cdk");

function run(program: string, args: readonly string[], cwd: string): string {
  // With the project's Node, also where a program asks PATH for one.
  const env = {
    ...process.env,
    PATH: `${dirname(process.execPath)}:${process.env.PATH}`,
    npm_config_update_notifier: "false",
    CDK_VALIDATION: "false",
  };
  return execFileSync(program, args, {
    cwd,
    env,
    encoding: "utf8",
    timeout: LIMIT_MS,
    stdio: ["ignore", "pipe", "pipe"],
  });
}

let packed: readonly string[] = [];

/** Builds the package, packs it as npm does, and installs it in an app that has its declared dependencies and nothing else. */
beforeAll(() => {
  const source = join(folder, "source");
  mkdirSync(source);
  run(join(ROOT, "bin", "with-node"), ["cdk/build.ts", join(source, "lib")], ROOT);
  cpSync(join(ROOT, "cdk", "package.json"), join(source, "package.json"));
  // Its prepack builds into cdk/lib, which belongs to whoever works there.
  const [pack] = Object.values(JSON.parse(run("npm", ["pack", "--json", "--ignore-scripts"], source))) as [
    { filename: string; files: { path: string }[] },
  ];
  packed = pack.files.map(({ path }) => path);
  mkdirSync(installed, { recursive: true });
  run("tar", ["-xzf", join(source, pack.filename), "-C", installed, "--strip-components=1"], folder);
  for (const name of Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies })) {
    symlinkSync(join(ROOT, "node_modules", name), join(app, "node_modules", name));
  }
  writeFileSync(join(app, "package.json"), '{ "type": "module" }');
  mkdirSync(join(app, "dist"));
  writeFileSync(join(app, "dist", "enid-0.1.0-linux-x64.tar.gz"), "stands in for a release of enid\n");
  const blocks = readPage(PAGE).blocks.filter(({ tag }) => tag === "ts");
  expect(blocks).toHaveLength(2);
  blocks.forEach(({ text }, at) => {
    writeFileSync(join(app, `block-${at + 1}.ts`), text);
  });
}, LIMIT_MS);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** An app with both blocks of the page, which prints how many resources of each type its template has. */
const APP = `
import { App, Stack } from "aws-cdk-lib";
import { Template } from "aws-cdk-lib/assertions";
import { Vpc } from "aws-cdk-lib/aws-ec2";
import { EnidArtifact } from "@enid/cdk";
import { addNodes } from "./block-1.ts";
import { addSpecialNodes } from "./block-2.ts";

const stack = new Stack(new App({ outdir: "cdk.out" }), "Shop", { env: { account: "123456789012", region: "eu-central-1" } });
const vpc = new Vpc(stack, "Vpc", { availabilityZones: ["eu-central-1a", "eu-central-1b"], natGateways: 1 });
const cluster = { clusterName: "shop", clusterSecurityGroupId: "sg-0a1b2c3d4e5f60718", vpc };
const group = addNodes(stack, cluster);
addSpecialNodes(stack, cluster, stack.node.findChild("Artifact") as EnidArtifact);
const { Resources } = Template.fromStack(stack).toJSON() as { Resources: Record<string, { Type: string; Properties: unknown }> };
process.stdout.write(JSON.stringify({ maxPods: group.maxPods, resources: Object.values(Resources) }));
`;

/** What must fit, and what must not. */
const TYPES = `
import type { ICluster } from "aws-cdk-lib/aws-eks";
import type { ICluster as ICluster2 } from "aws-cdk-lib/aws-eks-v2";
import type { EnidCluster, EnidConfiguration } from "@enid/cdk";

export const clusters = (one: ICluster, two: ICluster2): EnidCluster[] => [one, two];
export const right: EnidConfiguration = { eni: { "prefix-delegation": "preferred" }, fleet: { redis: ["a:6379"] } };
// @ts-expect-error a key that is not there
export const unknownKey: EnidConfiguration = { ipam: { "min-alocate": 1 } };
// @ts-expect-error a value that is not allowed
export const wrongValue: EnidConfiguration = { eni: { "prefix-delegation": "always" } };
// @ts-expect-error a key of nodes on-premises
export const elsewhere: EnidConfiguration = { ipam: { podCIDRs: ["10.0.0.0/24"] } };
`;

describe("the package of npm run build -w cdk", () => {
  it("has what its exports name, the texts that it reads, and no sources", () => {
    const named = Object.values(manifest.exports).flatMap((one) =>
      typeof one === "string" ? [one] : Object.values(one),
    );
    for (const path of named) expect(packed).toContain(path.replace(/^\.\//, ""));
    expect(packed).toContain("lib/deploy/iam/enid-node.json");
    expect(packed).toContain("lib/LICENSE");
    expect(packed.filter((path) => !path.startsWith("lib/"))).toEqual(["package.json"]);
    expect(packed.filter((path) => /(?<!\.d)\.ts$|\.test\.|node_modules/.test(path))).toEqual([]);
  });

  it(
    "fits the types of an app, and so do the blocks of the page",
    () => {
      writeFileSync(join(app, "types.ts"), TYPES);
      writeFileSync(join(app, "app.ts"), APP);
      const compilerOptions = {
        module: "nodenext",
        target: "es2024",
        strict: true,
        noEmit: true,
        skipLibCheck: true,
        allowImportingTsExtensions: true,
        types: ["node"],
        typeRoots: [join(ROOT, "node_modules", "@types")],
      };
      writeFileSync(join(app, "tsconfig.json"), JSON.stringify({ compilerOptions, include: ["*.ts"] }));
      try {
        run(join(ROOT, "node_modules", ".bin", "tsc"), ["-p", app], app);
      } catch (error) {
        throw new Error((error as { stdout?: string }).stdout ?? String(error));
      }
    },
    LIMIT_MS,
  );

  it(
    "is imported by an ES module, and makes a stack of the blocks of the page",
    () => {
      writeFileSync(join(app, "app.ts"), APP);
      const { maxPods, resources } = JSON.parse(run(process.execPath, ["app.ts"], app)) as {
        maxPods: number;
        resources: { Type: string; Properties: unknown }[];
      };
      expect(maxPods).toBe(20);
      const all = JSON.stringify(resources);
      expect(resources.filter(({ Type }) => Type === "AWS::EKS::Nodegroup")).toHaveLength(2);
      expect(resources.filter(({ Type }) => Type === "AWS::EC2::VPCCidrBlock")).toHaveLength(1);
      for (const told of [
        '"cost-centre"',
        '"NodeRepairConfig":{"Enabled":true}',
        '"MaxUnavailablePercentage":20',
        '"ssm:GetParameter"',
      ]) {
        expect(all).toContain(told);
      }
    },
    LIMIT_MS,
  );

  it("is built into a folder that nobody commits, lints or tests", () => {
    expect(readSource(".gitignore").split("\n")).toContain("/cdk/lib/");
    expect(JSON.parse(readSource("cdk/tsconfig.json").replace(/^\s*\/\/.*$/gm, "")).include).not.toContain("lib");
    expect(JSON.parse(readSource("biome.json")).vcs).toMatchObject({ enabled: true, useIgnoreFile: true });
  });
});

describe(PAGE, () => {
  it("has the tables of props that the docstrings make", () => {
    const page = readSource(PAGE);
    expect(updatePropsTables(page), "run npm run docs").toBe(page);
  });

  it("has a table for the props of every construct", () => {
    const tables = [...readSource(PAGE).matchAll(/<!-- props: \S+ (\w+) -->\n\| Prop/g)].map(([, name]) => name);
    const files = readdirSync(join(ROOT, "cdk", "src"));
    const declared = files.flatMap((file) => {
      const source = readFileSync(join(ROOT, "cdk", "src", file), "utf8");
      return [...source.matchAll(/^export interface (Enid\w+Props) /gm)].map(([, name]) => name);
    });
    expect(declared).toHaveLength(4);
    for (const name of declared) expect(tables).toContain(name);
  });
});
