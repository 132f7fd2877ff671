import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";

const folders: string[] = [];
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/** A new folder, removed after the tests of the file. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "enid-cdk-"));
  folders.push(folder);
  return folder;
}

/** Stands in for a release: always the same bytes, so that its asset always has the same hash. */
export function writeStandIn(platform = "linux-x64"): string {
  const file = join(temporaryFolder(), `enid-0.1.0-${platform}.tar.gz`);
  writeFileSync(file, "stands in for a release of enid\n");
  return file;
}
