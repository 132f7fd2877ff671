import { writeSync } from "node:fs";
import { systemClock } from "../../src/adapters/index.ts";
import { openSqliteStore } from "../../src/state/index.ts";
import { end, lease } from "../contracts/store-records.ts";

/**
 * Run by durability.test.ts as a process to be killed: leases without end, and says on standard output what was
 * acknowledged ("leased ADDRESS CONTAINER", "ended ADDRESS") and what it is about to ask for ("ending ADDRESS").
 */
const [file = "", round = "0"] = process.argv.slice(2);
const store = openSqliteStore({ file, clock: systemClock });
let sequence = 0;

async function work(): Promise<never> {
  for (;;) {
    sequence += 1;
    const address = `10.${round}.${sequence >> 8}.${sequence & 255}`;
    const container = `c-${round}-${sequence}`;
    await store.commit([{ kind: "lease-put", lease: lease(address, container) }]);
    say(`leased ${address} ${container}`);
    if (sequence % 3 === 0) {
      say(`ending ${address}`);
      await store.commit([end(address, container, 1)]);
      say(`ended ${address}`);
    }
  }
}

function say(line: string): void {
  writeSync(1, `${line}\n`);
}

await Promise.all(Array.from({ length: 8 }, work));
