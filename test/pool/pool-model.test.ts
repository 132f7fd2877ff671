import fc from "fast-check";
import { expect, test } from "vitest";
import { type Attachment, type Block, type Lease, Pool, PoolError } from "../../src/pool/index.ts";
import {
  addressesOf,
  addressIn,
  allAddresses,
  coolingIn,
  countsOf,
  inUse,
  isUsable,
  leaseIn,
  type Model,
  type ModelBlock,
  nextAddresses,
  offeredAgain,
  startCooling,
} from "./model.ts";

/**
 * The pool against a naive model. Random commands run on both; after each the pool must find no problem in itself and
 * answer every question as the model does.
 */

const INTERFACES = ["eni-a", "eni-b", "eni-c"];
const CONTAINERS = ["p", "q", "r", "s", "t", "u", "v", "w", "x", "y"];
const POD = { namespace: "default", name: "web", uid: "" };

/** Blocks of all kinds; some overlap others, so that not all can be there at once. */
const BLOCKS: Omit<Block, "interfaceId">[] = [
  ...Array.from({ length: 8 }, (_, index) => ({ cidr: `10.0.0.${index}/32`, kind: "address" as const })),
  { cidr: "10.0.0.0/28", kind: "prefix" },
  { cidr: "10.0.0.16/28", kind: "prefix" },
  { cidr: "10.0.0.32/28", kind: "prefix" },
  { cidr: "10.0.0.16/30", kind: "node-cidr" },
  { cidr: "192.168.0.0/26", kind: "node-cidr", reserved: ["192.168.0.0", "192.168.0.1", "192.168.0.63"] },
];

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
    const taken = [...model.blocks.values()].some((other) =>
      addressesOf(other.block.cidr).some((text) => texts.includes(text)),
    );
    if (!model.interfaces.has(interfaceId) || (taken && known?.block.interfaceId !== interfaceId)) {
      expectRefusal(() => pool.addBlock(block));
      return;
    }
    expect(pool.addBlock(block)).toBe(known === undefined);
    if (known !== undefined) return;
    const added: ModelBlock = { block, addresses: [], usable: true, releasing: false };
    for (const text of texts.filter((one) => !block.reserved?.includes(one))) {
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

const lease = attachment.map(
  (of) =>
    new Command(`lease ${of.containerId} ${of.interfaceName}`, (model, pool) => {
      const result = pool.lease(of, POD, model.nowMs);
      const held = leaseIn(model, of);
      if (held !== undefined) {
        expect(result).toEqual({ kind: "existing", lease: held });
        return;
      }
      const choice = nextAddresses(model);
      const address = result.kind === "leased" ? addressIn(model, result.lease.address) : undefined;
      if (choice.length === 0 || address === undefined) {
        expect([result, choice]).toEqual([{ kind: "none" }, []]);
        return;
      }
      expect(choice).toContain(address);
      address.state = "leased";
      address.lease = { address: address.text, attachment: of, pod: POD, leasedAtMs: model.nowMs };
      expect(result).toEqual({ kind: "leased", lease: address.lease });
    }),
);

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
      const address = addressIn(model, held.address);
      if (address === undefined) throw new Error(`the model lost ${held.address}`);
      startCooling(model, address, untilMs);
    }),
);

const undoLease = attachment.map(
  (of) =>
    new Command(`undoLease ${of.containerId} ${of.interfaceName}`, (model, pool) => {
      const held = leaseIn(model, of);
      expect(pool.undoLease(of)).toBe(held !== undefined);
      const address = held === undefined ? undefined : addressIn(model, held.address);
      if (address === undefined) return;
      delete address.lease;
      address.state = "free";
      address.turn = -model.turns++;
    }),
);

const cool = fc.constantFrom(-5000, 0, 500, 1000, 29_000, 30_000).map(
  (passedMs) =>
    new Command(`cool after ${passedMs}`, (model, pool) => {
      model.nowMs += passedMs;
      const ended = coolingIn(model).filter(({ untilMs }) => (untilMs ?? 0) <= model.nowMs);
      expect(pool.cool(model.nowMs)).toEqual(ended.map(({ text }) => text));
      for (const address of ended) {
        address.state = "free";
        address.turn = model.turns++;
        delete address.untilMs;
      }
    }),
);

const somewhere = fc.oneof(
  fc.nat(48).map((number) => `10.0.0.${number}`),
  fc.nat(63).map((number) => `192.168.0.${number}`),
);

const restoreLease = fc.tuple(somewhere, attachment).map(
  ([text, of]) =>
    new Command(`restoreLease ${text} ${of.containerId} ${of.interfaceName}`, (model, pool) => {
      const restored: Lease = { address: text, attachment: of, pod: POD, leasedAtMs: model.nowMs };
      const address = addressIn(model, text);
      const held = leaseIn(model, of);
      if (held?.address === text) {
        pool.restoreLease(restored);
      } else if (held !== undefined || address?.state !== "free") {
        expectRefusal(() => pool.restoreLease(restored));
      } else {
        pool.restoreLease(restored);
        address.state = "leased";
        address.lease = restored;
      }
    }),
);

const restoreCooling = fc.tuple(somewhere, fc.nat(40_000)).map(
  ([text, restMs]) =>
    new Command(`restoreCooling ${text} for ${restMs}`, (model, pool) => {
      const address = addressIn(model, text);
      const cooling = { address: text, untilMs: model.nowMs + restMs };
      if (address?.state !== "free") {
        expectRefusal(() => pool.restoreCooling(cooling));
        return;
      }
      pool.restoreCooling(cooling);
      startCooling(model, address, cooling.untilMs);
    }),
);

test("the pool does what a naive model does, and finds no problem in itself", { timeout: 60_000 }, () => {
  const commands = fc.commands(
    [
      ...[upsertInterface, addBlock, addBlock, removeBlock, setBlockUsable, markReleasing, removeInterface],
      ...[lease, lease, lease, lease, release, release, cool, undoLease, restoreLease, restoreCooling],
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
  expect(pool.counts()).toEqual(countsOf(all));
  expect(pool.usableCounts()).toEqual(countsOf(all.filter(({ block }) => block.usable && isUsable(model, block))));
  for (const { text, state, lease: held } of all) {
    expect([text, pool.stateOf(text), pool.leaseAt(text)]).toEqual([text, state, held]);
  }
  for (const { id, ...counts } of pool.interfaceCounts()) {
    const blocks = [...model.blocks.values()].filter(({ block }) => block.interfaceId === id);
    const expected = countsOf(blocks.flatMap(({ addresses }) => addresses));
    expect(counts).toEqual({ ...model.interfaces.get(id), blocks: blocks.length, ...expected });
  }
  expect([...pool.coolings()]).toEqual(coolingIn(model).map(({ text, untilMs }) => ({ address: text, untilMs })));
  expect(pool.nextCoolingEndMs()).toBe(coolingIn(model)[0]?.untilMs);
  const byAddress = (left: Lease, right: Lease) => (left.address < right.address ? -1 : 1);
  const leases = all.flatMap(({ lease: held }) => (held === undefined ? [] : [held]));
  expect([...pool.leases()].sort(byAddress)).toEqual(leases.sort(byAddress));
}

function expectRefusal(act: () => unknown): void {
  expect(act).toThrow(PoolError);
}
