import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { EnidError } from "../../src/errors.ts";
import type { CniCall, DeletionQueue } from "../../src/handoff/cni/index.ts";

export interface DeletionQueueHarness {
  readonly queue: DeletionQueue;
  /** A file as somebody else makes it. */
  write(name: string, text: string): Promise<void>;
  /** Names of what was put aside. */
  rejected(): Promise<readonly string[]>;
  close(): Promise<void>;
}

const NOW_MS = 1_700_000_000_000;
const CALL: CniCall = { environment: { CNI_COMMAND: "DEL", CNI_CONTAINERID: "c1" }, stdin: '{"name":"cilium"}' };

/** What every queue of deletions does. */
export function deletionQueueContract(name: string, create: () => Promise<DeletionQueueHarness>): void {
  describe(`the queue of deletions: ${name}`, () => {
    let harness: DeletionQueueHarness;
    let queue: DeletionQueue;

    beforeEach(async () => {
      harness = await create();
      queue = harness.queue;
    });

    afterEach(() => harness.close());

    const nameOf = (ms: number, pid = 7) => `0123456789abcdef-${ms}000000-${pid}.json`;
    const write = (ms: number, text = JSON.stringify(CALL), pid = 7) => harness.write(nameOf(ms, pid), text);
    const only = async () => {
      const files = await queue.list(NOW_MS);
      expect(files).toHaveLength(1);
      return files[0] ?? { name: "", queuedAtMs: 0 };
    };
    const reasonOf = (promise: Promise<unknown>): Promise<EnidError> =>
      promise.then(
        () => Promise.reject(new Error("it did not fail")),
        (error: unknown) => (error instanceof EnidError ? error : Promise.reject(error)),
      );

    it("is empty at first, and says where it lies", async () => {
      expect(await queue.list(NOW_MS)).toEqual([]);
      expect(queue.folder).not.toBe("");
    });

    it("lists the oldest first, by the time in the name", async () => {
      await write(1_003);
      await write(1_001, undefined, 9);
      await write(1_002);
      await write(1_001, undefined, 8);
      expect(await queue.list(NOW_MS)).toEqual([
        { name: nameOf(1_001, 8), queuedAtMs: 1_001 },
        { name: nameOf(1_001, 9), queuedAtMs: 1_001 },
        { name: nameOf(1_002), queuedAtMs: 1_002 },
        { name: nameOf(1_003), queuedAtMs: 1_003 },
      ]);
    });

    it("reads a call as it was written, as often as asked", async () => {
      await write(1_000);
      const file = await only();
      expect(await queue.read(file)).toEqual(CALL);
      expect(await queue.read(file)).toEqual(CALL);
    });

    it("has nothing to read once the file has gone, and removes it twice without harm", async () => {
      await write(1_000);
      const file = await only();
      await queue.remove(file);
      await queue.remove(file);
      expect(await queue.read(file)).toBeUndefined();
      expect(await queue.list(NOW_MS)).toEqual([]);
    });

    it.each([
      ["not JSON", "{", "it is not JSON"],
      ["another form", "[]", "the body is not a JSON object"],
      ["no environment", "{}", '"environment" is not an object'],
      ["too much", "x".repeat(8 * 1024 * 1024 + 1), "it has 8388609 bytes, more than 8388608"],
    ])("refuses to read %s", async (_what, text, detail) => {
      await write(1_000, text);
      const error = await reasonOf(queue.read(await only()));
      expect([error.code, error.message]).toEqual(["ENID_CNI_REQUEST", expect.stringContaining(detail)]);
    });

    it("lists a file with a foreign name, and refuses to read it", async () => {
      await harness.write("notes.txt", JSON.stringify(CALL));
      const file = await only();
      expect(file).toEqual({ name: "notes.txt", queuedAtMs: Number.NaN });
      expect((await reasonOf(queue.read(file))).message).toContain("its name is not one that the plugin gives");
    });

    it("puts a file aside, where it is not listed any more", async () => {
      await write(1_000, "{");
      const file = await only();
      expect(await queue.reject(file)).toBe(true);
      expect(await queue.list(NOW_MS)).toEqual([]);
      expect(await harness.rejected()).toEqual([file.name]);
    });

    it("puts nothing aside when the file has gone meanwhile", async () => {
      await write(1_000, "{");
      const file = await only();
      await queue.remove(file);
      expect(await queue.reject(file)).toBe(true);
      expect(await harness.rejected()).toEqual([]);
    });

    it("keeps 100 files aside and drops further ones", async () => {
      for (let pid = 1; pid <= 101; pid++) await write(1_000, "{", pid);
      const kept: boolean[] = [];
      for (const file of await queue.list(NOW_MS)) kept.push(await queue.reject(file));
      expect(kept.filter((each) => !each)).toEqual([false]);
      expect(kept.at(-1)).toBe(false);
      expect(await harness.rejected()).toHaveLength(100);
      expect(await queue.list(NOW_MS)).toEqual([]);
    });

    it("is told of by a queue that can tell: once, when a file comes, or at once if one is there", async () => {
      if (queue.whenFilled === undefined) return expect(Object.keys(queue)).not.toContain("whenFilled");
      let told = 0;
      const tell = () => {
        told += 1;
      };
      queue.whenFilled(tell)();
      await write(1_000);
      expect(told).toBe(0);
      await queue.remove(await only());
      queue.whenFilled(tell);
      await write(1_001);
      await write(1_002);
      expect(told).toBe(1);
      queue.whenFilled(tell);
      expect(told).toBe(2);
    });
  });
}
