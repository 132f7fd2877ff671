import { afterEach, describe, expect, it } from "vitest";
import { Lab, type LabOptions } from "./lab.ts";

const MINUTE_MS = 60_000;
let lab: Lab;

async function open(options: LabOptions = {}): Promise<Lab> {
  lab = await Lab.open({ ipam: { "pre-allocate": 8 }, ...options });
  return lab;
}

afterEach(() => lab.close());

describe.each(["memory", "sqlite"] as const)("an m5.large with secondary addresses and its state in %s", (store) => {
  it("serves 27 pods at once with eight calls", async () => {
    await open({ store });
    await lab.pods.run(27);
    await lab.quiet();
    expect(lab.truth().map((one) => one.secondaryAddresses.length)).toEqual([9, 9, 9]);
    // The buffer of eight, the ninth of the primary interface, and two interfaces with nine addresses each.
    expect(lab.counts()).toEqual({
      AssignPrivateIpAddresses: 2,
      CreateNetworkInterface: 2,
      AttachNetworkInterface: 2,
      ModifyNetworkInterfaceAttribute: 2,
    });
    lab.agree();
  });

  it("serves 27 pods that come one by one without a call for each", async () => {
    await open({ store });
    for (let n = 0; n < 27; n++) {
      await lab.pods.run(1);
      await lab.advance(20_000);
    }
    await lab.quiet();
    expect(lab.pods.count).toBe(27);
    expect(lab.truth().map((one) => one.secondaryAddresses.length)).toEqual([9, 9, 9]);
    // The VPC CNI needs 17 calls for the same.
    expect(lab.mutations().length).toBeLessThan(28);
    lab.agree();
  });

  it("makes no call that changes anything when it is full, however many pods ask", async () => {
    await open({ store });
    await lab.pods.run(27);
    await lab.quiet();
    lab.forget();
    const answers = await lab.pods.add(5);
    expect(answers.map((answer) => (typeof answer === "string" ? answer : answer.code))).toEqual(
      Array.from({ length: 5 }, () => "ENID_NO_ADDRESS"),
    );
    await lab.advance(3 * 60 * MINUTE_MS);
    expect(lab.counts()).toEqual({});
    lab.agree();
  });

  it("changes nothing by a restart, serves at once, and keeps every pod's address", async () => {
    await open({ store });
    await lab.pods.run(20);
    await lab.quiet();
    const before = [...lab.pods.running.values()];
    lab.forget();
    await lab.restart();
    const startedAtMs = lab.clock.monotonicMs();
    await lab.pods.run(1);
    expect(lab.clock.monotonicMs() - startedAtMs, "ms until the first pod").toBeLessThan(100);
    await lab.quiet();
    // One more pod may need more; the restart itself needs nothing.
    expect(Object.keys(lab.counts()).filter((action) => action !== "AssignPrivateIpAddresses")).toEqual([]);
    expect(lab.calls().filter(({ isMutating }) => !isMutating).length).toBeLessThanOrEqual(6);
    expect([...lab.pods.running.values()].slice(0, 20)).toEqual(before);
    lab.agree();
  });

  it("serves from what it holds when it restarts while EC2 and metadata are away", async () => {
    await open({ store });
    await lab.pods.run(3);
    await lab.quiet();
    lab.cloud.changeSettings({ metadataOutage: "hang" });
    lab.cloud.faults.add({ action: "*", effect: { kind: "hang" }, times: "unlimited" });
    await lab.restart();
    await lab.pods.run(5);
    await lab.advance(10 * MINUTE_MS);
    expect(lab.pods.count).toBe(8);
    lab.cloud.changeSettings({ metadataOutage: "none" });
    lab.cloud.faults.remove();
    await lab.advance(5 * MINUTE_MS);
    await lab.quiet();
    await lab.pods.run(4);
    await lab.quiet();
    lab.agree();
    expect(lab.degraded()).toEqual([]);
  });

  it("begins anew after a reboot: the pods are gone, the addresses are not", async () => {
    await open({ store });
    await lab.pods.run(12);
    await lab.quiet();
    const carried = lab.truth().flatMap((one) => one.secondaryAddresses).length;
    lab.forget();
    await lab.restart({ reboot: true });
    await lab.pods.run(12);
    await lab.quiet();
    expect(lab.counts()).toEqual({});
    expect(lab.truth().flatMap((one) => one.secondaryAddresses).length).toBe(carried);
    lab.agree();
  });
});

describe("an idle m5.large", () => {
  it("asks EC2 once an hour at most and changes nothing for hours", async () => {
    await open();
    await lab.pods.run(5);
    await lab.quiet();
    lab.forget();
    await lab.advance(8 * 60 * MINUTE_MS);
    expect(lab.counts()).toEqual({});
    expect(lab.calls().length).toBeLessThanOrEqual(8);
    lab.agree();
  });
});
