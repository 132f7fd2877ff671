import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { isMissing, readConfigurationBytes, readConfigurationFile } from "../../src/configuration/index.ts";
import { EnidError } from "../../src/errors.ts";

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "enid-configuration-"));
});

afterEach(() => {
  rmSync(folder, { recursive: true });
});

async function failure(file: string): Promise<EnidError> {
  const error: unknown = await readConfigurationFile(file).then(
    () => undefined,
    (reason) => reason,
  );
  if (error instanceof EnidError) return error;
  throw new Error(`${file} did not fail with an EnidError`, { cause: error });
}

describe("the configuration file", () => {
  it("is read through symbolic links", async () => {
    const file = join(folder, "real.conf");
    const link = join(folder, "link.conf");
    writeFileSync(file, '{"ipam":{"pre-allocate":3}}');
    symlinkSync(file, link);
    expect(await readConfigurationFile(link)).toMatchObject({ file: link, values: { "pre-allocate": 3 } });
  });

  it("is read whole when it is larger than one read", async () => {
    const file = join(folder, "large.conf");
    const text = `{"ipam":{"pre-allocate":3}${" ".repeat(300_000)}}`;
    writeFileSync(file, text);
    expect((await readConfigurationFile(file)).text).toBe(text);
  });

  it("that is missing is told from one that cannot be read", async () => {
    const missing = await failure(join(folder, "missing.conf"));
    expect(missing.code).toBe("ENID_CONFIG_UNREADABLE");
    expect(missing.message).toContain("there is no such file (ENOENT)");
    expect(isMissing(missing)).toBe(true);
    const circle = join(folder, "circle.conf");
    symlinkSync(circle, circle);
    const circular = await failure(circle);
    expect(circular.message).toContain("go round in a circle (ELOOP)");
    expect(isMissing(circular)).toBe(false);
  });

  it("is no directory", async () => {
    mkdirSync(join(folder, "folder.conf"));
    expect((await failure(join(folder, "folder.conf"))).message).toContain(
      "it is a directory; allowed is a regular file",
    );
  });

  it("is no named pipe, and nobody waits for one", async () => {
    const pipe = join(folder, "pipe.conf");
    execFileSync("mkfifo", [pipe]);
    const error = await failure(pipe);
    expect(error.code).toBe("ENID_CONFIG_UNREADABLE");
    expect(error.message).toContain("it is a named pipe; allowed is a regular file");
  });

  it("is no socket", async () => {
    const socket = join(folder, "socket.conf");
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(socket, resolve));
    expect((await failure(socket)).message).toContain("socket");
    await new Promise((resolve) => server.close(resolve));
  });

  it.each(["/dev/zero", "/dev/null"])("is not %s, of which nothing is read", async (device) => {
    expect((await failure(device)).message).toContain("it is a device; allowed is a regular file");
  });

  it("of 10 MB is refused without being read", async () => {
    const file = join(folder, "huge.conf");
    writeFileSync(file, "{");
    truncateSync(file, 10_000_000_000);
    const error = await failure(file);
    expect(error.code).toBe("ENID_CONFIG_TOO_LARGE");
    expect(error.message).toContain("has 10000000000 bytes; at most 1048576 are read");
  });

  it("whose size is not known beforehand is read up to the limit", async () => {
    // Files of /proc say that they have 0 bytes.
    const small = await readConfigurationBytes("/proc/self/status");
    expect(Buffer.from(small).toString()).toContain("Pid:");
    const env = Object.fromEntries(Array.from({ length: 12 }, (_, at) => [`V${at}`, "x".repeat(100_000)]));
    const child = spawn("/bin/cat", { env, stdio: ["pipe", "ignore", "ignore"] });
    try {
      await once(child, "spawn");
      const error = await failure(`/proc/${child.pid}/environ`);
      expect(error.code).toBe("ENID_CONFIG_TOO_LARGE");
      expect(error.message).toContain("has more than 1048576 bytes; at most 1048576 are read");
    } finally {
      child.kill();
    }
  });
});
