import { chmod, lstat, mkdir, readdir, stat, unlink } from "node:fs/promises";
import { connect } from "node:net";
import { basename, dirname, isAbsolute } from "node:path";
import type { FastifyInstance } from "fastify";
import { coerceError, EnidError } from "../../errors.ts";
import { deletionFolder } from "./deletion-files.ts";

/** Length of sun_path in Linux' sockaddr_un, less the terminating zero. */
const PATH_LIMIT_BYTES = 107;

/**
 * Serves on a Unix socket that only enid's user can reach: the socket is 0600, its folder 0700 whatever the umask.
 * What a crashed daemon left at the path is removed, but only when nobody answers there. Rejects with
 * ENID_SOCKET_IN_USE or ENID_SOCKET_PATH. Two daemons that start at the same moment are kept apart by the lock of the
 * state, which is taken before.
 */
export async function listenOnSocket(fastify: FastifyInstance, path: string): Promise<void> {
  if (!isAbsolute(path)) throw unusable(path, "it is not an absolute path");
  const lengthBytes = Buffer.byteLength(path);
  if (lengthBytes > PATH_LIMIT_BYTES)
    throw unusable(path, `it has ${lengthBytes} bytes, at most 107 fit into a socket`);
  try {
    await preparePrivateFolder(path);
    await removeStaleSocket(path);
    await fastify.listen({ path });
    await chmod(path, 0o600);
  } catch (error) {
    if (error instanceof EnidError) throw error;
    throw new EnidError("ENID_SOCKET_PATH", { socket: path, detail: coerceError(error).message }, { cause: error });
  }
}

/** A folder made here is 0700. A foreign one is never changed: it may be /tmp or /run. */
async function preparePrivateFolder(path: string): Promise<void> {
  const folder = dirname(path);
  const made = await mkdir(folder, { recursive: true, mode: 0o700 });
  if (made !== undefined) await chmod(folder, 0o700);
  const facts = await stat(folder);
  if (facts.uid !== process.geteuid?.()) {
    throw unusable(path, `its folder belongs to user ${facts.uid}, enid runs as ${process.geteuid?.()}`);
  }
  if ((facts.mode & 0o077) === 0) return;
  // Kubernetes and systemd make folders 0755. One that holds nothing else is enid's own and can be closed.
  const own = [basename(path), basename(deletionFolder(path))];
  const foreign = (await readdir(folder)).find((name) => !own.includes(name));
  if (foreign !== undefined) {
    const mode = (facts.mode & 0o7777).toString(8).padStart(4, "0");
    throw unusable(path, `others may enter its folder (mode ${mode}), which also holds ${JSON.stringify(foreign)}`);
  }
  await chmod(folder, 0o700);
}

async function removeStaleSocket(path: string): Promise<void> {
  const facts = await lstat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  if (facts === undefined) return;
  if (!facts.isSocket()) throw unusable(path, "something that is not a socket lies there");
  const answer = await probe(path);
  if (answer === "ENOENT") return;
  if (answer !== "ECONNREFUSED") throw new EnidError("ENID_SOCKET_IN_USE", { socket: path });
  await unlink(path);
}

/** "connected", or the code of the error. On a Unix socket the kernel decides at once, so nothing waits here. */
function probe(path: string): Promise<string> {
  return new Promise((resolve) => {
    const connection = connect(path);
    connection.once("connect", () => {
      connection.destroy();
      resolve("connected");
    });
    connection.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? "unknown"));
  });
}

function unusable(socket: string, detail: string): EnidError {
  return new EnidError("ENID_SOCKET_PATH", { socket, detail });
}
