import { expect, it } from "vitest";
import { readConfiguration } from "../../src/configuration/index.ts";
import type { FixedRecord, FixedRecords, Fleet, Reach, ReachPicture, SyncVerdict } from "../../src/manager/index.ts";
import { attachment, pod } from "./harness.ts";
import { RANGE, rangesLab, rangesText } from "./ranges-lab.ts";

const POD = "shop/db-0";

/** A fleet of this node and one that can take what it holds. */
class LoneFleet implements Pick<Fleet, "fixed"> {
  record: FixedRecord | undefined;
  verdict: SyncVerdict | undefined;
  readonly singletons = { holds: () => false, token: () => 0 };
  readonly profiles = { watch: () => () => {}, current: () => undefined };

  watch() {
    return () => {};
  }
  urgency(): void {}
  identified(): void {}
  report() {
    return { name: "test", servers: [], connected: true, sinceMs: 0, because: "", nodes: 1, singletons: [] };
  }

  readonly fixed: FixedRecords = {
    find: async () => this.record,
    among: async () => [],
    claim: async () =>
      this.record === undefined ? { kind: "none" } : { kind: "claimed", record: this.record, from: "me" },
    create: async (start) => this.#change({ ...start, epoch: 1, holder: "me", holderName: "me", state: "bound" }),
    bind: async () => this.#change({ state: "bound" }),
    park: async () => this.#change({ state: "parked" }),
    yield: async () => this.#change({ state: "parked", holder: "" }),
    forget: async () => ({ kind: "taken", record: undefined }),
    sync: async (held) =>
      held.map((record) => this.verdict ?? { kind: "yours" as const, record: this.record ?? record, wantedBy: "" }),
  };

  async #change(change: Partial<FixedRecord>) {
    this.record = { ...this.record, ...change } as FixedRecord;
    return { kind: "done", record: this.record } as const;
  }
}

function offer() {
  const ipam = { podCIDRs: [RANGE], fixed: [{ namespace: "shop", "stateful-set": "db", addresses: ["10.99.0.0/28"] }] };
  const file = { ...JSON.parse(rangesText(ipam)), fleet: { redis: ["redis-1:6379"] } };
  return { kind: "valid", configuration: readConfiguration(Buffer.from(JSON.stringify(file)), "enid.conf") } as const;
}

async function lab() {
  const own = rangesLab();
  const fleet = new LoneFleet();
  let picture: () => ReachPicture = () => {
    throw new Error("it was not started");
  };
  const reach: Partial<Reach> = {
    name: "bird",
    start: (look) => {
      picture = look;
    },
    changed: () => {},
    ready: async () => {},
    trouble: () => undefined,
    report: () => ({ kind: "host-routes", devices: [], rules: 0, repaired: 0, repairedAtMs: 0, checkedAtMs: 0 }),
    stop: async () => {},
  };
  const running = own.manager("boot-1", { fleet: fleet as unknown as Fleet, reaches: [reach as Reach] });
  await running.start(offer());
  await own.clock.advance(1_000);
  const adding = running.add({ attachment: attachment(1), pod: { ...pod(1), namespace: "shop", name: "db-0" } });
  await own.clock.advance(1_000);
  const announced = () => picture().addresses.map(({ address }) => address);
  return { ...own, running, fleet, announced, answer: await adding };
}

it("a fixed address on-premises has the network of its rule, and no range minds it", async () => {
  const { answer, running } = await lab();
  expect(answer.address).toMatch(/^10\.99\.0\.([2-9]|1[0-4])$/);
  expect(answer.network).toEqual({ prefixLength: 28, gateway: "10.99.0.1" });
  expect(running.status()).toMatchObject({ degraded: [], ranges: [{ cidr: RANGE, state: "serving" }] });
});

it("it is told to BIRD while its pod has it here, and not while it is parked", async () => {
  const { answer, running, announced, clock, fleet } = await lab();
  expect(announced()).toEqual([answer.address]);
  await running.remove(attachment(1));
  await clock.advance(15_000);
  expect(announced()).toEqual([]);
  expect(fleet.record).toMatchObject({ pod: POD, state: "parked", holder: "me" });
});

it("it is not told to BIRD once another node has it, though a pod that was cut off is still here", async () => {
  const { answer, running, announced, clock, fleet } = await lab();
  const record = { ...(fleet.record as FixedRecord), holder: "other", holderName: "other", epoch: 2 };
  fleet.verdict = { kind: "lost", pod: POD, record };
  await clock.advance(15_000);
  expect(running.leases().map(({ address }) => address)).toEqual([answer.address]);
  expect(announced()).toEqual([]);
});
