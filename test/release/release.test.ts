import { execFileSync } from "node:child_process";
import { existsSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bundleChunks, factsOfCheckout } from "../../scripts/build.ts";
import { makeExecutable } from "../../scripts/release/executable.ts";
import { sha256Of } from "../../scripts/release/files.ts";
import { bundledPackages } from "../../scripts/release/packages.ts";
import { platformNamed } from "../../scripts/release/platform.ts";
import { needsInterpreter } from "../../scripts/release/plugin.ts";
import { buildRelease, type Release } from "../../scripts/release/release.ts";
import { ROOT } from "../house/source-files.ts";
import { describeAsRoot } from "../support/root.ts";
import { type BareMachine, bareMachine } from "./bare-machine.ts";

const PLATFORM = "linux-x64";
/** What a node has to fetch before it is one (docs/release.md). */
const SIZE_LIMIT_BYTES = 60 * 1024 * 1024;
/** Of the C++ library of GCC and of the C library, as every distribution with glibc has them. */
const LIBRARIES = ["libc", "libdl", "libgcc_s", "libm", "libpthread", "libstdc++"];

const folder = mkdtempSync(join(tmpdir(), "enid-release-test-"));
const said: string[] = [];
let release: Release;

beforeAll(async () => {
  release = await buildRelease({ platform: PLATFORM, output: join(folder, "dist"), say: (line) => said.push(line) });
}, 300_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const run = (program: string, args: readonly string[], cwd = release.folder) =>
  execFileSync(program, args, { cwd, encoding: "utf8", maxBuffer: 64 * 1024 * 1024 });
const pathsOf = (of: string) =>
  readdirSync(of, { recursive: true, encoding: "utf8" })
    .filter((path) => lstatSync(join(of, path)).isFile())
    .toSorted();

describe("the release", () => {
  it("lacks nothing: the build warns of uncommitted changes at most", () => {
    expect(said.filter((line) => !/changes that are in no commit|git does not tell/.test(line))).toEqual([]);
  });

  it("is what its checksums say, packed and unpacked, and the tarball is small", () => {
    const listed = readFileSync(join(release.folder, "SHA256SUMS"), "utf8").trimEnd().split("\n");
    const paths = listed.map((line) => line.slice(66));
    expect(paths).toEqual(pathsOf(release.folder).filter((path) => path !== "SHA256SUMS"));
    run("sha256sum", ["--check", "--quiet", "--strict", "SHA256SUMS"]);
    run("sha256sum", ["--check", "--quiet", "--strict", `${release.tarball}.sha256`], join(folder, "dist"));
    expect(statSync(release.tarball).size).toBeLessThan(SIZE_LIMIT_BYTES);

    const unpacked = join(folder, "unpacked");
    mkdirSync(unpacked);
    run("tar", ["-xzf", release.tarball, "-C", unpacked]);
    expect(readdirSync(unpacked)).toEqual([`enid-${release.facts.version}-${PLATFORM}`]);
    run("sha256sum", ["--check", "--quiet", "SHA256SUMS"], join(unpacked, readdirSync(unpacked)[0] ?? ""));
  });

  it("has what an installation needs", () => {
    expect(readdirSync(release.folder).toSorted()).toEqual(
      [
        "LICENSE",
        "SHA256SUMS",
        "THIRD-PARTY-LICENSES.txt",
        "enid",
        "enid-ipam",
        "release.json",
        "sbom.cdx.json",
        "share",
      ].toSorted(),
    );
    expect(readdirSync(join(release.folder, "share")).toSorted()).toEqual([
      "deploy",
      "eni-config",
      "schemas",
      "systemd",
    ]);
    // deploy/systemd lies beside share/deploy, and README.md leads through the checkout.
    const deployed = readdirSync(join(ROOT, "deploy")).filter((name) => name !== "README.md" && name !== "systemd");
    expect(readdirSync(join(release.folder, "share/deploy")).toSorted()).toEqual(deployed.toSorted());
    const modes = Object.fromEntries(
      ["enid", "enid-ipam", "LICENSE", "share/deploy/ec2/bottlerocket/host-container"].map((path) => [
        path,
        (statSync(join(release.folder, path)).mode & 0o7777).toString(8),
      ]),
    );
    expect(modes).toEqual({
      enid: "755",
      "enid-ipam": "755",
      LICENSE: "644",
      "share/deploy/ec2/bottlerocket/host-container": "755",
    });
  });

  it("says which commit it is of, in release.json and by its executable", () => {
    const told = JSON.parse(readFileSync(join(release.folder, "release.json"), "utf8"));
    expect(told).toEqual(release.facts);
    const { name: _, node, ...facts } = told;
    const version = JSON.parse(run(join(release.folder, "enid"), ["version", "--json"]));
    expect(version).toEqual({ ...facts, node: `v${node}` });
    expect(run("git", ["rev-parse", "HEAD"], ROOT).trim()).toBe(told.commit);
    expect(run(join(release.folder, "enid"), ["--version"])).toContain(`commit ${told.commit}`);
  });

  it("needs the C library of the node and nothing else; the plugin needs nothing", () => {
    const needed = [...run("readelf", ["--dynamic", "enid"]).matchAll(/NEEDED.*\[(.+?)\.so/g)].map(([, name]) => name);
    expect(needed.filter((name) => !name?.startsWith("ld-linux")).toSorted()).toEqual(LIBRARIES);
    expect(needsInterpreter(readFileSync(join(release.folder, "enid-ipam")))).toBe(false);
  });

  it("is the same, byte for byte, when it is made again", async () => {
    const workFolder = join(folder, "again");
    mkdirSync(workFolder);
    const { chunks, metafile } = await bundleChunks(factsOfCheckout());
    const file = join(workFolder, "enid");
    await makeExecutable({ platform: platformNamed(PLATFORM), chunks, file, workFolder, say: () => {} });
    expect(sha256Of(file)).toBe(sha256Of(join(release.folder, "enid")));

    // The bill of materials and the licences have what is in the bundle: the packages, Node, and the plugin's C library.
    const packages = bundledPackages(metafile);
    const bill = JSON.parse(readFileSync(join(release.folder, "sbom.cdx.json"), "utf8"));
    const purls = bill.components.flatMap(({ purl }: { purl?: string }) => purl ?? []);
    const wanted = packages.map(({ name, version }) => `pkg:npm/${name.replace("@", "%40")}@${version}`);
    expect(purls.toSorted()).toEqual([...new Set(wanted), `pkg:github/nodejs/node@v${release.facts.node}`].toSorted());
    const licences = readFileSync(join(release.folder, "THIRD-PARTY-LICENSES.txt"), "utf8");
    const unlicensed = packages.filter(({ name, version }) => !licences.includes(`${name} ${version} (`));
    expect(unlicensed).toEqual([]);
    expect(licences).toContain(`Node.js ${release.facts.node}`);
  }, 300_000);

  it("has a bill of materials whose parts have a licence, and whose references lead somewhere", () => {
    const bill = JSON.parse(readFileSync(join(release.folder, "sbom.cdx.json"), "utf8"));
    expect(bill).toMatchObject({ bomFormat: "CycloneDX", specVersion: "1.6", version: 1 });
    const refs = [bill.metadata.component, ...bill.components].map((one) => one["bom-ref"]);
    expect(new Set(refs).size).toBe(refs.length);
    expect(bill.dependencies.map(({ ref }: { ref: string }) => ref).toSorted()).toEqual(refs.toSorted());
    const led = bill.dependencies.flatMap(({ dependsOn }: { dependsOn: string[] }) => dependsOn);
    expect(led.filter((ref: string) => !refs.includes(ref))).toEqual([]);
    // Nothing is in it that nothing leads to.
    expect(refs.slice(1).filter((ref: string) => !led.includes(ref))).toEqual([]);
    for (const one of bill.components) expect(one.licenses?.length, one.name).toBeGreaterThan(0);
  });
});

describeAsRoot("the release on a machine without Node", () => {
  const root = join(folder, "image");
  let machine: BareMachine;

  // The image of deploy/docker/Dockerfile, whose one step this is.
  beforeAll(async () => {
    run("sh", [join(release.folder, "share/deploy/docker/assemble"), release.folder, root]);
    machine = await bareMachine(root);
  }, 60_000);
  afterAll(() => machine?.remove());

  it("has no Node, and what enid calls", async () => {
    expect(pathsOf(root).filter((path) => /(?:^|\/)(?:node|nodejs|npm)$/.test(path))).toEqual([]);
    for (const command of [
      ["/sbin/ip", "-json", "link"],
      ["/usr/sbin/nft", "--version"],
      ["/usr/sbin/bird", "--version"],
    ]) {
      expect(await machine.run(command)).toMatchObject({ code: 0 });
    }
    const version = await machine.run(["/opt/enid/enid", "--version"]);
    expect(version).toMatchObject({ code: 0, stderr: "", stdout: expect.stringMatching(/^enid \d/) });
  });

  it("runs the simulated cloud, and enid to ready over it, and gives a pod an address by its plugin", async () => {
    machine.write(
      "/etc/enid/vpc.json",
      readFileSync(join(ROOT, "src/simulator/examples/two-pod-subnets.json"), "utf8"),
    );
    const simulator = await machine.start(["/opt/enid/enid", "simulator", "--vpc", "/etc/enid/vpc.json", "--json"]);
    const [[, node] = []] = Object.entries<{ environment: Record<string, string> }>(JSON.parse(simulator).instances);
    const configuration = JSON.stringify({
      cniVersion: "1.0.0",
      name: "bare",
      type: "cilium-cni",
      eni: { "first-interface-index": 0, "subnet-tags": { "enid.io/pods": "true" } },
      ipam: { type: "enid-ipam", "min-allocate": 4 },
    });
    machine.write("/etc/cni/net.d/05-enid.conf", configuration);
    const daemon = ["/opt/enid/enid", "run", "--read-eni-configuration", "/etc/cni/net.d/05-enid.conf"];
    await machine.start(daemon, { environment: { ...node?.environment } });
    expect(await machine.run(["/opt/enid/enid", "status", "--wait", "--wait-seconds", "40"])).toMatchObject({
      code: 0,
    });

    // The links of the instance: without them host routes, and so addresses, are refused.
    const before = JSON.parse((await machine.run(["/opt/enid/enid", "status", "--json"])).stdout);
    for (const [position, { mac }] of before.interfaces.entries()) {
      const veth = [`eth${position}`, "address", mac, "type", "veth", "peer", "name", `peer${position}`];
      expect(await machine.run(["/sbin/ip", "link", "add", ...veth])).toMatchObject({ code: 0, stderr: "" });
    }
    const environment = {
      CNI_COMMAND: "ADD",
      CNI_CONTAINERID: "0f0f0f",
      CNI_NETNS: "/var/run/netns/0f0f0f",
      CNI_IFNAME: "eth0",
      CNI_PATH: "/opt/cni/bin",
      CNI_ARGS:
        "IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=cart-0;K8S_POD_INFRA_CONTAINER_ID=0f0f0f;K8S_POD_UID=u",
    };
    const added = await machine.run(["/opt/enid/enid-ipam"], { environment, input: configuration });
    expect(added.code, added.stdout).toBe(0);
    const address = JSON.parse(added.stdout).ips[0].address.split("/")[0];
    expect(address).toMatch(/^100\.64\.[01]\./);
    const status = await machine.run(["/opt/enid/enid", "status", "--json"]);
    expect(JSON.parse(status.stdout)).toMatchObject({ ready: true, pool: { leased: 1 } });
    const explained = await machine.run(["/opt/enid/enid", "explain", "shop/cart-0"]);
    expect(explained).toMatchObject({ code: 0, stdout: expect.stringContaining(address) });
  });

  it("simulates a fleet in threads of its own", async () => {
    const hunt = ["simulate", "--seeds", "1..2", "--nodes", "2", "--hours", "1", "--faults", "none", "--json"];
    const told = await machine.run(["/opt/enid/enid", ...hunt]);
    expect(told).toMatchObject({ code: 0 });
    expect(JSON.parse(told.stdout)).toMatchObject({ seeds: 2, violations: [] });
  });

  it("puts the plugin into the CNI folder as docker-compose.yaml does, and leaves one that is right alone", async () => {
    const compose = readFileSync(join(ROOT, "deploy/compose/docker-compose.yaml"), "utf8");
    const [, lines = ""] = /install-enid-ipam:[\s\S]*?- \|\n((?: {8}.*\n)+)/.exec(compose) ?? [];
    const script = lines.replaceAll("$$", "$");
    machine.write("/host/opt/cni/bin/enid-ipam", "the one before");
    expect(await machine.run(["/bin/sh", "-euc", script])).toMatchObject({ code: 0, stderr: "" });
    const bin = join(root, "host/opt/cni/bin");
    expect(sha256Of(join(bin, "enid-ipam"))).toBe(sha256Of(join(release.folder, "enid-ipam")));
    expect(statSync(join(bin, "enid-ipam")).mode & 0o7777).toBe(0o755);
    expect(readFileSync(join(bin, ".enid-ipam.before"), "utf8")).toBe("the one before");
    const { ino } = statSync(join(bin, "enid-ipam"));
    expect(await machine.run(["/bin/sh", "-euc", script])).toMatchObject({ code: 0, stderr: "" });
    expect(statSync(join(bin, "enid-ipam")).ino).toBe(ino);
    expect(readdirSync(bin).toSorted()).toEqual([".enid-ipam.before", "enid-ipam"]);
  });
});

describe("deploy/docker/Dockerfile", () => {
  it("is made of the release alone, in two stages, and starts what is in the image", () => {
    const text = readFileSync(join(ROOT, "deploy/docker/Dockerfile"), "utf8");
    const steps = text
      .replace(/\\\n/g, " ")
      .split("\n")
      .filter((line) => line !== "" && !line.startsWith("#"));
    expect(steps.filter((line) => line.startsWith("FROM"))).toEqual([
      expect.stringMatching(/^FROM debian:\d+\.\d+-slim AS programs$/),
      "FROM scratch",
    ]);
    // What its one script reads, it finds in the build's folder, which is the release's.
    const [, script = ""] = /^RUN sh \/release\/(\S+) \/release \/image$/m.exec(text) ?? [];
    expect(existsSync(join(release.folder, script))).toBe(true);
    expect(steps).toContain("COPY . /release");
    expect(steps).toContain("COPY --from=programs /image /");
    expect(steps).toContain('ENTRYPOINT ["/opt/enid/enid"]');
    // Of each program that the script wants, the package that brings it is installed; those of Debian's base are there.
    const [, programs = ""] = /^programs="(.+)"$/m.exec(readFileSync(join(release.folder, script), "utf8")) ?? [];
    expect(programs.split(" ")).toEqual(expect.arrayContaining(["ip", "nft", "bird", "birdc", "sh"]));
    const [, installed = ""] = /--no-install-recommends ([^\n]+)/.exec(text) ?? [];
    expect(installed.split(" ")).toEqual(["bird2", "diffutils", "iproute2", "libstdc++6", "nftables"]);
  });
});
