import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { ROOT } from "../build.ts";
import type { BundledPackage } from "./packages.ts";
import type { CLibrary } from "./plugin.ts";
import { Refusal } from "./refusal.ts";

const FOLDER = fileURLToPath(new URL("./licences", import.meta.url));
const LINE = "=".repeat(100);

interface Part {
  readonly title: string;
  readonly text: string;
}

/** THIRD-PARTY-LICENSES.txt: of whom the release has code, and the licences under which. One text stands once. */
export function thirdPartyLicences(
  packages: readonly BundledPackage[],
  nodeVersion: string,
  library: CLibrary | undefined,
): string {
  const parts: Part[] = packages.map(({ path, name, version, license }) => ({
    title: `${name} ${version} (${license}), in the executable enid`,
    text: textOf(path, license),
  }));
  parts.push({ title: `Node.js ${nodeVersion}, in the executable enid, with what it contains`, text: own("node.txt") });
  if (library === "musl") parts.push({ title: "musl, in the plugin enid-ipam", text: own("musl.txt") });
  if (library === "glibc") parts.push({ title: "GNU C Library, in the plugin enid-ipam", text: GLIBC });
  const titles = Map.groupBy(parts, ({ text }) => text);
  const sections = [...titles].map(
    ([text, those]) => `${LINE}\n${those.map(({ title }) => title).join("\n")}\n${LINE}\n\n${text}\n`,
  );
  return `The release of enid holds code of others. Here are their licences; that of enid itself is in LICENSE.\n\n${sections.join("\n")}`;
}

/** Some packages leave their licence's text out; then it is the common one. */
function textOf(path: string, license: string): string {
  const files = readdirSync(join(ROOT, path)).filter((name) => /^(?:licen[cs]e|copying|notice)/i.test(name));
  if (files.length > 0) return files.map((file) => readFileSync(join(ROOT, path, file), "utf8").trim()).join("\n\n");
  if (license === "Apache-2.0") return readFileSync(join(ROOT, "LICENSE"), "utf8").trim();
  const { author } = JSON.parse(readFileSync(join(ROOT, path, "package.json"), "utf8"));
  const holder = typeof author === "string" ? author : author?.name;
  if (license === "MIT" && holder !== undefined) return `Copyright (c) ${holder}\n\n${own("mit.txt")}`;
  throw new Refusal(`${path} has no text of its licence ${license}: add one to scripts/release/licences`);
}

function own(file: string): string {
  return readFileSync(join(FOLDER, file), "utf8").trim();
}

const GLIBC = `The GNU C Library is free software under the GNU Lesser General Public License, version 2.1 or later
(https://www.gnu.org/licenses/old-licenses/lgpl-2.1.html). Its source is at https://sourceware.org/glibc/; enid's own, with
native/build.sh which links the plugin anew, comes with enid.`;
