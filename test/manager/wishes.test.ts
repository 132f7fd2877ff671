import { describe, expect, it } from "vitest";
import type { EnidError } from "../../src/errors.ts";
import type { AddAnswer } from "../../src/handoff/cni/port.ts";
import type { Manager } from "../../src/manager/index.ts";
import { add, attachment, configuration, createLab, pod, range, startedLab } from "./harness.ts";

const COOLING = { ipam: { "pre-allocate": 4, "max-allocate": 4, "cooling-seconds": 30 } };

function ask(manager: Manager, n: number, ...wanted: string[]): Promise<AddAnswer | EnidError> {
  return manager.add({ attachment: attachment(n), pod: pod(n), wanted }).catch((error: EnidError) => error);
}

/** The addresses of the node that are free. */
async function freeAddresses(manager: Manager, count: number): Promise<string[]> {
  const addresses = (await Promise.all(range(count, 900).map((n) => add(manager, n)))) as string[];
  await Promise.all(range(count, 900).map((n) => manager.remove(attachment(n))));
  return addresses;
}

describe("an ADD that asks for an address in particular", () => {
  it("gets it, and again when it is repeated", async () => {
    const { clock, running, store } = await startedLab();
    const [first = "", second = ""] = await freeAddresses(running, 3);
    await clock.advance(40_000);
    expect(await ask(running, 1, second)).toMatchObject({ address: second });
    expect(await ask(running, 1, second)).toMatchObject({ address: second });
    expect(await add(running, 1)).toBe(second);
    expect(await ask(running, 2, first)).toMatchObject({ address: first });
    expect(store.load().leases.map(({ address }) => address)).toEqual([first, second]);
    expect(running.problems()).toEqual([]);
  });

  it("is refused when its sandbox has another one, and the lease stays", async () => {
    const { running } = await startedLab();
    const address = await add(running, 1);
    const refused = await ask(running, 1, "10.9.9.9");
    expect(refused).toMatchObject({ code: "ENID_ADDRESS_UNAVAILABLE" });
    expect((refused as EnidError).message).toBe(
      `10.9.9.9, which shop/web-1 asks for, cannot be had: its sandbox has ${address} already, until its DEL`,
    );
    expect(running.lookup(attachment(1))?.address).toBe(address);
  });

  it("is refused when two ADDs for one sandbox ask for different ones at once", async () => {
    const { clock, running } = await startedLab();
    const [first = "", second = ""] = await freeAddresses(running, 3);
    await clock.advance(40_000);
    const [one, other] = await Promise.all([ask(running, 1, first), ask(running, 1, second)]);
    expect(one).toMatchObject({ address: first });
    expect(other).toMatchObject({ code: "ENID_ADDRESS_UNAVAILABLE" });
  });

  it("is refused at once, with the reason, and makes the node ask the cloud for nothing", async () => {
    const { clock, provider, running } = await startedLab(COOLING);
    const taken = (await add(running, 1)) as string;
    const cooling = (await add(running, 2)) as string;
    await running.remove(attachment(2));
    const [calls, untilMs] = [provider.log.length, clock.nowMs() + 30_000];
    for (const [address, reason] of [
      [taken, "it is leased to shop/web-1"],
      [cooling, `another pod had it lately, and it cools down until ${new Date(untilMs).toISOString()}`],
      ["10.200.0.1", "no block of this node lends it"],
      ["2001:db8::1", "pods of this node get no address of its family (ip-families)"],
    ] as const) {
      const refused = (await ask(running, 3, address)) as EnidError;
      expect(refused).toMatchObject({ code: "ENID_ADDRESS_UNAVAILABLE" });
      expect(refused.message).toBe(`${address}, which shop/web-3 asks for, cannot be had: ${reason}`);
      expect(refused.entry.cni).toBe(103);
    }
    expect(running.status().waiting).toEqual([]);
    expect(running.explain("shop/web-3").history.map(({ what }) => what)).toHaveLength(4);
    await clock.advance(1_000);
    expect(provider.log.length).toBe(calls);
    await clock.advance(30_000);
    expect(await ask(running, 3, cooling)).toMatchObject({ address: cooling });
  });

  it("is refused at once behind pods that wait, and does not overtake them", async () => {
    const { clock, running } = await startedLab({ ipam: { ...COOLING.ipam, "cooling-seconds": 10 } });
    const addresses = (await Promise.all(range(4, 1).map((n) => add(running, n)))) as string[];
    await running.remove(attachment(1));
    const waiting = add(running, 5);
    await clock.advance(100);
    for (const address of addresses.slice(0, 2)) {
      expect(await ask(running, 6, address)).toMatchObject({ code: "ENID_ADDRESS_UNAVAILABLE" });
    }
    await clock.advance(11_000);
    expect(await waiting).toBe(addresses[0]);
    expect(running.status().waiting).toEqual([]);
  });

  it("waits while the daemon starts, and is served or refused then", async () => {
    const lab = await startedLab();
    const [first = "", second = ""] = await freeAddresses(lab.running, 3);
    await lab.clock.advance(40_000);
    expect(await ask(lab.running, 1, first)).toMatchObject({ address: first });
    await lab.running.stop(0);
    const again = lab.manager();
    const answers = Promise.all([ask(again, 2, second), ask(again, 3, first), add(again, 4)]);
    await again.start({ kind: "valid", configuration: configuration() });
    await lab.clock.advance(3_000);
    expect(await answers).toMatchObject([
      { address: second },
      { code: "ENID_ADDRESS_UNAVAILABLE" },
      expect.stringMatching(/^10\./),
    ]);
  });

  it("of a node that never was identified is told why it waited in vain, not that the address is unknown", async () => {
    const lab = createLab();
    const manager = lab.manager();
    const early = ask(manager, 1, "10.0.0.1");
    await lab.clock.advance(61_000);
    await manager.stop(0);
    expect(await early).toMatchObject({ code: expect.stringMatching(/^ENID_(NO_ADDRESS|STOPPING)$/) });
  });
});
