import { coerceError } from "../../errors.ts";
import { defineCommand, JSON_FLAG } from "../command.ts";
import { renderValidation, type Validation, validationJson } from "../render/validation.ts";

export const validate = defineCommand({
  name: "validate",
  description:
    "Checks configuration files as the daemon would read them, without applying anything. Every problem is shown with its\nplace, what is allowed, and for a misspelt key the one that was probably meant. Exit code 3 when any file is invalid.",
  positionals: "FILE...",
  positionalCount: [1, 100],
  flags: { json: JSON_FLAG },
  examples: [
    { line: "enid validate /etc/cni/net.d/05-cilium.conf", what: "Before the file goes to a node." },
    {
      line: "enid validate --json *.conf | jq '.files[].settings.values'",
      what: "The effective settings of each file.",
    },
  ],
  async run({ flags, positionals, output }) {
    const validations: Validation[] = [];
    for (const file of positionals) validations.push(await check(file));
    if (flags.json) output.line(JSON.stringify({ files: validations.map(validationJson) }));
    else {
      const parts = validations.map((validation) => renderValidation(validation, output.style).join("\n"));
      output.line(parts.join("\n\n"));
    }
    return validations.every((validation) => validation.valid) ? 0 : 3;
  },
});

async function check(file: string): Promise<Validation> {
  const { effectiveSettings, readConfiguration, readConfigurationBytes } = await import("../../configuration/index.ts");
  let bytes: Uint8Array = new Uint8Array();
  try {
    bytes = await readConfigurationBytes(file);
    const configuration = readConfiguration(bytes, file);
    return { file, valid: true, configuration, settings: effectiveSettings(configuration, {}) };
  } catch (thrown) {
    return { file, valid: false, error: coerceError(thrown), text: new TextDecoder().decode(bytes) };
  }
}
