import { readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { expect, it } from "vitest";
import { runSeed, type SeedOptions } from "../../src/simulator/world/index.ts";
import { range, told } from "./hunt.ts";

const left = () => readdirSync(tmpdir()).filter((name) => name.startsWith("enid-simulate-"));

it("keeps every promise on real disks whose writes are torn, and repeats itself there too", {
  timeout: 300_000,
}, async () => {
  const before = left();
  for (const seed of range(1, 6)) {
    const faults = ["power-loss", "crash", "disk-full", "disk-slow", "reboot", "replace", "settings"] as const;
    const options: SeedOptions = { seed, nodes: 3, hours: 1, faults, realDisks: true };
    const first = await runSeed(options);
    expect(told(first)).toEqual([]);
    expect(first.plan.some((line) => line.includes("disk sqlite"))).toBe(true);
    expect((await runSeed(options)).hash).toBe(first.hash);
  }
  expect(left()).toEqual(before);
});
