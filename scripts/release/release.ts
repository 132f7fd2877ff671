/**
 * The release of enid: a folder with the executable, the plugin and what an installation needs beside them, and its tarball.
 * docs/release.md says what is in it. Two builds of one commit on one machine give the same bytes.
 */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bundleChunks, factsOfCheckout, ROOT } from "../build.ts";
import { makeExecutable } from "./executable.ts";
import type { ReleaseFacts } from "./facts.ts";
import { checksums, copyFile, copyFolder, pack, sha256Of, write } from "./files.ts";
import { thirdPartyLicences } from "./licences.ts";
import { bundledPackages } from "./packages.ts";
import { platformNamed } from "./platform.ts";
import { makePlugin } from "./plugin.ts";
import { softwareBillOfMaterials } from "./sbom.ts";

/** What share/ has of the checkout: folder in the checkout, folder in share/. */
const SHARED = [
  ["deploy/systemd", "systemd"],
  ["schemas", "schemas"],
  ["eni-config", "eni-config"],
  ...["iam", "host", "cilium", "docker", "ec2", "compose", "kubernetes", "salt"].map(
    (name) => [`deploy/${name}`, `deploy/${name}`] as const,
  ),
] as const;

export interface ReleaseOptions {
  /** "linux-x64" or "linux-arm64". */
  readonly platform: string;
  /** The folder that gets the release; what else is in it stays. */
  readonly output: string;
  /** Told what is missing in the release, and why. */
  readonly say: (line: string) => void;
}

export interface Release {
  readonly folder: string;
  readonly tarball: string;
  readonly facts: ReleaseFacts;
}

/** @throws Refusal the machine lacks something without which there is no release. */
export async function buildRelease({ platform: name, output, say }: ReleaseOptions): Promise<Release> {
  const platform = platformNamed(name);
  const workFolder = mkdtempSync(join(tmpdir(), "enid-release-"));
  try {
    const built = factsOfCheckout();
    if (built.isModified) say("the checkout has changes that are in no commit: release.json says `modified`");
    if (built.builtAt === null)
      say("git does not tell the time of the commit, and SOURCE_DATE_EPOCH is not set: no date");
    const { version, dependencies } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
    const title = `enid-${version}-${name}`;
    const folder = join(workFolder, title);
    mkdirSync(folder, { mode: 0o755 });

    const { chunks, metafile } = await bundleChunks(built);
    const file = join(folder, "enid");
    const { nodeVersion } = await makeExecutable({ platform, chunks, file, workFolder, say });
    const library = makePlugin(platform, join(folder, "enid-ipam"), say);

    const { commit, isModified: modified, builtAt } = built;
    const facts = { name: "enid", version, commit, modified, builtAt, platform: name, node: nodeVersion };
    const packages = bundledPackages(metafile);
    const direct = Object.keys(dependencies).map((one) => `node_modules/${one}`);
    for (const [from, to] of SHARED) {
      if (existsSync(join(ROOT, from))) copyFolder(join(ROOT, from), join(folder, "share", to));
      else say(`${from} is not in this checkout: share/${to} is missing in this release`);
    }
    copyFile(join(ROOT, "LICENSE"), join(folder, "LICENSE"));
    write(join(folder, "THIRD-PARTY-LICENSES.txt"), thirdPartyLicences(packages, nodeVersion, library));
    write(join(folder, "sbom.cdx.json"), json(softwareBillOfMaterials(facts, packages, direct, library)));
    write(join(folder, "release.json"), json(facts));
    write(join(folder, "SHA256SUMS"), checksums(folder));

    const tarball = join(workFolder, `${title}.tar.gz`);
    await pack(folder, tarball, builtAt);
    write(`${tarball}.sha256`, `${sha256Of(tarball)}  ${title}.tar.gz\n`);
    return {
      folder: place(workFolder, output, title, platform.isNative),
      tarball: join(output, `${title}.tar.gz`),
      facts,
    };
  } finally {
    rmSync(workFolder, { recursive: true, force: true });
  }
}

function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

/** Puts what is complete into the output, in the place of what a build before left there; answers the folder. */
function place(workFolder: string, output: string, title: string, isNative: boolean): string {
  mkdirSync(output, { recursive: true });
  const folder = join(output, title);
  rmSync(folder, { recursive: true, force: true });
  copyFolder(join(workFolder, title), folder);
  for (const name of [`${title}.tar.gz`, `${title}.tar.gz.sha256`])
    copyFile(join(workFolder, name), join(output, name));
  if (isNative) {
    const link = join(output, `.enid-${process.pid}`);
    symlinkSync(join(title, "enid"), link);
    renameSync(link, join(output, "enid"));
  }
  return folder;
}
