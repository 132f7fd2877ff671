import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import {
  createMemoryDeletionQueue,
  deletionFiles,
  deletionFolder,
  type MemoryDeletionQueue,
  replayDeletions,
  watchDeletions,
} from "../../../src/handoff/cni/index.ts";
import { deletionQueueContract } from "../../contracts/deletion-queue.ts";
import { configuration, environment, FakeService, makePlace, RecordingTelemetry, until } from "./helpers.ts";
import { VirtualClock } from "./virtual-clock.ts";

deletionQueueContract("the folder", async () => {
  const place = await makePlace();
  const folder = deletionFolder(place.socket);
  return {
    queue: deletionFiles(folder),
    async write(name, text) {
      await mkdir(folder, { recursive: true });
      await writeFile(join(folder, name), text);
    },
    rejected: () => readdir(join(folder, "rejected")).catch(() => []),
    close: () => place.remove(),
  };
});

deletionQueueContract("the twin in memory", async () => {
  const queue = createMemoryDeletionQueue();
  return {
    queue,
    write: async (name, text) => queue.write(name, text),
    rejected: async () => queue.rejected(),
    close: async () => {},
  };
});

describe("the twin in memory", () => {
  const deletion = (containerId: string) => ({
    environment: environment("DEL", { CNI_CONTAINERID: containerId }),
    stdin: configuration(),
  });
  let queue: MemoryDeletionQueue;
  let service: FakeService;
  let clock: VirtualClock;
  let telemetry: RecordingTelemetry;

  beforeEach(() => {
    queue = createMemoryDeletionQueue();
    service = new FakeService();
    clock = new VirtualClock();
    telemetry = new RecordingTelemetry();
  });

  const options = () => ({ queue, service, telemetry, clock });

  it("takes what the plugin puts there, in its order, and gives it to the replay", async () => {
    for (const id of ["c2", "c1", "c3"]) queue.put(deletion(id), clock.nowMs() + 0.5);
    expect(queue.size).toBe(3);
    expect(await replayDeletions(options())).toEqual({ replayed: 3, failed: 0, rejected: 0, outdated: 0 });
    expect(service.removed.map(({ containerId }) => containerId)).toEqual(["c2", "c1", "c3"]);
    expect(queue.size).toBe(0);
    expect(telemetry.events[0]?.message).toBe("queued deletions replayed: 3, from memory:del-queue");
  });

  it("is empty after a boot", () => {
    queue.put(deletion("c1"), 1_000);
    queue.clear();
    expect(queue.size).toBe(0);
  });

  it("is not polled while it is empty, and replayed once it is filled", async () => {
    const watch = watchDeletions(options());
    expect(clock.waiting).toBe(0);
    queue.put(deletion("c1"), clock.nowMs());
    queue.put(deletion("c2"), clock.nowMs());
    expect(clock.delaysMs).toEqual([5_000]);
    clock.advance(5_000);
    await until(() => service.removed.length === 2);
    await watch.stop();
    queue.put(deletion("c3"), clock.nowMs());
    expect(clock.waiting).toBe(0);
  });

  it("is looked at again, ever more rarely, while releases fail", async () => {
    service.onRemove = () => Promise.reject(new Error("disk full"));
    queue.put(deletion("c1"), clock.nowMs());
    const watch = watchDeletions(options());
    for (const delayMs of [5_000, 10_000, 20_000]) {
      await until(() => clock.waiting === 1);
      expect(clock.delaysMs).toEqual([delayMs]);
      clock.advance(delayMs);
    }
    await until(() => clock.waiting === 1);
    await watch.stop();
    expect(clock.waiting).toBe(0);
    expect(queue.size).toBe(1);
  });
});
