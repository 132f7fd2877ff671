/** Keys whose value is a secret. Those that end with "file" name where one is, which is how it should be. */
const SECRET_KEY = /(?:pass(?:word|wd|phrase)?|secret|token|credentials?|(?:private|access|api|auth)[-_]?key|auth)$/i;

/** Texts that are secrets whatever their key is: private keys, credentials in a URL, access keys of AWS. */
const SECRET_TEXT =
  /-----BEGIN [A-Z ]*PRIVATE KEY-----|\b[a-z][a-z0-9+.-]*:\/\/[^/\s:@]*:[^/\s@]+@|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b/;

/**
 * JSON pointers of what looks like a secret in a configuration. User data can be read by every process of the node and by
 * everybody who may describe the instance, so that none may get into it.
 */
export function secretsIn(value: unknown, pointer = ""): string[] {
  if (typeof value === "string") return SECRET_TEXT.test(value) ? [pointer] : [];
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => {
    const at = `${pointer}/${key.replaceAll("~", "~0").replaceAll("/", "~1")}`;
    if (SECRET_KEY.test(key) && typeof inner === "string" && inner !== "") return [at];
    return secretsIn(inner, at);
  });
}
