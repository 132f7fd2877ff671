import { describe, expect, it } from "vitest";
import { adoptedAttachment } from "../../src/adoption/index.ts";
import { createMemoryDeletionQueue, replayDeletions } from "../../src/handoff/cni/index.ts";
import type { Manager } from "../../src/manager/index.ts";
import type { Attachment, Pod } from "../../src/pool/index.ts";
import { attachment, configuration, createLab, type Lab, startedLab } from "./harness.ts";

const WEB: Pod = { namespace: "shop", name: "web-0", uid: "uid-old" };
const WEB_ANEW: Pod = { ...WEB, uid: "uid-new" };
const [OLD, NEW] = [attachment(1), attachment(2)];

function holders(manager: Manager): Attachment[] {
  return manager.leases().map((lease) => lease.attachment);
}

/** A node that took the pod's lease over from an IPAM that knew no container. */
async function adoptedLab(pod: Pod): Promise<Lab & { running: Manager; adopted: Attachment }> {
  const lab = createLab();
  const first = lab.manager();
  await first.start({ kind: "valid", configuration: configuration() });
  await lab.clock.advance(3_000);
  const adopted = adoptedAttachment(pod);
  await first.add({ attachment: adopted, pod });
  await first.stop();
  const running = lab.manager();
  await running.start({ kind: "valid", configuration: configuration() });
  await lab.clock.advance(3_000);
  return { ...lab, running, adopted };
}

/** The DEL as the plugin queues it. */
function queued(lab: Lab, containerId: string, pod: Pod, atMs = lab.clock.nowMs()) {
  const queue = createMemoryDeletionQueue();
  const environment = {
    CNI_COMMAND: "DEL",
    CNI_CONTAINERID: containerId,
    CNI_IFNAME: "eth0",
    CNI_ARGS: `K8S_POD_NAMESPACE=${pod.namespace};K8S_POD_NAME=${pod.name};K8S_POD_UID=${pod.uid};IgnoreUnknown=1`,
  };
  queue.put({ environment, stdin: '{"cniVersion":"1.0.0","name":"cilium","type":"cilium-cni"}' }, atMs);
  return queue;
}

function replay(lab: Lab, service: Manager, queue: ReturnType<typeof queued>) {
  const telemetry = { event: () => {}, cloudCall: () => {}, served: () => {} };
  return replayDeletions({ queue, service, telemetry, clock: lab.clock });
}

describe("a DEL of an old sandbox", () => {
  it("frees nothing of the pod's new sandbox, before or after the new one's ADD, however often it comes", async () => {
    const lab = await startedLab();
    const { running } = lab;
    await running.add({ attachment: OLD, pod: WEB });
    const { address } = await running.add({ attachment: NEW, pod: WEB_ANEW });
    for (const pod of [WEB, WEB_ANEW, undefined]) await running.remove(OLD, pod);
    expect(holders(running)).toEqual([NEW]);
    expect((await running.add({ attachment: NEW, pod: WEB_ANEW })).address).toBe(address);
  });

  it("frees nothing of another interface or network of the same container", async () => {
    const lab = await startedLab();
    const others = [
      { ...OLD, interfaceName: "net1" },
      { ...OLD, network: "storage" },
    ];
    for (const one of others) await lab.running.add({ attachment: one, pod: WEB });
    await lab.running.remove(OLD, WEB);
    expect(holders(lab.running)).toEqual(expect.arrayContaining(others));
  });

  it("that waited in the queue frees nothing of the pod's new sandbox", async () => {
    const lab = await startedLab();
    await lab.running.add({ attachment: OLD, pod: WEB });
    const queue = queued(lab, OLD.containerId, WEB);
    await lab.clock.advance(1_000);
    await lab.running.add({ attachment: NEW, pod: WEB_ANEW });
    expect(await replay(lab, lab.running, queue)).toMatchObject({ replayed: 1, outdated: 0 });
    expect(holders(lab.running)).toEqual([NEW]);
    expect(queue.size).toBe(0);
  });

  it("that waited in the queue frees nothing of a container that was made anew under the same id", async () => {
    const lab = await startedLab();
    const queue = queued(lab, OLD.containerId, WEB);
    await lab.clock.advance(1_000);
    await lab.running.add({ attachment: OLD, pod: WEB_ANEW });
    expect(await replay(lab, lab.running, queue)).toMatchObject({ replayed: 0, outdated: 1 });
    expect(holders(lab.running)).toEqual([OLD]);
  });
});

describe("a lease that was taken over from an IPAM that knew no containers", () => {
  it("ends with the first DEL of its pod for a sandbox that never asked here", async () => {
    const { running } = await adoptedLab(WEB);
    await running.remove(OLD, WEB);
    expect(holders(running)).toEqual([]);
  });

  it("stays when the DEL of a sandbox that asked here comes twice", async () => {
    const { running, adopted } = await adoptedLab({ ...WEB, uid: "" });
    await running.add({ attachment: NEW, pod: WEB_ANEW });
    await running.remove(NEW, WEB_ANEW);
    await running.remove(NEW, WEB_ANEW);
    expect(holders(running)).toEqual([adopted]);
  });

  it("stays when the DEL is of a sandbox whose ADD failed here", async () => {
    const lab = await adoptedLab({ ...WEB, uid: "" });
    lab.store.full = true;
    await expect(lab.running.add({ attachment: NEW, pod: WEB_ANEW })).rejects.toMatchObject({
      code: "ENID_STATE_WRITE_FAILED",
    });
    lab.store.full = false;
    await lab.running.remove(NEW, WEB_ANEW);
    expect(holders(lab.running)).toEqual([lab.adopted]);
  });

  it("stays when the DEL is of a later pod of the same name", async () => {
    const { running, adopted } = await adoptedLab(WEB);
    await running.remove(attachment(7), WEB_ANEW);
    expect(holders(running)).toEqual([adopted]);
  });

  it("ends by a DEL that waited in the queue, and the pod's new sandbox keeps its address", async () => {
    const lab = await adoptedLab({ ...WEB, uid: "" });
    await lab.running.add({ attachment: NEW, pod: WEB_ANEW });
    const late = queued(lab, OLD.containerId, WEB);
    expect(await replay(lab, lab.running, late)).toMatchObject({ replayed: 1 });
    expect(holders(lab.running)).toEqual([NEW]);
    expect(await replay(lab, lab.running, queued(lab, OLD.containerId, WEB))).toMatchObject({ replayed: 1 });
    expect(holders(lab.running)).toEqual([NEW]);
  });
});
