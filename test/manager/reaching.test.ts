import { describe, expect, it } from "vitest";
import { EnidError } from "../../src/errors.ts";
import type { Reach, ReachAddress, ReachPicture } from "../../src/manager/index.ts";
import { attachment, pod, startedLab } from "./harness.ts";

/** A reach whose every answer the test gives. */
class ScriptedReach implements Reach {
  readonly name = "host-routes";
  readonly asked: (readonly ReachAddress[])[] = [];
  look: () => ReachPicture = () => {
    throw new Error("it was not started");
  };
  tell: () => void = () => {};
  noticed = 0;
  stopped = 0;
  trouble: () => EnidError | undefined = () => undefined;
  answer: () => Promise<void> = async () => {};

  start(look: () => ReachPicture, tell: () => void): void {
    this.look = look;
    this.tell = tell;
  }
  changed(): void {
    this.noticed += 1;
  }
  ready(addresses: readonly ReachAddress[]): Promise<void> {
    this.asked.push(addresses);
    return this.answer();
  }
  report() {
    const counts = { rules: 0, repaired: 0, repairedAtMs: 0, checkedAtMs: 0 };
    return { kind: "host-routes", devices: [], ...counts } as const;
  }
  async stop(): Promise<void> {
    this.stopped += 1;
  }
}

async function lab() {
  const reach = new ScriptedReach();
  const started = await startedLab({}, { reaches: [reach] });
  const add = (n: number) =>
    started.running.add({ attachment: attachment(n), pod: pod(n) }).then(
      ({ address }) => address,
      (error: EnidError) => error,
    );
  return { ...started, reach, add };
}

const BROKEN = () => new EnidError("ENID_HOST_ROUTES", { subject: "eth1", detail: "for the test" });

describe("reaching pods", () => {
  it("an ADD is answered once its lease is durable and its address reachable, in this order", async () => {
    const { reach, add, store, clock } = await lab();
    const held = Promise.withResolvers<void>();
    let durable = false;
    reach.answer = () => {
      durable = store.load().leases.length === 1;
      return held.promise;
    };
    let answer: unknown;
    const adding = add(1).then((given) => {
      answer = given;
    });
    await clock.advance(1_000);
    expect(durable).toBe(true);
    expect(answer).toBeUndefined();
    held.resolve();
    await adding;
    expect(reach.asked).toEqual([[{ address: answer, interfaceId: reach.look().interfaces[0]?.id }]]);
  });

  it("a new lease that cannot be reached ends, and the ADD says why", async () => {
    const { reach, add, running } = await lab();
    reach.answer = () => Promise.reject(BROKEN());
    expect(await add(1)).toMatchObject({ code: "ENID_HOST_ROUTES" });
    expect(running.leases()).toEqual([]);
    expect(running.counts()).toMatchObject({ cooling: 1 });
    reach.answer = async () => {};
    expect(await add(1)).toMatch(/^\d/);
  });

  it("a pod that runs keeps its lease when a repeated ADD cannot be made reachable", async () => {
    const { reach, add, running } = await lab();
    const address = await add(1);
    reach.answer = () => Promise.reject(BROKEN());
    expect(await add(1)).toMatchObject({ code: "ENID_HOST_ROUTES" });
    expect(running.leases().map((lease) => lease.address)).toEqual([address]);
    reach.answer = async () => {};
    expect(await add(1)).toBe(address);
  });

  it("a DEL while an ADD waits to be reachable leaves no lease", async () => {
    const { reach, add, running, clock } = await lab();
    const held = Promise.withResolvers<void>();
    reach.answer = () => held.promise;
    const adding = add(1);
    await clock.advance(100);
    await running.remove(attachment(1));
    held.resolve();
    expect(await adding).toMatchObject({ code: "ENID_NO_ADDRESS" });
    expect(running.leases()).toEqual([]);
  });

  it("is told of what changed, and its picture is that of the node", async () => {
    const { reach, add, running, clock } = await lab();
    const address = await add(1);
    await clock.advance(10);
    expect(reach.look().addresses.map((each) => each.address)).toEqual([address]);
    expect(reach.look().blocks.map(({ cidr }) => cidr)).toContain(`${address}/32`);
    const before = reach.noticed;
    await running.remove(attachment(1));
    expect(reach.noticed).toBeGreaterThan(before);
    expect(reach.look().addresses).toEqual([]);
    await running.stop();
    expect(reach.stopped).toBe(1);
  });

  it("its trouble is a state of giving way, and limits pods unless it is of node ports alone", async () => {
    const { reach, running, clock } = await lab();
    expect(running.limited()).toBeUndefined();
    reach.trouble = BROKEN;
    reach.tell();
    await clock.advance(10);
    expect(running.status().degraded.map(({ name }) => name)).toEqual(["host-routes-failing"]);
    expect(running.limited()).toMatchObject({ code: "ENID_LIMITED" });
    expect(running.notReady()).toBeUndefined();
    reach.trouble = () => new EnidError("ENID_NODE_PORT_MARKS", { detail: "no nft" });
    reach.tell();
    await clock.advance(10);
    expect(running.status().degraded.map(({ error }) => error.code)).toEqual(["ENID_NODE_PORT_MARKS"]);
    expect(running.limited()).toBeUndefined();
    reach.trouble = () => undefined;
    reach.tell();
    await clock.advance(10);
    expect(running.status().degraded).toEqual([]);
  });
});
