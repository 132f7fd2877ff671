import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { hostname, networkInterfaces } from "node:os";
import { coerceError } from "../../errors.ts";
import type { NodeAddress } from "../../manager/ports/index.ts";
import type { Machine } from "./machine.ts";

export interface LinuxMachineOptions {
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Where the identity is looked for, in this order. Default: those of systemd and of D-Bus. */
  readonly identityFiles?: readonly string[];
  /** The command that lists addresses as JSON, with its arguments. Default: iproute2's. */
  readonly command?: readonly [string, ...string[]];
}

/** machine-id(5); D-Bus keeps the same id on machines without systemd. */
const IDENTITY_FILES = ["/etc/machine-id", "/var/lib/dbus/machine-id"];
const COMMAND: readonly [string, ...string[]] = ["ip", "-json", "address"];
/** `ip` answers in milliseconds; a machine that cannot run it for this long is no reason to keep pods waiting. */
const COMMAND_LIMIT_MS = 5_000;
/** Some thousand devices, one per pod. */
const OUTPUT_LIMIT_BYTES = 32 * 1024 * 1024;

export function linuxMachine({
  environment,
  identityFiles = IDENTITY_FILES,
  command = COMMAND,
}: LinuxMachineOptions): Machine {
  return {
    identity: async () => environment.ENID_MACHINE_ID || (await readIdentity(identityFiles)),
    hostname,
    addresses: async (signal) => {
      try {
        return { addresses: addressesOf(JSON.parse(await run(command, environment, signal))) };
      } catch (thrown) {
        return {
          addresses: addressesByLibrary(),
          partly: `${command.join(" ")}: ${coerceError(thrown).message.trim()}`,
        };
      }
    },
  };
}

async function readIdentity(files: readonly string[]): Promise<string | undefined> {
  for (const file of files) {
    const text = await readFile(file, "utf8").catch(() => "");
    // "uninitialized" while the first boot of an image has not ended (machine-id(5)).
    if (/^[0-9a-f]{32}$/.test(text.trim())) return text.trim();
  }
  return undefined;
}

function run(
  [file, ...args]: readonly [string, ...string[]],
  { PATH = "/usr/sbin:/usr/bin:/sbin:/bin" }: Readonly<Record<string, string | undefined>>,
  signal: AbortSignal | undefined,
): Promise<string> {
  const options = {
    timeout: COMMAND_LIMIT_MS,
    maxBuffer: OUTPUT_LIMIT_BYTES,
    env: { PATH, LC_ALL: "C" },
    ...(signal === undefined ? {} : { signal }),
  };
  return new Promise((resolve, reject) => {
    execFile(file, args, options, (error, stdout) => (error === null ? resolve(stdout) : reject(error)));
  });
}

/** What `ip -json address` prints: a device each, with `ifname` and its addresses in `addr_info` as `local`. */
function addressesOf(printed: unknown): NodeAddress[] {
  if (!Array.isArray(printed)) throw new TypeError("what it printed is no list");
  return printed.flatMap(({ ifname, addr_info }: { ifname?: unknown; addr_info?: unknown }) => {
    const infos: readonly { local?: unknown }[] = Array.isArray(addr_info) ? addr_info : [];
    return infos.flatMap(({ local }) =>
      typeof local === "string" ? [{ address: local, device: typeof ifname === "string" ? ifname : "" }] : [],
    );
  });
}

/** Node's own list leaves out devices that are down, or up without a carrier, such as a bridge without pods. */
function addressesByLibrary(): NodeAddress[] {
  return Object.entries(networkInterfaces()).flatMap(([device, entries = []]) =>
    entries.map(({ address }) => ({ address, device })),
  );
}
