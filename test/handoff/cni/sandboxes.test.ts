import { execFileSync, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createMemorySandboxes, sandboxesOnDisk } from "../../../src/handoff/cni/index.ts";
import { isInMemory } from "../../../src/handoff/cni/sandboxes.ts";
import type { Sandbox } from "../../../src/pool/index.ts";
import { sandboxesContract } from "../../contracts/sandboxes.ts";
import { describeAsRoot } from "../../support/root.ts";

const sandboxes = sandboxesOnDisk();

async function seen(path: string): Promise<Sandbox> {
  const sandbox = await sandboxes.identify(path);
  if (sandbox === undefined) throw new Error(`${path} cannot be seen`);
  return sandbox;
}

function failing(code: string): () => Promise<never> {
  return () => Promise.reject(Object.assign(new Error(code), { code }));
}

sandboxesContract("the file system", () => {
  const base = mkdtempSync(join(tmpdir(), "enid-sandboxes-"));
  const path = (name: string) => join(base, "netns", name);
  mkdirSync(join(base, "netns"));
  return {
    sandboxes,
    path,
    open: (name) => writeFileSync(path(name), ""),
    close: (name) => rmSync(path(name)),
    replace: (name) => {
      // Made while the other one is still there, so that it has another inode.
      writeFileSync(path("next"), "");
      renameSync(path("next"), path(name));
    },
    hide: () => renameSync(join(base, "netns"), join(base, "aside")),
    show: () => renameSync(join(base, "aside"), join(base, "netns")),
    dispose: () => rmSync(base, { recursive: true, force: true }),
  };
});

sandboxesContract("the twin in memory", () => {
  const memory = createMemorySandboxes();
  const path = (name: string) => `/run/netns/${name}`;
  return {
    sandboxes: memory,
    path,
    open: (name) => memory.open(path(name)),
    close: (name) => memory.close(path(name)),
    replace: (name) => memory.open(path(name)),
    hide: () => {
      memory.visible = false;
    },
    show: () => {
      memory.visible = true;
    },
    dispose: () => memory.clear(),
  };
});

describe("sandboxes, by what the file system says", () => {
  let folder: string;
  let runtime: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "enid-sandboxes-"));
    runtime = join(folder, "netns");
    mkdirSync(runtime);
    writeFileSync(join(runtime, "a"), "");
    writeFileSync(join(runtime, "b"), "");
  });

  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it("say nothing when their folder is gone, is another one, or is no folder", async () => {
    const a = await seen(join(runtime, "a"));
    renameSync(runtime, join(folder, "aside"));
    expect(await sandboxes.look([a])).toEqual(["unknown"]);
    mkdirSync(runtime);
    expect(await sandboxes.look([a])).toEqual(["unknown"]);
    writeFileSync(join(runtime, "a"), "");
    expect(await sandboxes.look([a])).toEqual(["unknown"]);
    rmSync(runtime, { recursive: true });
    writeFileSync(runtime, "");
    expect(await sandboxes.look([a])).toEqual(["unknown"]);
    rmSync(runtime);
    renameSync(join(folder, "aside"), runtime);
    expect(await sandboxes.look([a])).toEqual(["there"]);
  });

  it("say nothing when a file of another device is where the namespace was", async () => {
    const a = await seen(join(runtime, "a"));
    const [device, inode] = a.identity.split(":");
    expect(await sandboxes.look([{ ...a, identity: `${device}9:${inode}` }])).toEqual(["unknown"]);
  });

  it("are not seen at an ADD whose path leads nowhere, is not absolute or cannot be a path", async () => {
    for (const path of [join(runtime, "absent"), "a", "", `${runtime}/a\0`, "/proc/self/ns/net"]) {
      expect(await sandboxes.identify(path)).toBeUndefined();
    }
    symlinkSync(join(runtime, "absent"), join(runtime, "link"));
    expect(await sandboxes.identify(join(runtime, "link"))).toBeUndefined();
  });

  it("that do not let themselves be looked at say nothing", async () => {
    const a = await seen(join(runtime, "a"));
    for (const code of ["EACCES", "EPERM", "EIO", "ENOTDIR", "ELOOP", "ENAMETOOLONG", "ESTALE"]) {
      const blind = sandboxesOnDisk(failing(code));
      expect(await blind.look([a])).toEqual(["unknown"]);
      expect(await blind.identify(a.path)).toBeUndefined();
    }
    // Not even that there is nothing can be believed where the folder does not let itself be looked at.
    const half = sandboxesOnDisk((path) => failing(path === a.path ? "ENOENT" : "EACCES")());
    expect(await half.look([a])).toEqual(["unknown"]);
  });

  it("that hang hold up neither an ADD for another path nor the process", async () => {
    let asked = 0;
    const stuck = sandboxesOnDisk((path) => {
      asked += 1;
      return path === "/stuck/a" ? new Promise(() => {}) : Promise.resolve({ dev: 4n, ino: BigInt(path.length) });
    });
    void stuck.identify("/stuck/a");
    expect(await stuck.identify("/run/b")).toEqual({ path: "/run/b", identity: "4:6", folder: "4:4" });
    void stuck.identify("/stuck/a");
    void stuck.identify("/stuck/a");
    await new Promise(setImmediate);
    // Two looks are under way at most, whoever hangs.
    expect(asked).toBeLessThanOrEqual(6);
  });

  describe("of processes", () => {
    const own = { dev: 4n, ino: 0xeffffffcn };

    function machine(pidNamespace: { dev: bigint; ino: bigint }, processes: Record<string, bigint>) {
      return sandboxesOnDisk((path) => {
        if (path === "/proc/self/ns/pid") return Promise.resolve(pidNamespace);
        const ino = processes[path];
        return ino === undefined ? failing("ENOENT")() : Promise.resolve({ dev: 4n, ino });
      });
    }

    it("are gone with their process, and when another process has its number", async () => {
      const path = "/proc/77/ns/net";
      const sandbox = await machine(own, { [path]: 9n }).identify(path);
      if (sandbox === undefined) throw new Error("not seen");
      expect(sandbox).toEqual({ path, identity: "4:9", folder: "4:4026531836" });
      expect(await machine(own, { [path]: 9n }).look([sandbox])).toEqual(["there"]);
      expect(await machine(own, {}).look([sandbox])).toEqual(["gone"]);
      expect(await machine(own, { [path]: 10n }).look([sandbox])).toEqual(["gone"]);
    });

    it("are never judged from another PID namespace, where the numbers mean other processes", async () => {
      const path = "/proc/77/ns/net";
      const container = { dev: 4n, ino: 4026532300n };
      expect(await machine(container, { [path]: 9n }).identify(path)).toBeUndefined();
      const sandbox = { path, identity: "4:9", folder: "4:4026531836" };
      expect(await machine(container, {}).look([sandbox])).toEqual(["unknown"]);
      expect(await machine(container, { [path]: 10n }).look([sandbox])).toEqual(["unknown"]);
    });
  });
});

describeAsRoot("sandboxes that are real network namespaces", () => {
  const ours = `enid-sbx-${process.pid}-${randomBytes(3).toString("hex")}`;
  const names = [`${ours}-a`, `${ours}-b`] as const;
  const [a, b] = [`/run/netns/${names[0]}`, `/run/netns/${names[1]}`];
  const run = (command: string, ...args: string[]) => execFileSync(command, args, { stdio: "pipe" });

  afterEach(() => {
    for (const name of names) {
      try {
        run("ip", "netns", "del", name);
      } catch {
        // Deleted by the test.
      }
    }
  });

  it("at /run/netns are there, and gone when they are deleted", async () => {
    run("ip", "netns", "add", names[0]);
    const sandbox = await seen(a);
    expect(await sandboxes.look([sandbox])).toEqual(["there"]);
    run("ip", "netns", "del", names[0]);
    expect(await sandboxes.look([sandbox])).toEqual(["gone"]);
  });

  it("are gone when another one has their name, and where only the mount vanished nothing is said", async () => {
    for (const name of names) run("ip", "netns", "add", name);
    const sandbox = await seen(a);
    run("umount", a);
    expect(await sandboxes.look([sandbox])).toEqual(["unknown"]);
    run("mount", "--bind", b, a);
    expect(await sandboxes.look([sandbox, await seen(b)])).toEqual(["gone", "there"]);
  });

  it("of a process are there, and gone with it", async () => {
    const child = spawn("unshare", ["--net", "sleep", "60"]);
    try {
      await once(child, "spawn");
      const path = `/proc/${child.pid}/ns/net`;
      const before = await seen(`/proc/${process.pid}/ns/net`);
      // For a moment it is still in the namespace that it leaves.
      await vi.waitFor(async () => expect((await seen(path)).identity).not.toBe(before.identity), { timeout: 10_000 });
      const sandbox = await seen(path);
      expect(await sandboxes.look([sandbox, before])).toEqual(["there", "there"]);
      child.kill("SIGKILL");
      await once(child, "exit");
      expect(await sandboxes.look([sandbox, before])).toEqual(["gone", "there"]);
    } finally {
      child.kill("SIGKILL");
    }
  });
});

describe("a look that waits for nothing", () => {
  it.each([
    ["/run/netns/cni-1", true],
    ["/var/run/netns/cni-1", true],
    ["/run/netns", true],
    ["/proc/4711/ns/net", true],
    ["/proc/self/ns/pid", true],
    ["/proc/4711/root/mnt/slow", false],
    ["/run/netns/../../mnt/slow", false],
    ["/run/user/1000/doc/by-app", false],
    ["/var/lib/netns/cni-1", false],
  ])("%s: %s", (path, expected) => {
    expect(isInMemory(path)).toBe(expected);
  });
});
