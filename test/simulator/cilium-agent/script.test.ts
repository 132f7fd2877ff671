import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Dialect } from "../../../src/handoff/cilium-node/port.ts";
import { marks } from "./operator.ts";
import { Stage } from "./stage.ts";

type Action =
  | { readonly kind: "pods"; readonly count: number }
  | { readonly kind: "end"; readonly count: number; readonly stride: number }
  | { readonly kind: "pass"; readonly seconds: number }
  | { readonly kind: "grow"; readonly eni: 1 | 2; readonly count: number; readonly prefix: boolean }
  | { readonly kind: "back"; readonly count: number; readonly stride: number }
  | { readonly kind: "crash"; readonly seconds: number }
  | { readonly kind: "upgrade" }
  | { readonly kind: "away"; readonly seconds: number }
  | { readonly kind: "forget" }
  | { readonly kind: "conflict" };

const count = (max: number) => fc.integer({ min: 1, max });
const stride = fc.constantFrom(1, 2, 3, 5);

const action: fc.Arbitrary<Action> = fc.oneof(
  { arbitrary: fc.record({ kind: fc.constant("pods"), count: count(6) }), weight: 5 },
  { arbitrary: fc.record({ kind: fc.constant("end"), count: count(6), stride }), weight: 4 },
  { arbitrary: fc.record({ kind: fc.constant("pass"), seconds: count(60) }), weight: 4 },
  {
    arbitrary: fc.record({
      kind: fc.constant("grow"),
      eni: fc.constantFrom(1, 2),
      count: count(5),
      prefix: fc.boolean(),
    }),
    weight: 2,
  },
  { arbitrary: fc.record({ kind: fc.constant("back"), count: count(6), stride }), weight: 3 },
  { arbitrary: fc.record({ kind: fc.constant("crash"), seconds: fc.integer({ min: 0, max: 40 }) }), weight: 2 },
  { arbitrary: fc.record({ kind: fc.constant("upgrade") }), weight: 1 },
  { arbitrary: fc.record({ kind: fc.constant("away"), seconds: count(90) }), weight: 1 },
  { arbitrary: fc.record({ kind: fc.constant("forget") }), weight: 1 },
  { arbitrary: fc.record({ kind: fc.constant("conflict") }), weight: 1 },
) as fc.Arbitrary<Action>;

const OPERATOR_MS = 10_000;
const PRE_ALLOCATE = 4;
/** Prefixes go back as a whole or not at all. */
const OF_PREFIXES = "10.1.";
/** In dialect eni-1.20 an address may be taken again in the moment in which it is withdrawn; then it is offered again. */
const MISTAKE_MS = 60_000;
/** The last write of a process that died may be on its way for so long; the next one needs longer for its first. */
const LATE_MS = 6;

interface Kind {
  readonly dialect: Dialect;
  /**
   * Of dialect eni-1.20. An agent that takes again what it let go says so too late for anybody who withdraws it at that
   * moment (races.test.ts), so that nothing is withdrawn from such a one here.
   */
  readonly reclaims: boolean;
}

const KINDS: readonly Kind[] = [
  { dialect: "crd", reclaims: false },
  { dialect: "eni-classic", reclaims: false },
  { dialect: "eni-1.20", reclaims: false },
  { dialect: "eni-1.20", reclaims: true },
];

/** The agent on its stage, and what its pods have by the books of this test. */
class Script {
  readonly stage: Stage;
  readonly held = new Map<string, string>();
  /** Pods that got an address. */
  given = 0;
  #dialect: Dialect;
  #pods = 0;
  #isDown = false;
  readonly #withdrawnAtMs = new Map<string, number>();
  /** When processes began. */
  readonly #startsMs: number[] = [];

  constructor({ dialect, reclaims }: Kind, seed: number, restartReport: "after-restore" | "as-restored") {
    this.#dialect = dialect;
    this.stage = new Stage({ dialect, seed, restartReport, reclaims });
    this.stage.operator.withdraws = !reclaims;
  }

  get restarts(): number {
    return this.#startsMs.length;
  }

  async begin(): Promise<void> {
    await this.stage.serving(6);
  }

  async act(one: Action): Promise<void> {
    const { agent, operator, way, model } = this.stage;
    switch (one.kind) {
      case "pods":
        for (let n = 0; n < one.count; n++) await this.#add();
        break;
      case "end":
        for (const address of every([...this.held.keys()], one.stride).slice(0, one.count)) {
          this.held.delete(address);
          agent.release(address);
        }
        break;
      case "pass":
        await this.pass(one.seconds * 1_000);
        break;
      case "grow":
        if (one.prefix) operator.growPrefix(`eni-${one.eni}`);
        else operator.grow(`eni-${one.eni}`, one.count);
        await operator.publish();
        break;
      case "back": {
        const { pool, used } = await operator.read();
        const single = [...(pool?.keys() ?? [])].filter((address) => !address.startsWith(OF_PREFIXES));
        const unused = single.filter((address) => !used.has(address));
        if (this.#dialect !== "eni-1.20")
          await operator.releaseIps(marks(every(unused, one.stride).slice(0, one.count)));
        break;
      }
      case "crash":
        agent.crash();
        this.#isDown = true;
        await this.pass(one.seconds * 1_000);
        this.#start();
        break;
      case "upgrade":
        if (this.#dialect === "crd") break;
        this.#dialect = this.#dialect === "eni-classic" ? "eni-1.20" : "eni-classic";
        operator.dialect = this.#dialect;
        // What an agent before agreed to give back is what this one may take.
        await operator.forgetHandshakes();
        this.#start(this.#dialect);
        break;
      case "away":
        way.isAway = true;
        way.breakWatches();
        await this.pass(one.seconds * 1_000);
        way.isAway = false;
        break;
      case "forget":
        model.endWatches(true);
        break;
      case "conflict":
        way.conflicts = 1;
        break;
    }
    await this.check();
  }

  async pass(ms: number): Promise<void> {
    const { clock, operator } = this.stage;
    for (let leftMs = ms; leftMs > 0; leftMs -= OPERATOR_MS) {
      await clock.advance(Math.min(leftMs, OPERATOR_MS));
      await operator.step(clock.nowMs());
      await this.check();
    }
  }

  /** What holds at each moment. */
  async check(): Promise<void> {
    const { agent, operator } = this.stage;
    const { pods, breaches, rejections } = agent.snapshot();
    expect(breaches).toEqual([]);
    expect(rejections).toEqual([]);
    expect(new Map(pods)).toEqual(this.held);
    const node = await operator.read();
    const offered =
      this.#dialect === "eni-1.20"
        ? node.interfaces.flatMap(({ addresses }) => addresses)
        : [...(node.pool?.keys() ?? [])];
    const ec2 = operator.held();
    const nowMs = this.stage.clock.nowMs();
    for (const address of this.held.keys()) {
      expect(ec2).toContain(address);
      if (this.#dialect !== "eni-1.20") expect(offered).toContain(address);
      if (offered.includes(address)) this.#withdrawnAtMs.delete(address);
      else this.#withdrawnAtMs.set(address, this.#withdrawnAtMs.get(address) ?? nowMs);
      expect(nowMs - (this.#withdrawnAtMs.get(address) ?? nowMs)).toBeLessThan(MISTAKE_MS);
    }
  }

  /** Everything ends well: the agent serves, what it says is exact, and it did not say it too often. */
  async end(): Promise<void> {
    const { agent, operator, clock } = this.stage;
    // Enough to start with, whatever went back.
    operator.grow("eni-1", 2 * PRE_ALLOCATE);
    await operator.publish();
    await this.pass(240_000);
    expect(agent.snapshot().state).toBe("serving");
    const node = await operator.read();
    if (this.#dialect === "eni-1.20") {
      // Pods that got none count for five minutes.
      await this.pass(360_000);
      const { requested, allocated, used } = await operator.read();
      expect(used.size).toBe(0);
      expect(requested).toEqual([{ pool: "default", ipv4Addresses: this.held.size + PRE_ALLOCATE }]);
      const cidrs = allocated.flatMap((one) => one.cidrs);
      for (const address of this.held.keys()) expect(cidrs.some((cidr) => holds(cidr, address))).toBe(true);
    } else {
      const said = new Map([...node.used].map(([address, { owner }]) => [address, owner.replace(" [restored]", "")]));
      expect(said).toEqual(this.held);
      expect([...node.releaseIps]).toEqual([]);
    }
    const changesMs = this.stage.usedChangesMs();
    for (const [index, fromMs] of [0, ...this.#startsMs].entries()) {
      const untilMs = this.#startsMs[index] ?? clock.nowMs();
      const own = changesMs.filter((ms) => ms > fromMs + LATE_MS && ms <= untilMs + LATE_MS);
      for (const [at, ms] of own.slice(1).entries()) expect(ms - (own[at] ?? 0)).toBeGreaterThanOrEqual(15_000);
    }
    await this.stage.end();
  }

  async #add(): Promise<void> {
    this.#pods += 1;
    const owner = `default/pod-${this.#pods}`;
    try {
      const address = await this.stage.agent.allocate(owner);
      expect(this.held.has(address)).toBe(false);
      this.held.set(address, owner);
      this.given += 1;
    } catch (thrown) {
      if (!(thrown instanceof Error) || !("code" in thrown) || thrown.code !== "ENID_NO_ADDRESS") throw thrown;
    }
  }

  #start(dialect?: Dialect): void {
    this.#startsMs.push(this.stage.clock.nowMs());
    const { agent } = this.stage;
    if (dialect === undefined) {
      if (this.#isDown) void agent.start();
    } else void agent.upgrade(dialect);
    this.#isDown = false;
  }
}

function every<Item>(items: readonly Item[], step: number): readonly Item[] {
  return items.filter((_, index) => index % step === 0);
}

function holds(cidr: string, address: string): boolean {
  const [network = "", length] = cidr.split("/");
  const hosts = length === "32" ? 1 : 16;
  const [base, host] = [network, address].map((text) => Number(text.slice(text.lastIndexOf(".") + 1)));
  const isSame = network.slice(0, network.lastIndexOf(".")) === address.slice(0, address.lastIndexOf("."));
  return isSame && (host ?? 0) >= (base ?? 0) && (host ?? 0) < (base ?? 0) + hosts;
}

describe("any script of pods, offers, withdrawals, crashes and upgrades", () => {
  it.each(KINDS)(
    "that begins with dialect $dialect (reclaims: $reclaims): no address is two pods', none is lost, and what the agent says becomes exact",
    async (kind) => {
      const seen = { given: 0, gaveBack: 0, restarts: 0 };
      await fc.assert(
        fc.asyncProperty(
          fc.array(action, { minLength: 5, maxLength: 40 }),
          fc.nat(1_000_000),
          fc.constantFrom("after-restore" as const, "as-restored" as const),
          async (actions, seed, restartReport) => {
            const script = new Script(kind, seed, restartReport);
            await script.begin();
            for (const one of actions) await script.act(one);
            await script.end();
            seen.given += script.given;
            seen.gaveBack += script.stage.operator.gaveBack;
            seen.restarts += script.restarts;
          },
        ),
        { numRuns: 40 },
      );
      expect(seen.given).toBeGreaterThan(50);
      if (!kind.reclaims) expect(seen.gaveBack).toBeGreaterThan(10);
      expect(seen.restarts).toBeGreaterThan(10);
    },
  );
});
