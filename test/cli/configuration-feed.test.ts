import { rename, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { type Clock, systemClock } from "../../src/adapters/index.ts";
import { feedConfiguration, readOffer } from "../../src/cli/configuration-feed.ts";
import { EnidError } from "../../src/errors.ts";
import type { ConfigurationOffer, EnidEvent } from "../../src/manager/index.ts";
import { temporaryFolder } from "./fake-daemon.ts";

/** Time runs a hundred times faster: looks and pauses are milliseconds. */
const clock: Clock = { ...systemClock, after: (delayMs, callback) => systemClock.after(delayMs / 100, callback) };

function configuration(minAllocate: number): string {
  return JSON.stringify({ cniVersion: "1.0.0", name: "c", type: "cilium-cni", ipam: { "min-allocate": minAllocate } });
}

/** "valid 10", "invalid", "missing": what an offer says. */
function summary(offer: ConfigurationOffer): string {
  return offer.kind === "valid" ? `valid ${offer.configuration.values["min-allocate"]}` : offer.kind;
}

/** A feed on a file of its own, with what it offered. */
async function feedOf(content: string | undefined, refuse: () => boolean = () => false) {
  const file = path.join(await temporaryFolder(), "enid.conf");
  if (content !== undefined) await writeFile(file, content);
  const offered: string[] = [];
  const refused: string[] = [];
  const events: EnidEvent[] = [];
  const stop = feedConfiguration({
    file,
    first: await readOffer(file),
    clock,
    telemetry: { event: (event) => void events.push(event), cloudCall() {}, served() {} },
    offer: async (offer) => {
      if (refuse()) {
        refused.push(summary(offer));
        throw new EnidError("ENID_STATE_WRITE_FAILED", { detail: "disk full" });
      }
      offered.push(summary(offer));
    },
  });
  onTestFinished(stop);
  /** As operators and Kubernetes do it: whole, at once. */
  const replace = async (text: string) => {
    await writeFile(`${file}.new`, text);
    await rename(`${file}.new`, file);
  };
  return { file, offered, refused, events, stop, replace };
}

/** Long enough for the watch to have looked several times. */
function someLooks(): Promise<void> {
  return new Promise((resolve) => clock.after(20_000, resolve));
}

describe("the first offer", () => {
  it("is none without a file, and otherwise says what the file is", async () => {
    const folder = await temporaryFolder();
    const file = path.join(folder, "enid.conf");
    expect(await readOffer(undefined)).toEqual({ kind: "none" });
    expect(summary(await readOffer(file))).toBe("missing");
    expect(summary(await readOffer(folder))).toBe("invalid");
    await writeFile(file, "{");
    expect(summary(await readOffer(file))).toBe("invalid");
    await writeFile(file, configuration(7));
    expect(summary(await readOffer(file))).toBe("valid 7");
  });
});

describe("the feed of configurations", () => {
  it("offers each new content once, also the broken and the missing one, and not the first again", async () => {
    const { file, offered, replace } = await feedOf(configuration(1));
    await someLooks();
    expect(offered).toEqual([]);
    await replace(configuration(2));
    await expect.poll(() => offered).toEqual(["valid 2"]);
    await replace("{ broken");
    await expect.poll(() => offered.at(-1)).toBe("invalid");
    await rm(file);
    await expect.poll(() => offered.at(-1)).toBe("missing");
    await replace(configuration(2));
    await expect.poll(() => offered).toEqual(["valid 2", "invalid", "missing", "valid 2"]);
  });

  it.each([
    ["broken", "{ broken"],
    ["missing", undefined],
  ])("does not tell again what was %s at the start, but tells what comes after", async (_what, content) => {
    const { offered, replace } = await feedOf(content);
    await someLooks();
    expect(offered).toEqual([]);
    await replace("{ broken in another way");
    await expect.poll(() => offered).toEqual(["invalid"]);
    await replace(configuration(3));
    await expect.poll(() => offered).toEqual(["invalid", "valid 3"]);
  });

  it("offers again what could not be applied, until it is", async () => {
    let full = true;
    const { offered, refused, events, replace } = await feedOf(configuration(1), () => full);
    await replace(configuration(2));
    await expect.poll(() => refused.length).toBeGreaterThan(1);
    full = false;
    await expect.poll(() => offered).toEqual(["valid 2"]);
    expect(events[0]).toMatchObject({ name: "configuration-deferred", level: "error" });
    expect(events[0]?.message).toContain("ENID_STATE_WRITE_FAILED");
  });

  it("offers a newer content in place of one that could not be applied", async () => {
    let full = true;
    const { offered, refused, replace } = await feedOf(configuration(1), () => full);
    await replace(configuration(2));
    await expect.poll(() => refused.length).toBeGreaterThan(0);
    await replace(configuration(3));
    await expect.poll(() => refused.at(-1)).toBe("valid 3");
    full = false;
    await expect.poll(() => offered).toEqual(["valid 3"]);
  });

  it("offers nothing once it is stopped", async () => {
    const { offered, stop, replace } = await feedOf(configuration(1));
    stop();
    await replace(configuration(2));
    await someLooks();
    expect(offered).toEqual([]);
  });
});
