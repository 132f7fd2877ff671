import { chmod, mkdir, readdir, rename, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import fastifyFactory, { type FastifyInstance } from "fastify";
import { afterEach, beforeEach, expect, it } from "vitest";
import { listenOnSocket } from "../../../src/handoff/cni/index.ts";
import { makePlace, type Place, startRawServer } from "./helpers.ts";

let place: Place;
let fastify: FastifyInstance;
let umask: number;

beforeEach(async () => {
  place = await makePlace();
  fastify = fastifyFactory();
  umask = process.umask();
});

afterEach(async () => {
  process.umask(umask);
  await fastify.close();
  await place.remove();
});

const modeOf = async (path: string) => (await stat(path)).mode & 0o777;

it.each([0o000, 0o022, 0o077, 0o777])("makes a private socket in a private folder under umask %o", async (mask) => {
  const folder = join(place.folder, "run", "enid");
  await mkdir(join(place.folder, "run"));
  process.umask(mask);
  await listenOnSocket(fastify, join(folder, "enid.sock"));
  expect(await modeOf(folder)).toBe(0o700);
  expect(await modeOf(join(folder, "enid.sock"))).toBe(0o600);
});

it("closes a folder of its own that was made open, as Kubernetes and systemd make it", async () => {
  const folder = join(place.folder, "enid");
  await mkdir(folder);
  await mkdir(join(folder, "del-queue"));
  await chmod(folder, 0o755);
  await listenOnSocket(fastify, join(folder, "enid.sock"));
  expect(await modeOf(folder)).toBe(0o700);
});

it("never changes an open folder that holds other things", async () => {
  await chmod(place.folder, 0o755);
  await writeFile(join(place.folder, "passwd"), "");
  await expect(listenOnSocket(fastify, place.socket)).rejects.toMatchObject({
    code: "ENID_SOCKET_PATH",
    message: expect.stringContaining('others may enter its folder (mode 0755), which also holds "passwd"'),
  });
  expect(await modeOf(place.folder)).toBe(0o755);
});

it("replaces the socket that a killed daemon left", async () => {
  const killed = await startRawServer(place.socket, () => {});
  await rename(place.socket, `${place.socket}.kept`); // a server that closes removes its own path
  await killed.close();
  await rename(`${place.socket}.kept`, place.socket);
  await listenOnSocket(fastify, place.socket);
  expect(await modeOf(place.socket)).toBe(0o600);
});

it("refuses a socket on which another daemon answers, and leaves it alone", async () => {
  let connections = 0;
  const other = await startRawServer(place.socket, () => {
    connections += 1;
  });
  await expect(listenOnSocket(fastify, place.socket)).rejects.toMatchObject({ code: "ENID_SOCKET_IN_USE" });
  expect(connections).toBe(1);
  expect(await readdir(place.folder)).toEqual(["enid.sock"]);
  await other.close();
});

it("removes nothing that is not a socket", async () => {
  await writeFile(place.socket, "precious");
  await expect(listenOnSocket(fastify, place.socket)).rejects.toMatchObject({
    code: "ENID_SOCKET_PATH",
    message: expect.stringContaining("something that is not a socket"),
  });
  expect(await readdir(place.folder)).toEqual(["enid.sock"]);
});

it("follows no link to somebody else's socket", async () => {
  const other = await startRawServer(join(place.folder, "other.sock"), () => {});
  await symlink("other.sock", place.socket);
  await expect(listenOnSocket(fastify, place.socket)).rejects.toMatchObject({ code: "ENID_SOCKET_PATH" });
  await other.close();
});

it.each([
  ["enid.sock", "it is not an absolute path"],
  [`/tmp/${"s".repeat(103)}`, "it has 108 bytes, at most 107 fit into a socket"],
  [`/tmp/${"ü".repeat(52)}`, "it has 109 bytes, at most 107 fit into a socket"],
])("refuses the path %s", async (path, detail) => {
  await expect(listenOnSocket(fastify, path)).rejects.toMatchObject({
    code: "ENID_SOCKET_PATH",
    message: `the socket ${path} cannot be used: ${detail}`,
  });
});

it("says why a folder cannot be made", async () => {
  await writeFile(join(place.folder, "file"), "");
  await expect(listenOnSocket(fastify, join(place.folder, "file", "enid.sock"))).rejects.toMatchObject({
    code: "ENID_SOCKET_PATH",
    message: expect.stringMatching(/ENOTDIR|EEXIST/),
  });
});

it("takes a path of exactly 107 bytes", async () => {
  const path = join(place.folder, "s".repeat(106 - place.folder.length));
  expect(Buffer.byteLength(path)).toBe(107);
  await listenOnSocket(fastify, path);
  expect(await modeOf(path)).toBe(0o600);
});
