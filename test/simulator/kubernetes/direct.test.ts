import { describe, expect, it } from "vitest";
import { CILIUM_NODES, type KubernetesObject } from "../../../src/handoff/cilium-node/api.ts";
import { DirectKubernetesApi, KubernetesModel, type Way } from "../../../src/simulator/kubernetes/index.ts";
import { kubernetesApiContract } from "../../contracts/kubernetes-api.ts";
import { seededRandom, VirtualClock } from "../../support/virtual-clock.ts";

const NODE: KubernetesObject = { apiVersion: "cilium.io/v2", kind: "CiliumNode", metadata: { name: "n" }, spec: {} };

function lab(way?: () => Way) {
  const clock = new VirtualClock();
  const model = new KubernetesModel({ nowMs: () => clock.nowMs() });
  const api = new DirectKubernetesApi({ model, clock, random: seededRandom(), ...(way === undefined ? {} : { way }) });
  const settle = async <Answer>(promise: Promise<Answer>): Promise<Answer> => {
    let over = false;
    promise.then(
      () => (over = true),
      () => (over = true),
    );
    for (let turn = 0; turn < 3_000 && !over; turn++) await clock.advance(10);
    return promise;
  };
  return { clock, model, api, settle };
}

kubernetesApiContract("the Kubernetes API as a model, within the process", async () => {
  const { model, api, settle } = lab();
  return {
    api,
    settle,
    compact: () => model.endWatches(true),
    bookmark: () => model.bookmark(),
    close: async () => {},
  };
});

describe("the way to the model", () => {
  const code = (promise: Promise<unknown>) => promise.then(String, (error: { code?: string }) => error.code);

  it("loses requests, or answers of what was done", async () => {
    let way: Way = { request: false, answer: false };
    const { api, model, settle } = lab(() => way);
    expect(await settle(code(api.create(CILIUM_NODES, NODE)))).toBe("ENID_KUBERNETES_AWAY");
    expect(model.get(CILIUM_NODES, { name: "n" })).toBeUndefined();
    way = { request: true, answer: false };
    expect(await settle(code(api.create(CILIUM_NODES, NODE)))).toBe("ENID_KUBERNETES_AWAY");
    expect(model.get(CILIUM_NODES, { name: "n" })).toBeDefined();
  });

  it("breaks a watch whose events are lost", async () => {
    let way: Way = { request: true, answer: true };
    const { api, model, settle, clock } = lab(() => way);
    const watch = code(api.watch(CILIUM_NODES, {}, model.version, () => undefined, new AbortController().signal));
    await clock.advance(100);
    way = { request: true, answer: false };
    model.create(CILIUM_NODES, NODE);
    expect(await settle(watch)).toBe("ENID_KUBERNETES_AWAY");
  });

  it("shares no object with the server", async () => {
    const { api, settle, model } = lab();
    const made = await settle(api.create(CILIUM_NODES, { ...NODE, spec: { ipam: {} } }));
    (made.spec as { ipam: unknown }).ipam = "changed";
    expect(model.get(CILIUM_NODES, { name: "n" })?.spec).toEqual({ ipam: {} });
  });
});
