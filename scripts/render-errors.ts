import { catalogue, type ErrorCode, type ErrorEntry } from "../src/errors.ts";

const INTRODUCTION = `# Errors

Every failure that enid reports has one of these codes. A code never changes its meaning and is not used again once it is gone.
The same error appears in the log (\`code\`), in \`--json\` output, in \`enid status\`, in the answer to the container runtime and in
the metrics. \`{name}\` stands for a value.

*CNI code* is what the plugin \`enid-ipam\` answers with: 11 asks the runtime to try again later, 50 says through STATUS that no
pod can be served now, 100 and above are enid's own, the others are those of the CNI specification. *Exit code* is that of a
command that ends with the error: 1 it failed, 2 it was called wrongly, 3 the configuration is not valid, 4 no daemon answers.

This page is written by \`npm run docs\` from src/error-catalogue/; a test keeps the two equal.
`;

/** docs/errors.md, whole. */
export function renderErrors(): string {
  const codes = Object.keys(catalogue) as ErrorCode[];
  return [INTRODUCTION, ...codes.map((code) => renderError(code, catalogue[code]))].join("\n");
}

function renderError(code: string, { message, remedy, cni, exit }: ErrorEntry): string {
  return [
    `## ${code}`,
    "",
    `> ${plain(message)}`,
    "",
    plain(remedy),
    "",
    `${cni === undefined ? "" : `CNI code ${cni}, `}${cni === undefined ? "Exit" : "exit"} code ${exit}.`,
    "",
  ].join("\n");
}

/** Placeholders and angle brackets as they are, not as markup. */
function plain(text: string): string {
  return text.replaceAll("<", "&lt;");
}
