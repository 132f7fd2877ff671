import { mkdir, readdir, symlink, truncate, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { EnidError } from "../../../src/errors.ts";
import { deletionFiles, deletionFolder, replayDeletions, watchDeletions } from "../../../src/handoff/cni/index.ts";
import {
  configuration,
  environment,
  FakeService,
  makePlace,
  type Place,
  pluginBinary,
  RecordingTelemetry,
  runPlugin,
  startDaemon,
  until,
} from "./helpers.ts";
import { VirtualClock } from "./virtual-clock.ts";

let place: Place;
let folder: string;
let service: FakeService;
let telemetry: RecordingTelemetry;
let clock: VirtualClock;

beforeAll(() => {
  pluginBinary();
});

beforeEach(async () => {
  place = await makePlace();
  folder = deletionFolder(place.socket);
  service = new FakeService();
  telemetry = new RecordingTelemetry();
  clock = new VirtualClock();
});

afterEach(async () => {
  await place.remove();
});

const options = () => ({ queue: deletionFiles(folder), service, telemetry, clock });
const files = () => readdir(folder);
const attachmentOf = (containerId: string) => ({ network: "cilium", containerId, interfaceName: "eth0" });

/** A DEL by the real plugin while no daemon listens. */
async function queueDeletion(containerId: string): Promise<void> {
  const run = await runPlugin(pluginBinary(), {
    environment: { ...environment("DEL", { CNI_CONTAINERID: containerId }), ENID_SOCKET: place.socket },
    stdin: configuration(),
  });
  expect(run).toMatchObject({ exit: 0, stdout: "" });
}

/** A file as the plugin writes it, with a time of our choice. */
async function writeDeletion(containerId: string, queuedAtMs: number): Promise<void> {
  await mkdir(folder, { recursive: true });
  const body = { environment: environment("DEL", { CNI_CONTAINERID: containerId }), stdin: configuration() };
  await writeFile(join(folder, `0123456789abcdef-${queuedAtMs}000000-7.json`), JSON.stringify(body));
}

async function lease(containerId: string, leasedAtMs: number): Promise<void> {
  service.nowMs = leasedAtMs;
  await service.add({
    attachment: attachmentOf(containerId),
    pod: { namespace: "", name: "p", uid: "" },
  });
}

describe("replayDeletions", () => {
  it("finds nothing to do when there is no queue", async () => {
    expect(await replayDeletions(options())).toEqual({ replayed: 0, failed: 0, rejected: 0, outdated: 0 });
    expect(telemetry.events).toEqual([]);
  });

  it("ends the leases that the plugin was told to delete while no daemon ran", async () => {
    await lease("c1", 1_000);
    await lease("c2", 1_000);
    await lease("c3", 1_000);
    await Promise.all([queueDeletion("c1"), queueDeletion("c2"), queueDeletion("unknown")]);
    expect(await replayDeletions(options())).toMatchObject({ replayed: 3, failed: 0 });
    expect([...service.leases.values()].map(({ attachment }) => attachment.containerId)).toEqual(["c3"]);
    expect(await files()).toEqual([]);
    expect(telemetry.events.map(({ name, message }) => `${name}: ${message}`)).toEqual([
      `deletions-replayed: queued deletions replayed: 3, from ${folder}`,
    ]);
  });

  it("names the pod, for a lease whose attachment another IPAM did not know", async () => {
    await queueDeletion("c1");
    await replayDeletions(options());
    expect(service.removed).toEqual([attachmentOf("c1")]);
    expect(service.removedPods).toEqual([{ namespace: "shop", name: "cart-0", uid: "u-1" }]);
  });

  it("removes a file only after its release is durable", async () => {
    await queueDeletion("c1");
    let finish: (() => void) | undefined;
    service.onRemove = () =>
      new Promise((resolve) => {
        finish = resolve;
      });
    const replay = replayDeletions(options());
    const release = await until(() => finish);
    expect(await files()).toHaveLength(1);
    release();
    expect(await replay).toMatchObject({ replayed: 1 });
    expect(await files()).toEqual([]);
  });

  it("keeps the file when the release fails, goes on with the others, and does it later", async () => {
    await lease("c1", 1_000);
    await lease("c2", 1_000);
    await queueDeletion("c1");
    await queueDeletion("c2");
    service.onRemove = async ({ containerId }) => {
      if (containerId === "c1") throw new EnidError("ENID_STATE_WRITE_FAILED", { detail: "disk full" });
    };
    expect(await replayDeletions(options())).toMatchObject({ replayed: 1, failed: 1 });
    expect(await files()).toHaveLength(1);
    expect(telemetry.events.map(({ name }) => name)).toEqual(["deletions-replayed", "deletions-deferred"]);
    expect(telemetry.events[1]).toMatchObject({
      level: "warn",
      fields: { failed: 1, code: "ENID_STATE_WRITE_FAILED" },
    });
    service.onRemove = undefined;
    expect(await replayDeletions(options())).toMatchObject({ replayed: 1, failed: 0 });
    expect(service.leases.size).toBe(0);
  });

  it("may run twice at the same time", async () => {
    await Promise.all(Array.from({ length: 20 }, (_, index) => queueDeletion(`c${index}`)));
    const reports = await Promise.all([replayDeletions(options()), replayDeletions(options())]);
    expect(reports.map(({ failed, rejected }) => failed + rejected)).toEqual([0, 0]);
    expect(new Set(service.removed.map(({ containerId }) => containerId)).size).toBe(20);
    expect(await files()).toEqual([]);
  });

  it("releases many at once, but not all at once", async () => {
    for (let index = 0; index < 200; index++) await writeDeletion(`c${index}`, 1_700_000_000_000 + index);
    let underWay = 0;
    let most = 0;
    service.onRemove = async () => {
      underWay += 1;
      most = Math.max(most, underWay);
      await new Promise((resolve) => setTimeout(resolve, 5));
      underWay -= 1;
    };
    expect(await replayDeletions(options())).toMatchObject({ replayed: 200 });
    expect(most).toBeGreaterThan(8);
    expect(most).toBeLessThanOrEqual(64);
  });

  it("leaves a lease that is younger than the deletion, since its container id was used again", async () => {
    await lease("cilium-ingress-node-1", 1_700_000_000_002);
    await writeDeletion("cilium-ingress-node-1", 1_700_000_000_001);
    expect(await replayDeletions(options())).toEqual({ replayed: 0, failed: 0, rejected: 0, outdated: 1 });
    expect(service.leases.size).toBe(1);
    expect(await files()).toEqual([]);
    expect(telemetry.events).toMatchObject([{ name: "deletion-outdated", fields: { address: "10.0.0.1" } }]);
  });

  it("ends a lease that is as old as the deletion or older", async () => {
    await lease("c1", 1_700_000_000_001);
    await writeDeletion("c1", 1_700_000_000_001);
    expect(await replayDeletions(options())).toMatchObject({ replayed: 1 });
    expect(service.leases.size).toBe(0);
  });

  const name = "0123456789abcdef-1700000000000000000-7.json";
  const body = (verb: string, stdin: string) => JSON.stringify({ environment: environment(verb), stdin });
  it.each([
    ["not JSON", name, "{", "it is not JSON"],
    ["another form", name, "[]", "the body is not a JSON object"],
    ["another verb", name, body("ADD", configuration()), "CNI_COMMAND is ADD, not DEL"],
    ["no network", name, body("DEL", "{}"), "CNI version (none) is not supported"],
    ["no input", name, body("DEL", ""), "it is empty"],
    ["a foreign name", "notes.txt", body("DEL", configuration()), "its name is not one that the plugin gives"],
  ])("moves a file with %s aside and says so", async (_what, file, content, detail) => {
    await mkdir(folder);
    await writeFile(join(folder, file), content);
    expect(await replayDeletions(options())).toMatchObject({ rejected: 1, replayed: 0, failed: 0 });
    expect(await files()).toEqual(["rejected"]);
    expect(await readdir(join(folder, "rejected"))).toEqual([file]);
    expect(service.removed).toEqual([]);
    expect(telemetry.events).toMatchObject([{ name: "deletion-rejected", level: "warn", fields: { file } }]);
    expect(telemetry.events[0]?.message).toContain(detail);
    expect(await replayDeletions(options())).toMatchObject({ rejected: 0 });
  });

  it("moves aside what is too large, a link, or a folder, without reading it", async () => {
    await mkdir(folder);
    const nameOf = (index: number) => `0123456789abcdef-170000000000000000${index}-7.json`;
    await writeFile(join(folder, nameOf(1)), "");
    await truncate(join(folder, nameOf(1)), 8 * 1024 * 1024 + 1);
    await mkdir(join(folder, nameOf(3)));
    await symlink("/dev/zero", join(folder, nameOf(2)));
    const report = await replayDeletions(options());
    expect(report).toMatchObject({ rejected: 3, failed: 0 });
    expect(await files()).toEqual(["rejected"]);
  });

  it("keeps at most 100 files aside, and says what it drops", async () => {
    await mkdir(join(folder, "rejected"), { recursive: true });
    for (let index = 0; index < 100; index++) await writeFile(join(folder, "rejected", `${index}`), "");
    await writeFile(join(folder, "notes.txt"), "");
    expect(await replayDeletions(options())).toMatchObject({ rejected: 1 });
    expect(await files()).toEqual(["rejected"]);
    expect(await readdir(join(folder, "rejected"))).toHaveLength(100);
    expect(telemetry.events[0]?.message).toContain("was dropped, for lack of room in");
  });

  it("leaves a file that is being written alone, and removes one that was abandoned", async () => {
    await mkdir(folder);
    await writeFile(join(folder, ".fresh.json"), "{");
    await writeFile(join(folder, ".old.json"), "{");
    const nowS = clock.nowMs() / 1000;
    await utimes(join(folder, ".fresh.json"), nowS, nowS - 3_500);
    await utimes(join(folder, ".old.json"), nowS, nowS - 3_700);
    await replayDeletions(options());
    expect(await files()).toEqual([".fresh.json"]);
  });

  it("says that a queue cannot be read", async () => {
    await writeFile(folder, "a file in the way");
    await expect(replayDeletions(options())).rejects.toMatchObject({
      code: "ENID_DELETION_QUEUE",
      message: expect.stringContaining("ENOTDIR"),
    });
  });
});

describe("watchDeletions", () => {
  it("replays files that come after the first pass, every few seconds", async () => {
    const watch = watchDeletions(options());
    for (const containerId of ["c1", "c2"]) {
      await queueDeletion(containerId);
      expect(clock.delaysMs).toEqual([5_000]);
      clock.advance(5_000);
      await until(() => clock.waiting === 1);
      expect(service.removed.at(-1)?.containerId).toBe(containerId);
    }
    expect(await files()).toEqual([]);
    await watch.stop();
    expect(clock.waiting).toBe(0);
  });

  it("becomes rarer while releases fail, and quick again afterwards", async () => {
    await queueDeletion("c1");
    service.onRemove = () => Promise.reject(new EnidError("ENID_STATE_WRITE_FAILED", { detail: "disk full" }));
    const watch = watchDeletions({ ...options(), intervalMs: 1_000 });
    const delays: (number | undefined)[] = [];
    for (let pass = 0; pass < 8; pass++) {
      clock.advance(clock.delaysMs[0] ?? Number.NaN);
      await until(() => clock.waiting === 1);
      delays.push(clock.delaysMs[0]);
    }
    expect(delays).toEqual([2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 60_000]);
    service.onRemove = undefined;
    clock.advance(60_000);
    await until(() => clock.waiting === 1);
    expect(clock.delaysMs).toEqual([1_000]);
    expect(service.removed).toHaveLength(1);
    await watch.stop();
  });

  it("goes on when the queue cannot be read, and says so", async () => {
    await writeFile(folder, "a file in the way");
    const watch = watchDeletions(options());
    clock.advance(5_000);
    await until(() => clock.waiting === 1);
    expect(telemetry.events).toMatchObject([{ name: "deletion-queue-unreadable", level: "error" }]);
    expect(clock.delaysMs).toEqual([10_000]);
    await watch.stop();
  });

  it("waits for the pass under way when it is stopped, and begins no other", async () => {
    await queueDeletion("c1");
    let finish: (() => void) | undefined;
    service.onRemove = () =>
      new Promise((resolve) => {
        finish = resolve;
      });
    const watch = watchDeletions(options());
    clock.advance(5_000);
    const release = await until(() => finish);
    let stopped = false;
    const stop = watch.stop().then(() => {
      stopped = true;
    });
    await new Promise((resolve) => setImmediate(resolve));
    expect(stopped).toBe(false);
    release();
    await stop;
    expect(clock.waiting).toBe(0);
    expect(await files()).toEqual([]);
  });
});

it("loses no deletion over a restart of the daemon", async () => {
  const before = await startDaemon(place.socket);
  const call = (verb: string, containerId: string) =>
    runPlugin(pluginBinary(), {
      environment: { ...environment(verb, { CNI_CONTAINERID: containerId }), ENID_SOCKET: place.socket },
      stdin: configuration(),
    });
  const ids = Array.from({ length: 30 }, (_, index) => `c${index}`);
  for (const id of ids) expect(await call("ADD", id)).toMatchObject({ exit: 0 });
  // The daemon ends while DELs come in: each is served, or queued, and every one succeeds.
  const deletions = ids.map((id) => call("DEL", id));
  await until(() => before.service.removed.length > 0);
  await before.close();
  for (const run of await Promise.all(deletions)) expect(run).toMatchObject({ exit: 0, stdout: "" });
  service.leases.clear();
  for (const [key, kept] of before.service.leases) service.leases.set(key, kept);
  await replayDeletions(options());
  expect(service.leases.size).toBe(0);
});
