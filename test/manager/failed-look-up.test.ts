import { describe, expect, it } from "vitest";
import { add, attachment, range, startedLab } from "./harness.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const AWAY = { class: "transient", ec2Code: "Unavailable", effect: "none" } as const;

/**
 * A node with 16 pods that have ended while EC2 was away: more is held than the watermarks ask for, and a look-up of the
 * subnets has failed that nothing would need any more.
 */
async function endedWhileAway() {
  const lab = await startedLab({
    ipam: { "pre-allocate": 2, "cooling-seconds": 1, "release-delay-seconds": 60 },
    eni: { "interface-idle-seconds": 60 },
  });
  const { clock, provider, running } = lab;
  const first = range(10).map((n) => add(running, n));
  await clock.advance(20_000);
  await Promise.all(first);
  // The facts of the subnets are old by now: growing wants fresh ones.
  await clock.advance(10 * MINUTE_MS);
  expect(running.status().degraded).toEqual([]);
  for (let n = 0; n < 1_000; n++) provider.fail("resolve", AWAY);
  const second = range(10, 10).map((n) => add(running, n));
  await clock.advance(5_000);
  expect(running.status().degraded).toMatchObject([{ name: "cloud-away" }]);
  // The pods that waited give up, and the others end too.
  for (const n of range(20)) void running.remove(attachment(n));
  await clock.advance(2 * MINUTE_MS);
  await Promise.all(second);
  expect(running.leases()).toEqual([]);
  return lab;
}

const look = (lines: readonly string[]) => lines.filter((line) => line === "resolve").length;

describe("a look-up of the subnets that failed while the node wanted to grow", () => {
  it("is repeated though nothing wants to grow any more, so that EC2 counts as away no longer than it is", async () => {
    const { clock, provider, running } = await endedWhileAway();
    expect(running.status().degraded).toMatchObject([{ name: "cloud-away" }]);
    provider.failures.splice(0);
    // The longest pause after failures of that kind, and some time for the call.
    await clock.advance(5 * MINUTE_MS + 10_000);
    expect(running.status().degraded).toEqual([]);
  });

  it("holds back giving back for no longer than EC2 is away", async () => {
    const { clock, provider, running } = await endedWhileAway();
    const held = running.status().pool.total;
    expect(held).toBeGreaterThan(2);
    await clock.advance(30 * MINUTE_MS);
    expect(running.status().pool.total).toBe(held);
    provider.failures.splice(0);
    await clock.advance(20 * MINUTE_MS);
    expect(running.status()).toMatchObject({ phase: "ready", pool: { total: 2 }, intents: [], degraded: [] });
  });

  it("is repeated with growing pauses while EC2 stays away", async () => {
    const { clock, provider } = await endedWhileAway();
    const before = look(provider.log);
    await clock.advance(HOUR_MS);
    const tries = look(provider.log) - before;
    expect(tries).toBeGreaterThanOrEqual(HOUR_MS / (5 * MINUTE_MS) - 2);
    expect(tries).toBeLessThan(25);
  });

  it("is not repeated once it has succeeded: an idle node looks nothing up", async () => {
    const { clock, provider } = await endedWhileAway();
    provider.failures.splice(0);
    await clock.advance(20 * MINUTE_MS);
    const before = provider.log.length;
    await clock.advance(HOUR_MS);
    const lines = provider.log.slice(before);
    expect(look(lines)).toBe(0);
    expect(lines.filter((line) => line === "observe cloud").length).toBeLessThanOrEqual(1);
    expect(lines.filter((line) => !line.startsWith("observe"))).toEqual([]);
  });
});
