import { afterEach, describe, expect, it } from "vitest";
import { INSTANCE, PRIMARY, SECOND_POD_SUBNET } from "./cloud.ts";
import { Lab } from "./lab.ts";

const MINUTE_MS = 60_000;
const PODS = { "subnet-tags": { pods: "true" }, "first-interface-index": 0 };

let lab: Lab;
afterEach(() => lab.close());

describe("an m5.large whose min-allocate is above what it can really hold", () => {
  it("is ready without the addresses of a primary interface in a subnet that is not allowed", async () => {
    lab = await Lab.open({ eni: PODS, ipam: { "pre-allocate": 4, "min-allocate": 26 } });
    await lab.advance(5 * MINUTE_MS);
    expect(lab.manager.status()).toMatchObject({ phase: "ready", capacity: 18, pool: { total: 18 } });
    expect(lab.manager.notReady()).toBeUndefined();
    expect(lab.truth().map((one) => one.secondaryAddresses.length)).toEqual([0, 9, 9]);
    lab.agree();
  });

  it("is ready without the addresses of a foreign interface on it", async () => {
    lab = new Lab({ eni: PODS, ipam: { "pre-allocate": 4, "min-allocate": 26 } });
    const attachment = { instance: INSTANCE, deviceIndex: 1 };
    const { id } = lab.cloud.place({ subnet: SECOND_POD_SUBNET, interfaceType: "trunk", attachment });
    await lab.start();
    await lab.advance(5 * MINUTE_MS);
    expect(lab.manager.status()).toMatchObject({ phase: "ready", capacity: 9, pool: { total: 9 } });
    expect(lab.truth().map((one) => one.id)).toEqual([PRIMARY, id, expect.stringMatching(/^eni-/)]);
    lab.agree();
  });

  it("counts every interface while all of them are for pods", async () => {
    lab = await Lab.open({ ipam: { "pre-allocate": 4, "min-allocate": 26 } });
    expect(lab.manager.status()).toMatchObject({ phase: "ready", capacity: 27, pool: { total: 26 } });
    lab.agree();
  });
});

describe("an m5.large whose pods end while EC2 is away", () => {
  it("gives back what is too much once EC2 is well again, and then describes no more than an idle node", async () => {
    lab = await Lab.open({
      ipam: { "pre-allocate": 2, "release-delay-seconds": 60 },
      eni: { "interface-idle-seconds": 60 },
    });
    await lab.pods.run(10);
    await lab.advance(10 * MINUTE_MS);
    const { id } = lab.cloud.faults.add({
      action: "*",
      effect: { kind: "error", code: "Unavailable" },
      times: "unlimited",
    });
    expect(id).toBeDefined();
    await lab.pods.add(12);
    expect(lab.degraded()).toContain("cloud-away");
    await lab.pods.remove(lab.pods.count);
    await lab.advance(5 * MINUTE_MS);
    expect(lab.degraded()).toContain("cloud-away");
    lab.cloud.faults.remove();
    await lab.advance(6 * MINUTE_MS);
    expect(lab.degraded()).toEqual([]);
    await lab.advance(15 * MINUTE_MS);
    expect(lab.manager.status().pool.total).toBe(2);
    lab.forget();
    await lab.advance(60 * MINUTE_MS);
    expect(lab.counts()).toEqual({});
    expect(lab.calls().length).toBeLessThanOrEqual(1);
    lab.agree();
  });
});
