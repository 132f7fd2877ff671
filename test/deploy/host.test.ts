import { describe, expect, it } from "vitest";
import { filesBelow, readSource } from "../house/source-files.ts";

const FOLDER = "deploy/host";
const PAGE = readSource("docs/cilium.md");

describe("the files of deploy/host for the machine's own network services", () => {
  const files = filesBelow(FOLDER);

  it.each(files)("%s says where it goes, and the page says when", (path) => {
    const place = path.slice(FOLDER.length);
    expect(readSource(path).split("\n")[0]).toContain(`# /etc${place}`);
    expect(PAGE).toContain(`](../${path})`);
  });

  it("are named on the page only where they are there", () => {
    const linked = [...PAGE.matchAll(/\]\(\.\.\/(deploy\/host\/[^)]+)\)/g)].map(([, path]) => path ?? "");
    expect(new Set(linked)).toEqual(new Set(files));
  });

  it("have the placeholder that the page explains, and no other", () => {
    const placeholders = files.flatMap((path) =>
      [...readSource(path).matchAll(/^[^#]*\b([A-Z]+_[A-Z_]+)\b/gm)].map(([, word]) => word),
    );
    expect(placeholders.length).toBeGreaterThan(0);
    expect(new Set(placeholders)).toEqual(new Set(["PRIMARY_MAC"]));
    expect(PAGE).toContain("`PRIMARY_MAC` stands for");
  });
});
