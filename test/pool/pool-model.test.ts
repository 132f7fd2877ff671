import fc from "fast-check";
import { expect, test } from "vitest";
import {
  type Attachment,
  type Block,
  type Families,
  familyOf,
  type Lease,
  type LeaseResult,
  Pool,
  PoolError,
  type Sandbox,
  type Unavailable,
} from "../../src/pool/index.ts";
import {
  addressesOf,
  addressIn,
  allAddresses,
  becomesFree,
  coolingIn,
  countsOf,
  enter,
  inUse,
  isUsable,
  leaseIn,
  type Model,
  type ModelAddress,
  type ModelBlock,
  nextAddresses,
  offeredAgain,
  restorable,
  startCooling,
} from "./model.ts";

/**
 * The pool against a naive model. Random commands run on both; after each the pool must find no problem in itself and
 * answer every question as the model does.
 */

const INTERFACES = ["eni-a", "eni-b", "eni-c"];
const CONTAINERS = ["p", "q", "r", "s", "t", "u", "v", "w", "x", "y"];
const POD = { namespace: "default", name: "web", uid: "" };

/** An IPv6 block that lends the `count` addresses after its first one: few, since the model looks at each. */
function smallIpv6(cidr: string, count: number): Omit<Block, "interfaceId"> {
  return { cidr, kind: "node-cidr", reserved: addressesOf(cidr).slice(count + 1) };
}

/** Blocks of both families and all kinds; some overlap others, so that not all can be there at once. */
const BLOCKS: Omit<Block, "interfaceId">[] = [
  ...Array.from({ length: 8 }, (_, index) => ({ cidr: `10.0.0.${index}/32`, kind: "address" as const })),
  { cidr: "10.0.0.0/28", kind: "prefix" },
  { cidr: "10.0.0.16/28", kind: "prefix" },
  { cidr: "10.0.0.32/28", kind: "prefix" },
  { cidr: "10.0.0.16/30", kind: "node-cidr" },
  { cidr: "192.168.0.0/26", kind: "node-cidr", reserved: ["192.168.0.0", "192.168.0.1", "192.168.0.63"] },
  smallIpv6("2001:db8::/120", 5),
  smallIpv6("2001:db8::100/120", 3),
  smallIpv6("2001:db8::/119", 7),
];
const FAMILIES = ["ipv4", "ipv6"] as const;

class Command implements fc.Command<Model, Pool> {
  readonly #name: string;
  readonly #act: (model: Model, pool: Pool) => void;

  constructor(name: string, act: (model: Model, pool: Pool) => void) {
    this.#name = name;
    this.#act = act;
  }

  check(): boolean {
    return true;
  }

  run(model: Model, pool: Pool): void {
    this.#act(model, pool);
    compare(model, pool);
  }

  toString(): string {
    return this.#name;
  }
}

const upsertInterface = fc.record({ id: fc.constantFrom(...INTERFACES), index: fc.nat(2), usable: fc.boolean() }).map(
  (one) =>
    new Command(`upsertInterface ${JSON.stringify(one)}`, (model, pool) => {
      pool.upsertInterface(one);
      model.interfaces.set(one.id, { index: one.index, usable: one.usable });
    }),
);

const removeInterface = fc.constantFrom(...INTERFACES).map(
  (id) =>
    new Command(`removeInterface ${id}`, (model, pool) => {
      const inUse = [...model.blocks.values()].some(({ block }) => block.interfaceId === id);
      if (inUse) expectRefusal(() => pool.removeInterface(id));
      else expect(pool.removeInterface(id)).toBe(model.interfaces.delete(id));
    }),
);

const addBlock = fc.tuple(fc.constantFrom(...BLOCKS), fc.constantFrom(...INTERFACES)).map(([form, interfaceId]) => {
  const block: Block = { ...form, interfaceId };
  return new Command(`addBlock ${block.cidr} on ${interfaceId}`, (model, pool) => {
    const known = model.blocks.get(block.cidr);
    const texts = addressesOf(block.cidr);
    const own = new Set(texts);
    const taken = [...model.blocks.values()].some((other) =>
      addressesOf(other.block.cidr).some((text) => own.has(text)),
    );
    if (!model.interfaces.has(interfaceId) || (taken && known?.block.interfaceId !== interfaceId)) {
      expectRefusal(() => pool.addBlock(block));
      return;
    }
    expect(pool.addBlock(block)).toBe(known === undefined);
    if (known !== undefined) return;
    const added: ModelBlock = { block, addresses: [], usable: true, releasing: false };
    const anycast = familyOf(block.cidr) === "ipv6" ? texts.slice(0, 1) : [];
    const kept = new Set([...anycast, ...(block.reserved ?? [])]);
    for (const text of texts.filter((one) => !kept.has(one))) {
      added.addresses.push({ text, block: added, state: "free", turn: model.turns++ });
    }
    model.blocks.set(block.cidr, added);
  });
});

const cidr = fc.constantFrom(...BLOCKS).map((block) => block.cidr);

const removeBlock = cidr.map(
  (of) =>
    new Command(`removeBlock ${of}`, (model, pool) => {
      const block = model.blocks.get(of);
      if (block !== undefined && inUse(block)) expectRefusal(() => pool.removeBlock(of));
      else expect(pool.removeBlock(of)).toBe(model.blocks.delete(of));
    }),
);

const setBlockUsable = fc.tuple(cidr, fc.boolean()).map(
  ([of, usable]) =>
    new Command(`setBlockUsable ${of} ${usable}`, (model, pool) => {
      const block = model.blocks.get(of);
      if (block === undefined) {
        expectRefusal(() => pool.setBlockUsable(of, usable));
        return;
      }
      pool.setBlockUsable(of, usable);
      if (usable && !block.usable) offeredAgain(model, block);
      block.usable = usable;
    }),
);

const markReleasing = fc.tuple(fc.uniqueArray(cidr, { minLength: 1, maxLength: 3 }), fc.boolean()).map(
  ([of, releasing]) =>
    new Command(`${releasing ? "mark" : "unmark"}Releasing ${of}`, (model, pool) => {
      const blocks = of.map((one) => model.blocks.get(one)).filter((block) => block !== undefined);
      const act = () => (releasing ? pool.markReleasing(of) : pool.unmarkReleasing(of));
      if (blocks.length < of.length || (releasing && blocks.some(inUse))) {
        expectRefusal(act);
        return;
      }
      act();
      for (const block of blocks) {
        if (block.releasing && !releasing) offeredAgain(model, block);
        block.releasing = releasing;
        for (const address of block.addresses) {
          if (address.state === "free" || address.state === "releasing")
            address.state = releasing ? "releasing" : "free";
        }
      }
    }),
);

const attachment = fc
  .tuple(fc.constantFrom(...CONTAINERS), fc.constantFrom("eth0", "eth0", "net1"))
  .map(([containerId, interfaceName]): Attachment => ({ network: "cilium", containerId, interfaceName }));

const families = fc.constantFrom<Families>("ipv4", "ipv4", "ipv6", "dual", "dual");

const SANDBOX: Sandbox = { path: "/run/netns/p", identity: "4:4026532281", folder: "25:1" };
const sandboxes = fc.constantFrom(undefined, SANDBOX);

const lease = fc.tuple(attachment, families, sandboxes).map(
  ([of, asked, sandbox]) =>
    new Command(`lease ${of.containerId} ${of.interfaceName} ${asked}`, (model, pool) => {
      const result = pool.lease(of, POD, model.nowMs, asked, { sandbox });
      expectLease(model, of, asked, [], sandbox, result);
    }),
);

const somewhere = fc.oneof(
  fc.nat(48).map((number) => `10.0.0.${number}`),
  fc.nat(63).map((number) => `192.168.0.${number}`),
);
const ipv6Somewhere = fc
  .constantFrom(0, 1, 2, 3, 5, 7, 8, 256, 257, 259, 260)
  .map((number) => `2001:db8::${number === 0 ? "" : number.toString(16)}`);

const wishes = fc.oneof(
  fc.tuple(somewhere),
  fc.tuple(ipv6Somewhere),
  fc.tuple(somewhere, ipv6Somewhere),
  fc.tuple(ipv6Somewhere, somewhere),
  fc.tuple(somewhere, somewhere),
);

const leaseWanted = fc.tuple(attachment, families, wishes, sandboxes).map(
  ([of, asked, wanted, sandbox]) =>
    new Command(`lease ${of.containerId} ${of.interfaceName} ${asked} wanting ${wanted}`, (model, pool) => {
      const before = pool.unavailable(wanted, asked);
      const result = pool.lease(of, POD, model.nowMs, asked, { wanted, sandbox });
      if (leaseIn(model, of) === undefined) expect(before).toEqual(unavailableIn(model, wanted, asked));
      expectLease(model, of, asked, wanted, sandbox, result);
    }),
);

/** What the pool must have answered; then the model has the lease too. */
function expectLease(
  model: Model,
  of: Attachment,
  asked: Families,
  wanted: readonly string[],
  sandbox: Lease["sandbox"],
  result: LeaseResult,
): void {
  const held = leaseIn(model, of);
  if (held !== undefined) {
    expect(result).toEqual({ kind: "existing", lease: held });
    return;
  }
  const obstacle = unavailableIn(model, wanted, asked);
  if (obstacle !== undefined) {
    expect(result).toEqual({ kind: "unavailable", ...obstacle });
    return;
  }
  const own = FAMILIES.filter((family) => asked === "dual" || asked === family);
  const choices = own.map((family) => {
    const text = wanted.find((one) => familyOf(one) === family);
    const address = text === undefined ? undefined : addressIn(model, text);
    return address === undefined ? nextAddresses(model, family) : [address];
  });
  const lacks = own.find((_, place) => choices[place]?.length === 0);
  if (lacks !== undefined || result.kind !== "leased") {
    expect(result).toEqual({ kind: "none", lacks });
    return;
  }
  const texts = [result.lease.address, result.lease.ipv6Address];
  const addresses = choices.map((choice, place) => {
    const address = choice.find(({ text }) => text === texts[place]);
    if (address === undefined) throw new Error(`${texts[place]} is leased, not one of ${textsOf(choice)}`);
    return address;
  });
  const expected = {
    ...addressesIn(addresses),
    attachment: of,
    pod: POD,
    leasedAtMs: model.nowMs,
    ...(sandbox === undefined ? {} : { sandbox }),
  };
  expect(result).toEqual({ kind: "leased", lease: expected });
  hold(addresses, expected);
}

/** The first of the addresses that cannot be had, and why. */
function unavailableIn(model: Model, wanted: readonly string[], asked: Families): ReturnType<Pool["unavailable"]> {
  for (const [place, address] of wanted.entries()) {
    const isAsked = asked === "dual" || asked === familyOf(address);
    const isSecond = wanted.slice(0, place).some((other) => familyOf(other) === familyOf(address));
    const why = isAsked && !isSecond ? whyNotIn(model, address) : ({ because: "other-family" } as const);
    if (why !== undefined) return { address, why };
  }
  return undefined;
}

function whyNotIn(model: Model, text: string): Unavailable | undefined {
  const known = addressIn(model, text);
  if (known === undefined) {
    const isReserved = [...model.blocks.values()].some(({ block }) => addressesOf(block.cidr).includes(text));
    return { because: isReserved ? "reserved" : "not-here" };
  }
  if (known.state === "leased") return { because: "leased", pod: POD };
  if (known.state === "cooling") return { because: "cooling", untilMs: known.untilMs ?? 0 };
  if (known.state === "releasing") return { because: "releasing" };
  return known.block.usable && isUsable(model, known.block) ? undefined : { because: "unusable" };
}

function hold(addresses: readonly ModelAddress[], held: Lease): void {
  for (const address of addresses) {
    enter(address);
    address.state = "leased";
    address.lease = held;
  }
}

function addressesIn([first, second]: readonly ModelAddress[]): Pick<Lease, "address" | "ipv6Address"> {
  return { address: first?.text ?? "", ...(second === undefined ? {} : { ipv6Address: second.text }) };
}

function textsOf(addresses: readonly ModelAddress[]): string[] {
  return addresses.map(({ text }) => text);
}

/** The addresses of a lease in the model, IPv4 first. */
function heldAddresses(model: Model, held: Lease | undefined): ModelAddress[] {
  const texts = held === undefined ? [] : [held.address, ...(held.ipv6Address === undefined ? [] : [held.ipv6Address])];
  return texts.map((text) => {
    const address = addressIn(model, text);
    if (address === undefined) throw new Error(`the model lost ${text}`);
    return address;
  });
}

const release = fc.tuple(attachment, fc.constantFrom(0, 1000, 30_000, 30_000)).map(
  ([of, coolingMs]) =>
    new Command(`release ${of.containerId} ${of.interfaceName} cooling ${coolingMs}`, (model, pool) => {
      const held = leaseIn(model, of);
      const result = pool.release(of, model.nowMs, coolingMs);
      if (held === undefined) {
        expect(result).toBeUndefined();
        return;
      }
      const untilMs = model.nowMs + coolingMs;
      expect(result).toEqual({ lease: held, cooling: { address: held.address, untilMs } });
      for (const address of heldAddresses(model, held)) startCooling(model, address, untilMs);
    }),
);

const undoLease = attachment.map(
  (of) =>
    new Command(`undoLease ${of.containerId} ${of.interfaceName}`, (model, pool) => {
      const held = leaseIn(model, of);
      expect(pool.undoLease(of)).toBe(held !== undefined);
      for (const address of heldAddresses(model, held)) becomesFree(address, -model.turns++);
    }),
);

const cool = fc.constantFrom(-5000, 0, 500, 1000, 29_000, 30_000).map(
  (passedMs) =>
    new Command(`cool after ${passedMs}`, (model, pool) => {
      model.nowMs += passedMs;
      const ended = coolingIn(model).filter(({ untilMs }) => (untilMs ?? 0) <= model.nowMs);
      expect(pool.cool(model.nowMs)).toEqual(ended.map(({ text }) => text));
      for (const address of ended) becomesFree(address, model.turns++);
    }),
);

const addressTexts = fc.oneof(
  fc.tuple(somewhere),
  fc.tuple(ipv6Somewhere),
  fc.tuple(somewhere, ipv6Somewhere),
  fc.tuple(ipv6Somewhere, ipv6Somewhere),
);

const restoreLease = fc.tuple(addressTexts, attachment).map(
  ([[address, ipv6Address], of]) =>
    new Command(`restoreLease ${address} ${ipv6Address} ${of.containerId} ${of.interfaceName}`, (model, pool) => {
      const both = ipv6Address === undefined ? { address } : { address, ipv6Address };
      const restored: Lease = { ...both, attachment: of, pod: POD, leasedAtMs: model.nowMs };
      const held = leaseIn(model, of);
      if (held !== undefined && held.address === address && held.ipv6Address === ipv6Address) {
        pool.restoreLease(restored);
        return;
      }
      const texts = ipv6Address === undefined ? [address] : [address, ipv6Address];
      const places = texts.map((text) => restorable(model, text)).filter((place) => place !== undefined);
      const misplaced = ipv6Address !== undefined && familyOf(address) === "ipv6";
      if (held !== undefined || misplaced || places.length < texts.length) {
        expectRefusal(() => pool.restoreLease(restored));
        return;
      }
      pool.restoreLease(restored);
      hold(places, restored);
    }),
);

const restoreCooling = fc.tuple(fc.oneof(somewhere, ipv6Somewhere), fc.nat(40_000)).map(
  ([text, restMs]) =>
    new Command(`restoreCooling ${text} for ${restMs}`, (model, pool) => {
      const address = restorable(model, text);
      const cooling = { address: text, untilMs: model.nowMs + restMs };
      if (address === undefined) {
        expectRefusal(() => pool.restoreCooling(cooling));
        return;
      }
      pool.restoreCooling(cooling);
      enter(address);
      startCooling(model, address, cooling.untilMs);
    }),
);

test("the pool does what a naive model does, and finds no problem in itself", { timeout: 60_000 }, () => {
  const commands = fc.commands(
    [
      ...[upsertInterface, addBlock, addBlock, removeBlock, setBlockUsable, markReleasing, removeInterface],
      ...[
        lease,
        lease,
        lease,
        lease,
        leaseWanted,
        leaseWanted,
        release,
        release,
        cool,
        undoLease,
        restoreLease,
        restoreCooling,
      ],
    ],
    { maxCommands: 120, size: "max" },
  );
  fc.assert(
    fc.property(commands, (all) => {
      const setup = () => {
        const model: Model = { nowMs: 1_700_000_000_000, turns: 1, interfaces: new Map(), blocks: new Map() };
        const pool = new Pool();
        INTERFACES.forEach((id, index) => {
          pool.upsertInterface({ id, index, usable: true });
          model.interfaces.set(id, { index, usable: true });
        });
        return { model, real: pool };
      };
      fc.modelRun(setup, all);
    }),
    { numRuns: 60 },
  );
});

function compare(model: Model, pool: Pool): void {
  expect(pool.problems()).toEqual([]);
  const all = allAddresses(model);
  for (const family of FAMILIES) {
    const own = all.filter(({ text }) => familyOf(text) === family);
    expect(pool.counts(family)).toEqual(countsOf(own));
    const usable = own.filter(({ block }) => block.usable && isUsable(model, block));
    expect(pool.usableCounts(family)).toEqual(countsOf(usable));
    for (const { id, ...counts } of pool.interfaceCounts(family)) {
      const blocks = blocksOn(model, id).filter(({ block }) => familyOf(block.cidr) === family);
      const expected = countsOf(blocks.flatMap(({ addresses }) => addresses));
      expect(counts).toEqual({ ...model.interfaces.get(id), blocks: blocks.length, ...expected });
    }
  }
  for (const id of INTERFACES) compareInterface(model, pool, id);
  expect(all.map(({ text }) => [text, pool.stateOf(text), pool.leaseAt(text), pool.blockOf(text)])).toEqual(
    all.map(({ text, state, lease: held, block }) => [text, state, held, block.block]),
  );
  expect([...pool.coolings()]).toEqual(coolingIn(model).map(({ text, untilMs }) => ({ address: text, untilMs })));
  expect(pool.nextCoolingEndMs()).toBe(coolingIn(model)[0]?.untilMs);
  const byAddress = (left: Lease, right: Lease) => (left.address < right.address ? -1 : 1);
  const leases = new Set(all.flatMap(({ lease: held }) => (held === undefined ? [] : [held])));
  expect([...pool.leases()].sort(byAddress)).toEqual([...leases].sort(byAddress));
}

function compareInterface(model: Model, pool: Pool, id: string): void {
  const blocks = blocksOn(model, id);
  const held = blocks
    .flatMap(({ addresses }) => addresses)
    .filter(({ state }) => ["leased", "cooling"].includes(state));
  expect(pool.inUseOn(id)).toBe(held.length);
  const free = blocks.filter(
    ({ block, addresses }) => familyOf(block.cidr) === "ipv4" && addresses.every(({ state }) => state === "free"),
  );
  expect(pool.freeBlocksOn(id)).toEqual(free.map(({ block: { cidr: of, kind } }) => ({ cidr: of, kind })));
}

function blocksOn(model: Model, id: string): ModelBlock[] {
  return [...model.blocks.values()].filter(({ block }) => block.interfaceId === id);
}

function expectRefusal(act: () => unknown): void {
  expect(act).toThrow(PoolError);
}
