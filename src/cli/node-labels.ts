import { EnidError } from "../errors.ts";

/** Kubernetes' syntax of labels, so that a node can be given those of its Node object. */
const LABEL_KEY = /^([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?\/)?[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/;
const LABEL_VALUE = /^([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?$/;

/** "k=v,k2=v2"; "any" = none. Throws ENID_USAGE. */
export function parseLabels(text: string, flag: string, command: string): Record<string, string> {
  const labels = new Map<string, string>();
  for (const pair of text === "any" || text === "" ? [] : text.split(",")) {
    const at = pair.indexOf("=");
    const key = pair.slice(0, Math.max(0, at)).trim();
    const value = pair.slice(at + 1).trim();
    if (!LABEL_KEY.test(key) || !LABEL_VALUE.test(value)) {
      throw usage(
        `${flag} ${JSON.stringify(pair)} is no label; allowed are KEY=VALUE as Kubernetes has them, with commas`,
        command,
      );
    }
    if (labels.has(key)) throw usage(`${flag} names ${key} twice`, command);
    labels.set(key, value);
  }
  return Object.fromEntries(labels);
}

function usage(detail: string, command: string): EnidError {
  return new EnidError("ENID_USAGE", { detail, command });
}
