import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFileSync, cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "../../house/source-files.ts";
import { asComposeOneReadsIt } from "../compose-one.ts";

export interface Tarball {
  readonly file: string;
  readonly sha256: string;
}

/** A release of that version as `npm run build` lays it out, with an executable that stands for enid's. */
export function packRelease(folder: string, version: string): Tarball {
  const name = `enid-${version}-linux-x64`;
  const release = join(folder, name);
  mkdirSync(join(release, "share/deploy"), { recursive: true });
  const defines = [`-DRELEASE="${version}"`, `-DCHECKOUT="${ROOT}"`];
  const source = join(ROOT, "test/deploy/salt/stand-in.c");
  execFileSync(process.env.CC ?? "cc", ["-O1", ...defines, "-o", join(release, "enid"), source]);
  copyFileSync(join(ROOT, "native/bin/enid-ipam"), join(release, "enid-ipam"));
  for (const part of ["compose", "cilium"]) {
    cpSync(join(ROOT, "deploy", part), join(release, "share/deploy", part), { recursive: true });
  }
  for (const file of ["docker-compose.yaml", "release-folder.yaml"]) {
    const path = join(release, "share/deploy/compose", file);
    writeFileSync(path, asComposeOneReadsIt(readFileSync(path, "utf8")));
  }
  const sums = ["enid", "enid-ipam", "share/deploy/compose/docker-compose.yaml"]
    .map((path) => `${sha256Of(join(release, path))}  ${path}\n`)
    .join("");
  writeFileSync(join(release, "SHA256SUMS"), sums);
  const file = join(folder, `${name}.tar.gz`);
  execFileSync("tar", ["-czf", file, "-C", folder, name]);
  return { file, sha256: sha256Of(file) };
}

function sha256Of(file: string): string {
  return createHash("sha256").update(readFileSync(file)).digest("hex");
}
