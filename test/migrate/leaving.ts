import { expect } from "vitest";
import { readSource } from "../house/source-files.ts";
import { type EnidNode, soon } from "./region.ts";

/** The commands by which docs/migrate.md has enid give back what it took. */
const COMMANDS = readSource("docs/migrate.md")
  .split("\n")
  .filter((line) => /^enid set [a-z-]+=/.test(line.trim()))
  .map((line) => line.trim().split(" ").slice(1));

/** A drained node gives back all that enid took; ends when the node is as the page says it must be. */
export async function leaveAsDocumented(enid: EnidNode): Promise<void> {
  expect(await enid.leases()).toEqual([]);
  expect(COMMANDS).toContainEqual(["set", "pre-allocate=0"]);
  await Promise.all(COMMANDS.map((words) => enid.enid(...words)));
  await enid.until(({ interfaces, intents, pool }) => {
    const isQuiet = intents.length === 0 && pool.cooling === 0 && pool.releasing === 0;
    return isQuiet && interfaces.every(({ madeBy }) => madeBy === "other");
  });
  await soon(async () => (await enid.enid("plan")).startsWith("nothing to do\n"), "nothing to do");
}
