import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { coerceError, EnidError } from "../../errors.ts";

/** TCP_MD5SIG_MAXKEYLEN of Linux. */
const LIMIT_BYTES = 80;

/**
 * The TCP MD5 password in the file: one line. It gets into no message. Throws ENID_PASSWORD_FILE when the file cannot be
 * read, when others than its owner and group may read it, or when BIRD could not take what it holds.
 */
export async function readPasswordFile(path: string): Promise<string> {
  const text = await read(path);
  const password = text.replace(/\r?\n$/, "");
  if (password === "") throw unusable(path, "it is empty");
  if (Buffer.byteLength(password) > LIMIT_BYTES) throw unusable(path, `it holds more than ${LIMIT_BYTES} bytes`);
  // BIRD's strings have no escapes.
  if (!/^[\x20-\x7e]+$/.test(password) || password.includes('"')) {
    throw unusable(path, "allowed is one line of printable ASCII characters without a double quote");
  }
  return password;
}

async function read(path: string): Promise<string> {
  try {
    const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const { mode, size } = await handle.stat().then((facts) => {
        if (!facts.isFile()) throw unusable(path, "it is not a regular file");
        return facts;
      });
      if ((mode & 0o007) !== 0) {
        const octal = (mode & 0o7777).toString(8).padStart(4, "0");
        throw unusable(path, `everybody may read it (mode ${octal}); allowed is 0600 or 0640`);
      }
      if (size > 2 * LIMIT_BYTES) throw unusable(path, `it holds more than ${LIMIT_BYTES} bytes`);
      return await handle.readFile("utf8");
    } finally {
      await handle.close();
    }
  } catch (thrown) {
    if (thrown instanceof EnidError) throw thrown;
    throw new EnidError(
      "ENID_PASSWORD_FILE",
      { file: path, detail: coerceError(thrown).values.detail ?? "" },
      { cause: thrown },
    );
  }
}

function unusable(file: string, detail: string): EnidError {
  return new EnidError("ENID_PASSWORD_FILE", { file, detail });
}
