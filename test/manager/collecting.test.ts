import { describe, expect, it } from "vitest";
import { adoptedAttachment } from "../../src/adoption/index.ts";
import type { Sandboxes } from "../../src/manager/index.ts";
import { attachment, pod, range, startedLab } from "./harness.ts";
import { addPod, addPods, GRACE_MS, leased, MINUTE_MS, names, orphanLab, pathOf } from "./orphan-lab.ts";

const listOf = (...numbers: number[]) => numbers.map((n) => attachment(n));

describe("GC", () => {
  it("ends the leases that the list leaves out and whose sandbox is gone, durably before it is answered", async () => {
    const lab = await orphanLab();
    await addPods(lab, 3);
    lab.sandboxes.close(pathOf(0));
    lab.sandboxes.close(pathOf(1));
    const answered = lab.running.collect("cilium", listOf(1, 2)).then(() => lab.store.load().leases.length);
    await lab.clock.advance(100);
    // The list is believed where it names one, too: that its sandbox is gone is another matter.
    expect(await answered).toBe(2);
    expect(leased(lab.running)).toEqual(["container-1", "container-2"]);
    expect(names(lab, "lease-orphan-released")).toMatchObject([{ fields: { containerId: "container-0" } }]);
  });

  it("ends the leases of which nobody can tell whether their sandbox is there", async () => {
    const lab = await orphanLab();
    for (const n of range(2)) await lab.running.add({ attachment: attachment(n), pod: pod(n) });
    await lab.running.collect("cilium", listOf(1));
    expect(leased(lab.running)).toEqual(["container-1"]);
  });

  it("with an empty list takes no address of a pod whose sandbox is there", async () => {
    const lab = await orphanLab();
    await addPods(lab, 3);
    await lab.running.collect("cilium", []);
    expect(leased(lab.running)).toHaveLength(3);
    expect(lab.running.status().orphans?.leases).toMatchObject(range(3).map(() => ({ because: "not-listed" })));
    // Not after the grace either: one list is not enough.
    await lab.clock.advance(10 * GRACE_MS);
    expect(leased(lab.running)).toHaveLength(3);
    await lab.running.collect("cilium", listOf(0, 1, 2));
    expect(lab.running.status().orphans).toBeUndefined();
  });

  it("ends a lease whose sandbox is there when lists leave it out for the grace", async () => {
    const lab = await orphanLab();
    await addPods(lab, 2);
    await lab.running.collect("cilium", listOf(1));
    await lab.clock.advance(GRACE_MS - 1_000);
    await lab.running.collect("cilium", listOf(1));
    expect(leased(lab.running)).toHaveLength(2);
    await lab.clock.advance(2_000);
    await lab.running.collect("cilium", listOf(1));
    expect(leased(lab.running)).toEqual(["container-1"]);
  });

  it("forgets what a list left out when a later one names it", async () => {
    const lab = await orphanLab();
    await addPods(lab, 2);
    await lab.running.collect("cilium", listOf(1));
    await lab.clock.advance(GRACE_MS / 2);
    await lab.running.collect("cilium", listOf(0, 1));
    await lab.clock.advance(GRACE_MS);
    await lab.running.collect("cilium", listOf(1));
    expect(leased(lab.running)).toHaveLength(2);
  });

  it("never ends a lease whose sandbox is there with orphan-grace-seconds 0", async () => {
    const lab = await orphanLab({ "orphan-grace-seconds": 0 });
    await addPods(lab, 2);
    for (const _ of range(5)) {
      await lab.running.collect("cilium", []);
      await lab.clock.advance(10 * GRACE_MS);
    }
    expect(leased(lab.running)).toHaveLength(2);
    lab.sandboxes.close(pathOf(0));
    await lab.running.collect("cilium", []);
    expect(leased(lab.running)).toEqual(["container-1"]);
  });

  it("touches no other network, interface by interface, and nothing that was taken over by its pod alone", async () => {
    const lab = await orphanLab();
    const other = { ...attachment(0), network: "storage" };
    const second = { ...attachment(0), interfaceName: "net1" };
    const adopted = adoptedAttachment(pod(9));
    for (const one of [other, attachment(0), second, adopted]) await lab.running.add({ attachment: one, pod: pod(0) });
    await lab.running.collect("cilium", [attachment(0)]);
    await lab.running.collect("adopted", []);
    const left = lab.running.leases().map((lease) => lease.attachment);
    expect(left).toHaveLength(3);
    expect(left).toEqual(expect.arrayContaining([other, attachment(0), adopted]));
  });

  it("touches no lease that was made while it was served, nor one that is just being made", async () => {
    let answer: (verdicts: readonly "gone"[]) => void = () => {};
    const looked = new Promise<readonly "gone"[]>((resolve) => {
      answer = resolve;
    });
    const sandboxes: Sandboxes = {
      identify: async (path) => ({ path, identity: "4:1", folder: "25:1" }),
      look: () => looked,
    };
    const lab = await startedLab({}, { sandboxes });
    await lab.running.add({ attachment: attachment(0), pod: pod(0), sandboxPath: pathOf(0) });
    const making = lab.running.add({ attachment: attachment(1), pod: pod(1) });
    const collected = lab.running.collect("cilium", []);
    await lab.running.add({ attachment: attachment(2), pod: pod(2) });
    // The sandbox is made anew under its id while the list is served: another lease than the one that was left out.
    await lab.running.remove(attachment(0));
    await lab.running.add({ attachment: attachment(0), pod: pod(0), sandboxPath: pathOf(0) });
    answer(["gone"]);
    await lab.clock.advance(100);
    await collected;
    await making;
    expect(leased(lab.running).sort()).toEqual(["container-0", "container-1", "container-2"]);
  });

  it("is answered within seconds when sandboxes cannot be looked at, and ends none of theirs", async () => {
    const sandboxes: Sandboxes = {
      identify: async (path) => ({ path, identity: "4:1", folder: "25:1" }),
      look: () => new Promise(() => {}),
    };
    const lab = await startedLab({}, { sandboxes });
    await lab.running.add({ attachment: attachment(0), pod: pod(0), sandboxPath: pathOf(0) });
    const collected = lab.running.collect("cilium", []);
    await lab.clock.advance(5_000);
    await collected;
    expect(leased(lab.running)).toHaveLength(1);
  });

  it("fails on a full disk, and what it ended is written later", async () => {
    const lab = await orphanLab();
    for (const n of range(2)) await lab.running.add({ attachment: attachment(n), pod: pod(n) });
    lab.store.full = true;
    await expect(lab.running.collect("cilium", listOf(1))).rejects.toMatchObject({ code: "ENID_STATE_WRITE_FAILED" });
    lab.store.full = false;
    await lab.clock.advance(MINUTE_MS);
    expect(lab.store.load().leases.map(({ attachment: { containerId } }) => containerId)).toEqual(["container-1"]);
  });

  it("is refused before the state is loaded", async () => {
    const lab = await orphanLab();
    const early = lab.manager("boot-1");
    await expect(early.collect("cilium", [])).rejects.toMatchObject({ code: "ENID_STARTING" });
  });

  it("and a sandbox that goes afterwards are told as one", async () => {
    const lab = await orphanLab();
    await addPods(lab, 2);
    await addPod(lab, 2);
    await lab.running.collect("cilium", listOf(1, 2));
    lab.sandboxes.close(pathOf(0));
    await lab.clock.advance(2 * MINUTE_MS);
    expect(lab.running.status().orphans?.leases).toMatchObject([{ pod: pod(0), because: "sandbox-gone" }]);
  });
});
