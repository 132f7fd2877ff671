import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type Cancel, systemClock } from "../../src/adapters/index.ts";
import { type ConfigurationChange, type WatchOptions, watchConfiguration } from "../../src/configuration/index.ts";
import { EnidError } from "../../src/errors.ts";
import { FILE, virtualClock } from "./helpers.ts";

const POLL_MS = 1_000;
const preAllocate = (value: number) => `{"ipam":{"pre-allocate":${value}}}`;

/** A change in one word: "valid 8", "invalid ENID_…", "missing". */
function inWords(change: ConfigurationChange): string {
  if (change.kind === "valid") return `valid ${change.configuration.values["pre-allocate"]}`;
  return change.kind === "invalid" ? `invalid ${change.error.code}` : "missing";
}

function missing(): EnidError {
  const cause = Object.assign(new Error("no such file"), { code: "ENOENT" });
  return new EnidError("ENID_CONFIG_UNREADABLE", { file: FILE, detail: "there is no such file" }, { cause });
}

describe("a watched configuration", () => {
  let clock = virtualClock();
  let stop: Cancel = () => {};
  let content: string | EnidError;
  let reads: number;
  let changes: string[];

  function watch(options: Partial<WatchOptions> = {}): void {
    stop = watchConfiguration({
      file: FILE,
      clock,
      pollMs: POLL_MS,
      readFile: async () => {
        reads += 1;
        if (typeof content !== "string") throw content;
        return Buffer.from(content);
      },
      onChange: (change) => changes.push(inWords(change)),
      ...options,
    });
  }

  beforeEach(() => {
    clock = virtualClock();
    content = preAllocate(8);
    reads = 0;
    changes = [];
  });

  afterEach(() => {
    stop();
    expect(clock.pending()).toBe(0);
  });

  it("is reported once when two looks found it, and not again", async () => {
    watch();
    await clock.advance(0);
    expect(changes).toEqual([]);
    await clock.advance(POLL_MS);
    expect(changes).toEqual(["valid 8"]);
    await clock.advance(20 * POLL_MS);
    expect(changes).toEqual(["valid 8"]);
    expect(reads).toBe(22);
  });

  it("is not reported when it is the text that is applied already", async () => {
    watch({ knownText: preAllocate(8) });
    await clock.advance(5 * POLL_MS);
    expect(changes).toEqual([]);
    content = preAllocate(9);
    await clock.advance(2 * POLL_MS);
    expect(changes).toEqual(["valid 9"]);
  });

  it("is not reported half written", async () => {
    watch();
    await clock.advance(2 * POLL_MS);
    content = "";
    await clock.advance(POLL_MS);
    content = preAllocate(9).slice(0, 10);
    await clock.advance(POLL_MS);
    content = preAllocate(9);
    await clock.advance(POLL_MS);
    expect(changes).toEqual(["valid 8"]);
    await clock.advance(POLL_MS);
    expect(changes).toEqual(["valid 8", "valid 9"]);
  });

  it("is reported when only the digits changed, not the size", async () => {
    watch();
    await clock.advance(2 * POLL_MS);
    content = preAllocate(7);
    await clock.advance(2 * POLL_MS);
    expect(changes).toEqual(["valid 8", "valid 7"]);
  });

  it("is reported again when it comes back after something else", async () => {
    watch();
    await clock.advance(2 * POLL_MS);
    content = "{";
    await clock.advance(3 * POLL_MS);
    content = preAllocate(8);
    await clock.advance(3 * POLL_MS);
    content = missing();
    await clock.advance(3 * POLL_MS);
    content = preAllocate(8);
    await clock.advance(3 * POLL_MS);
    expect(changes).toEqual(["valid 8", "invalid ENID_CONFIG_SYNTAX", "valid 8", "missing", "valid 8"]);
  });

  it("is not reported when something else was there for one look only", async () => {
    watch();
    await clock.advance(2 * POLL_MS);
    content = missing();
    await clock.advance(POLL_MS);
    content = preAllocate(8);
    await clock.advance(5 * POLL_MS);
    expect(changes).toEqual(["valid 8"]);
  });

  it("that is missing, too large or not readable is reported once each", async () => {
    content = missing();
    watch();
    await clock.advance(5 * POLL_MS);
    content = new EnidError("ENID_CONFIG_TOO_LARGE", { file: FILE, bytes: 1, limitBytes: 1 });
    await clock.advance(5 * POLL_MS);
    content = new EnidError("ENID_CONFIG_UNREADABLE", { file: FILE, detail: "permission denied" });
    await clock.advance(5 * POLL_MS);
    expect(changes).toEqual(["missing", "invalid ENID_CONFIG_TOO_LARGE", "invalid ENID_CONFIG_UNREADABLE"]);
  });

  it("is not looked at after the watch was stopped, and a look under way reports nothing", async () => {
    let answer: (bytes: Uint8Array) => void = () => {};
    watch({ readFile: () => new Promise((resolve) => (answer = resolve)) });
    await clock.advance(0);
    answer(Buffer.from(preAllocate(8)));
    await clock.advance(POLL_MS);
    stop();
    answer(Buffer.from(preAllocate(8)));
    await clock.advance(100 * POLL_MS);
    expect(changes).toEqual([]);
  });

  it("on a disk that does not answer is reported after a limit, with one read under way, and recovers", async () => {
    let answer: (bytes: Uint8Array) => void = () => {};
    watch({
      readFile: () => {
        reads += 1;
        return new Promise((resolve) => (answer = resolve));
      },
    });
    await clock.advance(30_000);
    expect(changes).toEqual(["invalid ENID_CONFIG_UNREADABLE"]);
    expect(reads).toBe(1);
    for (let look = 0; look < 3; look += 1) {
      answer(Buffer.from(preAllocate(8)));
      await clock.advance(POLL_MS);
    }
    expect(changes).toEqual(["invalid ENID_CONFIG_UNREADABLE", "valid 8"]);
    answer(Buffer.from(preAllocate(8)));
    await clock.advance(0);
  });
});

describe("a configuration watched on a real disk", () => {
  let folder: string;
  let file: string;
  let stop: Cancel = () => {};
  let changes: string[];

  /** Resolves once that many changes were reported; fails after a limit. */
  function changesAfter(count: number): Promise<void> {
    return vi.waitFor(() => expect(changes).toHaveLength(count), { timeout: 10_000, interval: 5 });
  }

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "enid-configuration-"));
    file = join(folder, "05-enid.conf");
    changes = [];
  });

  afterEach(() => {
    stop();
    rmSync(folder, { recursive: true });
  });

  function watch(): void {
    stop = watchConfiguration({
      file,
      clock: systemClock,
      pollMs: 10,
      onChange: (change) => changes.push(inWords(change)),
    });
  }

  it("is followed through creation, rename over it, writing in place and removal", async () => {
    watch();
    await changesAfter(1);
    writeFileSync(file, preAllocate(1));
    await changesAfter(2);
    writeFileSync(`${file}.new`, preAllocate(2));
    renameSync(`${file}.new`, file);
    await changesAfter(3);
    writeFileSync(file, preAllocate(3));
    await changesAfter(4);
    unlinkSync(file);
    await changesAfter(5);
    expect(changes).toEqual(["missing", "valid 1", "valid 2", "valid 3", "missing"]);
  });

  it("is followed through the swap of links that Kubernetes makes for a ConfigMap", async () => {
    for (const version of [1, 2]) {
      mkdirSync(join(folder, `..v${version}`));
      writeFileSync(join(folder, `..v${version}`, "05-enid.conf"), preAllocate(version));
    }
    symlinkSync("..v1", join(folder, "..data"));
    symlinkSync("..data/05-enid.conf", file);
    watch();
    await changesAfter(1);
    symlinkSync("..v2", join(folder, "..data_tmp"));
    renameSync(join(folder, "..data_tmp"), join(folder, "..data"));
    await changesAfter(2);
    expect(changes).toEqual(["valid 1", "valid 2"]);
  });
});
