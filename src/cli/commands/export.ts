import { networkInterfaces } from "node:os";
import path from "node:path";
import type { SettingValues } from "../../configuration/index.ts";
import { coerceError, EnidError } from "../../errors.ts";
import type { UplinkPassword } from "../../handoff/bird/index.ts";
import { CONFIGURATION_FLAG, defineCommand, JSON_FLAG } from "../command.ts";

export const exportFile = defineCommand({
  name: "export",
  description:
    "Prints a complete bird.conf for this node, made from the section bgp of its configuration. Needs no daemon and\nchanges nothing but the file of --output. Passwords are read from their files; without --output and\n--with-passwords they are left out, and BIRD refuses the line that says so.",
  positionals: "bird",
  positionalCount: [1, 1],
  flags: {
    "read-eni-configuration": { ...CONFIGURATION_FLAG, help: "The CNI network configuration with the key bgp." },
    output: {
      type: "string",
      value: "FILE",
      help: "Write it there instead, with the passwords, readable for its owner and group alone (0640).",
    },
    "with-passwords": { type: "boolean", help: "Print the passwords." },
    json: JSON_FLAG,
  },
  examples: [
    {
      line: "enid export bird --read-eni-configuration /etc/cni/net.d/05-cilium.conf --output /etc/bird/bird.conf",
      what: "On a node, before `birdc configure`.",
    },
    { line: "enid export bird --read-cni-conf 05-cilium.conf", what: "To look at it." },
  ],
  async run({ flags, positionals, output }) {
    const [subject = ""] = positionals;
    if (subject !== "bird") {
      const detail = `${JSON.stringify(subject)} cannot be exported; allowed is bird`;
      throw new EnidError("ENID_USAGE", { detail, command: "export" });
    }
    const { birdConf } = await import("../../handoff/bird/index.ts");
    const values = await readSettings(flags["read-eni-configuration"]);
    const passwords = await readPasswords(values, flags.output !== undefined || flags["with-passwords"]);
    const text = birdConf({ values, nodeAddress: firstAddress(), passwords });
    const file = flags.output === undefined ? undefined : path.resolve(flags.output);
    if (file !== undefined) await write(file, text);
    // What went into the file is not printed as well: it holds the passwords.
    if (flags.json) output.line(JSON.stringify(file === undefined ? { configuration: text } : { file }));
    else output.line(file === undefined ? text.trimEnd() : `${file} is written; check it with: bird -p -c ${file}`);
    return 0;
  },
});

async function readSettings(file: string | undefined): Promise<SettingValues> {
  const { effectiveSettings, readConfigurationFile } = await import("../../configuration/index.ts");
  return effectiveSettings(file === undefined ? undefined : await readConfigurationFile(file), {}).values;
}

/** Of each uplink. A file that cannot be used is an error also where its password is not shown. */
async function readPasswords({ uplinks }: SettingValues, shown: boolean): Promise<UplinkPassword[]> {
  const { readPasswordFile } = await import("../../handoff/bird/index.ts");
  const passwords: UplinkPassword[] = [];
  for (const { "password-file": file } of uplinks) {
    if (file === undefined) passwords.push(undefined);
    else {
      const text = await readPasswordFile(file);
      passwords.push(shown ? { text } : "hidden");
    }
  }
  return passwords;
}

/** The node's first IPv4 address, in the order of its devices; none of loopback. */
function firstAddress(): string | undefined {
  const addresses = Object.values(networkInterfaces()).flatMap((own) => own ?? []);
  return addresses.find(({ family, internal }) => family === "IPv4" && !internal)?.address;
}

/** BIRD reads it as its own user: owner and group are those of the file before, or else the group of the folder. */
async function write(file: string, text: string): Promise<void> {
  const { replaceFile } = await import("../../handoff/bird/index.ts");
  try {
    await replaceFile(file, text, { mode: 0o640, asBefore: true });
  } catch (cause) {
    throw new EnidError("ENID_OUTPUT_FAILED", { file, detail: coerceError(cause).values.detail ?? "" }, { cause });
  }
}
