import fc from "fast-check";
import { expect, it } from "vitest";
import { reservedIn } from "../../src/configuration/index.ts";
import type { ConfigurationOffer, Manager, Store } from "../../src/manager/index.ts";
import { cidrHolds, cidrsOverlap } from "../../src/pool/index.ts";
import { attachment } from "./harness.ts";
import { addressOf, type RangesLab, rangesFile, rangesLab } from "./ranges-lab.ts";

/** Ranges that hold one another, so that each change of the settings cuts and joins blocks. */
const RANGES = [
  "10.0.0.0/27",
  "10.0.0.0/28",
  "10.0.0.0/29",
  "10.0.0.8/29",
  "10.0.0.16/28",
  "10.0.0.24/30",
  "10.0.1.0/29",
  "10.0.1.4/30",
  "10.0.2.6/31",
  "10.0.2.9/32",
];
const ADDRESSES = ["10.0.0.3", "10.0.0.5", "10.0.0.12", "10.0.0.18", "10.0.0.26", "10.0.1.2", "10.0.1.6", "10.0.2.6"];
const COOLING_S = 20;
const PODS = 24;

type Act =
  | { readonly kind: "ranges"; readonly picks: readonly number[] }
  | { readonly kind: "excluded"; readonly picks: readonly number[] }
  | { readonly kind: "own"; readonly picks: readonly number[] }
  | { readonly kind: "add" | "del"; readonly pods: readonly number[] }
  | { readonly kind: "together"; readonly picks: readonly number[]; readonly pods: readonly number[] }
  | { readonly kind: "wait"; readonly seconds: number }
  | { readonly kind: "restart" | "crash" | "reboot" | "disk" };

const picks = (length: number) => fc.uniqueArray(fc.nat(length - 1), { maxLength: 4 });
const pods = fc.uniqueArray(fc.nat(PODS - 1), { minLength: 1, maxLength: 6 });
const act: fc.Arbitrary<Act> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("ranges"), picks: picks(RANGES.length) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("excluded"), picks: picks(ADDRESSES.length) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("own"), picks: picks(ADDRESSES.length) }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("add"), pods }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("del"), pods }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("together"), picks: picks(RANGES.length), pods }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("wait"), seconds: fc.integer({ min: 1, max: 40 }) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom("restart", "crash", "reboot", "disk") }) },
) as fc.Arbitrary<Act>;

/** What must be, told from the acts alone. */
class Model {
  readonly lab: RangesLab;
  running: Manager;
  boot = 1;
  ranges: readonly string[] = ["10.0.0.0/28"];
  excluded: readonly string[] = [];
  own: readonly string[] = [];
  readonly leases = new Map<number, string>();
  readonly coolsUntilMs = new Map<string, number>();

  /** Cut, a life writes nothing more, as a process that is no more. */
  life = { isCut: false };

  constructor(lab: RangesLab) {
    this.lab = lab;
    this.running = this.born();
  }

  born(): Manager {
    const { store } = this.lab;
    const life = { isCut: false };
    this.life = life;
    const own: Store = {
      load: () => store.load(),
      commit: (changes) => (life.isCut ? new Promise(() => {}) : store.commit(changes)),
      facts: () => store.facts(),
      close: () => store.close(),
    };
    return this.lab.manager(this.bootId, { store: own });
  }

  get bootId(): string {
    return `boot-${this.boot}`;
  }

  get offer(): ConfigurationOffer {
    const settings = { podCIDRs: this.ranges, "excluded-addresses": this.excluded, "cooling-seconds": COOLING_S };
    return rangesFile({ ...settings, "add-wait-seconds": 1 });
  }

  /** Every address that a pod could be given now. */
  free(): Set<string> {
    const nowMs = this.lab.clock.nowMs();
    const taken = new Set([...this.leases.values(), ...this.own]);
    for (const [address, untilMs] of this.coolsUntilMs) if (untilMs > nowMs) taken.add(address);
    return new Set(
      this.ranges.flatMap((range) => {
        const reserved = new Set(reservedIn(range, this.excluded));
        return addressesOf(range).filter((address) => !reserved.has(address) && !taken.has(address));
      }),
    );
  }

  async begin(): Promise<void> {
    await this.running.start(this.offer);
    await this.lab.clock.advance(200);
  }

  async perform(one: Act): Promise<void> {
    switch (one.kind) {
      case "ranges":
        await this.change({ ranges: rangesOf(one.picks) });
        break;
      case "together":
        await this.together(one.picks, one.pods);
        break;
      case "excluded":
        await this.change({ excluded: one.picks.map((pick) => ADDRESSES[pick] ?? "") });
        break;
      case "own":
        this.own = one.picks.map((pick) => ADDRESSES[pick] ?? "");
        this.lab.machine.own = this.own.map((address) => ({ address, device: "eth9" }));
        await this.lab.clock.advance(2 * 60_000);
        break;
      case "add":
        for (const pod of one.pods) await this.add(pod);
        break;
      case "del":
        for (const pod of one.pods) await this.del(pod);
        break;
      case "wait":
        await this.lab.clock.advance(one.seconds * 1_000);
        break;
      case "disk":
        // What has to wait for the disk is done when it is well again.
        this.lab.store.full = true;
        await this.lab.clock.advance(1_000);
        this.lab.store.full = false;
        await this.lab.clock.advance(35_000);
        break;
      default:
        if (one.kind === "reboot") {
          this.boot += 1;
          this.leases.clear();
        }
        if (one.kind !== "crash") await this.running.stop();
        this.life.isCut = true;
        this.running = this.born();
        await this.begin();
    }
  }

  /** Settings that cannot be are refused, and then nothing changes. */
  async change(to: { ranges?: readonly string[]; excluded?: readonly string[] }): Promise<void> {
    const before = { ranges: this.ranges, excluded: this.excluded };
    Object.assign(this, to);
    const offer = await offered(() => this.offer);
    if (offer !== undefined) await this.running.offerConfiguration(offer);
    if (offer === undefined || this.running.status().configuration.error !== undefined || this.ranges.length === 0) {
      Object.assign(this, before);
      await this.running.offerConfiguration(this.offer);
    }
    await this.lab.clock.advance(200);
  }

  async add(pod: number): Promise<void> {
    const held = this.leases.get(pod);
    const free = this.free();
    const got = await addressOf(this.lab, this.running, pod);
    if (held !== undefined) expect(got).toBe(held);
    else if (got.includes(".")) {
      // What became free within the second that the ADD may take counts too.
      expect(free.has(got) || this.free().has(got), `${got} for pod ${pod}`).toBe(true);
      this.leases.set(pod, got);
    } else expect([...free], `pod ${pod} got ${got}`).toEqual([]);
  }

  /** Settings change while pods come and go: who has an address of a range keeps it, or cools down, whatever comes first. */
  async together(picks: readonly number[], pods: readonly number[]): Promise<void> {
    const before = this.free();
    const changing = this.change({ ranges: rangesOf(picks) });
    const coming = pods.filter((pod) => !this.leases.has(pod));
    const going = pods.filter((pod) => this.leases.has(pod));
    const got = coming.map((pod) => addressOf(this.lab, this.running, pod));
    for (const pod of going) await this.del(pod);
    await changing;
    await this.lab.clock.advance(2_000);
    const after = this.free();
    for (const [at, pod] of coming.entries()) {
      const address = (await got[at]) ?? "";
      if (!address.includes(".")) continue;
      expect(before.has(address) || after.has(address), `${address} for pod ${pod}`).toBe(true);
      expect([...this.leases.values()]).not.toContain(address);
      this.leases.set(pod, address);
    }
  }

  async del(pod: number): Promise<void> {
    const address = this.leases.get(pod);
    await this.running.remove(attachment(pod));
    if (address !== undefined) this.coolsUntilMs.set(address, this.lab.clock.nowMs() + COOLING_S * 1_000);
    this.leases.delete(pod);
  }

  async check(): Promise<void> {
    // In the very millisecond in which a cooling ends, manager and model may say either.
    const nowMs = this.lab.clock.nowMs();
    if ([...this.coolsUntilMs.values()].includes(nowMs)) await this.lab.clock.advance(1);
    expect(this.running.problems()).toEqual([]);
    const leases = this.running.leases().map(({ address, attachment: { containerId } }) => [containerId, address]);
    const expected = [...this.leases].map(([pod, address]) => [attachment(pod).containerId, address]);
    expect(leases.sort()).toEqual(expected.sort());
    const { degraded, pool } = this.running.status();
    expect(degraded.filter(({ name }) => !["ranges-full", "address-conflict"].includes(name))).toEqual([]);
    expect(pool.free).toBe(this.free().size);
    // What is in use is in a block of the state, so that the next process knows it.
    const blocks = this.lab.store.load().blocks.map(({ cidr }) => cidr);
    for (const address of this.leases.values()) expect(blocks.some((cidr) => cidrHolds(cidr, address))).toBe(true);
  }

  /** All pods gone: the blocks are the ranges again. */
  async empty(): Promise<void> {
    for (const pod of [...this.leases.keys()]) await this.del(pod);
    await this.lab.clock.advance((COOLING_S + 5) * 1_000);
    await this.check();
    const states = (this.running.status().ranges ?? []).map(({ cidr, state }) => `${cidr} ${state}`);
    expect(states.sort()).toEqual(this.ranges.map((range) => `${range} serving`).sort());
    expect(
      this.lab.store
        .load()
        .blocks.map(({ cidr }) => cidr)
        .sort(),
    ).toEqual([...this.ranges].sort());
  }
}

/** Of what overlaps, the first. */
function rangesOf(picks: readonly number[]): string[] {
  const chosen = picks.map((pick) => RANGES[pick] ?? "");
  return chosen.filter((cidr, at) => !chosen.slice(0, at).some((other) => cidrsOverlap(other, cidr)));
}

async function offered(make: () => ConfigurationOffer): Promise<ConfigurationOffer | undefined> {
  try {
    return make();
  } catch {
    return undefined;
  }
}

function addressesOf(cidr: string): string[] {
  const [base = "", length = "32"] = cidr.split("/");
  const first = base.split(".").reduce((number, octet) => number * 256 + Number(octet), 0);
  return Array.from({ length: 2 ** (32 - Number(length)) }, (_, at) =>
    [24, 16, 8, 0].map((shift) => ((first + at) >>> shift) & 255).join("."),
  );
}

it("whatever becomes of the ranges, no lease is lost, no address is given twice, and none that is not to be", async () => {
  let [leases, changes, cut] = [0, 0, 0];
  await fc.assert(
    fc.asyncProperty(fc.array(act, { minLength: 10, maxLength: 40 }), fc.nat(1_000), async (acts, seed) => {
      const model = new Model(rangesLab(seed));
      await model.begin();
      for (const one of acts) {
        await model.perform(one);
        await model.check();
        leases += model.leases.size;
        changes += one.kind === "ranges" ? 1 : 0;
        const states = model.running.status().ranges ?? [];
        cut += states.some(({ partOf, state }) => partOf !== undefined || state === "draining") ? 1 : 0;
      }
      await model.empty();
    }),
    { numRuns: 100 },
  );
  // It would show nothing if pods and changes did not meet.
  expect(Math.min(leases, changes, cut)).toBeGreaterThan(60);
}, 120_000);
