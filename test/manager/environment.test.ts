import { describe, expect, it } from "vitest";
import { EnidError } from "../../src/errors.ts";
import { environmentAtStart } from "../../src/manager/index.ts";
import { attachment, configuration, configurationText, createLab, FILE, pod, startedLab } from "./harness.ts";
import { addressOf, RANGE, rangesFile, rangesLab, startedRanges } from "./ranges-lab.ts";

const EC2 = { kind: "valid", configuration: configuration() } as const;
const OWN = rangesFile({ podCIDRs: [RANGE] });
const NONE = { kind: "none" } as const;
const MISSING = { kind: "missing", error: new EnidError("ENID_CONFIG_UNREADABLE") } as const;

/** What a node's disk holds that served one pod there. */
async function stateWith(environment: "aws" | "node-cidr") {
  if (environment === "node-cidr") {
    const lab = await startedRanges();
    await addressOf(lab, lab.running, 1);
    return lab.store.load();
  }
  const lab = await startedLab();
  const added = lab.running.add({ attachment: attachment(1), pod: pod(1) });
  await lab.clock.advance(1_000);
  await added;
  return lab.store.load();
}

describe("the environment of a daemon that starts", () => {
  const blank = rangesLab().store.load();

  it("is the one that the file names", () => {
    expect(environmentAtStart(blank, EC2, "boot-1")).toBe("aws");
    expect(environmentAtStart(blank, OWN, "boot-1")).toBe("node-cidr");
    expect(environmentAtStart(blank, NONE, "boot-1")).toBe("aws");
  });

  it("is that of the last valid file where there is none that is", async () => {
    const state = { ...(await stateWith("node-cidr")), leases: [] };
    for (const offer of [NONE, MISSING]) expect(environmentAtStart(state, offer, "boot-1")).toBe("node-cidr");
  });

  it("goes by overrides too", () => {
    const overrides = { podCIDRs: { value: [RANGE], setAtMs: 0 } };
    expect(environmentAtStart({ ...blank, overrides }, NONE, "boot-1")).toBe("node-cidr");
    // An override that the file contradicts leaves the last valid one in force, if there is any.
    const stored = { file: FILE, text: configurationText({ eni: {} }), readAtMs: 0 };
    expect(environmentAtStart({ ...blank, configuration: stored }, OWN, "boot-1")).toBe("node-cidr");
  });

  it("is that of the pods, while there are any in this boot", async () => {
    const own = await stateWith("node-cidr");
    expect(environmentAtStart(own, EC2, "boot-1")).toBe("node-cidr");
    expect(environmentAtStart(own, EC2, "boot-2")).toBe("aws");
    const cloud = await stateWith("aws");
    expect(environmentAtStart(cloud, OWN, "boot-1")).toBe("aws");
    expect(environmentAtStart(cloud, OWN, "boot-2")).toBe("node-cidr");
  });
});

describe("a running daemon stays in its environment", () => {
  it("with ranges of its own it refuses a file without them, and an override that takes them away", async () => {
    const lab = await startedRanges();
    await addressOf(lab, lab.running, 1);
    await lab.running.offerConfiguration(EC2);
    expect(lab.running.status().configuration.error?.message).toContain(
      "podCIDRs names no range (default), which means EC2",
    );
    expect(lab.running.status().degraded.map(({ name }) => name)).toEqual(["configuration-rejected"]);
    await expect(lab.running.setOverride("podCIDRs=[]")).rejects.toThrow("drain or reboot the node, restart enid");
    expect(await addressOf(lab, lab.running, 2)).toMatch(/^10\.12\.5\./);
    expect(lab.running.leases()).toHaveLength(2);
  });

  it("on EC2 it refuses ranges from either", async () => {
    const { running } = await startedLab();
    await running.offerConfiguration(OWN);
    expect(running.status().configuration.error?.message).toContain("this daemon serves addresses of EC2");
    await expect(running.setOverride(`podCIDRs=["${RANGE}"]`)).rejects.toThrow();
    expect(running.status().phase).toBe("ready");
  });
});

describe("a node that comes from the other environment", () => {
  it("begins anew with its ranges: what it held in EC2 is not the node's here", async () => {
    const cloud = await startedLab();
    await cloud.running.stop();
    const lab = rangesLab();
    lab.store.load = () => cloud.store.load();
    lab.store.commit = (changes) => cloud.store.commit(changes);
    const running = lab.manager("boot-1");
    await running.start(OWN);
    await lab.clock.advance(1_000);
    expect(running.status()).toMatchObject({ phase: "ready", pool: { total: 13 }, degraded: [], intents: [] });
    expect(cloud.store.load()).toMatchObject({ blocks: [{ cidr: RANGE }], interfaces: [{ id: "node" }], intents: [] });
    expect(lab.events.map(({ name }) => name)).toContain("instance-replaced");
  });

  it("and back: no address of a range goes to a pod on EC2", async () => {
    const own = await startedRanges();
    await addressOf(own, own.running, 1);
    await own.running.stop();
    const lab = createLab();
    lab.store.load = () => own.store.load();
    lab.store.commit = (changes) => own.store.commit(changes);
    const running = lab.manager("boot-2");
    await running.start(EC2);
    await lab.clock.advance(5_000);
    expect(running.status()).toMatchObject({ phase: "ready", provider: "fake" });
    expect(running.status().ranges).toBeUndefined();
    expect(own.store.load().blocks.map(({ kind }) => kind)).not.toContain("node-cidr");
  });
});
