import { spawn } from "node:child_process";
import { once } from "node:events";
import { DatabaseSync } from "node:sqlite";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { temporaryState } from "./temporary-state.ts";

const ROUNDS = 30;
const writer = fileURLToPath(new URL("./lease-writer.ts", import.meta.url));

test("kill -9 at any moment loses nothing that was acknowledged, and the file stays sound", async () => {
  const state = temporaryState();
  const acknowledged = new Acknowledgements();
  for (let round = 0; round < ROUNDS; round += 1) {
    // Every third process dies by the clock, perhaps while it opens the file; the others after so many lines.
    const lines = round % 3 === 0 ? undefined : Math.floor(Math.random() * 400);
    const output = await runAndKill(state.file, round, lines);
    acknowledged.read(output);

    const store = state.open();
    const { leases, cooling } = store.load();
    await store.close();
    const told = `round ${round}, killed after ${lines ?? "some time"} lines`;
    expect(acknowledged.missing(leases, cooling), told).toEqual([]);
    expect(integrityOf(state.file), told).toBe("ok");
  }
  expect(acknowledged.count).toBeGreaterThan(500);
}, 120_000);

/** Standard output of a writer that was killed, without a last line that was cut. */
async function runAndKill(file: string, round: number, afterLines: number | undefined): Promise<string> {
  const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", writer, file, String(round)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let output = "";
  let lines = 0;
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    output += chunk;
    lines += chunk.split("\n").length - 1;
    if (afterLines !== undefined && lines >= afterLines) child.kill("SIGKILL");
  });
  const timer = setTimeout(() => child.kill("SIGKILL"), afterLines === undefined ? Math.random() * 250 : 10_000);
  const [, signal] = await once(child, "close");
  clearTimeout(timer);
  expect(signal).toBe("SIGKILL");
  return output.slice(0, output.lastIndexOf("\n") + 1);
}

class Acknowledgements {
  readonly #leased = new Map<string, string>();
  readonly #ending = new Set<string>();
  readonly #ended = new Set<string>();

  get count(): number {
    return this.#leased.size;
  }

  read(output: string): void {
    for (const line of output.split("\n")) {
      const [word, address = "", container = ""] = line.split(" ");
      if (word === "leased") this.#leased.set(address, container);
      if (word === "ending") this.#ending.add(address);
      if (word === "ended") this.#ended.add(address);
    }
  }

  /** What was acknowledged and is not there. */
  missing(
    leases: readonly { address: string; attachment: { containerId: string } }[],
    cooling: readonly { address: string }[],
  ): string[] {
    const found = new Map(leases.map((each) => [each.address, each.attachment.containerId]));
    const cool = new Set(cooling.map((each) => each.address));
    const missing: string[] = [];
    for (const [address, container] of this.#leased) {
      if (this.#ended.has(address)) {
        if (found.has(address) || !cool.has(address)) missing.push(`the end of ${address}`);
      } else if (!this.#ending.has(address) && found.get(address) !== container) {
        missing.push(`the lease of ${address}`);
      }
    }
    return missing;
  }
}

function integrityOf(file: string): unknown {
  const database = new DatabaseSync(file, { readOnly: true });
  try {
    return database.prepare("PRAGMA integrity_check").get()?.integrity_check;
  } finally {
    database.close();
  }
}
