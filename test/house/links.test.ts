import { existsSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { filesBelow, ROOT, readSource } from "./source-files.ts";

const isPage = (path: string) => path.endsWith(".md");
const pages = [
  ...["docs", "eni-config", "deploy", "bench"].flatMap((folder) => filesBelow(folder, isPage)),
  ...filesBelow(".", (path) => isPage(path) && !path.includes("/")),
];

/** What is code has no links. */
const withoutCode = (text: string) => text.replace(/^```[\s\S]*?^```/gm, "").replace(/`[^`\n]*`/g, "");

/** The anchors that GitHub makes of a page's headings. */
function anchorsOf(path: string): Set<string> {
  const headings = readSource(path)
    .replace(/^```[\s\S]*?^```/gm, "")
    .matchAll(/^#+ +(.+)$/gm);
  const seen = new Map<string, number>();
  return new Set(
    [...headings].map(([, heading = ""]) => {
      const text = heading.replace(/\[([^\]]*)\]\([^)]*\)/g, "$1").toLowerCase();
      const slug = text
        .replace(/[^\p{L}\p{N}\s_-]/gu, "")
        .trim()
        .replace(/\s/g, "-");
      const count = seen.get(slug) ?? 0;
      seen.set(slug, count + 1);
      return count === 0 ? slug : `${slug}-${count}`;
    }),
  );
}

/** Links of a page to other files of the repository, or within the page. */
function linksOf(path: string): string[] {
  return [...withoutCode(readSource(path)).matchAll(/\]\(([^()\s]+)\)/g)]
    .map(([, target = ""]) => target)
    .filter((target) => !/^[a-z]+:/.test(target));
}

describe("links of the documents", () => {
  it("are looked at on every page", () => {
    expect(pages).toEqual(expect.arrayContaining(["README.md", "docs/cli.md", "eni-config/README.md"]));
    expect(linksOf("README.md").length).toBeGreaterThan(15);
  });

  it.each(pages)("of %s lead somewhere", (page) => {
    const broken = linksOf(page).filter((target) => {
      const [file = "", anchor] = target.split("#");
      const path = file === "" ? page : join(dirname(page), file);
      if (!existsSync(join(ROOT, path))) return true;
      return anchor !== undefined && statSync(join(ROOT, path)).isFile() && !anchorsOf(path).has(anchor);
    });
    expect(broken).toEqual([]);
  });
});
