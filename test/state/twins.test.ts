import fc from "fast-check";
import { expect, test } from "vitest";
import { systemClock } from "../../src/adapters/index.ts";
import { EnidError } from "../../src/errors.ts";
import type { Change, Store } from "../../src/manager/ports/index.ts";
import { createMemoryStore } from "../../src/state/index.ts";
import { block, eni, fixedRecord, intent, lease, PROFILE, SANDBOX } from "../contracts/store-records.ts";
import { temporaryState } from "./temporary-state.ts";

// Few names, so that the sequences meet the same address, attachment and interface again and again.
const addresses = fc.constantFrom("10.0.0.5", "10.0.0.6", "10.0.0.7");
const ipv6Addresses = fc.constantFrom("2001:db8::5", "2001:db8::6");
const containers = fc.constantFrom("a", "b", "c");
const interfaces = fc.constantFrom("eni-1", "eni-2");
const cidrs = fc.constantFrom("10.0.0.5/32", "10.0.0.6/32", "10.0.1.0/28");
const names = fc.constantFrom("one", "two");
const timesMs = fc.oneof(
  { weight: 9, arbitrary: fc.integer({ min: 0, max: 2e12 }) },
  { weight: 1, arbitrary: fc.double() },
);

/** IPv4 alone, both families, IPv6 alone, and one address twice. */
const leases = fc
  .record({
    address: fc.oneof({ weight: 3, arbitrary: addresses }, ipv6Addresses),
    ipv6Address: fc.option(ipv6Addresses, { nil: undefined }),
    container: containers,
    leasedAtMs: timesMs,
    sandbox: fc.constantFrom(undefined, SANDBOX, { ...SANDBOX, identity: "4:8" }),
  })
  .map(({ address, ipv6Address, container, leasedAtMs, sandbox }) => ({
    ...lease(address, container),
    ...(ipv6Address === undefined ? {} : { ipv6Address }),
    ...(sandbox === undefined ? {} : { sandbox }),
    leasedAtMs,
  }));

const changes: fc.Arbitrary<Change> = fc.oneof(
  { weight: 4, arbitrary: leases.map((each): Change => ({ kind: "lease-put", lease: each })) },
  {
    weight: 3,
    arbitrary: fc.tuple(leases, timesMs).map(
      ([ended, untilMs]): Change => ({
        kind: "lease-end",
        lease: { ...ended, leasedAtMs: 1 },
        cooling: { address: ended.address, untilMs },
      }),
    ),
  },
  fc
    .array(fc.oneof(addresses, ipv6Addresses), { maxLength: 2 })
    .map((ended): Change => ({ kind: "cooling-end", addresses: ended })),
  fc
    .tuple(interfaces, fc.integer({ min: -1, max: 3 }), fc.constantFrom({}, { foreignBecause: "of type trunk" }))
    .map(([id, deviceIndex, why]): Change => ({ kind: "interface-put", interface: eni(id, { deviceIndex, ...why }) })),
  interfaces.map((interfaceId): Change => ({ kind: "interface-remove", interfaceId })),
  fc
    .array(fc.tuple(cidrs, interfaces), { maxLength: 3 })
    .map((pairs): Change => ({ kind: "blocks-put", blocks: pairs.map(([cidr, id]) => block(cidr, id)) })),
  fc.array(cidrs, { maxLength: 2 }).map((removed): Change => ({ kind: "blocks-remove", cidrs: removed })),
  fc
    .tuple(names, timesMs, fc.constantFrom({}, { tags: {} }, { tags: { "enid.io/cluster": "shop" } }))
    .map(([id, openedAtMs, tags]): Change => ({ kind: "intent-put", intent: { ...intent(id), openedAtMs, ...tags } })),
  names.map((id): Change => ({ kind: "intent-close", id })),
  fc
    .tuple(names, fc.jsonValue(), timesMs)
    .map(([name, value, setAtMs]): Change => ({ kind: "override-put", name, value, setAtMs })),
  names.map((name): Change => ({ kind: "override-remove", name })),
  fc
    .tuple(fc.string({ unit: "grapheme" }), timesMs)
    .map(([text, readAtMs]): Change => ({ kind: "configuration-put", configuration: { file: "f", text, readAtMs } })),
  fc
    .tuple(names, fc.array(names, { maxLength: 2 }))
    .map(([selection, subnetIds]): Change => ({ kind: "resolution-put", resolution: { selection, subnetIds } })),
  fc
    .tuple(names, addresses, timesMs, fc.option(timesMs, { nil: undefined }))
    .map(([pod, address, epoch, expiresAtMs]): Change => {
      const expiry = expiresAtMs === undefined ? {} : { expiresAtMs };
      return { kind: "fixed-put", record: fixedRecord(pod, address, { epoch, ...expiry }) };
    }),
  names.map((pod): Change => ({ kind: "fixed-remove", pod })),
  fc.array(fc.tuple(names, fc.jsonValue(), timesMs), { maxLength: 2 }).map(
    (list): Change => ({
      kind: "profiles-put",
      profiles: list.map(([name, value, setAtMs]) => ({ ...PROFILE, name, values: { value }, setAtMs })),
    }),
  ),
  names.map((bootId): Change => ({ kind: "boot-started", bootId })),
  names.map((instanceId): Change => ({ kind: "instance-adopted", instanceId })),
);

/** Turns of the loop, each with its calls, each with its changes. */
const histories = fc.array(fc.array(fc.array(changes, { maxLength: 4 }), { minLength: 1, maxLength: 4 }), {
  maxLength: 10,
});

/** Brings a store to one and the same state from any other, so that all runs share one file. */
const afresh: readonly Change[] = [
  { kind: "instance-adopted", instanceId: "nobody" },
  { kind: "instance-adopted", instanceId: "" },
  { kind: "boot-started", bootId: "" },
  { kind: "override-remove", name: "one" },
  { kind: "override-remove", name: "two" },
  { kind: "profiles-put", profiles: [] },
  { kind: "configuration-put", configuration: { file: "f", text: "", readAtMs: 0 } },
];

test("the SQLite store and its twin refuse the same calls in the same words and hold the same state", async () => {
  const state = temporaryState();
  let sqlite: Store = state.open();
  let memory = createMemoryStore({ clock: systemClock });

  async function restart(): Promise<void> {
    await sqlite.close();
    sqlite = state.open();
    memory = createMemoryStore({ clock: systemClock, initial: memory.load() });
  }

  async function run(history: readonly Change[][][], restartAt: number): Promise<void> {
    await Promise.all([sqlite.commit(afresh), memory.commit(afresh)]);
    expect(sqlite.load()).toMatchObject({ instanceId: "", leases: [], interfaces: [], overrides: {} });
    for (const [turn, calls] of history.entries()) {
      if (turn === restartAt) await restart();
      const [bySqlite, byMemory] = await Promise.all([outcomes(sqlite, calls), outcomes(memory, calls)]);
      expect(bySqlite).toEqual(byMemory);
      expect(sqlite.load()).toEqual(memory.load());
      expectPromisesKept(sqlite);
    }
  }

  await fc.assert(fc.asyncProperty(histories, fc.nat(40), run), { numRuns: 100 });
}, 60_000);

async function outcomes(store: Store, calls: readonly (readonly Change[])[]): Promise<string[]> {
  const settled = await Promise.allSettled(calls.map((call) => store.commit(call)));
  return settled.map((outcome) => {
    if (outcome.status === "fulfilled") return "durable";
    return outcome.reason instanceof EnidError ? outcome.reason.message : `not of the catalogue: ${outcome.reason}`;
  });
}

function expectPromisesKept(store: Store): void {
  const { leases, cooling, blocks, interfaces: kept } = store.load();
  const leased = leases.flatMap(({ address, ipv6Address = [] }) => [address].concat(ipv6Address));
  const attachments = leases.map((each) => JSON.stringify(each.attachment));
  expect(new Set(leased).size).toBe(leased.length);
  expect(new Set(attachments).size).toBe(attachments.length);
  expect(cooling.filter((each) => leased.includes(each.address))).toEqual([]);
  const ids = kept.map((each) => each.id);
  expect(blocks.filter((each) => !ids.includes(each.interfaceId))).toEqual([]);
}
