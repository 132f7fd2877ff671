import { describe, expect, it } from "vitest";
import { ARROWS, COMPOSERS, FURTHER_ENTRIES, roomOf } from "./rooms.ts";
import { importsOf, readSource, sources } from "./source-files.ts";

interface Crossing {
  readonly file: string;
  readonly from: string;
  readonly to: string;
  readonly target: string;
}

/** Every import that leads from one room into another. */
const crossings: readonly Crossing[] = sources.flatMap((file) => {
  const from = roomOf(file) ?? "";
  return importsOf(file)
    .filter((target) => target.startsWith("src/"))
    .map((target) => ({ file, from, to: roomOf(target) ?? "", target }))
    .filter(({ to }) => to !== from);
});

describe("rooms", () => {
  it("hold every file of src", () => {
    expect(sources.length).toBeGreaterThan(50);
    expect(sources.filter((file) => roomOf(file) === undefined)).toEqual([]);
  });

  it("are entered through their index.ts only", () => {
    expect(crossings.length).toBeGreaterThan(50);
    const entries = (room: string) => [`src/${room}/index.ts`, ...FURTHER_ENTRIES];
    const others = crossings.filter(({ to, target }) => !entries(to).includes(target));
    expect(others.map(({ file, target }) => `${file} imports ${target}`)).toEqual([]);
  });

  it("enter only the rooms that their arrows lead to", () => {
    const others = crossings.filter(({ from, to }) => !COMPOSERS.includes(from) && !ARROWS[from]?.includes(to));
    expect(others.map(({ file, from, to }) => `${file}: ${from} -> ${to}`)).toEqual([]);
  });

  it("have no arrow that no import uses", () => {
    const used = new Set(crossings.map(({ from, to }) => `${from} -> ${to}`));
    const allowed = Object.entries(ARROWS).flatMap(([from, tos]) => tos.map((to) => `${from} -> ${to}`));
    expect(allowed.filter((arrow) => !used.has(arrow))).toEqual([]);
  });

  it("lead to no circle", () => {
    const depth = (room: string, path: readonly string[]): number => {
      if (path.includes(room)) throw new Error(`circle: ${[...path, room].join(" -> ")}`);
      return 1 + Math.max(0, ...(ARROWS[room] ?? []).map((next) => depth(next, [...path, room])));
    };
    expect(Math.max(...Object.keys(ARROWS).map((room) => depth(room, [])))).toBeGreaterThan(2);
  });

  it("are described with the same arrows by docs/architecture.md", () => {
    const rows = readSource("docs/architecture.md").matchAll(/^\| `src\/([\w/-]+?)(?:\.ts|\/)` \|[^|]*\|([^|]*)\|$/gm);
    const described = Object.fromEntries(
      [...rows].map(([, room = "", cell = ""]) => {
        const names = cell.replace(/\([^)]*\)/g, "").split(",");
        return [room, names.map((name) => name.trim()).filter((name) => name !== "none")];
      }),
    );
    expect(described.cli).toEqual(["all"]);
    for (const [room, allowed] of Object.entries(ARROWS)) {
      // Left out there because self-evident: errors, and a room's own ports.
      const expected = allowed.filter((name) => !name.startsWith("error") && !name.startsWith(`${room}/`));
      const hasOwnRow = room !== "manager/ports" && room !== "error-catalogue";
      if (hasOwnRow) expect([room, described[room]?.toSorted()]).toEqual([room, expected.toSorted()]);
    }
  });

  it("pool and planning import nothing but their own files", () => {
    const pure = sources.filter((file) => ["pool", "planning"].includes(roomOf(file) ?? ""));
    expect(pure.length).toBeGreaterThan(5);
    const foreign = pure.flatMap((file) =>
      importsOf(file)
        .filter((target) => roomOf(target) !== roomOf(file))
        .map((target) => `${file} imports ${target}`),
    );
    expect(foreign).toEqual([]);
  });
});
