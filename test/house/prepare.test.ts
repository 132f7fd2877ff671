import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ROOT } from "./source-files.ts";

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "enid-prepare-"));
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

function prepare(variables: Record<string, string>, ...args: string[]) {
  const env = { npm_config_user_agent: "npm/11.0.0 node/v24.0.0", ...variables };
  return spawnSync(process.execPath, [join(ROOT, "scripts", "prepare.mjs"), ...args], { env, encoding: "utf8" });
}

describe("prepare.mjs", () => {
  it("says nothing when all is there", () => {
    const result = prepare({ PATH: process.env.PATH ?? "" }, "start");
    expect(result).toMatchObject({ status: 0, stdout: "", stderr: "" });
  });

  it("names what is missing and the command to run when it may not install it", () => {
    // Without apt-get on the PATH it may not, not even as root.
    const result = prepare({ PATH: folder, CC: "no-such-compiler" }, "test");
    expect(result.status).toBe(1);
    expect(result.stderr).toMatch(/missing: a C compiler/);
    expect(result.stderr).toMatch(
      /sudo apt-get install -y --no-install-recommends gcc libc6-dev iproute2 docker-compose /,
    );
    expect(result.stderr).toMatch(/sudo dnf install -y gcc /);
  });

  it("refuses an npm that is too old, and another purpose than it knows", () => {
    const old = prepare({ npm_config_user_agent: "npm/9.5.1 node/v18.0.0" }, "start");
    expect(old).toMatchObject({ status: 1, stderr: expect.stringContaining("npm install --global npm@10") });
    expect(prepare({}, "everything")).toMatchObject({
      status: 1,
      stderr: expect.stringContaining("start, test, test:redis, bench"),
    });
  });
});

describe("the lock of prepare.mjs", () => {
  const children: ChildProcess[] = [];
  afterEach(() => {
    for (const child of children.splice(0)) child.kill("SIGKILL");
  });

  /** Takes the lock, notes its number in `notes`, keeps the lock until `release` exists, notes its end. */
  function contender(number: number): ChildProcess {
    const script = `
      import { appendFileSync, existsSync } from "node:fs";
      import { withLock } from ${JSON.stringify(join(ROOT, "scripts", "prepare-lock.mjs"))};
      const pause = () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
      withLock("lock", (message) => appendFileSync("notes", "waits ${number}\\n"), () => {
        appendFileSync("notes", "begins ${number}\\n");
        while (!existsSync("release")) pause();
        appendFileSync("notes", "ends ${number}\\n");
      });`;
    const child = spawn(process.execPath, ["--input-type=module", "-e", script], { cwd: folder, stdio: "inherit" });
    children.push(child);
    return child;
  }

  const notes = () => (existsSync(join(folder, "notes")) ? readFileSync(join(folder, "notes"), "utf8") : "");
  const ended = (child: ChildProcess) => new Promise((resolve) => child.once("exit", resolve));

  it("lets one process after the other work", async () => {
    const all = [1, 2, 3].map(contender);
    const exits = Promise.all(all.map(ended));
    await vi.waitUntil(() => notes().match(/waits/g)?.length === 2, { timeout: 10_000 });
    expect(notes().match(/begins/g)).toHaveLength(1);
    writeFileSync(join(folder, "release"), "");
    expect(await exits).toEqual([0, 0, 0]);
    expect(notes().replace(/waits \d\n/g, "")).toMatch(/^(?:begins (\d)\nends \1\n){3}$/);
    expect(existsSync(join(folder, "lock"))).toBe(false);
  });

  it("is taken over from a process that is gone", async () => {
    const gone = spawnSync(process.execPath, ["-e", ""]).pid;
    writeFileSync(join(folder, "lock"), String(gone));
    mkdirSync(join(folder, "release"));
    expect(await Promise.all([contender(1), contender(2)].map(ended))).toEqual([0, 0]);
    expect(notes().replace(/waits \d\n/g, "")).toMatch(/^(?:begins (\d)\nends \1\n){2}$/);
  });
});
