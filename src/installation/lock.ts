import { createServer } from "node:net";
import { coerceError, EnidError } from "../errors.ts";
import { sha256Of } from "./disk.ts";

/**
 * Runs `work` while no other install or uninstall does for this root. The lock is a name that the kernel gives to one process and
 * takes back when it ends, however it ends (unix(7), "abstract").
 *
 * @throws EnidError ENID_INSTALL_BUSY, and what `work` throws.
 */
export async function withLock<Result>(root: string, work: () => Promise<Result>): Promise<Result> {
  const server = createServer((connection) => connection.destroy());
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      reject(error.code === "EADDRINUSE" ? new EnidError("ENID_INSTALL_BUSY", { root }) : coerceError(error));
    });
    server.listen(`\0enid-install-${sha256Of(new TextEncoder().encode(root)).slice(0, 32)}`, resolve);
  });
  try {
    return await work();
  } finally {
    server.close();
  }
}
