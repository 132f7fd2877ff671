import { describe, expect, it } from "vitest";
import { EnidError } from "../../src/errors.ts";
import { add, attachment, configuration, createLab, pod, range, startedLab } from "./harness.ts";

const ONE = { ipam: { "pre-allocate": 1, "max-allocate": 1, "cooling-seconds": 3 } };

describe("ADD and DEL that meet", () => {
  it("an ADD after a DEL that overtook the first ADD's commit gets a lease of its own", async () => {
    const { clock, running, store } = await startedLab();
    const first = add(running, 1);
    const ended = running.remove(attachment(1));
    const second = add(running, 1);
    expect(await first).toMatchObject({ code: "ENID_NO_ADDRESS" });
    await ended;
    const address = await second;
    expect(running.lookup(attachment(1))?.address).toBe(address);
    expect(store.load().leases.map((lease) => lease.address)).toEqual([address]);
    await clock.advance(40_000);
    const others = await Promise.all(range(7, 10).map((n) => add(running, n)));
    expect(others).not.toContain(address);
  });

  it("an ADD whose pod was deleted before its lease was durable is not answered with the address", async () => {
    const { running } = await startedLab();
    const answer = add(running, 1);
    await running.remove(attachment(1));
    const error = (await answer) as EnidError;
    expect(error).toBeInstanceOf(EnidError);
    expect(error.message).toContain("the pod was deleted while it waited");
    expect(running.leases()).toEqual([]);
  });

  it("a DEL that comes while the pod waits ends the waiting, and nothing is leased to it later", async () => {
    const { clock, running } = await startedLab(ONE);
    await add(running, 1);
    const waiting = add(running, 2);
    await clock.advance(100);
    await running.remove(attachment(1));
    await running.remove(attachment(2));
    expect(await waiting).toMatchObject({ code: "ENID_NO_ADDRESS" });
    await clock.advance(10_000);
    expect(running.leases()).toEqual([]);
  });

  it("a DEL before the state is loaded is not taken for one of an unknown pod", async () => {
    const lab = await startedLab();
    const address = await add(lab.running, 1);
    const again = lab.manager();
    const started = again.start({ kind: "valid", configuration: configuration() });
    await expect(again.remove(attachment(1))).rejects.toMatchObject({ code: "ENID_STARTING" });
    await started;
    expect(again.lookup(attachment(1))?.address).toBe(address);
    await again.remove(attachment(1));
    expect(lab.store.load().leases).toEqual([]);
  });
});

describe("a pod that waited through the start", () => {
  it("keeps the durable lease that the state holds for it when the disk refuses to write", async () => {
    const lab = await startedLab();
    const address = await add(lab.running, 1);
    const again = lab.manager();
    const early = add(again, 1);
    await again.start({ kind: "valid", configuration: configuration() });
    lab.store.full = true;
    await lab.clock.advance(1_000);
    expect(await early).toBe(address);
    expect(again.lookup(attachment(1))?.address).toBe(address);
    lab.store.full = false;
    expect(await add(again, 2)).not.toBe(address);
  });

  it("is told that the daemon stops when it stops before it began", async () => {
    const lab = createLab();
    const manager = lab.manager();
    const early = add(manager, 1);
    const started = manager.start({ kind: "valid", configuration: configuration() });
    const stopped = manager.stop(0);
    await lab.clock.advance(2_000);
    await Promise.all([started, stopped]);
    expect(await early).toMatchObject({ code: "ENID_STOPPING" });
    const calls = lab.provider.log.length;
    await lab.clock.advance(60_000);
    expect(lab.provider.log.length).toBe(calls);
  });
});

describe("callers that hang up", () => {
  it("end their waiting at once when they hung up before they asked", async () => {
    const { running } = await startedLab(ONE);
    await add(running, 1);
    const request = { attachment: attachment(2), pod: pod(2) };
    await expect(running.add(request, AbortSignal.abort())).rejects.toMatchObject({ code: "ENID_NO_ADDRESS" });
    expect(running.status().waiting).toEqual([]);
  });

  it("keep a lease that was made already, for the repeated ADD", async () => {
    const { running } = await startedLab();
    const hangUp = new AbortController();
    const first = running.add({ attachment: attachment(1), pod: pod(1) }, hangUp.signal);
    hangUp.abort();
    const { address } = await first;
    expect(await add(running, 1)).toBe(address);
  });
});
