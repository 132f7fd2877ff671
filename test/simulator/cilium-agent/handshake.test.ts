import { afterEach, describe, expect, it } from "vitest";
import { KEPT, MARKED, READY, RELEASED } from "../../../src/simulator/cilium-agent/node-view.ts";
import { marks } from "./operator.ts";
import { Stage, type StageOptions } from "./stage.ts";

let stage: Stage;

async function serving(options: Partial<StageOptions> = {}): Promise<Stage> {
  stage = new Stage({ dialect: "eni-classic", ...options });
  return stage.serving();
}

async function states(): Promise<Record<string, string>> {
  return Object.fromEntries((await stage.node()).releaseIps);
}

afterEach(() => stage.end());

describe("the release handshake", () => {
  it.each(["crd", "eni-classic"] as const)(`says ${READY} of what nobody uses, in dialect %s`, async (dialect) => {
    const { clock, operator } = await serving({ dialect });
    await operator.releaseIps(marks(["10.0.1.10"]));
    await clock.advance(16_000);
    expect(await states()).toEqual({ "10.0.1.10": READY });
  });

  it(`says ${KEPT} of what a pod uses`, async () => {
    const { clock, operator } = await serving();
    const given = await stage.run(..."abcdefgh");
    await operator.releaseIps(marks(given));
    await clock.advance(16_000);
    expect(new Set(Object.values(await states()))).toEqual(new Set([KEPT]));
  });

  it(`says ${KEPT} of what the pool does not have`, async () => {
    const { clock, operator } = await serving();
    await operator.releaseIps(marks(["10.0.7.7"]));
    await clock.advance(16_000);
    expect(await states()).toEqual({ "10.0.7.7": KEPT });
  });

  it("removes what is released once it has left the pool, and not before", async () => {
    const { agent, clock, operator } = await serving();
    await operator.releaseIps(marks(["10.0.1.10"]));
    await clock.advance(16_000);
    await operator.releaseIps({ "10.0.1.10": RELEASED });
    await clock.advance(60_000);
    expect(await states()).toEqual({ "10.0.1.10": RELEASED });
    operator.unassign("10.0.1.10");
    await operator.publish();
    await clock.advance(16_000);
    expect(await states()).toEqual({});
    expect(agent.snapshot()).toMatchObject({ breaches: [], rejections: [] });
  });

  it("never gives what it answered to be ready, even if the entry goes and comes", async () => {
    const { clock, operator } = await serving();
    const held = [...operator.held()];
    const leaving = held.slice(0, 7);
    await operator.releaseIps(marks(leaving));
    await clock.advance(16_000);
    expect(await stage.run("a")).toEqual(held.slice(7));
    await operator.releaseIps(Object.fromEntries(leaving.map((address) => [address, null])));
    await clock.advance(16_000);
    expect(leaving).toContain((await stage.run("b"))[0]);
  });

  it("answers a second time when it is asked a second time", async () => {
    const { agent, clock, operator } = await serving();
    const [address = ""] = await stage.run("a");
    await operator.releaseIps(marks([address]));
    await clock.advance(16_000);
    await operator.releaseIps({ [address]: null });
    agent.release(address);
    await clock.advance(16_000);
    await operator.releaseIps(marks([address]));
    await clock.advance(16_000);
    expect(await states()).toEqual({ [address]: READY });
  });

  it("ends with the address given back and everything in order", async () => {
    const { agent, clock, operator } = await serving();
    const [mine = ""] = await stage.run("a");
    const marked = [...operator.held()].slice(0, 5);
    await operator.releaseIps(marks(marked));
    for (let n = 0; n < 12; n++) {
      await clock.advance(10_000);
      await operator.step(clock.nowMs());
    }
    expect(await states()).toEqual({});
    expect(operator.held().size).toBe(marked.includes(mine) ? 4 : 3);
    expect(operator.held()).toContain(mine);
    expect(agent.snapshot()).toMatchObject({ breaches: [], rejections: [] });
  });

  it("shows a breach when an address is released under a pod", async () => {
    const { agent, clock, operator } = await serving();
    const [address = ""] = await stage.run("a");
    await operator.releaseIps({ [address]: RELEASED });
    await clock.advance(1_000);
    expect(agent.snapshot().breaches).toMatchObject([{ kind: "used-address-released", address, owner: "default/a" }]);
  });
});

describe("a mark that an agent finds when it is started", () => {
  async function marked(answersWhileRestoring: boolean): Promise<string> {
    const { agent, clock, operator } = await serving({ answersWhileRestoring, restoreMs: [40_000, 40_000] });
    const [address = ""] = await stage.run("a");
    await clock.advance(20_000);
    agent.crash();
    await operator.releaseIps({ [address]: MARKED });
    void agent.start();
    return address;
  }

  it("waits until its endpoints are restored", async () => {
    const address = await marked(false);
    await stage.clock.advance(30_000);
    expect(stage.agent.snapshot().state).toBe("restoring");
    expect(await states()).toEqual({ [address]: MARKED });
    await stage.clock.advance(40_000);
    expect(await states()).toEqual({ [address]: KEPT });
    expect([...(await stage.node()).used.values()]).toMatchObject([{ owner: "default/a [restored]" }]);
  });

  it("is answered by a hasty one, wrongly, with `used` empty beside it", async () => {
    const address = await marked(true);
    await stage.clock.advance(15_000);
    expect(stage.agent.snapshot().state).toBe("restoring");
    expect(await states()).toEqual({ [address]: READY });
    expect((await stage.node()).used.size).toBe(0);
    expect(stage.agent.snapshot().pods).toEqual(new Map([[address, "default/a"]]));
  });
});
